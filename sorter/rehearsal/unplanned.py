"""Finds parcels that lie, without a recorded cause, in a chute that the sort plan does not name.

Nothing of what the controller made of a parcel is believed: neither its grade nor its stream. The
label is the one that the truth ledger knows, the record the one that the registry holds for it, and
the chutes those of the configuration files. The journal is only asked whether it gives a cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sorter.config.load import LoadedLine
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.model.codes import NONE, DecisionReason, FinalDisposition, OutcomeKind
from sorter.model.columns import DecisionColumn, OutcomeColumn
from sorter.rehearsal.account import Account
from sorter.rehearsal.planned_chutes import Planned, PlannedChutes
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.truth_file import TruthRow

MEASURED_LESS_MM: Final = 5
MEASURED_LESS_G: Final = 50
"""By so much a scale may find a parcel smaller than it is."""
_WITHOUT_A_CAUSE: Final = (DecisionReason.PLAN, DecisionReason.NOTHING_FREE)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What the journal gives as causes for the chute that a parcel lies in.

    Attributes
    ----------
    excepted : bool
        It was sent there as an exception.
    helped_out : bool
        It was sent there because the chutes of its stream could not take it, or was moved away
        from there too late.
    measured : bool
        Size and weight were known when it was sent anywhere last.
    """

    excepted: bool
    helped_out: bool
    measured: bool


def unplanned_chutes(
    account: Account, journal: Path, registry: Path, loaded: LoadedLine
) -> list[str]:
    """Return a sentence on every parcel that lies where neither plan nor record says it should.

    Asked are those that are recorded as sorted, without a cause, into the chute in which they do
    lie; whoever lies elsewhere than recorded is a discrepancy already.

    Parameters
    ----------
    account : Account
    journal, registry : Path
        Of the same run.
    loaded : LoadedLine
        What the run sorted by.

    Raises
    ------
    SorterError
        Journal or registry cannot be read.
    """
    planned = PlannedChutes(
        loaded.line_file.line, loaded.sort_plan_file, loaded.returns_policy_file
    )
    sentences = []
    with Registry.open(registry) as returns, JournalReader(journal) as reader:
        for row, truth in _sorted_without_cause(account):
            label, announced = _announced(row, truth, returns)
            plan = planned.of(_at_least(announced))
            if truth["chute"] in plan.chutes:
                continue
            recorded = _recorded(reader, row)
            if not recorded.measured:
                plan = planned.of(_of_unknown_size(announced))
            named = (*plan.chutes, *(plan.overflow if recorded.helped_out else ()))
            if truth["chute"] not in named and not recorded.excepted:
                sentences.append(_sentence(row, truth, label, plan))
    return sentences


def _sorted_without_cause(account: Account) -> Iterator[tuple[ParcelRow, TruthRow]]:
    differing = {finding.physical_id for finding in account.comparison.findings}
    for truth in account.truth:
        physical_id = int(truth["physical_id"])
        rows = account.comparison.owners.get(physical_id)
        if rows and truth["chute"] is not None and physical_id not in differing:
            last = rows[-1]
            if last.disposition == FinalDisposition.SORTED and last.cause == NONE:
                yield last, truth


def _announced(
    row: ParcelRow, truth: TruthRow, returns: Registry
) -> tuple[str, AnnouncedReturn | None]:
    """Return the label that counts, and the record that the registry holds for it.

    A scanner that read another parcel's label on this one is a discrepancy of its own, and the
    controller can know no more: then that label's chutes are the right ones. Beside a label that
    nobody has announced, one that somebody has counts: carriers stick on labels of their own.
    """
    own = str(truth["label"])
    label = own if row.code is None else row.code
    read = [code for _, codes in truth.get("codes_read") or () for code in codes]
    for code in (label, *read):
        announced = returns.lookup(code)
        if announced is not None:
            return code, announced if code == own else _of_its_size(announced, returns.lookup(own))
    return label, None


def _of_its_size(announced: AnnouncedReturn, own: AnnouncedReturn | None) -> AnnouncedReturn:
    """Return what another label announces, with the size and weight of the parcel it was read on.

    That is what a scale finds; unknown for a parcel that nobody has announced.
    """
    if own is None:
        return replace(announced, length_mm=0, width_mm=0, height_mm=0, weight_g=0)
    return replace(
        announced,
        length_mm=own.length_mm,
        width_mm=own.width_mm,
        height_mm=own.height_mm,
        weight_g=own.weight_g,
    )


def _at_least(announced: AnnouncedReturn | None) -> AnnouncedReturn | None:
    """Return the return with what a scale finds at the least."""
    if announced is None:
        return None
    return replace(
        announced,
        length_mm=max(announced.length_mm - MEASURED_LESS_MM, 0),
        width_mm=max(announced.width_mm - MEASURED_LESS_MM, 0),
        height_mm=max(announced.height_mm - MEASURED_LESS_MM, 0),
        weight_g=max(announced.weight_g - MEASURED_LESS_G, 0),
    )


def _of_unknown_size(announced: AnnouncedReturn | None) -> AnnouncedReturn | None:
    return None if announced is None else _of_its_size(announced, None)


def _recorded(reader: JournalReader, row: ParcelRow) -> _Recorded:
    """Look for causes in the steps of a parcel's life."""
    excepted = helped_out = measured = measured_in_time = False
    for step in reader.steps(row.opened_step, row.closed_step):
        for outcome in _of_parcel(step.decided.outcomes.tolist(), OutcomeColumn.PARCEL, row):
            kind, chute = outcome[OutcomeColumn.KIND], outcome[OutcomeColumn.CHUTE]
            measured |= kind == OutcomeKind.MEASURED
            helped_out |= kind == OutcomeKind.DEADLINE_MISSED and chute == row.chute
        for decision in _of_parcel(step.decided.decisions.tolist(), DecisionColumn.PARCEL, row):
            measured_in_time = measured
            if decision[DecisionColumn.CHUTE] == row.chute:
                reason = decision[DecisionColumn.REASON]
                helped_out |= reason == DecisionReason.OVERFLOW
                excepted |= reason not in (*_WITHOUT_A_CAUSE, DecisionReason.OVERFLOW)
    return _Recorded(excepted, helped_out, measured_in_time)


def _of_parcel(
    rows: Sequence[Sequence[int]], column: int, parcel: ParcelRow
) -> Iterator[Sequence[int]]:
    return (row for row in rows if row[column] == parcel.parcel)


def _sentence(row: ParcelRow, truth: TruthRow, label: str, plan: Planned) -> str:
    belongs = f"stream {plan.stream}" if plan.stream else f"exception {plan.cause}"
    helping = f", and for overflow {', '.join(plan.overflow)}" if plan.overflow else ""
    other = "" if label == truth["label"] else f" read on it, {label!r},"
    return (
        f"parcel {row.parcel} = physical parcel {truth['physical_id']} ({truth['label']!r}): lies "
        f"in {truth['chute']}, recorded as sorted there without a cause; for the label{other} the "
        f"plan names {', '.join(plan.chutes) or 'no chute'} ({belongs}){helping}"
    )
