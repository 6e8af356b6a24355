"""Keeps one row per parcel up to date while steps are written, and counts what became of them.

Works on whole batches of steps: the hot loop only hands arrays over, this module reads them when
the batch is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sorter.model.codes import NONE, DecisionKind, FinalDisposition, OutcomeKind, ScanVerdict
from sorter.model.columns import DecisionColumn, OutcomeColumn
from sorter.model.frames import Rows, ScanRead
from sorter.runtime.journal_group import Group

_OPENED: Final = int(OutcomeKind.OPENED)
_SCANNED: Final = int(OutcomeKind.SCANNED)
_CLASSIFIED: Final = int(OutcomeKind.CLASSIFIED)
_RECIRCULATED: Final = int(OutcomeKind.RECIRCULATED)
_CLOSED: Final = int(OutcomeKind.CLOSED)
_DEADLINE_MISSED: Final = int(OutcomeKind.DEADLINE_MISSED)
_KIND: Final = int(OutcomeColumn.KIND)
_VALUE: Final = int(OutcomeColumn.VALUE)
_CAUSE: Final = int(OutcomeColumn.CAUSE)
_ENCODER: Final = int(OutcomeColumn.ENCODER)
_SCANNER: Final = int(OutcomeColumn.CHUTE)
_OUTCOMES_AT: Final = 5
"""Where a group counts the outcomes of a step."""
_LOOK_BOOT: Final = 0
"""Where a group keeps the boot id of a step."""
_DECISION_CELLS: Final = [DecisionColumn.PARCEL, DecisionColumn.GRADE, DecisionColumn.STREAM]


@dataclass(slots=True)
class ParcelRow:
    """What the journal's table of parcels says about one parcel; -1 is unknown.

    Attributes
    ----------
    parcel, run : int
    code : str or None
        First code read on it.
    opened_step, closed_step : int
        Steps of its life; ``closed_step`` is -1 while it is on the line.
    opened_eye, opened_encoder : int
        Where and at which unwrapped count it was first seen.
    opened_cause : int
        TRACKING_LOST when nobody expected it.
    grade, stream, article : int
        Of the last decision; ``article`` is the disposition of the returned article.
    laps : int
        Completed without having been diverted.
    disposition, cause, chute, closed_encoder : int
        How it ended; ``disposition`` is 0 while it is on the line.
    opened_boot : int
        Boot id of the PLC start that ``opened_encoder`` is of.
    """

    parcel: int
    run: int
    code: str | None = None
    opened_step: int = NONE
    closed_step: int = NONE
    opened_eye: int = NONE
    opened_encoder: int = NONE
    opened_cause: int = NONE
    grade: int = NONE
    stream: int = NONE
    article: int = NONE
    laps: int = 0
    disposition: int = 0
    cause: int = NONE
    chute: int = NONE
    closed_encoder: int = NONE
    opened_boot: int = NONE

    def cells(self) -> tuple[int | str | None, ...]:
        """Return the row in the order of the table's columns."""
        return (
            self.parcel,
            self.run,
            self.code,
            self.opened_step,
            self.closed_step,
            self.opened_eye,
            self.opened_encoder,
            self.opened_cause,
            self.grade,
            self.stream,
            self.article,
            self.laps,
            self.disposition,
            self.cause,
            self.chute,
            self.closed_encoder,
            self.opened_boot,
        )


@dataclass(slots=True)
class Tally:
    """Counts over one run.

    Attributes
    ----------
    opened, closed : int
        Parcels; the difference is still on the line.
    endings : Counter
        Closed parcels by (disposition, cause, chute), codes and chute index.
    recirculations : int
        Laps completed without a divert.
    missed_deadlines : Counter
        By :class:`~sorter.model.codes.MissCause`.
    decisions, reroutes : int
    """

    opened: int = 0
    closed: int = 0
    endings: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    recirculations: int = 0
    missed_deadlines: Counter[int] = field(default_factory=Counter)
    decisions: int = 0
    reroutes: int = 0


class ParcelBook:
    """Parcels on the line, as far as the table of parcels needs to know them.

    Parameters
    ----------
    run : int
        Run the rows belong to.
    last_parcel_id : int
        Highest parcel number given out before this run.
    look_up : callable
        Finds the row of a parcel that an earlier run opened.
    """

    def __init__(
        self, run: int, last_parcel_id: int, look_up: Callable[[int], ParcelRow | None]
    ) -> None:
        self._run = run
        self._look_up = look_up
        self._open: dict[int, ParcelRow] = {}
        self._decided: dict[int, tuple[int, int]] = {}
        self.last_parcel_id = last_parcel_id
        self.tally = Tally()
        self.more_codes: list[tuple[str, int]] = []

    def carry_over(self, rows: Iterable[ParcelRow]) -> None:
        """Go on with parcels that an earlier run left on the line, oldest first."""
        self._open.update((row.parcel, row) for row in rows)

    def give_up(self, row: ParcelRow, cause: int) -> None:
        """End a parcel of an earlier run that this run knows nothing of: it is lost."""
        row.disposition = int(FinalDisposition.LOST)
        row.cause = cause
        row.chute = NONE
        self.tally.closed += 1
        self.tally.endings[row.disposition, cause, NONE] += 1

    def open_from_step(self, next_step: int) -> int:
        """Return the step from which parcels now on the line are recorded."""
        oldest = next(iter(self._open.values()), None)
        return next_step if oldest is None else oldest.opened_step

    def still_open(self) -> list[ParcelRow]:
        """Return the parcels on the line, oldest first."""
        for parcel in self._open.values():
            self._note_decision(parcel)
        return list(self._open.values())

    def take(
        self, first_step: int, group: Group, reads: Mapping[int, Sequence[ScanRead]]
    ) -> list[ParcelRow]:
        """Follow a group of steps; return the parcels that ended in it.

        Further codes read on a parcel are left in ``more_codes`` for the caller to take.

        Parameters
        ----------
        first_step : int
        group : Group
        reads : mapping of int to sequence of ScanRead
            Scanner results by step, counted from the group's first.
        """
        self._take_decisions(group.decisions)
        rows = group.outcomes
        if not len(rows):
            return []
        kinds = rows[:, _KIND]
        self.tally.missed_deadlines.update(rows[kinds == _DEADLINE_MISSED, _CAUSE].tolist())
        steps = np.repeat(
            np.arange(first_step, first_step + len(group)), group.counts[:, _OUTCOMES_AT]
        )

        def of_kind(kind: int) -> Iterator[tuple[int, list[int]]]:
            places = np.flatnonzero(kinds == kind)
            return zip(steps[places].tolist(), rows[places].tolist(), strict=True)

        # Kind by kind, in the order of a parcel's life: within a kind the order of the steps is
        # kept, and between parcels it does not matter.
        boot_ids = group.looks[:, _LOOK_BOOT]
        self._take_opened(of_kind(_OPENED), first_step, boot_ids)
        for step, row in of_kind(_SCANNED):
            codes = codes_of(row, reads.get(step - first_step, ()))
            self._note_codes(self._parcel(row[0], step), codes)
        for step, row in of_kind(_CLASSIFIED):
            self._parcel(row[0], step).article = row[2]
        for step, row in of_kind(_RECIRCULATED):
            self._parcel(row[0], step).laps += 1
            self.tally.recirculations += 1
        return self._take_closed(of_kind(_CLOSED))

    def _take_decisions(self, rows: Rows) -> None:
        if not len(rows):
            return
        for parcel, grade, stream in rows[:, _DECISION_CELLS].tolist():
            self._decided[parcel] = (grade, stream)
        self.tally.decisions += len(rows)
        rerouted = rows[:, DecisionColumn.KIND] == DecisionKind.REROUTED
        self.tally.reroutes += int(np.count_nonzero(rerouted))

    def _take_opened(
        self, outcomes: Iterable[tuple[int, list[int]]], first_step: int, boot_ids: Rows
    ) -> None:
        run, on_line = self._run, self._open
        for step, (number, _, eye, _, cause, encoder) in outcomes:
            row = ParcelRow(number, run, None, step, NONE, eye, encoder, cause)
            row.opened_boot = int(boot_ids[step - first_step])
            on_line[number] = row
            self.last_parcel_id = max(self.last_parcel_id, number)
            self.tally.opened += 1

    def _take_closed(self, outcomes: Iterable[tuple[int, list[int]]]) -> list[ParcelRow]:
        closed = []
        endings: list[tuple[int, int, int]] = []
        for step, (number, _, disposition, chute, cause, encoder) in outcomes:
            parcel = self._parcel(number, step)
            self._note_decision(parcel)
            parcel.closed_step = step
            parcel.disposition = disposition
            parcel.chute = chute
            parcel.cause = cause
            parcel.closed_encoder = encoder
            endings.append((disposition, cause, chute))
            del self._open[number]
            closed.append(parcel)
        self.tally.closed += len(closed)
        self.tally.endings.update(endings)
        return closed

    def _parcel(self, number: int, step: int) -> ParcelRow:
        """Return the row of a parcel on the line, also of one that an earlier run opened."""
        parcel = self._open.get(number)
        if parcel is None:
            parcel = self._look_up(number) or ParcelRow(number, self._run, opened_step=step)
            self._open[number] = parcel
        return parcel

    def _note_decision(self, parcel: ParcelRow) -> None:
        decided = self._decided.pop(parcel.parcel, None)
        if decided is not None:
            parcel.grade, parcel.stream = decided

    def _note_codes(self, parcel: ParcelRow, codes: Sequence[bytes]) -> None:
        for code in codes:
            text = code_text(code)
            if parcel.code is None:
                parcel.code = text
            elif text != parcel.code:
                self.more_codes.append((text, parcel.parcel))


def codes_of(scanned_row: Sequence[int], reads: Sequence[ScanRead]) -> tuple[bytes, ...]:
    """Return the codes behind a SCANNED outcome, found among the same step's scanner results.

    A no-read may be concluded without any scanner result; then there is none.
    """
    index = read_behind(scanned_row, reads)
    if index is not None:
        return reads[index].codes
    sure = len(reads) == 1 and scanned_row[_VALUE] != ScanVerdict.NO_READ
    return reads[0].codes if sure else ()


def read_behind(scanned_row: Sequence[int], reads: Sequence[ScanRead]) -> int | None:
    """Return which of a step's scanner results a SCANNED outcome follows from, if any.

    Two scanners may read at the same count.
    """
    scanner, encoder = scanned_row[_SCANNER], scanned_row[_ENCODER]
    for index, read in enumerate(reads):
        if read.encoder_count == encoder and read.scanner_idx == scanner:
            return index
    return None


def code_text(code: bytes) -> str:
    r"""Return a scanned code as text that can be searched; odd bytes become ``\xNN``."""
    return code.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
