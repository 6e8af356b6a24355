"""A tiny line to drive ``decide`` with: parcels, eyes, diverters, faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from lines import LOOP, event, events, make_state, scan, scans

from sorter.core.decide import decide
from sorter.model.codes import ChuteBit, CommandKind, EventKind, RefusalCause, ScanVerdict
from sorter.model.columns import ChuteColumn, CommandColumn
from sorter.model.frames import Decisions, Inputs

ENTRY_DELAY = 400
DELAY = 700
"""Counts that a delayed record is late: others overtake it."""


@dataclass
class Thing:
    """A physical parcel."""

    anchor: int
    length: int
    read: list[int] | None
    gone: bool = False
    latched: list[list[int]] = field(default_factory=list)
    """Edges of it that sensors report at its trailing edge."""


@dataclass
class World:
    """What really happens, in encoder counts."""

    loop: bool = True
    encoder: int = 1_000
    boot_id: int = 1
    things: list[Thing] = field(default_factory=list)
    pending: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    engaged: dict[int, tuple[int, int]] = field(default_factory=dict)
    bits: list[int] = field(default_factory=lambda: [int(ChuteBit.OPEN)] * 7)
    posted: list[tuple[int, int, list[int]]] = field(default_factory=list)
    scanned: list[tuple[int, list[int]]] = field(default_factory=list)
    blind_eyes: int = 0
    broken_diverts: int = 0
    blind_scans: int = 0
    entered: int = 0
    """Chute entries that were reported."""
    records: int = 0
    """Posted so far: of two at the same count the first posted comes first."""
    tampered: list[str] = field(default_factory=list)
    """What is done to the next records: ``dropped``, ``doubled``, ``delayed``."""
    link_delay: int = 0
    """Counts after which the controller hears of what the PLC has posted."""

    def __post_init__(self) -> None:
        self.state = make_state(loop=self.loop, capacity=3)
        self.chutes = self.state.layout.chutes

    def post(self, at: int, record: list[int]) -> None:
        """Put a record into the ring, if nothing happens to it on the way."""
        tampered = self.tampered.pop() if self.tampered else ""
        if tampered == "dropped":
            return
        at += DELAY if tampered == "delayed" else 0
        for _ in range(2 if tampered == "doubled" else 1):
            self.records += 1
            self.posted.append((at, self.records, record))

    def enter(self, length: int, read: list[int] | None) -> bool:
        """Put a parcel in front of the induction when there is a gap for it."""
        anchor = self.encoder - 400
        for thing in self.things:
            apart = (thing.anchor - anchor) % LOOP if self.loop else abs(thing.anchor - anchor)
            if not thing.gone and min(apart, abs(LOOP - apart)) < max(length, thing.length) + 80:
                return False
        self.things.append(Thing(anchor, length, read))
        return True

    def command(self, decided: Decisions) -> None:
        for row in decided.commands.tolist():
            parcel, chute = row[CommandColumn.PARCEL], row[CommandColumn.CHUTE]
            if row[CommandColumn.KIND] == CommandKind.CANCEL_DIVERT:
                self.pending.pop(parcel, None)
                continue
            self.pending[parcel] = (row[CommandColumn.FIRE], chute, row[CommandColumn.HOLD])

    def fire(self, parcel: int, at: int, chute: int, hold: int) -> None:
        if self.bits[chute] != ChuteBit.OPEN:
            cause = RefusalCause.CHUTE_CLOSED
            if self.bits[chute] & ChuteBit.FULL:
                cause = RefusalCause.CHUTE_FULL
            self.post(at, event(EventKind.DIVERT_REFUSED, chute, at, parcel, cause))
            return
        self.post(at, event(EventKind.DIVERT_FIRED, chute, at, parcel, 500))
        if self.broken_diverts:
            self.broken_diverts -= 1
            return
        start = at + int(self.chutes[ChuteColumn.ACTUATION, chute])
        self.engaged[chute] = (start, start + hold)

    def points(self, thing: Thing, start: int, end: int):
        """Everything the leading edge of a thing comes by in (start, end]."""
        layout = self.state.layout
        stops = [(int(p), "eye", i) for i, p in enumerate(layout.eyes[0])]
        stops += [(int(p), "scanner", i) for i, p in enumerate(layout.scanners[0])]
        stops += [(int(p), "scale", i) for i, p in enumerate(layout.scales[0])]
        stops += [(int(p), "chute", i) for i, p in enumerate(self.chutes[ChuteColumn.POSITION])]
        for position, kind, index in stops:
            at = thing.anchor + position
            while self.loop and at <= start:
                at += LOOP
            if start < at <= end:
                yield at, kind, index, thing

    def pass_point(self, at: int, kind: str, index: int, thing: Thing) -> None:
        trailing = at + thing.length
        if kind == "eye":
            if self.blind_eyes:
                self.blind_eyes -= 1
                return
            thing.latched.append(event(EventKind.PARCEL_PASSED, index, at, thing.length))
            self.post(trailing, thing.latched[-1])
        elif kind == "scale":
            weight = 100 + 20 * (thing.length % 5)  # of neighbours, often another one; 10 g
            thing.latched.append(event(EventKind.PARCEL_MEASURED, 0, at, 200 << 16 | 100, weight))
            self.post(trailing, thing.latched[-1])
        elif kind == "scanner":
            if self.blind_scans:
                self.blind_scans -= 1
                return
            read = scan(at, ScanVerdict.NO_READ)
            if thing.read is not None:
                read = [*read[:2], at, 0, *thing.read[4:]]
            thing.latched.append(read)
            self.scanned.append((trailing, read))
        else:
            start, end = self.engaged.get(index, (0, -1))
            at_end = self.chutes[ChuteColumn.LINE_END, index] == 1
            if start <= at <= end or at_end:
                thing.gone = True
                self.entered += 1
                seen = at + ENTRY_DELAY
                entered = event(EventKind.CHUTE_ENTERED, index, seen, thing.length)
                self.post(seen + thing.length, entered)

    def advance(self, counts: int) -> None:
        """Move the belt; fires come before edges at the same count."""
        start, end = self.encoder, self.encoder + counts
        agenda: list[tuple[int, int, tuple]] = []
        for thing in self.things:
            if not thing.gone:
                agenda += [(p[0], 1, p) for p in self.points(thing, start, end)]
        for parcel, (at, chute, hold) in list(self.pending.items()):
            if at <= start:
                cause = RefusalCause.TOO_LATE
                self.post(start, event(EventKind.DIVERT_REFUSED, chute, start, parcel, cause))
                del self.pending[parcel]
            elif at <= end:
                agenda.append((at, 0, (parcel, at, chute, hold)))
                del self.pending[parcel]
        for _, order, what in sorted(agenda, key=lambda a: a[:2]):
            if order == 0:
                self.fire(*what)
            elif not what[3].gone:
                self.pass_point(*what)
        self.encoder = end
        self.things = [thing for thing in self.things if not thing.gone]

    def clear(self, zone: int) -> None:
        """Take all parcels off a zone of the belt, and tell the PLC; chutes keep what they have.

        A parcel lifted off a sensor has no trailing edge there: the edge latched is forgotten.
        """
        start, end = self.state.layout.zones[:, zone]
        for thing in self.things:
            thing.gone = start <= (self.encoder - thing.anchor) % LOOP < end
        lifted = {id(record) for thing in self.things if thing.gone for record in thing.latched}
        self.posted = [p for p in self.posted if p[0] <= self.encoder or id(p[2]) not in lifted]
        self.scanned = [s for s in self.scanned if s[0] <= self.encoder or id(s[1]) not in lifted]
        self.things = [thing for thing in self.things if not thing.gone]
        self.post(self.encoder, event(EventKind.ZONE_CLEARED, zone, self.encoder))

    def sliding(self, chute: int) -> bool:
        """Return whether a parcel has left the belt and is not seen in this chute yet."""
        return any(
            record[1:3] == [EventKind.CHUTE_ENTERED, chute] and at > self.encoder
            for at, _, record in self.posted
        )

    def frame(self) -> Inputs:
        """What the PLC has posted up to now, each record once."""
        until = self.encoder - self.link_delay
        due = sorted(record for record in self.posted if record[0] <= until)
        self.posted = [record for record in self.posted if record[0] > until]
        reads = [read for at, read in self.scanned if at <= until]
        self.scanned = [s for s in self.scanned if s[0] > until]
        return Inputs(self.boot_id, 6, self.encoder, events(*(d[2] for d in due)), scans(*reads))

    def step(self) -> tuple[Inputs, Decisions]:
        inputs = self.frame()
        return inputs, decide(self.state, inputs, 0)
