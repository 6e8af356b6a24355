"""The oracle is strict: every effect needs a fault that explains it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from plc_sim.chaos.rules import Effect
from plc_sim.chaos.running import RunResult, failure_text
from plc_sim.chaos.story import Story
from plc_sim.chaos.verdict import (
    Breach,
    Verdict,
    come_behind_restarts,
    effects_of,
    unexplained,
)
from plc_sim.scenario import Fault
from sorter.model.codes import NONE, Cause, FinalDisposition
from sorter.rehearsal.account import Account, Record
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.reconcile import reconcile_rows

CHUTES = ("A01", "A02")
LOST = {"disposition": FinalDisposition.LOST, "cause": Cause.MISTRACKED, "chute": NONE}
FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


def truth(number: int, **values: Any) -> dict[str, Any]:
    row = {
        "physical_id": number,
        "label": f"RMA{number}",
        "induct_eye": 0,
        "induct_count": 1000 * number,
        "sightings": [[0, 1000 * number, 1]],
        "codes_read": [[0, [f"RMA{number}"]]],
        "end": "chute",
        "chute": "A01",
        "end_count": 1000 * number + 500,
        "end_boot": 1,
        "faults": [],
    }
    return row | values


def recorded(number: int, parcel: int | None = None, **values: Any) -> ParcelRow:
    row = ParcelRow(parcel or number, 1, f"RMA{number}", 0, 1, 0, 1000 * number)
    row.disposition, row.chute, row.opened_boot = FinalDisposition.SORTED, 0, 1
    for name, value in values.items():
        setattr(row, name, value)
    return row


def account(rows: list[ParcelRow], truths: list[dict[str, Any]]) -> Account:
    comparison = reconcile_rows(rows, CHUTES, truths)
    records = {
        number: [
            Record(
                row.parcel,
                row.code,
                FinalDisposition(row.disposition).name.lower() if row.disposition else "",
                Cause(row.cause).name.lower() if row.cause != NONE else "",
                row.opened_cause == Cause.TRACKING_LOST,
            )
            for row in owned
        ]
        for number, owned in comparison.owners.items()
    }
    return Account(comparison, truths, records)


def effects(rows: list[ParcelRow], truths: list[dict[str, Any]]) -> dict[Effect, int]:
    return counted(account(rows, truths))


def counted(account: Account) -> dict[Effect, int]:
    found = effects_of(account)
    return {effect: len(sentences) for effect, sentences in found.items()}


def test_a_sound_run_has_no_effects() -> None:
    rows = [recorded(1), recorded(2, disposition=FinalDisposition.REJECTED, cause=Cause.NO_READ)]
    assert effects(rows, [truth(1), truth(2)]) == {}


def test_every_kind_of_harm_is_an_effect() -> None:
    assert effects([], [truth(1)]) == {Effect.NEVER_SEEN: 1}
    assert effects([recorded(1, disposition=0)], [truth(1)]) == {Effect.NO_DISPOSITION: 1}
    assert effects([recorded(1), recorded(1, 2)], [truth(1)])[Effect.COUNTED_TWICE] == 1
    assert effects([recorded(1, disposition=0), recorded(1, 2)], [truth(1)]) == {
        Effect.LEFT_OPEN: 1
    }
    assert effects([recorded(1, chute=1)], [truth(1)]) == {Effect.OTHER_CHUTE: 1}
    assert effects([recorded(1), recorded(9)], [truth(1)]) == {Effect.GHOST: 1}
    assert effects([recorded(1, **LOST)], [truth(1)]) == {Effect.LOST_AND_ENDED: 1}
    gone = truth(1, end="removed", chute=None)
    assert effects([recorded(1, **LOST)], [gone]) == {Effect.LOST: 1}
    assert effects([recorded(1, disposition=FinalDisposition.REMOVED, chute=NONE)], [gone]) == {
        Effect.REMOVED: 1
    }
    assert effects([recorded(1, disposition=FinalDisposition.REMOVED, chute=NONE)], [truth(1)]) == {
        Effect.REMOVED_AND_ENDED: 1
    }
    assert effects([recorded(1, disposition=FinalDisposition.MISSORTED)], [truth(1)]) == {
        Effect.MISSORTED: 1
    }
    again = recorded(1, 2, opened_cause=Cause.TRACKING_LOST)
    assert effects([recorded(1, **LOST), again], [truth(1)]) == {
        Effect.FOUND_AGAIN: 1,
        Effect.UNEXPECTED: 1,
    }
    twice = [recorded(1, **LOST), recorded(1, 2, opened_cause=Cause.TRACKING_LOST, **LOST)]
    last = recorded(1, 3, opened_cause=Cause.TRACKING_LOST)
    assert effects([*twice, last], [truth(1)]) == {
        Effect.FOUND_AGAIN: 1,
        Effect.UNEXPECTED: 1,
    }, "parcels are counted, not records"


def test_a_code_that_was_never_read_on_a_parcel_is_a_mistaken_identity() -> None:
    assert effects([recorded(1, code="RMA2")], [truth(1)]) == {Effect.MISTAKEN: 1}
    swapped = truth(1, codes_read=[[0, ["RMA2"]]])
    assert effects([recorded(1, code="RMA2")], [swapped]) == {Effect.OTHER_LABEL: 1}
    again = recorded(1, 2, code="RMA2", opened_cause=Cause.TRACKING_LOST)
    assert effects([recorded(1, code="RMA2", **LOST), again], [swapped]) == {
        Effect.OTHER_LABEL: 1,
        Effect.FOUND_AGAIN: 1,
        Effect.UNEXPECTED: 1,
    }, "a parcel that is met again is one parcel"


def test_a_killed_plc_excuses_nobody_who_came_behind_it() -> None:
    """A controller that is deaf behind a restart stayed within the allowance of the whole run."""
    truths = [
        truth(1, faults=["plc_restart"], end="removed", chute=None),
        truth(2, faults=["plc_restart"]),
        truth(3, sightings=[[0, 3000, 2]], end_boot=2),
        truth(4, sightings=[[0, 4000, 2]], end_boot=2),
        truth(5),  # had left the belt when the PLC was killed
        truth(6, sightings=[]),
    ]
    whole = account(
        [recorded(1, **LOST), recorded(4, opened_boot=2, **LOST), recorded(5, **LOST)], truths
    )
    assert counted(whole) == {
        Effect.LOST: 1,
        Effect.NEVER_SEEN: 3,
        Effect.LOST_AND_ENDED: 2,
    }
    assert counted(come_behind_restarts(whole)) == {
        Effect.NEVER_SEEN: 1,
        Effect.LOST_AND_ENDED: 1,
    }
    assert counted(come_behind_restarts(account([], [truth(1)]))) == {}


def breaches(
    faults: list[dict[str, Any]], rows: list[ParcelRow], truths: list[dict[str, Any]]
) -> list[str]:
    story = Story(5, "modbus", 80, 20_000.0, 4.0, tuple(map(FAULT.validate_python, faults)))
    whole = account(rows, truths)
    return [breach.what for breach in unexplained(story, whole, effects_of(whole))]


JAM = {"kind": "jam", "at_s": 1.0, "zone": "zone_1", "clear_after_s": 3.0}
DROPPED = {"kind": "event_dropped", "at_s": 1.0, "times": 4}
JUMP = {"kind": "encoder_jump", "at_s": 0.0, "jump_mm": 100.0}
RESTART = {"kind": "plc_restart", "at_s": 1.0, "down_s": 1.0, "belts": "kept"}


@pytest.mark.parametrize(
    ("fault", "struck", "other"),
    [
        (JAM, {"end": "removed", "chute": None}, {}),
        (DROPPED, {"faults": ["event_dropped"]}, {"faults": ["event_delayed"]}),
    ],
)
def test_only_whom_a_fault_can_have_struck_may_be_without_a_record(
    fault: dict[str, Any], struck: dict[str, Any], other: dict[str, Any]
) -> None:
    never_seen = [Effect.NEVER_SEEN.value]
    assert breaches([fault], [], [truth(1, **struck)]) == []
    assert breaches([fault], [], [truth(1, **other)]) == never_seen
    assert breaches([], [], [truth(1, **struck)]) == never_seen


def test_a_parcel_in_its_chute_may_be_recorded_as_removed_only_without_an_entry_record() -> None:
    rows = [recorded(1, disposition=FinalDisposition.REMOVED, chute=NONE)]
    removed = [Effect.REMOVED_AND_ENDED.value]
    assert breaches([JAM, DROPPED], rows, [truth(1, faults=["event_dropped"])]) == []
    assert breaches([JAM, DROPPED], rows, [truth(1)]) == removed
    assert breaches([DROPPED], rows, [truth(1, faults=["event_dropped"])]) == removed


def test_who_came_behind_a_fault_was_not_struck_by_it() -> None:
    """56 parcels had come when the jump was noticed: not so many of any, but those."""
    lost_and_ended = [Effect.LOST_AND_ENDED.value]
    assert breaches([JUMP], [recorded(55, **LOST)], [truth(55)]) == []
    assert breaches([JUMP], [recorded(56, **LOST)], [truth(56)]) == lost_and_ended
    assert breaches([JUMP, JAM], [recorded(56, **LOST)], [truth(56)]) == lost_and_ended


def test_a_restart_excuses_those_whom_the_ended_start_had_seen() -> None:
    there = truth(1, faults=["plc_restart"])
    behind = truth(3, sightings=[[0, 3000, 2]], end_boot=2)
    assert breaches([RESTART], [recorded(1, **LOST), recorded(2, **LOST)], [there, truth(2)]) == []
    found = breaches([RESTART], [recorded(1), recorded(3, opened_boot=2, **LOST)], [there, behind])
    assert found == [Effect.LOST_AND_ENDED.value]
    # On the belt, but before its first eye: what saw it first is the start behind the restart.
    late = truth(2, faults=["plc_restart"], sightings=[[0, 2000, 2]], end_boot=2)
    rows = [recorded(1), recorded(2, opened_boot=2), recorded(3, opened_boot=2, **LOST)]
    assert breaches([RESTART], rows, [truth(1), late, behind]) == [Effect.LOST_AND_ENDED.value]
    # Nobody was on the belt, so that the ledger does not tell who was there.
    assert breaches([RESTART], [recorded(2, **LOST)], [truth(2)]) == []


def test_a_failure_says_when_the_machine_was_too_slow_for_the_speed(tmp_path: Path) -> None:
    story = Story(5, "modbus", 300, 20_000.0, 4.0, ())
    result = RunResult(story, Verdict((Breach("never seen"),)), 1.0, tmp_path)
    log = tmp_path / "sorter-0.log"
    log.write_text('{"event": "reports_late"}\n')
    assert not any("too slow" in line for line in failure_text(result))
    log.write_text('{"events": 9, "scans": 0, "event": "records_dropped_by_plc"}\n')
    assert any("too slow for --speed 4;" in line for line in failure_text(result))
