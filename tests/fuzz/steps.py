"""The decision step with any rows at all: impossible numbers, wrapped counts, unknown kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sorter.config.load import load_line
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.model.codes import EventKind, OutcomeKind
from sorter.model.columns import (
    EVENT_WIDTH,
    SCAN_WIDTH,
    ChuteStateColumn,
    CommandColumn,
    OutcomeColumn,
    ScanColumn,
)
from sorter.model.frames import Decisions, Inputs, Rows, no_rows
from sorter.model.tracking import ParcelColumn, Register

from .coverage import ROOT
from .target import Broken, Run, Taker, Target

LINES = ("line.yaml", "small_line.yaml")
ROWS = 24
MAX_FRAMES = 40
_EVENT = bytes((1,))
_SCAN = bytes((2,))
_FRAME = bytes((0,))


class Books:
    """Counts what decide says, and holds it against what its tables say."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.open: set[int] = set()
        self.closed = 0

    def check(self, decided: Decisions) -> None:
        """Raise :class:`Broken` unless every parcel is accounted for exactly once."""
        for row in decided.outcomes.tolist():
            self._follow(row)
        state = self.state
        parcels = state.parcels
        here = parcels[ParcelColumn.ID] != 0
        if set(parcels[ParcelColumn.ID][here].tolist()) != self.open:
            raise Broken("parcels on the line are not those opened and not closed")
        if state.tracked_count() != len(self.open):
            raise Broken("the number of tracked parcels is wrong")
        if state.registers[Register.DROPPED_OUTPUTS]:
            raise Broken("outputs were dropped")
        bound = parcels[ParcelColumn.CHUTE][here]
        count = np.bincount(bound[bound >= 0], minlength=state.chutes.shape[1])
        if not np.array_equal(count, state.chutes[ChuteStateColumn.RESERVED]):
            raise Broken("reservations are not the parcels on their way")
        if (state.chutes[ChuteStateColumn.PARCELS] < 0).any():
            raise Broken("a chute holds a negative number of parcels")
        if (
            len(decided.commands) > 1
            and (np.diff(decided.commands[:, CommandColumn.SEQ]) != 1).any()
        ):
            raise Broken("commands are not in sequence")

    def _follow(self, row: list[int]) -> None:
        parcel, kind = row[OutcomeColumn.PARCEL], row[OutcomeColumn.KIND]
        if kind == OutcomeKind.MODE_CHANGED:
            return  # of the line, not of a parcel
        if kind == OutcomeKind.OPENED:
            if parcel in self.open:
                raise Broken("a parcel was opened twice")
            self.open.add(parcel)
        elif parcel not in self.open:
            raise Broken(f"{OutcomeKind(kind).name} of a parcel that is not open")
        if kind == OutcomeKind.CLOSED:
            self.open.discard(parcel)
            self.closed += 1


def _number(take: Taker, near: int) -> int:
    """Return a number: mostly near another one, else small, 32 bits wide or anything."""
    how = take.number(1)
    if how < 160:
        return near + take.number(2, signed=True)
    if how < 190:
        return take.number(1)
    if how < 225:
        return near + take.number(4, signed=True)
    return take.number(8, signed=True)


def _event(take: Taker, encoder: int, parcel: int) -> list[int]:
    kind = take.number(1)
    kind = kind % (len(EventKind) + 1) if kind < 250 else take.number(8, signed=True)
    source = take.number(1)
    source = source % 24 if source < 240 else take.number(8, signed=True)
    how = take.number(1)
    a = take.number(2) % 700 if how < 120 else parcel - how % 8 if how < 220 else _number(take, 0)
    b = take.number(1) if how < 230 else take.number(8, signed=True)
    return [0, kind, source, _number(take, encoder), 0, a, b]


def _scan(take: Taker, encoder: int) -> list[int]:
    row = [0, take.number(1) % 3, _number(take, encoder), 0]
    how = take.number(1)
    if how < 200:
        row += [how % 3, 1 + take.number(1), 1, *(take.number(1) % 6 for _ in range(7))]
        row[ScanColumn.HAZMAT] = how % 2
        row[ScanColumn.VALUE_CENTS] = take.number(3)
    else:
        row += [how % 4, *(take.number(8, signed=True) >> take.number(1) % 64 for _ in range(9))]
    return row[:SCAN_WIDTH]


def _belt_travel(take: Taker, what: int) -> int:
    """Return how far the count has come since the last frame; it may jump as far as 32 bits do."""
    if what < 128:
        return 40 * what
    return take.number(2) if what < 230 else take.number(4, signed=True)


def _table(rows: list[list[int]], width: int) -> Rows:
    return np.array(rows, np.int64).reshape(-1, width) if rows else no_rows(width)


def _decide(_folder: Path) -> Run:
    states = []
    for name in LINES:
        line = load_line(ROOT / "config" / name)
        states.append(State.create(line.layout, line.plan, line.policy, ROWS))
    fresh = [state.to_bytes() for state in states]

    def run(data: bytes) -> str:
        take = Taker(data)
        which = take.number(1) % len(states)
        state = states[which]
        state.restore(fresh[which])
        books = Books(state)
        encoder, boot_id, frames, commands = take.number(4), 1, 0, 0
        events: list[list[int]] = []
        scans: list[list[int]] = []
        while take.more and frames < MAX_FRAMES:
            what = take.number(1)
            if what % 4 == _EVENT[0]:
                events.append(_event(take, encoder, state.next_parcel_id))
            elif what % 4 == _SCAN[0]:
                scans.append(_scan(take, encoder))
            else:
                boot_id += what == 255
                encoder += _belt_travel(take, what)
                frames += 1
                inputs = Inputs(
                    boot_id, 6, encoder, _table(events, EVENT_WIDTH), _table(scans, SCAN_WIDTH)
                )
                decided = decide(state, inputs, 0)
                books.check(decided)
                commands += len(decided.commands)
                events, scans = [], []
        return (
            f"{LINES[which]}: {min(books.closed, 5)} closed, {min(len(books.open), 5)} open, "
            f"{min(commands, 3)} commands"
        )

    return run


def _number_bytes(near: int) -> bytes:
    return bytes((0,)) + near.to_bytes(2, "little", signed=True)


def event_bytes(kind: int, source: int, a: int, b: int, encoder_off: int) -> bytes:
    """Return an event as :func:`_event` reads it."""
    return (
        bytes((1, kind, source, 0))
        + a.to_bytes(2, "little")
        + bytes((b,))
        + _number_bytes(encoder_off)
    )


def _seeds() -> list[bytes]:
    inducted = event_bytes(EventKind.PARCEL_PASSED, 0, 300, 0, 0)
    read = b"\2\0" + _number_bytes(0) + b"\0" + b"\7" + bytes(7) + b"\xe8\3\0"
    seeds = []
    for line in range(2):
        head = bytes((line,)) + (5000).to_bytes(4, "little")
        life = inducted + b"\4" + b"\x08" * 20 + read + b"\x08" * 60
        seeds += [head + life, head + (inducted + b"\x08" * 8) * 8 + b"\xff\0\0\0"]
        for kind in EventKind:
            seeds.append(head + inducted + b"\4" + event_bytes(kind, 0, 1, 1, 0) + b"\x08" * 20)
    return seeds


TARGETS = (
    Target("decide", "core.decide.decide", _seeds, _decide, limit_bytes=1500, budget_s=0.25),
)
