"""A real PLC program on the bench: edges given by hand, words over a bus that can fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plc_sim.image import MailboxImage
from plc_sim.plc import Plc
from plc_sim.plc_kernels import Pending
from sorter.config.models import Chute, Line, Mailbox, PhotoEye, Station, Zone
from sorter.errors import LinkError
from sorter.model.codes import ChuteBit, EventKind, LineState, ModeReason
from sorter.model.columns import (
    COMMAND_WIDTH,
    ChuteColumn,
    ChuteStateColumn,
    EyeColumn,
    LineField,
    StationColumn,
    ZoneColumn,
)
from sorter.model.frames import Rows, Words, no_rows
from sorter.model.layout import LineLayout
from sorter.model.mailbox import EVENT_WORDS, SCAN_WORDS
from sorter.ports import Acknowledged
from sorter.runtime.mailbox_client import MailboxClient

EPOCH = 0x5000_0001
SMALL = Mailbox(event_slots=37, scan_slots=5)
START_EVENTS = 4
"""That a PLC reports when it starts: three chutes, one line state."""
NO_COMMANDS = no_rows(COMMAND_WIDTH)
UNKNOWN = Acknowledged(0, 0, 0)
SCAN_MS = 4
COUNTS_PER_SCAN = 10


def bench_line() -> Line:
    return Line(
        name="bench",
        topology="line",
        length_mm=10_000,
        belt_speed_mm_s=2500,
        zones=(Zone(name="all", start_mm=0, end_mm=10_000),),
        photo_eyes=(PhotoEye(name="in", position_mm=100, inducts=True),),
        scanners=(Station(name="top", position_mm=500),),
        chutes=(
            Chute(name="c1", position_mm=3000),
            Chute(name="c2", position_mm=5000),
            Chute(name="end", position_mm=9900, side="end"),
        ),
    )


def bench_layout() -> LineLayout:
    """The same as tables, one count a millimetre."""
    chutes = np.zeros((len(ChuteColumn), 3), np.int64)
    chutes[ChuteColumn.POSITION] = (3000, 5000, 9900)
    chutes[ChuteColumn.CAPACITY] = (10, 0, 0)
    chutes[ChuteColumn.CAPACITY_LENGTH] = (0, 4000, 0)
    return LineLayout(
        name="bench",
        mm_per_count=1.0,
        belt_speed_mm_s=2000.0,
        line=np.zeros(len(LineField), np.int64),
        eyes=np.zeros((len(EyeColumn), 1), np.int64),
        scanners=np.zeros((len(StationColumn), 1), np.int64),
        scales=np.zeros((len(StationColumn), 0), np.int64),
        zones=np.zeros((len(ZoneColumn), 1), np.int64),
        chutes=chutes,
        eye_names=("in",),
        scanner_names=("top",),
        scale_names=(),
        zone_names=("all",),
        chute_names=("c1", "c2", "end"),
    )


class BenchState:
    """What loop and metrics read of a state, settable."""

    def __init__(self) -> None:
        self.chutes = np.zeros((len(ChuteStateColumn), 3), np.int64)
        self.tracked = 0

    def tracked_count(self) -> int:
        return self.tracked

    def anomalies(self) -> dict[str, int]:
        return {"stray_scans": 3}

    def to_bytes(self) -> bytes:
        return self.chutes.tobytes()

    mode = (LineState.EXECUTE, ModeReason.RUNNING)

    def blocked_eyes(self) -> list[bool]:
        return [False]

    def zone_counts(self) -> Rows:
        return np.array([self.tracked], np.int64)


class Bench:
    """The PLC program, its memory, and a FieldBus onto it whose next calls can be made to fail.

    One PLC scan runs after every exchange and on every wait, as if the link were that slow.
    """

    def __init__(self, mailbox: Mailbox | None = None, boot_id: int = 7) -> None:
        self.mailbox = mailbox or Mailbox()
        self.image = MailboxImage.from_config(self.mailbox)
        self.line = bench_line()
        self.scans = 0
        self.encoder = 5000
        self.running = True
        self.now = 0
        self.exchanges = 0
        self.ring_reads: list[tuple[int, int]] = []
        self.written: list[bytes] = []
        self.faults: list[LinkError | Callable[[], None] | None] = []
        self.connect_faults: list[LinkError] = []
        self.connections = 0
        self.closed = 0
        self.start(boot_id)

    # --- the PLC ---
    def start(self, boot_id: int) -> None:
        """Power on: its memory is empty, all chutes are open; the command block is not its own."""
        self.image.status[:] = 0
        self.image.events[:] = 0
        self.image.scans[:] = 0
        self.plc = Plc(self.image, self.line, boot_id)
        for chute in range(3):
            self.plc.latch_chute(chute, int(ChuteBit.OPEN), self.encoder, self.tick)
        self.plc.latch_line_state(LineState.EXECUTE, 0, self.encoder, self.tick)
        self.scan()

    @property
    def tick(self) -> int:
        return self.scans * SCAN_MS * 10

    def scan(self) -> None:
        if not self.running:
            return
        self.scans += 1
        self.encoder += COUNTS_PER_SCAN
        self.plc.scan(self.encoder, self.tick, self.scans)

    def pending_of(self, parcel: int) -> tuple[int, int] | None:
        """Return chute and fire count of the command that the PLC holds for a parcel."""
        table = self.plc.arrays[5]
        for row in range(self.plc.pending):
            if table[Pending.PARCEL, row] == parcel:
                return int(table[Pending.CHUTE, row]), int(table[Pending.FIRE, row])
        return None

    def edge(self, count: int = 1, eye: int = 0) -> None:
        for _ in range(count):
            self.plc.latch(EventKind.PARCEL_PASSED, eye, self.encoder, self.tick, 300, 0)
        self.scan()

    def read(self, *codes: bytes) -> None:
        self.plc.latch_scan(0, self.encoder, self.tick, codes)
        self.scan()

    # --- Clock and FieldBus ---
    def now_ns(self) -> int:
        return self.now

    @property
    def name(self) -> str:
        return "bench"

    async def connect(self) -> None:
        if self.connect_faults:
            raise self.connect_faults.pop(0)
        self.connections += 1

    def _fail_if_due(self) -> None:
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, LinkError):
                raise fault
            if fault is not None:
                fault()

    async def exchange(self, command_block: Words) -> Words:
        self._fail_if_due()
        self.exchanges += 1
        self.written.append(command_block.tobytes())
        self.image.command[:] = command_block
        answer = self.image.status.copy()
        self.scan()
        return answer

    async def read_commands(self) -> Words:
        self._fail_if_due()
        return self.image.command.copy()

    async def read_events(self, first_slot: int, slot_count: int) -> Words:
        self._fail_if_due()
        self.ring_reads.append((first_slot, slot_count))
        assert first_slot + slot_count <= self.image.event_slots
        return self.image.events[first_slot * EVENT_WORDS : (first_slot + slot_count) * EVENT_WORDS]

    async def read_scans(self, first_slot: int, slot_count: int) -> Words:
        self._fail_if_due()
        assert first_slot + slot_count <= self.image.scan_slots
        return self.image.scans[first_slot * SCAN_WORDS : (first_slot + slot_count) * SCAN_WORDS]

    async def wait(self, until_ns: int) -> None:
        self._fail_if_due()
        self.now = until_ns
        self.scan()

    async def close(self) -> None:
        self.closed += 1


def fire_row(seq: int, parcel: int, fire: int, chute: int = 0, hold: int = 160) -> Rows:
    return np.array([[seq, 1, chute, parcel, fire, fire, hold]], np.int64)


def client_of(bench: Bench) -> MailboxClient:
    return MailboxClient(bench, bench.mailbox, EPOCH)


async def seqs(client: MailboxClient, ack: Acknowledged = UNKNOWN) -> list[int]:
    frame = await client.exchange(ack, NO_COMMANDS)
    return frame.events[:, 0].tolist()


def command_word(block: bytes, at: int) -> int:
    high, low = np.frombuffer(block, np.uint16)[at : at + 2].tolist()
    return high << 16 | low
