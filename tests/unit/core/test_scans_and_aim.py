"""Second scanners, late results, and corrected fire counts."""

from __future__ import annotations

import pytest
from tiny_layout import COMMIT_DISTANCE, FIRING_DISTANCE, WINDOW
from tiny_line import TinyLine


def test_a_second_scanner_with_another_identity_is_a_conflict() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, identity=7)
    assert parcel.bound_for == "shelf_a"
    parcel.scans("side", identity=8)
    assert parcel.story[-2:] == ["SCANNED CONFLICT", "CLASSIFIED MULTI_READ_CONFLICT"]
    assert parcel.decisions[-1] == "REROUTED to multi_read_conflict: EXCEPTION"
    assert parcel.bound_for == "multi_read_conflict"
    assert line.fill_of("shelf_a") == (0, 0)


def test_a_second_scanner_with_the_same_identity_changes_nothing() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, identity=7).scans("side", identity=7)
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]
    assert len(parcel.commands) == 1


def test_a_conflict_is_for_good() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, verdict="CONFLICT").scans("side", identity=7)
    assert parcel.bound_for == "multi_read_conflict"


def test_a_second_scanner_without_a_code_does_not_take_a_read_away() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).scans("side", verdict="NO_READ")
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]


def test_a_no_read_is_mended_by_a_second_scanner_before_the_commit_point() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, verdict="NO_READ")
    assert parcel.bound_for == "no_read"
    parcel.scans("side")
    assert parcel.decisions == ["ROUTED to no_read: EXCEPTION", "REROUTED to shelf_a: PLAN"]
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_a_late_scan_counts_up_to_the_commit_point_of_the_chute_it_takes_the_parcel_from() -> None:
    ends = []
    for late in (0, 1):
        line = TinyLine()
        parcel = line.inducts(at=1_000).weighs().passes("gate", "middle")
        assert parcel.bound_for == "no_read"
        commit = parcel.at("no_read") - COMMIT_DISTANCE
        parcel.scans(late=commit + late - parcel.at("top") - parcel.length)
        ends.append((parcel.bound_for, parcel.decisions[-1]))
    assert ends == [
        (None, "RECIRCULATED: NOTHING_FREE"),
        ("no_read", "ROUTED to no_read: EXCEPTION"),
    ]


def test_a_scan_behind_the_commit_point_is_kept_for_the_case_that_the_divert_fails() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs().passes("gate", "middle")
    line.fires(parcel)
    parcel.scans()
    assert parcel.story[-1] == "SCANNED READ"
    assert "CLASSIFIED RESTOCK" not in parcel.story
    parcel.passes("far")  # the diverter did not move
    assert parcel.story[-3:] == ["PASSED no_read: MISSED", "CLASSIFIED RESTOCK", "SEEN far"]
    parcel.comes_round()
    parcel.passes("induct", "gate")
    assert parcel.bound_for == "shelf_a"


def test_a_scan_that_no_parcel_explains_is_counted_and_harmless() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    line.scans(at=parcel.at("top") + WINDOW + 1)
    assert "SCANNED READ" not in parcel.story
    assert line.counted("STRAY_SCANS") == 1
    line.measures(at=parcel.at("scale") - WINDOW - 1)
    assert line.counted("STRAY_MEASUREMENTS") == 1


def test_a_measurement_after_the_decision_may_change_it() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).scans().passes("gate")
    assert parcel.bound_for == "shelf_a"
    parcel.weighs(30_000)
    assert parcel.decisions[-1] == "REROUTED to over_weight: EXCEPTION"


@pytest.mark.parametrize("slip", [-60, -21, 21, 60])
def test_a_parcel_that_moved_on_the_belt_is_aimed_at_again(slip: int) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    first = parcel.commands[-1]
    parcel.slips(slip)
    parcel.passes("gate")
    assert parcel.commands == [first, ("FIRE", "shelf_a", first[2] + slip)]
    assert line.sequences == [1, 2]
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]  # the same decision, a better aim
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_a_shift_that_hardly_matters_is_not_worth_a_command() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    parcel.slips(20)
    parcel.passes("gate")
    assert len(parcel.commands) == 1


def test_behind_the_commit_point_the_old_aim_is_better_than_none() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    first = parcel.commands[-1]
    parcel.slips(60)
    line.runs_to(parcel.at("shelf_a") - FIRING_DISTANCE - 100)
    parcel.passes("gate")
    assert parcel.commands == [first]


def test_a_parcel_that_moved_into_anothers_window_gets_another_chute() -> None:
    line = TinyLine()
    first = line.known_parcel(at=1_000, length=200)
    second = line.known_parcel(at=1_000 + 330, length=200, identity=8)
    assert (first.bound_for, second.bound_for) == ("shelf_a", "shelf_a")
    first.passes("gate")
    second.slips(-80)
    second.passes("gate")
    assert second.considered["shelf_a"] == "RATE_LIMITED"
    assert second.decisions[-1] == "REROUTED to shelf_b: PLAN"
    assert first.bound_for == "shelf_a"
