"""Words to tell stories about parcels on the small line of :mod:`tiny_layout`.

A :class:`Parcel` is a physical parcel: it knows at which encoder count its leading edge is where,
so a test only says what the sensors report of it. Every sentence is one frame of the PLC, at the
count at which the PLC posts the record; frames without news fill the time between, as a polling
controller sees them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lines import event, events, scans
from tiny_layout import (
    CATEGORIES,
    CHUTES,
    ENTRY_DELAY,
    EYES,
    GROUPS,
    LOOP,
    PLACES,
    SCANNERS,
    ZONES,
    chute_index,
    make_layout,
    make_plan,
    make_policy,
)

from sorter.core.decide import decide
from sorter.core.state import State
from sorter.model.codes import (
    Cause,
    ChuteBit,
    ChuteVerdict,
    CommandKind,
    DecisionKind,
    DecisionReason,
    Disposition,
    EventKind,
    FinalDisposition,
    Grade,
    LineState,
    MissCause,
    ModeReason,
    NoticeKind,
    OutcomeKind,
    PassResult,
    RefusalCause,
    ScanVerdict,
)
from sorter.model.columns import (
    CandidateColumn,
    ChuteStateColumn,
    CommandColumn,
    DecisionColumn,
    EyeColumn,
    LineField,
    OutcomeColumn,
)
from sorter.model.frames import Decisions, Inputs
from sorter.model.tracking import Register


def _name(names: dict[str, object], index: int) -> str:
    return list(names)[index]


@dataclass
class Parcel:
    """A physical parcel; `anchor` is the count at which its leading edge was at position 0."""

    line: TinyLine
    anchor: int
    length: int
    id: int = 0

    def at(self, place: str) -> int:
        """Return the count at which the leading edge is at a place of the line in this round."""
        return self.anchor + PLACES[place]

    def slips(self, counts: int) -> None:
        """Fall back on the belt (negative: slide forward)."""
        self.anchor += counts

    def comes_round(self) -> None:
        """From now on speak of its next round."""
        self.anchor += LOOP

    def passes(self, *eyes: str) -> Parcel:
        for eye in eyes:
            self.line.passes(eye, at=self.at(eye), length=self.length)
            self.id = self.id or self.line.newest_parcel
        return self

    def weighs(self, grams: int = 500, *, width_mm: int = 200, height_mm: int = 100) -> Parcel:
        self.line.measures(
            at=self.at("scale"), trailing=self.length, grams=grams, size=(width_mm, height_mm)
        )
        return self

    def scans(self, scanner: str = "top", *, late: int = 0, **facts: int | str) -> Parcel:
        self.line.scans(scanner, at=self.at(scanner), trailing=self.length + late, **facts)
        return self

    def enters(self, chute: str) -> Parcel:
        self.line.enters(chute, at=self.at(chute) + ENTRY_DELAY, length=self.length)
        return self

    @property
    def story(self) -> list[str]:
        """All that became known about it, in words."""
        return [words for parcel, words in self.line.told if parcel == self.id]

    @property
    def end(self) -> str:
        """How its life on the line ended."""
        endings = [words for words in self.story if words.startswith("CLOSED ")]
        assert len(endings) <= 1
        return endings[0].removeprefix("CLOSED ") if endings else "still on the line"

    @property
    def decisions(self) -> list[str]:
        return [words for parcel, words in self.line.decided if parcel == self.id]

    @property
    def considered(self) -> dict[str, str]:
        """Verdict on each candidate chute of its newest decision."""
        return self.line.candidates[self.id]

    @property
    def commands(self) -> list[tuple[str, str, int]]:
        """What the PLC was told: FIRE or CANCEL, chute, fire count."""
        return [command[1:] for command in self.line.commanded if command[0] == self.id]

    @property
    def bound_for(self) -> str | None:
        """Chute whose diverter the PLC has been told to fire for it."""
        kind, chute, _ = self.commands[-1] if self.commands else ("CANCEL", "", 0)
        return chute if kind == "FIRE" else None


@dataclass
class TinyLine:
    """The line, and everything that the controller has said about it so far."""

    loop: bool = True
    restock: list[list[str]] = field(default_factory=lambda: GROUPS["restock"])
    capacity: dict[str, int] = field(default_factory=dict)
    capacity_length: dict[str, int] = field(default_factory=dict)
    lost_after: int = 2
    second_induction: str = ""
    rows: int = 32
    now: int = 0
    poll: int = 100
    boot_id: int = 1
    line_state: int = 6
    starved_after: int = 0
    told: list[tuple[int, str]] = field(default_factory=list)
    decided: list[tuple[int, str]] = field(default_factory=list)
    commanded: list[tuple[int, str, str, int]] = field(default_factory=list)
    candidates: dict[int, dict[str, str]] = field(default_factory=dict)
    sequences: list[int] = field(default_factory=list)
    tape: list[tuple[Inputs, Decisions]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.fresh_state()
        self._batch: tuple[list[list[int]], list[list[int]]] | None = None
        self._batch_end = 0
        self.newest_parcel = 0

    def fresh_state(self) -> State:
        layout = make_layout(self.loop, self.capacity, self.capacity_length, self.lost_after)
        layout.line[LineField.STARVED_AFTER] = self.starved_after
        if self.second_induction:
            layout.eyes[EyeColumn.INDUCTS, list(EYES).index(self.second_induction)] = 1
        return State.create(layout, make_plan(self.restock), make_policy(), self.rows)

    # --- the passage of the belt -------------------------------------------------------------

    def runs_to(self, count: int) -> None:
        """Let the belt run; the controller sees frames without news."""
        while self.now < count:
            self._frame(min(count, self.now + self.poll), [], [])

    def hears_nothing_until(self, count: int) -> None:
        """Cut the link: what is reported in between comes with the next frame."""
        self.now = max(self.now, count)

    @contextmanager
    def one_frame(self) -> Iterator[None]:
        """Everything reported inside comes with the same frame, in the order told."""
        self._batch, self._batch_end = ([], []), self.now
        yield
        (event_rows, scan_rows), self._batch = self._batch, None
        self.runs_to(self._batch_end - 1)
        self._frame(self._batch_end, event_rows, scan_rows)

    def _report(
        self, at: int, *, event_row: list[int] | None = None, scan_row: list[int] | None = None
    ) -> None:
        event_rows = [] if event_row is None else [event_row]
        scan_rows = [] if scan_row is None else [scan_row]
        at = max(at, self.now)
        if self._batch is not None:
            self._batch[0].extend(event_rows)
            self._batch[1].extend(scan_rows)
            self._batch_end = max(self._batch_end, at)
            return
        self.runs_to(at - 1)
        self._frame(at, event_rows, scan_rows)

    def _frame(self, now: int, event_rows: list[list[int]], scan_rows: list[list[int]]) -> None:
        self.now = now
        inputs = Inputs(self.boot_id, self.line_state, now, events(*event_rows), scans(*scan_rows))
        decisions = decide(self.state, inputs, 0)
        self.tape.append((inputs, decisions))
        self._listen(decisions)

    # --- what the PLC reports ------------------------------------------------------------------

    def parcel(self, *, at: int, length: int = 300) -> Parcel:
        """A parcel whose leading edge is at the induction eye at count `at`; nothing seen yet."""
        return Parcel(self, at - EYES["induct"], length)

    def inducts(self, *, at: int, length: int = 300) -> Parcel:
        return self.parcel(at=at, length=length).passes("induct")

    def known_parcel(self, *, at: int, length: int = 300, **facts: int | str) -> Parcel:
        """A parcel that was inducted, weighed and read by the first scanner."""
        return self.inducts(at=at, length=length).weighs().scans(**facts)

    def passes(self, eye: str, *, at: int, length: int = 300) -> None:
        row = event(EventKind.PARCEL_PASSED, list(EYES).index(eye), at, length)
        self._report(at + length, event_row=row)

    def measures(
        self, *, at: int, trailing: int = 300, grams: int = 500, size: tuple[int, int] = (200, 100)
    ) -> None:
        row = event(EventKind.PARCEL_MEASURED, 0, at, size[0] << 16 | size[1], grams // 10)
        self._report(at + trailing, event_row=row)

    def scans(
        self,
        scanner: str = "top",
        *,
        at: int,
        trailing: int = 300,
        verdict: str = "READ",
        identity: int = 7,
        known: int = 1,
        grade: str = "A",
        category: str = "fashion",
        hazmat: int = 0,
        days_held: int = 3,
        seq: int = 0,
    ) -> None:
        facts = [known, Grade[grade], CATEGORIES.index(category), 0, hazmat, 1000, 0, days_held]
        if not known or verdict != "READ":
            facts = [0 if verdict == "READ" else -1] + [-1] * 7
        code = int(ScanVerdict[verdict])
        identity = identity if verdict == "READ" else 0
        row = [seq, list(SCANNERS).index(scanner), at, 0, code, identity, *facts]
        self._report(at + trailing, scan_row=row)

    def fires(self, parcel: Parcel, *, slack: int = 500) -> None:
        """The PLC fires what it was told last for this parcel."""
        kind, chute, fire = parcel.commands[-1]
        assert kind == "FIRE"
        row = event(EventKind.DIVERT_FIRED, chute_index(chute), fire, parcel.id, slack)
        self._report(fire, event_row=row)

    def fires_at(self, chute: str, parcel: Parcel, *, at: int) -> None:
        """The PLC fires something else than what it was told last for this parcel."""
        self._report(at, event_row=event(EventKind.DIVERT_FIRED, chute_index(chute), at, parcel.id))

    def refuses(
        self, parcel: Parcel, cause: str, *, chute: str = "", at: int | None = None
    ) -> None:
        """Refuse what was told last for this parcel, by default at the fire count."""
        _, told, fire = parcel.commands[-1]
        at = fire if at is None else at
        number = chute_index(chute or told)
        row = event(EventKind.DIVERT_REFUSED, number, at, parcel.id, RefusalCause[cause])
        self._report(at, event_row=row)

    def enters(self, chute: str, *, at: int, length: int = 300) -> None:
        row = event(EventKind.CHUTE_ENTERED, chute_index(chute), at, length)
        self._report(at + length, event_row=row)

    def chute_becomes(self, chute: str, *bits: str) -> None:
        """Say all that holds for the chute now: ``OPEN``, ``FULL``, ``JAMMED``, ``HALF_FULL``."""
        word = sum(ChuteBit[bit] for bit in bits)
        row = event(EventKind.CHUTE_CHANGED, chute_index(chute), self.now, 0, word)
        self._report(self.now, event_row=row)

    def empties(self, chute: str, parcels: int = 0) -> None:
        row = event(EventKind.CHUTE_EMPTIED, chute_index(chute), self.now, parcels)
        self._report(self.now, event_row=row)

    def clears(self, zone: str) -> None:
        row = event(EventKind.ZONE_CLEARED, list(ZONES).index(zone), self.now)
        self._report(self.now, event_row=row)

    def plc_restarts(self) -> None:
        self.boot_id += 1
        self._frame(self.now, [], [])

    def becomes(self, state: str) -> None:
        """The PLC says in which state the line is from now on."""
        self.line_state = LineState[state]
        self.reports(EventKind.LINE_CHANGED, 0xFFFF, b=self.line_state)

    def jumps(self, counts: int, tick: int = 0) -> None:
        """The encoder count goes on, or back, as no belt can; the controller has noticed."""
        self.now += counts
        row = [0, NoticeKind.ENCODER_JUMPED, -1, self.now, tick, abs(counts), int(counts < 0)]
        self._frame(self.now, [row], [])

    @property
    def modes(self) -> list[str]:
        """States that the line has been in, as told."""
        return [words.removeprefix("MODE ") for parcel, words in self.told if parcel == 0]

    def reports(self, kind: int, source: int, a: int = 0, b: int = 0) -> None:
        """Report any event at all, however malformed."""
        self._report(self.now, event_row=[0, kind, source, self.now, 0, a, b])

    # --- what the controller says ------------------------------------------------------------

    def fill_of(self, chute: str) -> tuple[int, int]:
        """Return parcels in the chute and parcels on their way to it."""
        column = self.state.chutes[:, chute_index(chute)]
        return int(column[ChuteStateColumn.PARCELS]), int(column[ChuteStateColumn.RESERVED])

    def counted(self, register: str) -> int:
        """Return one of the counters of odd reports."""
        return int(self.state.registers[Register[register]])

    def _listen(self, said: Decisions) -> None:
        for row in said.outcomes.tolist():
            parcel = row[OutcomeColumn.PARCEL]
            if row[OutcomeColumn.KIND] == OutcomeKind.OPENED:
                self.newest_parcel = parcel
            self.told.append((parcel, _in_words(row)))
        numbers = []
        for row in said.decisions.tolist():
            parcel = row[DecisionColumn.PARCEL]
            numbers.append(parcel)
            self.candidates[parcel] = {}
            kind = DecisionKind(row[DecisionColumn.KIND]).name
            reason = DecisionReason(row[DecisionColumn.REASON]).name
            chute = row[DecisionColumn.CHUTE]
            where = f" to {_name(CHUTES, chute)}" if chute >= 0 else ""
            self.decided.append((parcel, f"{kind}{where}: {reason}"))
        for decision, chute, verdict in said.candidates[:, : CandidateColumn.VERDICT + 1].tolist():
            self.candidates[numbers[decision]][_name(CHUTES, chute)] = ChuteVerdict(verdict).name
        for row in said.commands.tolist():
            kind = CommandKind(row[CommandColumn.KIND]).name.removesuffix("_DIVERT")
            chute = _name(CHUTES, row[CommandColumn.CHUTE])
            self.commanded.append((row[CommandColumn.PARCEL], kind, chute, row[CommandColumn.FIRE]))
            self.sequences.append(row[CommandColumn.SEQ])


def _in_words(row: list[int]) -> str:
    """Return one outcome as a phrase, e.g. ``PASSED shelf_a: DIVERT_INHIBITED (CHUTE_FULL)``."""
    kind = OutcomeKind(row[OutcomeColumn.KIND])
    value, chute, cause = (
        row[OutcomeColumn.VALUE],
        row[OutcomeColumn.CHUTE],
        row[OutcomeColumn.CAUSE],
    )
    where = f" {_name(CHUTES, chute)}" if chute >= 0 else ""
    why = f": {Cause(cause).name}" if cause >= 0 else ""
    match kind:
        case OutcomeKind.OPENED | OutcomeKind.SEEN | OutcomeKind.EYE_MISSED:
            return f"{kind.name}{where or ' ' + _name(EYES, value)}{why}"
        case OutcomeKind.SCANNED:
            return f"SCANNED {ScanVerdict(value).name}"
        case OutcomeKind.MEASURED:
            return f"MEASURED {value}"
        case OutcomeKind.CLASSIFIED:
            return f"CLASSIFIED {Cause(cause).name if cause >= 0 else Disposition(value).name}"
        case OutcomeKind.PASSED:
            refusal = f" ({RefusalCause(cause).name})" if cause >= 0 else ""
            return f"PASSED{where}: {PassResult(value).name}{refusal}"
        case OutcomeKind.CLOSED:
            return f"CLOSED {FinalDisposition(value).name}{where}{why}"
        case OutcomeKind.MODE_CHANGED:
            return f"MODE {LineState(value).name}: {ModeReason(cause).name}"
        case OutcomeKind.DEADLINE_MISSED:
            return f"DEADLINE_MISSED: {MissCause(cause).name}"
        case _:
            return f"{kind.name} {value}{where}"
