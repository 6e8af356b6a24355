"""Judges a finished run: whether everything held that must hold, given the faults of its story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plc_sim.chaos.performing import Performance
from plc_sim.chaos.rules import Effect, allowance
from plc_sim.chaos.story import Story
from plc_sim.truth import PLC_RESTART
from sorter.config.load import load_line
from sorter.errors import SorterError
from sorter.rehearsal.account import (
    Account,
    Discrepancy,
    Record,
    TruthRow,
    account_for,
    replay_difference,
)
from sorter.rehearsal.unplanned import unplanned_chutes

PROGRAM_ERRORS: Final = (
    "Traceback (most recent call last)",
    "was never retrieved",
    "never awaited",
)
"""What no log may hold, whatever happens on the line."""
SENTENCES_SHOWN: Final = 5
_LOST: Final = "lost"


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that did not hold.

    Attributes
    ----------
    what : str
        Names the invariant; two runs fail alike when these are the same.
    details : tuple of str
        For people.
    """

    what: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to.

    Attributes
    ----------
    breaches : tuple of Breach
        Empty: everything held.
    effects : dict
        Sentences by effect, allowed ones included.
    physical : int
        Parcels that were on the line.
    """

    breaches: tuple[Breach, ...]
    effects: dict[Effect, list[str]] = field(default_factory=dict)
    physical: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything held."""
        return not self.breaches


def judge(story: Story, seen: Performance, line: Path) -> Verdict:
    """Return the verdict on a performance.

    Parameters
    ----------
    story : Story
    seen : Performance
    line : Path
        Line file that the controller sorted by.
    """
    breaches = [Breach("a process failed", tuple(seen.failures))] if seen.failures else []
    breaches += _of_processes(seen)
    try:
        account = account_for(seen.journal, seen.truth)
        unplanned = unplanned_chutes(account, seen.journal, seen.registry, load_line(line))
        difference = replay_difference(seen.journal)
    except SorterError as error:
        return Verdict((*breaches, Breach("the ledgers cannot be compared", (str(error),))))
    if difference:
        breaches.append(Breach("the journal does not replay identically", (difference,)))
    effects = effects_of(account)
    if unplanned:
        effects[Effect.UNPLANNED_CHUTE] = unplanned
    found = _beyond(effects, allowance(story.faults, story.parcels_come))
    others = [fault for fault in story.faults if fault.kind != "kill_plc"]
    if len(others) < len(story.faults) and not found:
        found = _beyond(
            effects_of(come_behind_restarts(account)), allowance(others, story.parcels_come)
        )
    return Verdict((*breaches, *found), effects, account.comparison.physical)


def _beyond(effects: dict[Effect, list[str]], allowed: dict[Effect, int]) -> list[Breach]:
    """Return the effects that more parcels suffered than the faults explain."""
    breaches = []
    for effect, sentences in effects.items():
        if len(sentences) > allowed[effect]:
            counted = f"{len(sentences)} parcels, {allowed[effect]} explained by the faults"
            shown = tuple(sentences[:SENTENCES_SHOWN])
            breaches.append(Breach(effect.value, (counted, *shown)))
    return breaches


def come_behind_restarts(account: Account) -> Account:
    """Return the account of the parcels that came onto the belt behind the last restart of the PLC.

    The ledger notes a restart at the parcels that were on the belt; some that had come behind them
    may have left it before. Nothing excuses what becomes of those that came behind the restart:
    their records lie in new rings, which are read from the beginning.
    """
    noted = [row for row in account.truth if PLC_RESTART in row["faults"]]
    if not noted:  # nobody was on the belt, or there was none: nothing tells who came when
        return Account(replace(account.comparison, findings=()), (), {})
    last = max(int(row["physical_id"]) for row in noted)
    over = {row["sightings"][0][2] for row in noted if row["sightings"]}
    truth = [
        row for row in account.truth if int(row["physical_id"]) > last and not over & _boots_of(row)
    ]
    behind = {int(row["physical_id"]) for row in truth}
    comparison = replace(
        account.comparison,
        findings=tuple(one for one in account.comparison.findings if one.physical_id in behind),
    )
    records = {number: rows for number, rows in account.records.items() if number in behind}
    return Account(comparison, truth, records)


def _boots_of(row: Mapping[str, Any]) -> set[int]:
    """Return the starts of the PLC that have seen a parcel, or its end."""
    return {boot_id for _, _, boot_id in row["sightings"]} | {row["end_boot"]}


def _of_processes(seen: Performance) -> list[Breach]:
    breaches = []
    for name, code in seen.exit_codes.items():
        if code:
            breaches.append(Breach(f"{name} did not stop cleanly", (f"exit code {code}",)))
    if not seen.drained:
        breaches.append(Breach("the line did not run empty"))
    elif seen.line.value("sorter_parcels_on_line"):
        count = seen.line.value("sorter_parcels_on_line")
        breaches.append(Breach("parcels still tracked on an empty line", (f"{count:.0f} parcels",)))
    elif reserved := seen.line.labelled("sorter_chute_parcels", "place").get("reserved", 0):
        breaches.append(Breach("places still reserved on an empty line", (f"{reserved:.0f}",)))
    for path in seen.logs():
        breaches += _of_log(path)
    return breaches


def _of_log(path: Path) -> list[Breach]:
    lines = path.read_text(errors="replace").splitlines()
    found = [number for number, line in enumerate(lines) if any(e in line for e in PROGRAM_ERRORS)]
    if not found:
        return []
    first = found[0]
    return [Breach("a program error in a log", (f"{path}:{first + 1}", *lines[first : first + 30]))]


def effects_of(account: Account) -> dict[Effect, list[str]]:
    """Return what happened to parcels that does not happen on a sound line, with sentences."""
    effects: dict[Effect, list[str]] = defaultdict(list)
    for finding in account.comparison.findings:
        effects[_EFFECTS[finding.discrepancy]].append(finding.sentence)
    differing = {finding.parcel for finding in account.comparison.findings}
    truth = {int(row["physical_id"]): row for row in account.truth}
    for physical_id, records in account.records.items():
        row = truth[physical_id]
        *earlier, last = records
        if lost := [record for record in earlier if record.disposition == _LOST]:
            # Parcels are counted: a slip that lasts has one given up more than once.
            effects[Effect.FOUND_AGAIN].append(_sentence(lost[0], row))
        if any(record.unexpected for record in records):
            effects[Effect.UNEXPECTED].append(_sentence(last, row))
        for disposition, effect in _ENDS.items():
            if last.disposition == disposition and last.parcel not in differing:
                effects[effect].append(_sentence(last, row))
        for record in records:
            _look_at_code(record, row, effects)
    return dict(effects)


def _look_at_code(record: Record, row: TruthRow, effects: dict[Effect, list[str]]) -> None:
    """Compare the code a record was sorted by with those that scanners read on the parcel."""
    if record.code is None or record.code == row["label"]:
        return
    read = {code for _, codes in row.get("codes_read") or () for code in codes}
    effect = Effect.OTHER_LABEL if record.code in read else Effect.MISTAKEN
    effects[effect].append(f"{_sentence(record, row)}; sorted by {record.code!r}, read: {read}")


def _sentence(record: Record, row: TruthRow) -> str:
    cause = f" ({record.cause})" if record.cause else ""
    where = row["chute"] or row["end"]
    return (
        f"parcel {record.parcel} = physical parcel {row['physical_id']} ({row['label']!r}): "
        f"{record.disposition or 'open'}{cause}; in truth {where}"
    )


_EFFECTS: Final = {
    Discrepancy.NEVER_SEEN: Effect.NEVER_SEEN,
    Discrepancy.NO_DISPOSITION: Effect.NO_DISPOSITION,
    Discrepancy.LEFT_OPEN: Effect.LEFT_OPEN,
    Discrepancy.COUNTED_TWICE: Effect.COUNTED_TWICE,
    Discrepancy.LOST_AND_ENDED: Effect.LOST_AND_ENDED,
    Discrepancy.OTHER_CHUTE: Effect.OTHER_CHUTE,
    Discrepancy.OTHER_END: Effect.OTHER_END,
    Discrepancy.GHOST: Effect.GHOST,
}
_ENDS: Final = {"lost": Effect.LOST, "removed": Effect.REMOVED, "missorted": Effect.MISSORTED}
