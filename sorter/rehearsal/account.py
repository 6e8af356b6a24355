"""What a finished run left behind, put together for whoever judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sorter.model.codes import NONE, Cause, FinalDisposition
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.journal_words import word
from sorter.runtime.reconcile import (
    Discrepancy,
    Finding,
    Reconciliation,
    reconcile,
)
from sorter.runtime.replay import replay
from sorter.runtime.truth_file import TruthRow, read_truth

__all__ = [
    "Account",
    "Discrepancy",
    "Finding",
    "Record",
    "TruthRow",
    "account_for",
    "replay_difference",
]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the controller about a parcel.

    Attributes
    ----------
    parcel : int
    code : str or None
        First code read on it.
    disposition, cause : str
        How it ended, in words; empty: it did not, or without a cause.
    unexpected : bool
        Nobody expected it where it was first seen.
    laps : int
        Completed without having been diverted.
    """

    parcel: int
    code: str | None
    disposition: str
    cause: str
    unexpected: bool
    laps: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """Journal and truth ledger side by side.

    Attributes
    ----------
    comparison : Reconciliation
    truth : sequence of mapping
        Rows of the ledger.
    records : mapping of int to list of Record
        By physical parcel, oldest first.
    """

    comparison: Reconciliation
    truth: Sequence[TruthRow]
    records: Mapping[int, Sequence[Record]]


def account_for(journal: Path, truth: Path) -> Account:
    """Return the account of a finished run.

    Raises
    ------
    SorterError
        Journal or ledger is missing or damaged.
    """
    comparison = reconcile(journal, truth)
    records = {
        physical_id: [_record(row) for row in rows]
        for physical_id, rows in comparison.owners.items()
    }
    return Account(comparison, read_truth(truth), records)


def replay_difference(journal: Path) -> str:
    """Decide everything again; return the first difference, empty when there is none.

    Raises
    ------
    SorterError
        The journal cannot be replayed.
    """
    result = replay(journal)
    return "" if result.identical else str(result.first_difference)


def _record(row: ParcelRow) -> Record:
    return Record(
        row.parcel,
        row.code,
        word(FinalDisposition, row.disposition) if row.disposition else "",
        word(Cause, row.cause) if row.cause != NONE else "",
        row.opened_cause == Cause.TRACKING_LOST,
        row.laps,
    )
