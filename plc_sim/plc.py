"""The PLC program: latches, keeps the mailboxes, compares encoder counts and fires. No more."""

from __future__ import annotations

import numpy as np

from sorter.config.models import Line
from sorter.model.codes import ChuteBit, EventKind, LineState
from sorter.model.mailbox import SCAN_FLAG_TRUNCATED

from .image import MailboxImage
from .plc_kernels import plc_scan
from .plc_memory import FIRED_LIMIT, MASK, NO_FIRE, ChuteCell, Memory, Pending, memory_size
from .plc_rings import post_event, post_scan, take_acknowledgements
from .words import COMMAND_VALUES, SCAN_PAYLOAD_BYTES, pack_codes

PENDING_CAPACITY = 512
"""Commands that the PLC can hold."""
NO_SOURCE = 0xFFFF
_FORGOTTEN = (
    Memory.EVENT_HEAD,
    Memory.EVENT_ACK,
    Memory.EVENT_OVERFLOW,
    Memory.SCAN_HEAD,
    Memory.SCAN_ACK,
    Memory.SCAN_OVERFLOW,
    Memory.EPOCH,
    Memory.FORMER_EPOCH,
    Memory.COMMAND_ACK,
    Memory.PENDING,
    Memory.WINDOW_HEAD,
    Memory.BAD_SLOT,
    Memory.RETRY,
    Memory.HELD,
)
"""What a PLC does not know any more after its start."""


class Plc:
    """PLC of one line.

    The ``latch`` methods are called when something happens, :meth:`scan` is one scan cycle; the
    kernels of the plant do the same to its memory.

    Parameters
    ----------
    image : MailboxImage
        Its memory as seen from outside.
    line : Line
    boot_id : int
        Not 0; another one after each start.
    tamperings : int
        Rows of the table of what is done to records; see :mod:`plc_sim.tamperings`.

    Attributes
    ----------
    image : MailboxImage
    memory : int64[len(Memory)]
    chutes : int64[len(ChuteCell), chutes]
    payload : uint8 vector
        Scratch for one scanner result.
    arrays : tuple
        All of its memory, in the order in which kernels take it.
    """

    def __init__(self, image: MailboxImage, line: Line, boot_id: int, tamperings: int = 0) -> None:
        self.image = image
        self._events = image.events
        self.memory = np.zeros(memory_size(tamperings), np.int64)
        self.memory[Memory.TAMPERS] = tamperings
        self.memory[Memory.LOW_FIRST] = image.low_word_first
        self.memory[Memory.EVENT_SLOTS] = image.event_slots
        self.memory[Memory.SCAN_SLOTS] = image.scan_slots
        self._begin(boot_id)
        self._cells = memoryview(self.memory.data)  # reads ten times faster than numpy's indexing
        self._pending = np.zeros((len(Pending), PENDING_CAPACITY), np.int64)
        self.chutes = np.zeros((len(ChuteCell), len(line.chutes)), np.int64)
        for index, chute in enumerate(line.chutes):
            self.chutes[ChuteCell.HAS_DIVERTER, index] = chute.side != "end"
        self._fired = np.zeros((FIRED_LIMIT, 3), np.int64)
        self._values = np.zeros(COMMAND_VALUES, np.int64)
        self.payload = np.zeros(SCAN_PAYLOAD_BYTES, np.uint8)
        self._payload_bytes = memoryview(self.payload.data)
        self.arrays = (
            image.status,
            image.command,
            image.events,
            image.scans,
            self.memory,
            self._pending,
            self.chutes,
            self._fired,
            self._values,
            self.payload,
        )

    def _begin(self, boot_id: int) -> None:
        self.memory[Memory.BOOT_ID] = boot_id
        self.memory[Memory.LINE_STATE] = LineState.IDLE
        self.memory[Memory.NEXT_FIRE] = NO_FIRE

    def restart(self) -> None:
        """Start again: another boot id, empty mailbox, no accepted commands."""
        image, memory = self.image, self.memory
        boot_id = int(memory[Memory.BOOT_ID]) % MASK + 1
        for words in (image.status, image.command, image.events, image.scans):
            words[:] = 0
        for cell in _FORGOTTEN:
            memory[cell] = 0
        self._begin(boot_id)

    # --- latching -------------------------------------------------------------------------------
    def latch(self, kind: int, source: int, encoder: int, tick: int, a: int, b: int) -> None:
        """Put an event into the ring."""
        events = self._events
        if not post_event(events, self.memory, kind, source, encoder, tick, a, b):
            # A scan that was skipped as idle would have taken the acknowledgement over.
            take_acknowledgements(self.image.command, self.memory)
            if not post_event(events, self.memory, kind, source, encoder, tick, a, b):
                self.memory[Memory.EVENT_OVERFLOW] += 1

    def latch_scan(self, scanner: int, encoder: int, tick: int, codes: tuple[bytes, ...]) -> None:
        """Put a scanner's result into the scan ring."""
        payload, count, truncated = pack_codes(codes)
        length = len(payload)
        self._payload_bytes[:length] = payload
        flags = SCAN_FLAG_TRUNCATED if truncated else 0
        for _ in range(2):
            if post_scan(
                self.image.scans,
                self.memory,
                scanner,
                encoder,
                tick,
                count,
                flags,
                self.payload,
                length,
            ):
                return
            take_acknowledgements(self.image.command, self.memory)
        self.memory[Memory.SCAN_OVERFLOW] += 1

    def latch_chute(self, chute: int, bits: int, encoder: int, tick: int) -> None:
        """Take over a chute's sensors."""
        self.chutes[ChuteCell.BITS, chute] = bits
        self.latch(EventKind.CHUTE_CHANGED, chute, encoder, tick, 0, bits)

    def latch_line_state(self, state: LineState, zone: int, encoder: int, tick: int) -> None:
        """Take over the state of the line's drives and safety circuit."""
        self.memory[Memory.LINE_STATE] = state
        self.latch(EventKind.LINE_CHANGED, zone, encoder, tick, 0, state)

    # --- the scan cycle -------------------------------------------------------------------------
    def scan(self, encoder: int, tick: int, heartbeat: int) -> int:
        """Run one scan.

        Returns
        -------
        int
            How many diverters were fired.
        """
        status, command, events, _, memory, pending, chutes, fired, values, _ = self.arrays
        return plc_scan(
            status,
            command,
            events,
            memory,
            pending,
            chutes,
            fired,
            values,
            encoder,
            tick,
            heartbeat,
        )

    @property
    def pending(self) -> int:
        """How many commands are accepted and not yet fired."""
        return int(self._cells[Memory.PENDING])

    @property
    def boot_id(self) -> int:
        """Which start of the PLC this is."""
        return int(self._cells[Memory.BOOT_ID])

    @property
    def event_overflow(self) -> int:
        """Events that found no place in the ring."""
        return int(self._cells[Memory.EVENT_OVERFLOW])

    @property
    def scan_overflow(self) -> int:
        """Scanner results that found no place in the ring."""
        return int(self._cells[Memory.SCAN_OVERFLOW])

    def chute_bits(self, chute: int) -> ChuteBit:
        """Return what the PLC knows of a chute."""
        return ChuteBit(int(self.chutes[ChuteCell.BITS, chute]))
