"""Keeps one row per parcel up to date while steps are written, and counts what became of them.

Works on whole batches of steps: the hot loop only hands arrays over, this module reads them when
the batch is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sorter.model.codes import NONE, DecisionKind, OutcomeKind, ScanVerdict
from sorter.model.columns import DecisionColumn, OutcomeColumn
from sorter.model.frames import Rows, ScanRead

_KEPT_KINDS: Final = np.zeros(max(OutcomeKind) + 1, np.bool_)
_KEPT_KINDS[
    [
        OutcomeKind.OPENED,
        OutcomeKind.SCANNED,
        OutcomeKind.CLASSIFIED,
        OutcomeKind.RECIRCULATED,
        OutcomeKind.CLOSED,
    ]
] = True
_OPENED: Final = int(OutcomeKind.OPENED)
_SCANNED: Final = int(OutcomeKind.SCANNED)
_CLASSIFIED: Final = int(OutcomeKind.CLASSIFIED)
_RECIRCULATED: Final = int(OutcomeKind.RECIRCULATED)
_CLOSED: Final = int(OutcomeKind.CLOSED)
_DEADLINE_MISSED: Final = int(OutcomeKind.DEADLINE_MISSED)
_PARCEL: Final = int(OutcomeColumn.PARCEL)
_KIND: Final = int(OutcomeColumn.KIND)


PendingStep = tuple[bytes, int, Sequence[ScanRead], Rows, Rows]
"""One step on its way to the disk: payload, boot id, scanner results, decisions, outcomes.

A plain tuple because one is made in the hot loop for each step.
"""


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
        self._decided: dict[int, list[int]] = {}
        self.last_parcel_id = last_parcel_id
        self.tally = Tally()
        self.more_codes: list[tuple[str, int]] = []

    def open_from_step(self, next_step: int) -> int:
        """Return the step from which parcels now on the line are recorded."""
        oldest = next(iter(self._open.values()), None)
        return next_step if oldest is None else oldest.opened_step

    def still_open(self) -> list[ParcelRow]:
        """Return the parcels on the line, oldest first."""
        for parcel in self._open.values():
            self._note_decision(parcel)
        return list(self._open.values())

    def take(self, first_step: int, batch: Sequence[PendingStep]) -> list[ParcelRow]:
        """Follow a batch of steps; return the parcels that ended in it.

        Further codes read on a parcel are left in ``more_codes`` for the caller to take.
        """
        self._take_decisions(batch)
        lengths = [len(pending[4]) for pending in batch]
        if not any(lengths):
            return []
        rows = np.concatenate([pending[4] for pending in batch])
        kinds = rows[:, _KIND]
        missed = rows[kinds == _DEADLINE_MISSED]
        for cause in missed[:, OutcomeColumn.CAUSE].tolist():
            self.tally.missed_deadlines[cause] += 1
        kept = _KEPT_KINDS[kinds]
        owners = np.repeat(np.arange(len(batch)), lengths)[kept].tolist()
        closed: list[ParcelRow] = []
        for index, row in zip(owners, rows[kept].tolist(), strict=True):
            self._take_outcome(first_step + index, batch[index][2], row, closed)
        return closed

    def _take_decisions(self, batch: Sequence[PendingStep]) -> None:
        for pending in batch:
            if not len(pending[3]):
                continue
            for row in pending[3].tolist():
                self._decided[row[DecisionColumn.PARCEL]] = row
                self.tally.decisions += 1
                self.tally.reroutes += row[DecisionColumn.KIND] == DecisionKind.REROUTED

    def _take_outcome(
        self, step: int, reads: Sequence[ScanRead], row: list[int], closed: list[ParcelRow]
    ) -> None:
        number, kind, value, chute, cause, encoder = row
        if kind == _OPENED:
            self._open[number] = ParcelRow(
                number,
                self._run,
                opened_step=step,
                opened_eye=value,
                opened_encoder=encoder,
                opened_cause=cause,
            )
            self.tally.opened += 1
            self.last_parcel_id = max(self.last_parcel_id, number)
            return
        parcel = self._open.get(number)
        if parcel is None:
            parcel = self._look_up(number) or ParcelRow(number, self._run, opened_step=step)
            self._open[number] = parcel
        if kind == _SCANNED:
            self._note_codes(parcel, codes_of(row, reads))
        elif kind == _CLASSIFIED:
            parcel.article = value
        elif kind == _RECIRCULATED:
            parcel.laps += 1
            self.tally.recirculations += 1
        elif kind == _CLOSED:
            self._note_decision(parcel)
            parcel.closed_step = step
            parcel.disposition = value
            parcel.chute = chute
            parcel.cause = cause
            parcel.closed_encoder = encoder
            self.tally.closed += 1
            self.tally.endings[value, cause, chute] += 1
            closed.append(self._open.pop(number))

    def _note_decision(self, parcel: ParcelRow) -> None:
        row = self._decided.pop(parcel.parcel, None)
        if row is not None:
            parcel.grade = row[DecisionColumn.GRADE]
            parcel.stream = row[DecisionColumn.STREAM]

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
    encoder = scanned_row[OutcomeColumn.ENCODER]
    for read in reads:
        if read.encoder_count == encoder:
            return read.codes
    sure = len(reads) == 1 and scanned_row[OutcomeColumn.VALUE] != ScanVerdict.NO_READ
    return reads[0].codes if sure else ()


def code_text(code: bytes) -> str:
    r"""Return a scanned code as text that can be searched; odd bytes become ``\xNN``."""
    return code.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
