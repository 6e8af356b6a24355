"""What the running loop itself costs per step, without the plant, the decisions and the disk.

Processor time, not wall time: the figures then mean the same on a busy machine.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np

from plc_sim.words import encode_event, put_u32
from sorter.config.models import Mailbox
from sorter.model import mailbox as wire
from sorter.model.codes import LineState, ModeReason
from sorter.model.columns import COMMAND_WIDTH
from sorter.model.frames import Decisions, Inputs, Rows, ScanRead, Words, no_rows
from sorter.model.layout import LineLayout
from sorter.ports import Acknowledged
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metrics import LineMetrics
from sorter.runtime.scan_loop import LoopTiming, ScanLoop
from sorter.runtime.supervisor import LinkSupervisor

BOOT_ID = 7
EVENT_SLOTS = 2048
NO_COMMANDS = no_rows(COMMAND_WIDTH)


class EventBus:
    """A PLC that has one new event at every look; also clock, host, journal and state."""

    name = "benchmark"

    def __init__(self) -> None:
        self.status: Words = np.zeros(wire.STATUS_WORDS, np.uint16)
        self.status[wire.STATUS_VERSION] = wire.LAYOUT_VERSION
        put_u32(self.status, wire.STATUS_BOOT_ID, BOOT_ID, 0)
        self.events = np.zeros((EVENT_SLOTS, wire.STATUS_WORDS), np.uint16)
        for head in range(EVENT_SLOTS):
            self._prepare(self.events[head], head)
        self.head = 0
        self.chutes = np.zeros((5, 1), np.int64)
        self.news = True

    def _prepare(self, status: Words, head: int) -> None:
        """Fill a status block whose window ends with event `head`."""
        status[:] = self.status
        put_u32(status, wire.STATUS_EVENT_HEAD, head, 0)
        put_u32(status, wire.STATUS_ENCODER, 10 * head, 0)
        status[wire.STATUS_HEARTBEAT] = head
        shown = min(head, wire.WINDOW_SLOTS)
        for slot in range(shown):
            at = wire.STATUS_HEADER_WORDS + slot * wire.EVENT_WORDS
            seq = head - shown + 1 + slot
            encode_event(status, at, seq, 1, 0, 10 * seq, seq, 300, 0, 0)

    async def connect(self) -> None:
        """Nothing to open."""

    async def exchange(self, _block: Words) -> Words:
        if self.news:
            self.head += 1
        return self.events[self.head]

    async def wait(self, _until_ns: int) -> None:
        """Never waits."""

    async def close(self) -> None:
        """Nothing to close."""

    async def read_commands(self) -> Words:
        raise AssertionError("nobody looks once the loop goes round")

    async def read_events(self, _first_slot: int, _slot_count: int) -> Words:
        raise AssertionError("the window is always enough")

    async def read_scans(self, _first_slot: int, _slot_count: int) -> Words:
        raise AssertionError("there are no scans")

    def now_ns(self) -> int:
        return 0

    def tracked_count(self) -> int:
        return 0

    mode = (LineState.EXECUTE, ModeReason.RUNNING)

    def blocked_eyes(self) -> list[bool]:
        return [False]

    def zone_counts(self) -> Rows:
        return np.zeros(1, np.int64)

    def to_bytes(self) -> bytes:
        return b""


class KeepNothing:
    """Journal and host that cost next to nothing."""

    def __init__(self) -> None:
        self._acknowledged = Acknowledged(0, 0, 0)

    def append(self, _now_ns: int, _inputs: Inputs, _scans: object, _decided: Decisions) -> None:
        """Forget."""

    def snapshot(self, _tick_100us: int, _state: bytes) -> None:
        """Forget."""

    def acknowledged(self) -> Acknowledged:
        return self._acknowledged

    def close(self) -> None:
        """Nothing to close."""

    def resolve(self, _scans: object) -> Rows:
        raise AssertionError("there are no scans")

    def late_reads(self) -> tuple[ScanRead, ...]:
        return ()

    def forget_unknown(self) -> None:
        """Nothing is known of anyway."""

    reachable = True

    def figures(self) -> dict[str, int]:
        return {}


def _layout() -> LineLayout:
    table = np.zeros((12, 1), np.int64)
    names = ("one",)
    return LineLayout(
        "benchmark", 1.0, 2000.0, table[:, 0], table, table, table, table, table,
        names, names, names, names, names,
    )  # fmt: skip


async def _exchange_us(steps: int) -> float:
    bus, client = EventBus(), None
    client = MailboxClient(bus, Mailbox(), 1)
    acknowledged = Acknowledged(BOOT_ID, 0, 0)
    await client.exchange(acknowledged, NO_COMMANDS)
    started_ns = time.process_time_ns()
    for _ in range(steps):
        await client.exchange(acknowledged, NO_COMMANDS)
    return (time.process_time_ns() - started_ns) / steps / 1000.0


async def _loop_us(steps: int, *, news: bool) -> float:
    bus = EventBus()
    bus.news = news
    nothing = Decisions()
    keep = KeepNothing()
    left = steps

    def finished() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    loop = ScanLoop(
        client=MailboxClient(bus, Mailbox(), 1),
        bus=bus,
        supervisor=LinkSupervisor(bus, bus, np.random.default_rng(0)),
        clock=bus,
        host=keep,
        journal=keep,
        state=bus,
        decide=lambda _state, _inputs, _now_ns: nothing,
        metrics=LineMetrics(_layout()),
        timing=LoopTiming(),
    )
    started_ns = time.process_time_ns()
    await loop.run(finished)
    return (time.process_time_ns() - started_ns) / steps / 1000.0


def measure(quick: bool) -> dict[str, float]:
    """Return microseconds of processor time, the best of several rounds.

    Parameters
    ----------
    quick : bool
        Fewer rounds.
    """
    steps = EVENT_SLOTS - 8
    rounds = 10 if quick else 100
    return {
        "exchange_one_event_us": min(asyncio.run(_exchange_us(steps)) for _ in range(rounds)),
        "loop_step_one_event_us": min(
            asyncio.run(_loop_us(steps, news=True)) for _ in range(rounds)
        ),
        "loop_step_idle_us": min(asyncio.run(_loop_us(steps, news=False)) for _ in range(rounds)),
    }


if __name__ == "__main__":
    for name, value in measure(quick=True).items():
        print(f"{name}: {value:.2f}")
