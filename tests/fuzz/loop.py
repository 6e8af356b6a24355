"""The controller's whole way in: words of a bus, events, registry, decision, journal record."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sorter.config.load import load_line
from sorter.config.models import Mailbox
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.errors import LinkError
from sorter.host.generate import generate_returns
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.kernels.mailbox import write_u32
from sorter.model import mailbox as wire
from sorter.model.columns import COMMAND_WIDTH, EventColumn
from sorter.model.frames import Frame, Inputs, Words, no_rows
from sorter.ports import Acknowledged
from sorter.runtime.journal_codec import decode_group, encode_group, group_check
from sorter.runtime.journal_group import gather
from sorter.runtime.mailbox_client import MailboxClient

from .coverage import ROOT
from .links import finish
from .steps import Books
from .target import Broken, Run, Taker, Target, kind_of
from .words import bytes_of, event_words, mend_checks, scan_words, status_words, words_of

MAX_EXCHANGES = 6
ROWS = 24
_WORDS_BYTES = 2 * wire.STATUS_WORDS


class _LyingBus:
    """A bus on which a PLC says what the input wants it to."""

    name = "a lying PLC"

    def __init__(self, take: Taker) -> None:
        self.take = take
        self.flags = 0
        self.reads = 0

    async def exchange(self, _command_block: Words) -> Words:
        """Return any status block."""
        words = words_of(self.take.bytes(_WORDS_BYTES), wire.STATUS_WORDS)
        if self.flags & 1:
            mend_checks(words, wire.STATUS_HEADER_WORDS, wire.WINDOW_SLOTS, wire.EVENT_WORDS)
        return words

    async def read_commands(self) -> Words:
        """Return any command block."""
        return words_of(self.take.bytes(_WORDS_BYTES), wire.COMMAND_WORDS)

    async def read_events(self, first_slot: int, slot_count: int) -> Words:
        """Return slots with sequences that may be right, in most cases with a check that fits."""
        self._count()
        slots = []
        for slot in range(first_slot, first_slot + slot_count):
            kind, source = self.take.number(1) % 12, self.take.number(1) % 8
            seq = slot if self.take.number(1) < 240 else self.take.number(4)
            encoder = self.take.number(2) if kind else self.take.number(4)
            event = event_words(seq, kind, source, encoder, self.take.number(2), 1)
            event[wire.EVENT_CHECK] ^= self.take.number(1) == 255
            slots.append(event)
        return np.concatenate(slots)

    async def read_scans(self, first_slot: int, slot_count: int) -> Words:
        """Return slots whose payload is any bytes."""
        self._count()
        slots = range(first_slot, first_slot + slot_count)
        return np.concatenate([self._scan(slot) for slot in slots])

    def _scan(self, slot: int) -> Words:
        length = self.take.number(1) % 230
        words = scan_words(slot if length % 8 else length, (), self.take.number(2))
        words[wire.SCAN_CODE_COUNT] = length % 5
        words[wire.SCAN_BYTE_LENGTH] = length
        payload = words_of(self.take.bytes(length), wire.SCAN_PAYLOAD_WORDS)
        words[wire.SCAN_PAYLOAD : wire.SCAN_CHECK] = payload
        mend_checks(words, 0, 1, wire.SCAN_WORDS)
        return words

    def _count(self) -> None:
        self.reads += 1
        if self.reads > 2000:
            raise Broken("one exchange reads without end")


def _exchange(_folder: Path) -> Run:
    line = load_line(ROOT / "config" / "line.yaml")
    registry = Registry.create(":memory:")
    registry.import_many(one.announced for one in generate_returns(20, 1, 0.0))
    host = RegistryHost(registry, line.policy)
    state = State.create(line.layout, line.plan, line.policy, ROWS)
    fresh = state.to_bytes()
    mailbox = Mailbox(event_slots=64, scan_slots=16)

    def run(data: bytes) -> str:
        take = Taker(data)
        bus = _LyingBus(take)
        client = MailboxClient(bus, mailbox, 7)
        state.restore(fresh)
        books = Books(state)
        commands = no_rows(COMMAND_WIDTH)
        last: dict[int, int] = {}
        said = "nothing"
        for _ in range(MAX_EXCHANGES):
            if not take.more:
                break
            bus.flags, bus.reads = take.number(1), 0
            if bus.flags & 2:
                client.link_restored()
            try:
                frame = finish(client.exchange(Acknowledged(0, 0, 0), commands))
            except LinkError as error:
                said = f"rejected: {kind_of(str(error))}"
                continue
            _check_sequence(frame, last)
            inputs = Inputs(
                frame.boot_id, frame.line_state, frame.encoder_count, frame.events,
                host.resolve(frame.scans),
            )  # fmt: skip
            decided = decide(state, inputs, 0)
            books.check(decided)
            commands = decided.commands
            payload = encode_group(gather([(0, inputs, frame.scans, decided)]).group())
            (step,) = decode_group(1, payload, group_check(payload))
            if step.reads != frame.scans:
                raise Broken("the journal keeps other codes than were read")
            said = f"accepted: {min(len(frame.events), 9)} events, {min(len(frame.scans), 4)} scans"
        return f"{said}; {min(client.corrupt_records, 1)} corrupt, {min(client.torn_reads, 1)} torn"

    return run


def _check_sequence(frame: Frame, last: dict[int, int]) -> None:
    """Each record once and in order, within one PLC start."""
    seqs = frame.events[:, EventColumn.SEQ]
    if len(seqs) and ((np.diff(seqs) <= 0).any() or seqs[0] <= last.get(frame.boot_id, -1)):
        raise Broken(f"events {seqs.tolist()} after {last}")
    last.clear()
    last[frame.boot_id] = int(seqs[-1]) if len(seqs) else last.get(frame.boot_id, -1)


def _seeds() -> list[bytes]:
    seeds = []
    for head, scan_head in ((8, 0), (8, 3), (60, 16), (5, 1)):
        events = [event_words(seq, 1, 0, 900 + seq, 300, 0) for seq in range(1, 9)]
        words = status_words(head, 2000, events)
        write_u32(words, wire.STATUS_SCAN_HEAD, 0, scan_head)
        probe = b"\1" + bytes_of(words)
        seeds.append(probe + b"\x0c\5\0\7" * 20 + b"]C1010590123412345721SN17" + probe)
        seeds.append(probe * 3)
    return seeds


TARGETS = (
    Target(
        "exchange", "mailbox_client, ring_reader, resolver, decide, journal_group", _seeds,
        _exchange, limit_bytes=4000,
    ),
)  # fmt: skip
