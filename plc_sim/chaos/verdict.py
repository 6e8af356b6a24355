"""Judges a finished run: whether everything held that must hold, given the faults of its story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from plc_sim.chaos.evidence import Evidence, boots_of, ended_boots
from plc_sim.chaos.performing import Performance
from plc_sim.chaos.rules import RULES, Effect, allowance
from plc_sim.chaos.story import Story
from plc_sim.truth import PLC_RESTART
from sorter.config.load import load_line
from sorter.errors import SorterError
from sorter.model.codes import NONE
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
class Suffered:
    """A parcel to which something happened.

    Attributes
    ----------
    physical_id : int
        In the truth ledger; -1: it is a record without a parcel.
    sentence : str
    """

    physical_id: int
    sentence: str


Effects = dict[Effect, list[Suffered]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to.

    Attributes
    ----------
    breaches : tuple of Breach
        Empty: everything held.
    effects : dict
        Parcels by what they suffered, what faults explain included.
    physical : int
        Parcels that were on the line.
    """

    breaches: tuple[Breach, ...]
    effects: Effects = field(default_factory=dict)
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
        effects[Effect.UNPLANNED_CHUTE] = [Suffered(NONE, sentence) for sentence in unplanned]
    found = unexplained(story, account, effects)
    return Verdict((*breaches, *found), effects, account.comparison.physical)


def unexplained(story: Story, account: Account, effects: Effects) -> list[Breach]:
    """Return what the faults of a story do not explain: too many parcels, or other ones."""
    found = _beyond(effects, allowance(story.faults, story.parcels_come))
    others = [fault for fault in story.faults if fault.kind != "kill_plc"]
    if len(others) < len(story.faults) and not found:
        found = _beyond(
            effects_of(come_behind_restarts(account)), allowance(others, story.parcels_come)
        )
    return found or _not_struck(story, account, effects)


def _beyond(effects: Effects, allowed: dict[Effect, int]) -> list[Breach]:
    """Return the effects that more parcels suffered than the faults explain."""
    breaches = []
    for effect, parcels in effects.items():
        if len(parcels) > allowed[effect]:
            counted = f"{len(parcels)} parcels, {allowed[effect]} explained by the faults"
            breaches.append(_breach(effect, counted, parcels))
    return breaches


def _not_struck(story: Story, account: Account, effects: Effects) -> list[Breach]:
    """Return the effects on parcels that no fault of the story can have struck."""
    evidence = Evidence.of(story.faults, story.parcels_come, account.truth)
    rows = {int(row["physical_id"]): row for row in account.truth}
    breaches = []
    for effect, parcels in effects.items():
        whom = [(RULES[fault.kind].may.get(effect), fault) for fault in story.faults]
        other = [
            one
            for one in parcels
            if not any(may and may(rows[one.physical_id], fault, evidence) for may, fault in whom)
        ]
        if other:
            counted = f"{len(other)} of {len(parcels)} parcels cannot have been struck by a fault"
            breaches.append(_breach(effect, counted, other))
    return breaches


def _breach(effect: Effect, counted: str, parcels: Sequence[Suffered]) -> Breach:
    shown = (one.sentence for one in parcels[:SENTENCES_SHOWN])
    return Breach(effect.value, (counted, *shown))


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
    over = ended_boots(account.truth)
    truth = [
        row for row in account.truth if int(row["physical_id"]) > last and not over & boots_of(row)
    ]
    behind = {int(row["physical_id"]) for row in truth}
    comparison = replace(
        account.comparison,
        findings=tuple(one for one in account.comparison.findings if one.physical_id in behind),
    )
    records = {number: rows for number, rows in account.records.items() if number in behind}
    return Account(comparison, truth, records)


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


def effects_of(account: Account) -> Effects:
    """Return what happened to parcels that does not happen on a sound line, by whom."""
    effects: Effects = defaultdict(list)
    for finding in account.comparison.findings:
        suffered = Suffered(finding.physical_id, finding.sentence)
        effects[_EFFECTS[finding.discrepancy]].append(suffered)
    differing = {finding.parcel for finding in account.comparison.findings}
    truth = {int(row["physical_id"]): row for row in account.truth}
    for physical_id, records in account.records.items():
        row = truth[physical_id]
        *earlier, last = records
        if lost := [record for record in earlier if record.disposition == _LOST]:
            # Parcels are counted: a slip that lasts has one given up more than once.
            effects[Effect.FOUND_AGAIN].append(_suffered(lost[0], row))
        if any(record.unexpected for record in records):
            effects[Effect.UNEXPECTED].append(_suffered(last, row))
        for disposition, effect in _ENDS.items():
            if last.disposition == disposition and last.parcel not in differing:
                effects[effect].append(_suffered(last, row))
        for effect, suffered in _by_codes(records, row).items():
            effects[effect].append(suffered)
    return dict(effects)


def _by_codes(records: Sequence[Record], row: TruthRow) -> dict[Effect, Suffered]:
    """Compare the codes a parcel was sorted by with those that scanners read on it.

    Parcels are counted here, too: one that is met again has a record more with the same code.
    """
    read = {code for _, codes in row.get("codes_read") or () for code in codes}
    found = {}
    for record in records:
        if record.code is not None and record.code != row["label"]:
            effect = Effect.OTHER_LABEL if record.code in read else Effect.MISTAKEN
            more = f"; sorted by {record.code!r}, read: {read}"
            found[effect] = _suffered(record, row, more)
    return found


def _suffered(record: Record, row: TruthRow, more: str = "") -> Suffered:
    cause = f" ({record.cause})" if record.cause else ""
    where = row["chute"] or row["end"]
    return Suffered(
        int(row["physical_id"]),
        f"parcel {record.parcel} = physical parcel {row['physical_id']} ({row['label']!r}): "
        f"{record.disposition or 'open'}{cause}; in truth {where}{more}",
    )


_EFFECTS: Final = {
    Discrepancy.NEVER_SEEN: Effect.NEVER_SEEN,
    Discrepancy.NO_DISPOSITION: Effect.NO_DISPOSITION,
    Discrepancy.LEFT_OPEN: Effect.LEFT_OPEN,
    Discrepancy.COUNTED_TWICE: Effect.COUNTED_TWICE,
    Discrepancy.LOST_AND_ENDED: Effect.LOST_AND_ENDED,
    Discrepancy.REMOVED_AND_ENDED: Effect.REMOVED_AND_ENDED,
    Discrepancy.OTHER_CHUTE: Effect.OTHER_CHUTE,
    Discrepancy.OTHER_END: Effect.OTHER_END,
    Discrepancy.GHOST: Effect.GHOST,
}
_ENDS: Final = {"lost": Effect.LOST, "removed": Effect.REMOVED, "missorted": Effect.MISSORTED}
