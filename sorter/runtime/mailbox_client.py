"""The controller's end of the two mailboxes: words in and out, frames and commands here."""

from __future__ import annotations

from typing import Final

import numpy as np

from sorter.config.models import Mailbox
from sorter.errors import LinkContested, LinkRejected
from sorter.kernels.mailbox import OTHER_BOOT, Header, decode_status, encode_command_header
from sorter.model import mailbox as wire
from sorter.model.columns import EVENT_WIDTH, EventColumn
from sorter.model.frames import Frame, Rows, ScanRead, Words, no_rows
from sorter.ports import Acknowledged, FieldBus
from sorter.runtime.command_window import DEFAULT_QUEUE_CAPACITY, CommandWindow
from sorter.runtime.ring_reader import EVENTS_AT_ONCE, RingReader
from sorter.runtime.scan_cadence import ScanCadence
from sorter.runtime.status_check import problem_of_start

NO_EVENTS: Final = no_rows(EVENT_WIDTH)
UNKNOWN: Final = Acknowledged(0, 0, 0)
_NO_BOOT: Final = -1
"""None was seen yet; what no PLC can say."""
UNFOLLOWED_SCANS: Final = 25
"""A PLC follows a controller within a scan or two, unless another one always writes last."""
_U16 = 0xFFFF
_U32 = 0xFFFFFFFF
_HALF = 0x80000000
_HEARTBEAT_AT = int(wire.COMMAND_HEARTBEAT)
_TICK = int(Header.TICK)
_END_OF_NEWS = int(Header.REREAD_FROM)


class MailboxClient:
    """Exchanges frames for commands with one PLC over any field bus.

    Each record of the PLC is delivered once, in sequence, whatever happens to the link: what the
    window of newest events does not give is read from the ring. Call :meth:`link_restored` after
    every (re)connect: the next exchange then carries neither acknowledgements nor commands,
    because it may be another PLC start that answers.

    Parameters
    ----------
    bus : FieldBus
    mailbox : Mailbox
        Word order and ring sizes.
    controller_epoch : int
        Another one for each start of the controller, 1 to 2^32 - 1.
    queue_capacity : int
        Commands that may wait for a free slot of the command window.

    Attributes
    ----------
    heartbeat : int
        Of the PLC, as last seen.
    plc_heartbeat_age_exchanges : int
        Exchanges since it last moved.
    behind : bool
        The PLC has more than was delivered: exchange again at once.
    event_overflow, scan_overflow : int
        Records the PLC could not store, since this client started.
    boots_seen : int
        PLC starts seen so far.
    """

    def __init__(
        self,
        bus: FieldBus,
        mailbox: Mailbox,
        controller_epoch: int,
        queue_capacity: int = DEFAULT_QUEUE_CAPACITY,
    ) -> None:
        if not 0 < controller_epoch <= _U32:
            raise ValueError(f"controller epoch {controller_epoch} is not in 1..2^32-1")
        self._bus = bus
        self._low_first = 1 if mailbox.word_order == "low_first" else 0
        self._block = np.zeros(wire.COMMAND_WORDS, np.uint16)
        self._block_cells = memoryview(self._block.data)
        self._header = np.zeros(len(Header), np.int64)
        self._header_cells = memoryview(self._header.data)
        self._news = self._header_cells[: _END_OF_NEWS + 1]
        self._rows = np.zeros((max(wire.WINDOW_SLOTS, EVENTS_AT_ONCE), EVENT_WIDTH), np.int64)
        self._epoch = controller_epoch
        self._in_force = False
        self._unfollowed = 0
        self._own_heartbeat = 0
        self._probe = np.zeros(wire.COMMAND_WORDS, np.uint16)
        self._probing = True
        self._written_head = 0
        self._boot_id = _NO_BOOT
        self._header[Header.BOOT_ID] = _NO_BOOT
        self._resume = UNKNOWN
        self._resume_encoder: int | None = None
        self._resume_tick: int | None = None
        self._acknowledged = UNKNOWN
        self._read_to = (0, 0)
        self._event_ack = 0
        self._scan_ack = 0
        self._header_stale = True
        self._raw_event_overflow = 0
        self._raw_scan_overflow = 0
        self._rings = RingReader(bus, mailbox, self._low_first, self._header, self._rows)
        self._cadence = ScanCadence()
        self.window = CommandWindow(self._block, self._low_first, queue_capacity)
        self.heartbeat = -1
        self.plc_heartbeat_age_exchanges = 0
        self.behind = False
        self.event_overflow = 0
        self.scan_overflow = 0
        self.boots_seen = 0

    @property
    def epoch(self) -> int:
        """Controller epoch in use; another one after each PLC start."""
        return self._epoch

    @property
    def corrupt_records(self) -> int:
        """Ring slots skipped because their check never fitted, or that were overwritten."""
        return self._rings.corrupt_records

    @property
    def torn_reads(self) -> int:
        """Ring slots caught half-written and read again."""
        return self._rings.torn_reads

    @property
    def urgent(self) -> bool:
        """There is a reason to exchange again without waiting for news."""
        return self.behind or self.window.head != self._written_head

    @property
    def delivered_event_seq(self) -> int:
        """Sequence of the newest event delivered, or stepped over."""
        return int(self._header[Header.LAST_EVENT])

    def resume(
        self,
        acknowledged: Acknowledged,
        encoder_count: int | None = None,
        tick_100us: int | None = None,
    ) -> None:
        """Continue behind what an earlier run of the controller has safe on disk.

        Parameters
        ----------
        acknowledged : Acknowledged
            Holds only if the PLC still has the same boot id.
        encoder_count, tick_100us : int
            Last known unwrapped values; keeps counts of a restored state comparable. None: the
            PLC's values are taken as they are.
        """
        self._resume = acknowledged
        self._resume_encoder = encoder_count
        self._resume_tick = tick_100us

    def link_restored(self) -> None:
        """Make the next exchange a probe: it may be another PLC start that answers."""
        self._probing = True
        self.behind = False

    async def exchange(self, acknowledged: Acknowledged, commands: Rows) -> Frame:
        """Write acknowledgements and commands, return what the PLC has to say.

        Parameters
        ----------
        acknowledged : Acknowledged
            What the journal has on disk.
        commands : int64[n, COMMAND_WIDTH]
            New commands, in sequence.

        Raises
        ------
        LinkError
            The link is broken; nothing is lost, commands stay in the window.
        LinkContested
            Another controller has taken the PLC over; no record is lost, see :meth:`begin_epoch`.
        """
        if len(commands):
            self.window.put(commands)
        words = await self._bus.exchange(self._next_block(acknowledged))
        count = self._decode(words)
        events = self._rows[:count].copy() if count else NO_EVENTS
        # Unpacked in the order of Header: naming each through the enum costs more than decoding.
        (
            boot_id, heartbeat, line_state, encoder_count, tick_100us, epoch, command_ack,
            event_overflow, scan_overflow, scan_head, last_scan, reread,
        ) = self._news.tolist()  # fmt: skip
        self._probing = False
        if heartbeat == self.heartbeat:
            self.plc_heartbeat_age_exchanges += 1
        else:
            self.heartbeat = heartbeat
            self.plc_heartbeat_age_exchanges = 0
            self._cadence.look(heartbeat, tick_100us)
        window = self.window
        if epoch == self._epoch:
            self._in_force = True
            if command_ack > window.acknowledged:
                window.take_over(command_ack)
        elif epoch:
            self._watch_echo(epoch, count)
        if event_overflow != self._raw_event_overflow or scan_overflow != self._raw_scan_overflow:
            self._count_overflows(event_overflow, scan_overflow)
        scans: tuple[ScanRead, ...] = ()
        self.behind = False
        if reread or scan_head > last_scan:
            events, scans = await self._rings.read(events)
            self.behind = self._rings.behind
        if self.behind:
            encoder_count, tick_100us = self._as_far_as_read(events)
        self._read_to = encoder_count, tick_100us
        return Frame(
            boot_id, line_state, encoder_count, tick_100us, events, scans, window.taken_over,
            self.event_overflow, self.scan_overflow, self._cadence.stood_until_tick,
        )  # fmt: skip

    def _as_far_as_read(self, events: Rows) -> tuple[int, int]:
        """Return encoder count and tick up to which everything was read.

        With the count of now, a parcel whose record still lies in the ring would count as missed.
        """
        encoder_count, tick_100us = self._read_to
        if len(events):
            encoder_count = max(encoder_count, int(events[-1, EventColumn.ENCODER]))
            tick_100us = max(tick_100us, int(events[-1, EventColumn.TICK]))
        return encoder_count, tick_100us

    def _next_block(self, acknowledged: Acknowledged) -> Words:
        """Return the command block to write now."""
        self._own_heartbeat = (self._own_heartbeat + 1) & _U16
        if self._probing:
            self._written_head = 0
            encode_command_header(
                self._probe, self._low_first, self._epoch, self._own_heartbeat, 0, 0, 0, 0
            )
            return self._probe
        if acknowledged is not self._acknowledged and acknowledged.boot_id == self._boot_id:
            self._acknowledged = acknowledged
            self._event_ack = max(self._event_ack, acknowledged.event_seq)
            self._scan_ack = max(self._scan_ack, acknowledged.scan_seq)
            self._header_stale = True
        head = self.window.head
        if self._header_stale or head != self._written_head:
            self._header_stale = False
            self._written_head = head
            encode_command_header(
                self._block,
                self._low_first,
                self._epoch,
                self._own_heartbeat,
                self._event_ack,
                self._scan_ack,
                head,
                self._boot_id,
            )
        else:
            # In most exchanges nothing else is new.
            self._block_cells[_HEARTBEAT_AT] = self._own_heartbeat
        return self._block

    def _decode(self, words: Words) -> int:
        """Decode a status block into header and rows; return the number of rows."""
        if len(words) != wire.STATUS_WORDS:
            raise LinkRejected(
                self._bus.name,
                f"status block has {len(words)} words, {wire.STATUS_WORDS} were expected; "
                "check the status address or node",
            )
        tick = self._header_cells[_TICK]
        count = decode_status(words, self._low_first, self._header, self._rows)
        if count == OTHER_BOOT:
            self._refuse_unusable(words)
            self._start_boot(words)
            count = decode_status(words, self._low_first, self._header, self._rows)
        elif not count and not self._probing and self._header_cells[_TICK] < tick:
            raise LinkRejected(
                self._bus.name,
                f"the status block is {(tick - self._header_cells[_TICK]) / 10:.1f} ms older "
                "than the one before it; does something between PLC and controller keep old words?",
            )
        return count

    def _refuse_unusable(self, status: Words) -> None:
        """Refuse a status block that is no start of a PLC; the one known so far goes on behind it.

        A PLC whose program stands, or a map that has shifted, can come back as it was before.
        """
        boot_id = int(self._header[Header.BOOT_ID])
        self._header[Header.BOOT_ID] = self._boot_id
        if problem := problem_of_start(status, boot_id):
            raise LinkRejected(self._bus.name, problem)
        self._header[Header.BOOT_ID] = boot_id

    def _watch_echo(self, epoch: int, count: int) -> None:
        """See whether the PLC follows another controller, whose epoch it gives back.

        One from before is there until the PLC has seen a block of this one. Rows that are not
        delivered now are put back.
        """
        if not self.plc_heartbeat_age_exchanges:
            self._unfollowed += 1
        if self._in_force or self._unfollowed > UNFOLLOWED_SCANS:
            self._header[Header.LAST_EVENT] -= count
            raise LinkContested(
                self._bus.name,
                f"the PLC follows another controller (epoch {epoch}), not this one (epoch "
                f"{self._epoch}). This one commands nothing until the other one is silent. Stop "
                "one of the two, or correct the PLC's address in section io of the line file of "
                "the wrong one",
            )

    def begin_epoch(self) -> None:
        """Begin another epoch, once this controller has commanded the PLC.

        The PLC ignores the one before, be it that it has restarted, be it that it has followed
        another controller since. What was on its way was meant for the belt as it was then.
        """
        if self.boots_seen:
            self._epoch = self._epoch % _U32 + 1
            self.window.restart()
        self._in_force = False
        self._unfollowed = 0
        self._header_stale = True

    def _count_overflows(self, events: int, scans: int) -> None:
        """Add what the PLC's 16-bit overflow counters have grown by."""
        self.event_overflow += (events - self._raw_event_overflow) & _U16
        self.scan_overflow += (scans - self._raw_scan_overflow) & _U16
        self._raw_event_overflow = events
        self._raw_scan_overflow = scans

    def _start_boot(self, status: Words) -> None:
        """Begin with a PLC start not known before: decide where in its rings to begin."""
        low_first, header = self._low_first, self._header
        boot_id = int(header[Header.BOOT_ID])
        version = int(header[Header.VERSION])
        header[:] = _HALF  # the first values are then taken as they are, 0 to 2^32 - 1
        header[Header.VERSION] = version
        header[Header.BOOT_ID] = boot_id
        self._boot_id = boot_id
        resumed = self._resume if self._resume.boot_id == boot_id else UNKNOWN
        self._resume = UNKNOWN
        if resumed.boot_id and self._resume_encoder is not None:
            header[Header.ENCODER] = self._resume_encoder
        if resumed.boot_id and self._resume_tick is not None:
            header[Header.TICK] = self._resume_tick
        # The PLC ignores a block that names another start than its own, so nothing of what was
        # written for the belt before this one can fire. Numbers begin anew in a new epoch.
        self.begin_epoch()
        self._read_to = int(header[Header.ENCODER]), int(header[Header.TICK])
        decode_status(status, low_first, header, self._rows)
        if not resumed.boot_id or self._resume_encoder is None or self._resume_tick is None:
            self._read_to = int(header[Header.ENCODER]), int(header[Header.TICK])
        self._event_ack = resumed.event_seq
        self._scan_ack = resumed.scan_seq
        if not self.boots_seen:
            # What a controller before this one has acknowledged may be overwritten by now. After
            # a restart the PLC's echo means nothing: it may be our acknowledgement of old events.
            self._event_ack = max(self._event_ack, int(header[Header.EVENT_ACK]))
            self._scan_ack = max(self._scan_ack, int(header[Header.SCAN_ACK]))
        header[Header.LAST_EVENT] = self._event_ack
        header[Header.LAST_SCAN] = self._scan_ack
        self.boots_seen += 1
        self._rings.restart()
        self._cadence.restart()
        self._raw_event_overflow = self._raw_scan_overflow = 0
        self.heartbeat = -1
