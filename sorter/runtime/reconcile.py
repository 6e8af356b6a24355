"""Compares what the controller recorded with where every parcel physically went.

The truth ledger of the simulator knows nothing of the controller. A parcel is recognised in both
by the encoder count that the PLC latched: at the eye where the controller first saw it, or at the
entry eye of the chute if it was noticed only there.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sorter.errors import SorterError
from sorter.model.codes import NONE, Cause, FinalDisposition
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.journal_words import name_of, word

COUNT_MASK: Final = 0xFFFF_FFFF
"""The PLC's counter is 32 bits wide; both sides unwrap it from a start of their own."""
TruthRow = Mapping[str, Any]
_IN_A_CHUTE: Final = (
    FinalDisposition.SORTED,
    FinalDisposition.MISSORTED,
    FinalDisposition.REJECTED,
)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the comparison found.

    Attributes
    ----------
    physical, recorded : int
        Parcels that were on the line, and parcels the controller recorded.
    unaccounted : int
        Physical parcels without a final disposition.
    truth_mismatches : int
        Parcels whose record is not what happened, and records of parcels that never were.
    found_again : int
        Parcels the controller lost, then found as unexpected ones and brought to an end.
    chutes : dict
        Parcels by chute as (recorded, physical), where they differ.
    details : tuple of str
        One sentence each: the parcel, what the controller says, what is true.
    """

    physical: int
    recorded: int
    unaccounted: int
    truth_mismatches: int
    found_again: int
    chutes: dict[str, tuple[int, int]]
    details: tuple[str, ...]


@dataclass(slots=True)
class _Findings:
    unaccounted: int = 0
    mismatches: int = 0
    found_again: int = 0
    details: list[str] = field(default_factory=list)


def reconcile(journal_path: Path | str, truth_path: Path | str) -> Reconciliation:
    """Compare a journal with a truth ledger (JSON lines).

    Raises
    ------
    SorterError
        One of the files is missing or damaged.
    """
    with JournalReader(journal_path) as reader:
        runs = reader.runs()
        rows = {row.parcel: row for row in reader.parcels()}
        if runs and not runs[-1].ended_cleanly:
            rows.update(reader.open_parcels(runs[-1]))
        chute_names = runs[-1].names.chutes if runs else ()
    return reconcile_rows(list(rows.values()), chute_names, read_truth(truth_path))


def read_truth(path: Path | str) -> list[TruthRow]:
    """Return the rows of a truth ledger file.

    Raises
    ------
    SorterError
        The file is missing or not JSON lines.
    """
    rows: list[TruthRow] = []
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                row = json.loads(line)
                if not isinstance(row, dict) or "physical_id" not in row or "end" not in row:
                    raise SorterError(f"{path}:{number}: is no row of a truth ledger")
                rows.append(row)
    except OSError as error:
        raise SorterError(f"{path}: the truth ledger cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SorterError(f"{path}:{len(rows) + 1}: is not JSON: {error}") from error
    return rows


def reconcile_rows(
    recorded: Sequence[ParcelRow], chute_names: Sequence[str], truth: Iterable[TruthRow]
) -> Reconciliation:
    """Compare recorded parcels with rows of a truth ledger.

    Parameters
    ----------
    recorded : sequence of ParcelRow
        As :meth:`~sorter.runtime.journal.InlineJournal.parcels` returns them.
    chute_names : sequence of str
        By chute index.
    truth : iterable of mapping
        Rows of the ledger.
    """
    truth = list(truth)
    owners, ghosts = _match(recorded, chute_names, truth)
    findings = _Findings()
    for index, parcel in enumerate(truth):
        _judge(parcel, owners.get(index, []), chute_names, findings)
    for row in ghosts:
        findings.mismatches += 1
        findings.details.append(
            f"parcel {row.parcel}: the controller says {_says(row, chute_names)}; in truth there "
            f"was no such parcel (opened at eye {row.opened_eye}, count {row.opened_encoder})"
        )
    chutes = _compare_chutes(recorded, chute_names, truth)
    for name, (ours, theirs) in chutes.items():
        findings.details.append(f"chute {name}: {ours} parcels recorded, {theirs} in truth")
    return Reconciliation(
        len(truth),
        len(recorded),
        findings.unaccounted,
        # Counts that differ although every parcel agrees would be a fault in the comparison.
        findings.mismatches or len(chutes),
        findings.found_again,
        chutes,
        tuple(findings.details),
    )


def _match(
    recorded: Sequence[ParcelRow], chute_names: Sequence[str], truth: Sequence[TruthRow]
) -> tuple[dict[int, list[ParcelRow]], list[ParcelRow]]:
    """Find the physical parcel behind each recorded one; return also those without."""
    by_sighting: dict[tuple[int, int], int] = {}
    by_entry: dict[tuple[str, int], int] = {}
    for index, parcel in enumerate(truth):
        sightings = list(parcel.get("sightings") or ())
        sightings.append((parcel.get("induct_eye", NONE), parcel.get("induct_count", NONE)))
        for eye, count in sightings:
            by_sighting[eye, count & COUNT_MASK] = index
        if parcel.get("chute") is not None:
            by_entry[parcel["chute"], parcel["end_count"] & COUNT_MASK] = index
    owners: dict[int, list[ParcelRow]] = defaultdict(list)
    ghosts: list[ParcelRow] = []
    for row in sorted(recorded, key=lambda row: row.parcel):
        count = row.opened_encoder & COUNT_MASK
        if row.opened_eye != NONE:
            owner = by_sighting.get((row.opened_eye, count))
        else:
            owner = by_entry.get((name_of(chute_names, row.chute), count))
        if owner is None:
            ghosts.append(row)
        else:
            owners[owner].append(row)
    return owners, ghosts


def _judge(
    parcel: TruthRow, rows: list[ParcelRow], chute_names: Sequence[str], findings: _Findings
) -> None:
    who = f"physical parcel {parcel['physical_id']} ({parcel.get('label')!r})"
    if not rows and parcel["end"] == "removed" and not parcel.get("sightings"):
        return  # taken off between induction and first eye: nothing there to see it
    if not rows:
        findings.unaccounted += 1
        findings.details.append(f"{who}: the controller never saw it; in truth {_truth(parcel)}")
        return
    *earlier, last = rows
    who = f"parcel {last.parcel} = {who}"
    for row in earlier:
        if row.disposition == FinalDisposition.LOST:
            findings.found_again += 1
            continue
        if not row.disposition:
            findings.mismatches += 1
            findings.details.append(
                f"{who}: met again, but parcel {row.parcel}, which it was before, was left "
                f"without a final disposition"
            )
            continue
        findings.mismatches += 1
        findings.details.append(
            f"{who}: counted twice, already as parcel {row.parcel}: {_says(row, chute_names)}; "
            f"in truth {_truth(parcel)}"
        )
    if not last.disposition:
        findings.unaccounted += 1
        findings.details.append(
            f"{who}: the controller gave it no final disposition; in truth {_truth(parcel)}"
        )
    elif not _agrees(parcel, last, chute_names):
        findings.mismatches += 1
        findings.details.append(
            f"{who}: the controller says {_says(last, chute_names)}; in truth {_truth(parcel)}"
        )


def _agrees(parcel: TruthRow, row: ParcelRow, chute_names: Sequence[str]) -> bool:
    if parcel.get("chute") is not None:
        there = name_of(chute_names, row.chute)
        return row.disposition in _IN_A_CHUTE and there == parcel["chute"]
    if parcel["end"] == "line_end":
        return row.disposition == FinalDisposition.REJECTED and row.cause == Cause.LINE_END
    if parcel["end"] == "removed":
        return row.disposition in (FinalDisposition.REMOVED, FinalDisposition.LOST)
    return False


def _compare_chutes(
    recorded: Sequence[ParcelRow], chute_names: Sequence[str], truth: Sequence[TruthRow]
) -> dict[str, tuple[int, int]]:
    ours = Counter(
        name_of(chute_names, row.chute)
        for row in recorded
        if row.chute != NONE and row.disposition in _IN_A_CHUTE
    )
    theirs = Counter(parcel["chute"] for parcel in truth if parcel.get("chute") is not None)
    return {
        name: (ours[name], theirs[name])
        for name in sorted(ours.keys() | theirs.keys())
        if ours[name] != theirs[name]
    }


def _says(row: ParcelRow, chute_names: Sequence[str]) -> str:
    if not row.disposition:
        return "it is still on the line"
    text = word(FinalDisposition, row.disposition)
    text += f" into {name_of(chute_names, row.chute)}" if row.chute != NONE else ""
    return text + (f" ({word(Cause, row.cause)})" if row.cause != NONE else "")


def _truth(parcel: TruthRow) -> str:
    faults = f", faults: {', '.join(parcel['faults'])}" if parcel.get("faults") else ""
    if parcel.get("chute") is not None:
        return f"it went into {parcel['chute']} at count {parcel['end_count']}{faults}"
    ends = {
        "line_end": "it ran off the end of the line",
        "removed": "an operator took it off the belt",
        "on_line": "it is still on the line",
    }
    return ends.get(str(parcel["end"]), str(parcel["end"])) + faults
