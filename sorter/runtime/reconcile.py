"""Compares what the controller recorded with where every parcel physically went.

The truth ledger of the simulator knows nothing of the controller. A parcel is recognised in both
by the encoder count that the PLC latched: at the eye where the controller first saw it, or at the
entry eye of the chute if it was noticed only there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final

from sorter.model.codes import NONE, Cause, FinalDisposition
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.journal_words import name_of, word
from sorter.runtime.truth_file import TruthRow, read_truth

COUNT_MASK: Final = 0xFFFF_FFFF
"""The PLC's counter is 32 bits wide; both sides unwrap it from a start of their own."""
_MOST_INDUCTIONS: Final = 8
"""So many parcels farther on the next one of the same induction may be in the ledger."""
_IN_A_CHUTE: Final = (
    FinalDisposition.SORTED,
    FinalDisposition.MISSORTED,
    FinalDisposition.REJECTED,
)


class Discrepancy(Enum):
    """How a record and the truth can differ."""

    NEVER_SEEN = "never_seen"
    """A physical parcel without any record."""
    NO_DISPOSITION = "no_disposition"
    """Its newest record was never closed."""
    LEFT_OPEN = "left_open"
    """An earlier record of a parcel that was met again was never closed."""
    COUNTED_TWICE = "counted_twice"
    """Brought to an end more than once."""
    LOST_AND_ENDED = "lost_and_ended"
    """Given up as lost, and not noticed where it ended."""
    REMOVED_AND_ENDED = "removed_and_ended"
    """Taken for removed by hand, and not noticed in the chute where it ended."""
    OTHER_CHUTE = "other_chute"
    """Recorded in one chute, physically in another one."""
    OTHER_END = "other_end"
    """Recorded as one kind of end, in truth another one."""
    GHOST = "ghost"
    """A record without a physical parcel."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between record and truth.

    Attributes
    ----------
    discrepancy : Discrepancy
    physical_id, parcel : int
        Of the truth and of the record; -1: there is none.
    sentence : str
    """

    discrepancy: Discrepancy
    physical_id: int
    parcel: int
    sentence: str


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
    findings : tuple of Finding
        The same parcel by parcel, for a program.
    owners : dict
        Records by physical parcel (its ``physical_id``), oldest first.
    """

    physical: int
    recorded: int
    unaccounted: int
    truth_mismatches: int
    found_again: int
    chutes: dict[str, tuple[int, int]]
    details: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    owners: Mapping[int, Sequence[ParcelRow]] = field(default_factory=dict)


_UNACCOUNTED: Final = (Discrepancy.NEVER_SEEN, Discrepancy.NO_DISPOSITION)


@dataclass(slots=True)
class _Findings:
    found_again: int = 0
    all: list[Finding] = field(default_factory=list)

    def add(self, what: Discrepancy, physical_id: int, parcel: int, sentence: str) -> None:
        """Keep one more."""
        self.all.append(Finding(what, physical_id, parcel, sentence))

    @property
    def unaccounted(self) -> int:
        """Physical parcels without a final disposition."""
        return sum(finding.discrepancy in _UNACCOUNTED for finding in self.all)


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
        findings.add(
            Discrepancy.GHOST,
            NONE,
            row.parcel,
            f"parcel {row.parcel}: the controller says {_says(row, chute_names)}; in truth there "
            f"was no such parcel (opened at eye {row.opened_eye}, count {row.opened_encoder})",
        )
    chutes = _compare_chutes(recorded, chute_names, truth)
    counts = [
        f"chute {name}: {ours} parcels recorded, {theirs} in truth"
        for name, (ours, theirs) in chutes.items()
    ]
    mismatches = len(findings.all) - findings.unaccounted
    return Reconciliation(
        len(truth),
        len(recorded),
        findings.unaccounted,
        # Counts that differ although every parcel agrees would be a fault in the comparison.
        mismatches or len(chutes),
        findings.found_again,
        chutes,
        (*(finding.sentence for finding in findings.all), *counts),
        tuple(findings.all),
        {int(truth[index]["physical_id"]): rows for index, rows in owners.items()},
    )


def _match(
    recorded: Sequence[ParcelRow], chute_names: Sequence[str], truth: Sequence[TruthRow]
) -> tuple[dict[int, list[ParcelRow]], list[ParcelRow]]:
    """Find the physical parcel behind each recorded one; return also those without.

    Counts of different starts of the PLC have nothing to do with each other: each place is known
    by boot id and count. Rows that know no boot id have NONE for it.
    """
    by_sighting: dict[tuple[int, int, int], int] = {}
    by_entry: dict[tuple[int, str, int], int] = {}
    for index, parcel in enumerate(truth):
        sightings = parcel.get("sightings") or [
            (parcel.get("induct_eye", NONE), parcel.get("induct_count", NONE))
        ]
        for eye, count, *boot in sightings:
            by_sighting[boot[0] if boot else NONE, eye, count & COUNT_MASK] = index
        if parcel.get("chute") is not None:
            boot_id = parcel.get("end_boot", NONE)
            by_entry[boot_id, parcel["chute"], parcel["end_count"] & COUNT_MASK] = index
    owners: dict[int, list[ParcelRow]] = defaultdict(list)
    ghosts: list[ParcelRow] = []
    for row in sorted(recorded, key=lambda row: row.parcel):
        count = row.opened_encoder & COUNT_MASK
        boot_ids = (row.opened_boot, NONE)
        if row.opened_eye != NONE:
            found = [by_sighting.get((boot, row.opened_eye, count)) for boot in boot_ids]
        else:
            chute = name_of(chute_names, row.chute)
            found = [by_entry.get((boot, chute, count)) for boot in boot_ids]
        owner = next((index for index in found if index is not None), None)
        if owner is None:
            ghosts.append(row)
        else:
            owners[owner].append(row)
    _part_double_feeds(owners, chute_names, truth)
    return owners, ghosts


def _part_double_feeds(
    owners: dict[int, list[ParcelRow]], chute_names: Sequence[str], truth: Sequence[TruthRow]
) -> None:
    """Give the record of two parcels that touched to the one of them that has none.

    Eyes take the two for one long parcel, and the sighting for the first one's. When that one
    leaves the belt its entry makes a record of its own, and the long parcel's goes on as the
    other's, who came behind it from the same induction.
    """
    touched = [i for i, parcel in enumerate(truth) if "double_feed" in parcel.get("faults", ())]
    for unseen in touched:
        if unseen in owners or truth[unseen].get("sightings"):
            continue
        shared = [
            (unseen - seen, seen, row)
            for seen in touched
            if seen < unseen <= seen + _MOST_INDUCTIONS
            for row, entry in pairwise(owners.get(seen, []))
            if row.disposition != FinalDisposition.LOST
            and entry.opened_eye == NONE
            and _agrees(truth[unseen], row, chute_names)
        ]
        if shared:
            _, seen, row = min(shared, key=itemgetter(0))
            owners[seen].remove(row)
            owners[unseen] = [row]


def _judge(
    parcel: TruthRow, rows: list[ParcelRow], chute_names: Sequence[str], findings: _Findings
) -> None:
    physical_id = int(parcel["physical_id"])
    who = f"physical parcel {physical_id} ({parcel.get('label')!r})"
    unread = "plc_restart" in (parcel.get("faults") or ())
    if not rows and parcel["end"] == "removed" and (unread or not parcel.get("sightings")):
        return  # taken off before any eye saw it, or before anybody read that one had
    if not rows:
        sentence = f"{who}: the controller never saw it; in truth {_truth(parcel)}"
        findings.add(Discrepancy.NEVER_SEEN, physical_id, NONE, sentence)
        return
    *earlier, last = rows
    who = f"parcel {last.parcel} = {who}"
    for row in earlier:
        _judge_earlier(parcel, row, who, chute_names, findings)
    if not last.disposition:
        findings.add(
            Discrepancy.NO_DISPOSITION,
            physical_id,
            last.parcel,
            f"{who}: the controller gave it no final disposition; in truth {_truth(parcel)}",
        )
    elif not _agrees(parcel, last, chute_names):
        findings.add(
            _difference(parcel, last),
            physical_id,
            last.parcel,
            f"{who}: the controller says {_says(last, chute_names)}; in truth {_truth(parcel)}",
        )


def _judge_earlier(
    parcel: TruthRow,
    row: ParcelRow,
    who: str,
    chute_names: Sequence[str],
    findings: _Findings,
) -> None:
    """Judge a record of a parcel that was met again later."""
    physical_id = int(parcel["physical_id"])
    if row.disposition == FinalDisposition.LOST:
        findings.found_again += 1
    elif not row.disposition:
        findings.add(
            Discrepancy.LEFT_OPEN,
            physical_id,
            row.parcel,
            f"{who}: met again, but parcel {row.parcel}, which it was before, was left "
            f"without a final disposition",
        )
    else:
        findings.add(
            Discrepancy.COUNTED_TWICE,
            physical_id,
            row.parcel,
            f"{who}: counted twice, already as parcel {row.parcel}: {_says(row, chute_names)}; "
            f"in truth {_truth(parcel)}",
        )


def _difference(parcel: TruthRow, row: ParcelRow) -> Discrepancy:
    if row.disposition == FinalDisposition.LOST:
        return Discrepancy.LOST_AND_ENDED
    if parcel.get("chute") is not None:
        removed = row.disposition == FinalDisposition.REMOVED
        return Discrepancy.REMOVED_AND_ENDED if removed else Discrepancy.OTHER_CHUTE
    return Discrepancy.OTHER_END


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
