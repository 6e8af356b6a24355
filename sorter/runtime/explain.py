"""One parcel's whole story out of a journal, in the order in which it became known.

Names instead of numbers. A report about a parcel comes when its trailing edge has passed, so an eye
may stand behind a conclusion that was drawn a few hundredths of a second later.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sorter.model.codes import (
    NONE,
    Cause,
    CommandKind,
    Disposition,
    EventKind,
    FinalDisposition,
    MissCause,
    OutcomeKind,
    PassResult,
    RefusalCause,
    ScanVerdict,
)
from sorter.model.columns import (
    CandidateColumn,
    CommandColumn,
    DecisionColumn,
    EventColumn,
    OutcomeColumn,
    ScanColumn,
)
from sorter.runtime.journal_checks import damaged
from sorter.runtime.journal_codec import Step
from sorter.runtime.journal_info import LineNames, Run
from sorter.runtime.journal_parcels import ParcelRow, code_text, read_behind
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.journal_words import (
    candidate_words,
    command_words,
    decision_words,
    grade_word,
    name_of,
    word,
)
from sorter.runtime.parcel_search import find_parcels

TICKS_PER_S: Final = 10_000
CodedRow = list[int]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to the parcel.

    Attributes
    ----------
    step : int
        Decision step in which it became known.
    time_s : float
        Since the parcel was opened, from PLC ticks where the PLC reported it, else from the belt.
    position_mm : float
        Way from where it was opened.
    what : str
        ``eye``, ``scan``, ``decision`` ...
    text : str
        In words.
    details : dict
        The same as values.
    """

    step: int
    time_s: float
    position_mm: float
    what: str
    text: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """All that the journal knows about one parcel."""

    parcel: int
    code: str | None
    run: int
    ending: str
    moments: list[Moment]

    def as_json(self) -> dict[str, Any]:
        """Return the story as plain values."""
        return asdict(self)


def explain(journal_path: Path | str, parcel: str) -> list[Story]:
    r"""Return the story of a parcel, or of every parcel that carried a code.

    Parameters
    ----------
    journal_path : path
    parcel : str
        Parcel number, or a code as scanned; control characters may be given as ``\x1d``.

    Raises
    ------
    UnknownParcel
        Nothing in the journal fits.
    JournalError
        The journal is missing or damaged.
    """
    with JournalReader(journal_path) as reader:
        runs = {run.run: run for run in reader.runs()}
        rows = find_parcels(reader, parcel)
        for row in rows:
            if row.run not in runs:
                problem = f"it names run {row.run}, which is not there"
                raise damaged(reader.path, f"the row of parcel {row.parcel}", problem)
        return [_Teller(row, runs[row.run], list(runs.values())).tell(reader) for row in rows]


_REPORTED_BY: Final[dict[int, tuple[EventKind, ...]]] = {
    OutcomeKind.SEEN: (EventKind.PARCEL_PASSED,),
    OutcomeKind.OPENED: (EventKind.PARCEL_PASSED, EventKind.CHUTE_ENTERED),
    OutcomeKind.MEASURED: (EventKind.PARCEL_MEASURED,),
    OutcomeKind.CLOSED: (EventKind.CHUTE_ENTERED, EventKind.ZONE_CLEARED),
    OutcomeKind.PASSED: (EventKind.CHUTE_ENTERED, EventKind.DIVERT_REFUSED),
    OutcomeKind.SLACK: (EventKind.DIVERT_FIRED,),
    OutcomeKind.DEADLINE_MISSED: (EventKind.DIVERT_REFUSED,),
}


_SOURCE_IN: Final[dict[int, OutcomeColumn]] = {
    EventKind.PARCEL_PASSED: OutcomeColumn.VALUE,
    EventKind.PARCEL_MEASURED: OutcomeColumn.CHUTE,
}
"""Where an outcome has the eye or scale whose report it follows from."""


def _event_behind(row: CodedRow, events: list[CodedRow]) -> CodedRow | None:
    """Return the PLC's report that an outcome follows from, None when it follows from silence."""
    kinds = _REPORTED_BY.get(row[OutcomeColumn.KIND], ())
    for event in events:
        if event[EventColumn.KIND] in kinds:
            column = _SOURCE_IN.get(event[EventColumn.KIND])
            here = column is None or row[column] == event[EventColumn.SOURCE]
            if here and event[EventColumn.ENCODER] == row[OutcomeColumn.ENCODER]:
                return event
    return None


@dataclass(slots=True)
class _Teller:
    """Follows one parcel through its steps."""

    row: ParcelRow
    run: Run
    runs: list[Run]
    opened_tick: int = NONE
    anchor: int | None = None
    laps: int = 0
    moments: list[Moment] = field(default_factory=list)

    @property
    def names(self) -> LineNames:
        return self.run.names

    def tell(self, reader: JournalReader) -> Story:
        last = self.row.closed_step if self.row.closed_step != NONE else self.runs[-1].next_step - 1
        starts = {run.first_step: run for run in self.runs if run.first_step > self.row.opened_step}
        for step in reader.steps(self.row.opened_step, last):
            if (run := starts.get(step.step)) is not None:
                self._take_restart(step, run)
            self._take(step)
        return Story(self.row.parcel, self.row.code, self.row.run, self._ending(), self.moments)

    def _take_restart(self, step: Step, run: Run) -> None:
        """Tell that the controller was started anew while the parcel was on the belt."""
        details = {"run": run.run, "software": run.software}
        text = f"the controller was started anew (run {run.run}) and knew it from the journal"
        self._add(step, (step.inputs.encoder_count, NONE), "controller", text, details)

    def _ending(self) -> str:
        row = self.row
        if not row.disposition:
            return "still on the line when the journal ended"
        text = word(FinalDisposition, row.disposition)
        if row.chute != NONE:
            text += f" into {name_of(self.names.chutes, row.chute)}"
        return text + (f" ({word(Cause, row.cause)})" if row.cause != NONE else "")

    def _add(
        self, step: Step, when: tuple[int, int], what: str, text: str, details: dict[str, Any]
    ) -> None:
        encoder, tick = when
        way_mm = (encoder - self.row.opened_encoder) * self.names.mm_per_count
        if NONE not in (tick, self.opened_tick):
            time_s = (tick - self.opened_tick) / TICKS_PER_S
        else:
            time_s = way_mm / self.names.belt_speed_mm_s
        moment = Moment(step.step, round(time_s, 4), round(way_mm, 1), what, text, details)
        self.moments.append(moment)

    def _take(self, step: Step) -> None:
        number = self.row.parcel
        events = step.inputs.events.tolist()
        for outcome in step.decided.outcomes.tolist():
            if outcome[OutcomeColumn.PARCEL] == number:
                self._take_outcome(step, outcome, events)
        for index, decision in enumerate(step.decided.decisions.tolist()):
            if decision[DecisionColumn.PARCEL] == number:
                self._take_decision(step, index, decision)
        for command in step.decided.commands.tolist():
            if command[CommandColumn.PARCEL] == number:
                self._take_command(step, command)

    def _take_outcome(self, step: Step, row: CodedRow, events: list[CodedRow]) -> None:
        _, kind, value, chute, cause, encoder = row
        event = _event_behind(row, events)
        tick = event[EventColumn.TICK] if event is not None else NONE
        if kind in (OutcomeKind.OPENED, OutcomeKind.SEEN):
            self._take_sighting(step, row, event, tick)
        elif kind == OutcomeKind.SCANNED:
            self._take_scan(step, row)
        elif kind == OutcomeKind.MEASURED:
            self._take_measurement(step, value, encoder, event, tick)
        else:
            text, details = self._in_words(kind, value, chute, cause)
            what = "host" if kind == OutcomeKind.ANSWERED else word(OutcomeKind, kind)
            self._add(step, (encoder, tick), what, text, details)

    def _take_sighting(self, step: Step, row: CodedRow, event: CodedRow | None, tick: int) -> None:
        _, kind, eye, chute, cause, encoder = row
        opened = kind == OutcomeKind.OPENED
        if opened:
            self.opened_tick = tick
        name = name_of(self.names.eyes, eye)
        length_mm = None if event is None else event[EventColumn.A] * self.names.mm_per_count
        deviation_mm = self._deviation(eye, encoder)
        details = {
            "eye": name,
            "encoder": encoder,
            "length_mm": length_mm,
            "deviation_mm": deviation_mm,
        }
        text = f"{'opened at' if opened else 'seen at'} {name}, count {encoder}"
        if eye == NONE and chute != NONE:
            details["chute"] = name_of(self.names.chutes, chute)
            text = f"first noticed in chute {details['chute']}, count {encoder}"
        text += "" if length_mm is None else f", length {length_mm:.0f} mm"
        text += "" if deviation_mm is None else f", {deviation_mm:+.0f} mm from where expected"
        if cause != NONE:
            details["cause"] = word(Cause, cause)
            text += f"; nobody expected it ({details['cause']})"
        self._add(step, (encoder, tick), "opened" if opened else "eye", text, details)

    def _deviation(self, eye: int, encoder: int) -> float | None:
        """Return how far from its expected place an eye saw the parcel, in mm."""
        positions = self.names.eye_positions
        if not 0 <= eye < len(positions):
            return None
        anchor = encoder - positions[eye]
        before, self.anchor = self.anchor, anchor
        if before is None:
            return None
        off = anchor - before
        loop = self.names.loop_counts
        if loop:
            off = (off + loop // 2) % loop - loop // 2
        return off * self.names.mm_per_count

    def _take_scan(self, step: Step, row: CodedRow) -> None:
        encoder = row[OutcomeColumn.ENCODER]
        verdict = word(ScanVerdict, row[OutcomeColumn.VALUE])
        index = read_behind(row, step.reads)
        if index is None:
            text = f"{verdict}: no scanner reported anything in time"
            self._add(step, (encoder, NONE), "scan", text, {"verdict": verdict, "codes": []})
            return
        scan, read = step.inputs.scans[index].tolist(), step.reads[index]
        scanner = name_of(self.names.scanners, scan[ScanColumn.SCANNER])
        codes = [code_text(code) for code in read.codes]
        known = scan[ScanColumn.KNOWN] == 1
        details = {
            "scanner": scanner,
            "verdict": verdict,
            "codes": codes,
            "truncated": read.truncated,
            "in_registry": known,
            "grade": grade_word(scan[ScanColumn.GRADE]),
        }
        text = f"{verdict} at {scanner}: {', '.join(map(repr, codes)) or 'no code'}"
        if row[OutcomeColumn.VALUE] == ScanVerdict.READ:
            text += f"; grade {details['grade']}" if known else "; not in the registry"
        self._add(step, (encoder, scan[ScanColumn.TICK]), "scan", text, details)

    def _take_measurement(
        self, step: Step, weight_g: int, encoder: int, event: CodedRow | None, tick: int
    ) -> None:
        details: dict[str, Any] = {"weight_g": weight_g}
        text = f"weighs {weight_g} g"
        if event is not None and event[EventColumn.KIND] == EventKind.PARCEL_MEASURED:
            details["scale"] = name_of(self.names.scales, event[EventColumn.SOURCE])
            details["width_mm"] = event[EventColumn.A] >> 16
            details["height_mm"] = event[EventColumn.A] & 0xFFFF
            text += f", {details['width_mm']} mm wide, {details['height_mm']} mm high"
            text += f" at {details['scale']}"
        self._add(step, (encoder, tick), "measured", text, details)

    def _in_words(
        self, kind: int, value: int, chute: int, cause: int
    ) -> tuple[str, dict[str, Any]]:
        at = name_of(self.names.chutes, chute)
        if kind == OutcomeKind.CLASSIFIED:
            article, why = word(Disposition, value), word(Cause, cause)
            text = f"disposition {article.upper()}" if cause == NONE else f"exception: {why}"
            return text, {"disposition": article, "cause": why}
        if kind == OutcomeKind.PASSED:
            result, why = word(PassResult, value), word(RefusalCause, cause)
            text = f"{result} at {at}" + (f": {why}" if cause != NONE else "")
            return text, {"result": result, "chute": at, "cause": why}
        if kind == OutcomeKind.SLACK:
            slack_ms = value * self.names.mm_per_count / self.names.belt_speed_mm_s * 1000
            text = f"{at} fired; the command came {value} counts ({slack_ms:.0f} ms) early"
            return text, {"chute": at, "slack_counts": value, "slack_ms": round(slack_ms, 1)}
        if kind == OutcomeKind.DEADLINE_MISSED:
            why = word(MissCause, cause)
            return f"deadline missed at {at}: {why}", {"chute": at, "cause": why}
        if kind == OutcomeKind.ANSWERED:
            grade = grade_word(value)
            return f"the host knows it after all: grade {grade}", {"grade": grade}
        if kind == OutcomeKind.RECIRCULATED:
            self.laps = value
            return f"lap {value} completed", {"lap": value}
        if kind == OutcomeKind.EYE_MISSED:
            eye = name_of(self.names.eyes, value)
            return f"not seen at {eye}", {"eye": eye}
        if kind == OutcomeKind.CLOSED:
            return self._ending(), {
                "disposition": word(FinalDisposition, value),
                "chute": at,
                "cause": word(Cause, cause),
            }
        return f"{word(OutcomeKind, kind)} {value}", {"value": value, "chute": at, "cause": cause}

    def _take_decision(self, step: Step, index: int, row: CodedRow) -> None:
        details = decision_words(row, self.names)
        candidates = [
            candidate_words(candidate, self.names)
            for candidate in step.decided.candidates.tolist()
            if candidate[CandidateColumn.DECISION] == index
        ]
        details["candidates"] = candidates
        text = f"{details['kind']} by {details['reason']}"
        if row[DecisionColumn.CAUSE] != NONE:
            text += f" {details['cause']}"
        elif row[DecisionColumn.STREAM] != NONE:
            text += f", grade {details['grade']} stream {details['stream']}"
            text += f" (disposition {details['disposition'].upper()})"
        if row[DecisionColumn.CHUTE] != NONE:
            left = row[DecisionColumn.COMMIT] - row[DecisionColumn.ENCODER]
            text += f": to {details['chute']}, {left} counts before its commit point"
        told = ", ".join(f"{c['chute']} {c['verdict']}" for c in candidates)
        text += f"; candidates: {told}" if told else ""
        self._add(step, (row[DecisionColumn.ENCODER], NONE), "decision", text, details)

    def _take_command(self, step: Step, row: CodedRow) -> None:
        details = command_words(row, self.names)
        text = f"command {details['seq']}: {details['kind']} {details['chute']}"
        if row[CommandColumn.KIND] == CommandKind.FIRE_DIVERT:
            text += f" at count {details['fire']}, void after {details['expiry']}"
            text += f", engaged for {details['hold']} counts"
        self._add(step, (step.inputs.encoder_count, NONE), "command", text, details)
