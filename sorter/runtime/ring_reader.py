"""Reads what the PLC keeps in its rings: events that the window does not show, scanner results."""

from __future__ import annotations

from typing import Final

import numpy as np

from sorter.config.models import Mailbox
from sorter.errors import LinkError
from sorter.kernels.mailbox import Header, ScanHeader, SlotState, decode_ring, decode_scans
from sorter.model import mailbox as wire
from sorter.model.columns import EventColumn
from sorter.model.frames import Rows, ScanRead
from sorter.ports import FieldBus
from sorter.runtime.scan_payload import scan_read

TORN_TRIES: Final = 3
RING_READS_AT_ONCE: Final = 512
"""More than the largest rings hold: a backlog comes whole, decided with the belt's position of now.
Of a backlog that does not, a frame says how far it was read (``MailboxClient``), so that no parcel
whose record lies unread counts as missed; its diverts only come later."""
EVENTS_AT_ONCE: Final = 8 * wire.EVENT_PAGE_SLOTS
PAYLOAD_BYTES: Final = 2 * wire.SCAN_PAYLOAD_WORDS
SCANS_AT_ONCE: Final = 16
"""A gap of seconds in a few requests, where the bus can ask for several pages or slots in one."""

# Plain numbers for the lines that run for every scan: reading an enumeration's member takes
# longer than reading the cell it names.
_EVENT_HEAD = int(Header.EVENT_HEAD)
_SCAN_HEAD = int(Header.SCAN_HEAD)
_LAST_EVENT = int(Header.LAST_EVENT)
_LAST_SCAN = int(Header.LAST_SCAN)
_REREAD_FROM = int(Header.REREAD_FROM)
_SLOT_STATE = int(Header.SLOT_STATE)
_TORN = int(SlotState.TORN)


class RingReader:
    """Follows both rings of one PLC, in sequence, each record once.

    Parameters
    ----------
    bus : FieldBus
    mailbox : Mailbox
        Ring sizes.
    low_first : int
        1: the low word of a u32 lies at the lower address.
    header : int64[len(Header)]
        Shared with the client: says what is new, and how far delivery has got.
    rows : int64[at least EVENTS_AT_ONCE, EVENT_WIDTH]
        Scratch.

    Attributes
    ----------
    behind : bool
        The rings hold more than was delivered.
    corrupt_records : int
        Slots skipped because their check never fitted, or that were overwritten.
    torn_reads : int
        Slots caught half-written and read again.
    """

    def __init__(
        self, bus: FieldBus, mailbox: Mailbox, low_first: int, header: Rows, rows: Rows
    ) -> None:
        self._bus = bus
        self._low_first = low_first
        self._event_slots = mailbox.event_slots
        self._scan_slots = mailbox.scan_slots
        self._header = header
        # Reading or writing a cell through a memoryview takes a third of what numpy takes.
        self._cells = memoryview(header.data)
        self._rows = rows
        self._scan_rows = np.zeros((SCANS_AT_ONCE, len(ScanHeader)), np.int64)
        self._payloads = np.zeros((SCANS_AT_ONCE, PAYLOAD_BYTES), np.uint8)
        self._torn_event_tries = 0
        self._torn_scan_tries = 0
        self.behind = False
        self.corrupt_records = 0
        self.torn_reads = 0

    def restart(self) -> None:
        """Forget tries at slots of a PLC start that is over."""
        self._torn_event_tries = self._torn_scan_tries = 0

    async def read(self, events: Rows) -> tuple[Rows, tuple[ScanRead, ...]]:
        """Return `events` with what follows them in the ring, and the new scan records.

        Raises
        ------
        LinkError
            What was decoded in this exchange goes down with it: the PLC still has it, as it is
            not acknowledged, and the next exchange delivers it.
        """
        cells = self._cells
        last_event = cells[_LAST_EVENT]
        last_scan = cells[_LAST_SCAN]
        scans: tuple[ScanRead, ...] = ()
        self.behind = False
        try:
            if cells[_REREAD_FROM]:
                events = await self._read_events(events)
            if cells[_SCAN_HEAD] > last_scan:
                scans = await self._read_scans(cells[_SCAN_HEAD])
        except LinkError:
            if len(events):
                last_event = int(events[0, EventColumn.SEQ]) - 1
            cells[_LAST_EVENT] = last_event
            cells[_LAST_SCAN] = last_scan
            raise
        return events, scans

    async def _read_events(self, events: Rows) -> Rows:
        """Return `events` and what follows them, read from the event ring."""
        cells = self._cells
        head = cells[_EVENT_HEAD]
        self._skip_overwritten(_LAST_EVENT, head - self._event_slots)
        parts = [events]
        for _ in range(RING_READS_AT_ONCE):
            following = cells[_LAST_EVENT] + 1
            if following > head:
                break
            first_slot = following % self._event_slots
            # Up to a page border: OPC UA serves the ring in pages of this many slots.
            to_border = EVENTS_AT_ONCE - first_slot % wire.EVENT_PAGE_SLOTS
            slots = min(to_border, head - following + 1, self._event_slots - first_slot)
            words = await self._bus.read_events(first_slot, slots)
            count = decode_ring(words, self._low_first, self._header, self._rows)
            if count:
                parts.append(self._rows[:count].copy())
                self._torn_event_tries = 0
            if count < slots and not self._skip_bad_event():
                break
        self.behind = cells[_LAST_EVENT] < head
        return np.concatenate(parts)

    def _skip_overwritten(self, last: int, newest_overwritten: int) -> None:
        """Step over records that a full turn of the ring has overwritten."""
        lost = newest_overwritten - self._cells[last]
        if lost > 0:
            self.corrupt_records += lost
            self._cells[last] = newest_overwritten

    def _skip_bad_event(self) -> bool:
        """Return whether the slot that stopped the decoder was given up; else try it again."""
        if self._cells[_SLOT_STATE] == _TORN:
            self.torn_reads += 1
            self._torn_event_tries += 1
            if self._torn_event_tries < TORN_TRIES:
                return False
        self._torn_event_tries = 0
        self.corrupt_records += 1
        self._cells[_LAST_EVENT] += 1
        return True

    async def _read_scans(self, head: int) -> tuple[ScanRead, ...]:
        """Return the scan records up to `head`."""
        cells = self._cells
        self._skip_overwritten(_LAST_SCAN, head - self._scan_slots)
        scans: list[ScanRead] = []
        for _ in range(RING_READS_AT_ONCE):
            following = cells[_LAST_SCAN] + 1
            if following > head:
                break
            first_slot = following % self._scan_slots
            slots = min(SCANS_AT_ONCE, head - following + 1, self._scan_slots - first_slot)
            words = await self._bus.read_scans(first_slot, slots)
            count = decode_scans(
                words, self._low_first, self._header, self._scan_rows, self._payloads
            )
            if count:
                self._torn_scan_tries = 0
                payloads = self._payloads[:count].tobytes()
                for place, numbers in enumerate(self._scan_rows[:count].tolist()):
                    start = place * PAYLOAD_BYTES
                    scans.append(scan_read(numbers, payloads[start : start + PAYLOAD_BYTES]))
            if count < slots and not self._skip_bad_scan():
                break
        self.behind = self.behind or cells[_LAST_SCAN] < head
        return tuple(scans)

    def _skip_bad_scan(self) -> bool:
        """Return whether the slot that stopped the decoder was given up; else try it again."""
        if self._cells[_SLOT_STATE] == _TORN:
            self.torn_reads += 1
            self._torn_scan_tries += 1
            if self._torn_scan_tries < TORN_TRIES:
                return False
        self._torn_scan_tries = 0
        self.corrupt_records += 1
        self._cells[_LAST_SCAN] += 1
        return True
