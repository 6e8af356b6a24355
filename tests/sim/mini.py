"""A scripted controller: reads the rings, writes commands; decides nothing by itself."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from plc_sim.rig import Rig
from sorter.model import mailbox as m
from sorter.model.codes import CommandKind, EventKind, RefusalCause

SECOND = 1_000_000_000


@dataclass(slots=True)
class Event:
    seq: int
    kind: int
    source: int
    encoder: int
    tick: int
    a: int
    b: int


@dataclass(slots=True)
class Scan:
    seq: int
    scanner: int
    encoder: int
    codes: tuple[bytes, ...]
    flags: int


class MiniController:
    """Own codec, straight from the layout: high word first unless the image says otherwise."""

    def __init__(self, rig: Rig, epoch: int = 1, acknowledge: bool = True) -> None:
        self.rig = rig
        self.image = rig.image
        self.low_first = rig.image.low_word_first
        self.epoch = epoch
        self.acknowledge = acknowledge
        self.seen = 0
        self.scans_seen = 0
        self.command_seq = 0
        self.events: list[Event] = []
        self.scans: list[Scan] = []
        self.on_event: Callable[[Event], None] | None = None
        self.keep = True
        self.put32(self.image.command, m.COMMAND_EPOCH, epoch)
        self.put32(self.image.command, m.COMMAND_BOOT_ID, self.status32(m.STATUS_BOOT_ID))

    # --- codec ---
    def put32(self, words, offset: int, value: int) -> None:
        pair = ((value >> 16) & 0xFFFF, value & 0xFFFF)
        words[offset : offset + 2] = pair[::-1] if self.low_first else pair

    def get32(self, words, offset: int) -> int:
        first, second = int(words[offset]), int(words[offset + 1])
        return second << 16 | first if self.low_first else first << 16 | second

    def status32(self, offset: int) -> int:
        return self.get32(self.image.status, offset)

    def read_event(self, seq: int) -> Event:
        offset = (seq % self.image.event_slots) * m.EVENT_WORDS
        w = struct.unpack_from("=12H", self.image.events, offset * 2)
        pair = (
            (lambda i: w[i + 1] << 16 | w[i])
            if self.low_first
            else (lambda i: w[i] << 16 | w[i + 1])
        )
        return Event(pair(0), w[2], w[3], pair(4), pair(6), pair(8), w[10])

    def read_scan(self, seq: int) -> Scan:
        start = (seq % self.image.scan_slots) * m.SCAN_WORDS
        words = self.image.scans[start : start + m.SCAN_WORDS]
        payload = words[m.SCAN_PAYLOAD : m.SCAN_CHECK].astype(">u2").tobytes()
        codes = []
        at = 0
        for _ in range(int(words[m.SCAN_CODE_COUNT])):
            length = payload[at]
            codes.append(payload[at + 1 : at + 1 + length])
            at += 1 + length
        assert at == words[m.SCAN_BYTE_LENGTH]
        return Scan(
            self.get32(words, 0),
            int(words[m.SCAN_SCANNER]),
            self.get32(words, m.SCAN_ENCODER),
            tuple(codes),
            int(words[m.SCAN_FLAGS]),
        )

    # --- commands ---
    def command(
        self,
        parcel: int,
        chute: int,
        fire: int,
        hold: int = 160,
        expiry: int | None = None,
        kind: int = CommandKind.FIRE_DIVERT,
        seq: int | None = None,
        spoil: int = 0,
    ) -> int:
        """Write one command; `seq` writes an old one again, `spoil` damages the check word."""
        if seq is None:
            self.command_seq += 1
            seq = self.command_seq
        words = self.image.command
        base = m.COMMAND_HEADER_WORDS + (seq % m.COMMAND_SLOTS) * m.COMMAND_SLOT_WORDS
        self.put32(words, base + m.SLOT_SEQ, seq)
        words[base + m.SLOT_KIND] = kind
        words[base + m.SLOT_CHUTE] = chute
        self.put32(words, base + m.SLOT_PARCEL, parcel)
        self.put32(words, base + m.SLOT_FIRE, fire)
        self.put32(words, base + m.SLOT_EXPIRY, fire if expiry is None else expiry)
        words[base + m.SLOT_HOLD] = hold
        check = m.CHECK_SEED
        for word in words[base : base + m.SLOT_CHECK].tolist():
            check = ((check << 1 | check >> 15) & 0xFFFF) ^ word
        words[base + m.SLOT_CHECK] = check ^ spoil
        self.put32(words, m.COMMAND_HEAD, self.command_seq)
        self.rig.command_written()
        return seq

    def fire_at(self, parcel: int, chute: int, count: int, position_mm: float) -> int:
        """Fire so that what was at `position_mm` at `count` goes into `chute` (1 mm a count)."""
        built = self.rig.plant.line.chutes[chute]
        travel = (built.position_mm - position_mm) % self.rig.plant.line.length_mm
        fire = count + travel - built.actuation_distance_mm - built.window_mm / 2
        return self.command(parcel, chute, round(fire), round(built.window_mm))

    # --- running ---
    def poll(self) -> None:
        head = self.status32(m.STATUS_EVENT_HEAD)
        while self.seen < head:
            self.seen += 1
            event = self.read_event(self.seen)
            assert event.seq == self.seen
            if self.keep:
                self.events.append(event)
            if self.on_event is not None:
                self.on_event(event)
        head = self.status32(m.STATUS_SCAN_HEAD)
        while self.scans_seen < head:
            self.scans_seen += 1
            if self.keep:
                self.scans.append(self.read_scan(self.scans_seen))
        if self.acknowledge:
            self.put32(self.image.command, m.COMMAND_EVENT_ACK, self.seen)
            self.put32(self.image.command, m.COMMAND_SCAN_ACK, self.scans_seen)
            self.rig.command_written()

    def run(self, until_s: float) -> None:
        """Run to a simulated time."""
        end_ns = round(until_s * SECOND)
        self.poll()
        while self.rig.advance_to_news(end_ns) < end_ns:
            self.poll()
        self.poll()

    def run_out(self, limit_s: float = 1e9) -> None:
        """Run until every parcel has left the line."""
        end_ns = round(limit_s * SECOND)
        while not self.rig.finished:
            assert self.rig.now_ns < end_ns
            self.rig.advance_to_news(min(self.rig.now_ns + 60 * SECOND, end_ns))
            self.poll()

    def of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def refusals(self) -> list[tuple[int, RefusalCause]]:
        return [(e.a, RefusalCause(e.b)) for e in self.of(EventKind.DIVERT_REFUSED)]
