"""Refused, missed, and taken by the wrong one: each failure costs one parcel one pass."""

from __future__ import annotations

import pytest
from tiny_layout import FIRING_DISTANCE
from tiny_line import Parcel, TinyLine


def sorts(line: TinyLine, parcel: Parcel, chute: str) -> None:
    assert parcel.bound_for == chute
    line.fires(parcel)
    parcel.enters(chute)
    assert parcel.end == f"SORTED {chute}"


def test_facts_behind_the_commit_point_of_a_straight_line_are_decided_late() -> None:
    line = TinyLine(loop=False)
    parcel = line.inducts(at=1_000).weighs()
    line.hears_nothing_until(parcel.at("outlet"))
    with line.one_frame():
        parcel.passes("gate").scans()
    assert parcel.story[-2:] == ["CLASSIFIED RESTOCK", "DEADLINE_MISSED: DECIDED_LATE"]
    assert parcel.decisions == ["UNROUTABLE: NOTHING_FREE"]
    assert set(parcel.considered.values()) == {"UNREACHABLE"}
    parcel.passes("middle", "far").enters("last_resort")
    assert parcel.end == "REJECTED last_resort: LINE_END"


def test_a_late_decision_on_a_loop_costs_a_lap() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    line.hears_nothing_until(parcel.at("outlet"))
    with line.one_frame():
        parcel.passes("gate").scans()
    assert "DEADLINE_MISSED: DECIDED_LATE" in parcel.story
    assert parcel.decisions == ["RECIRCULATED: NOTHING_FREE"]
    parcel.passes("middle", "far")
    parcel.comes_round()
    parcel.passes("induct")
    assert parcel.decisions[-1] == "ROUTED to shelf_a: PLAN"


@pytest.mark.parametrize("cause", ["TOO_LATE", "EXPIRED"])
def test_a_command_that_comes_too_late_is_a_missed_deadline(cause: str) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.refuses(parcel, cause)
    assert parcel.story[-2:] == [
        "DEADLINE_MISSED: COMMAND_LATE",
        f"PASSED shelf_a: DIVERT_INHIBITED ({cause})",
    ]
    sorts(line, parcel, "shelf_b")


def test_a_command_that_the_plc_never_mentions_is_late_too() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.runs_to(parcel.at("shelf_a") + 1_200)
    assert parcel.story[-2:] == ["DEADLINE_MISSED: COMMAND_LATE", "PASSED shelf_a: MISSED"]
    sorts(line, parcel, "shelf_c")


@pytest.mark.parametrize(
    ("cause", "verdict"),
    [("CHUTE_FULL", "FULL"), ("CHUTE_CLOSED", "CLOSED"), ("CHUTE_JAMMED", "JAMMED")],
)
def test_a_refused_divert_is_decided_again_for_another_chute(cause: str, verdict: str) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.refuses(parcel, cause)
    assert parcel.story[-1] == f"PASSED shelf_a: DIVERT_INHIBITED ({cause})"
    assert "DEADLINE_MISSED: COMMAND_LATE" not in parcel.story
    assert parcel.considered == {"shelf_a": "EXCLUDED", "shelf_b": "CHOSEN"}
    assert line.fill_of("shelf_a") == (0, 0)
    next_one = line.known_parcel(at=8_000, identity=8)
    assert next_one.considered["shelf_a"] == verdict
    line.chute_becomes("shelf_a", "OPEN")
    assert line.known_parcel(at=12_000, identity=9).bound_for == "shelf_a"


@pytest.mark.parametrize("cause", ["TABLE_FULL", "BAD_COMMAND"])
def test_a_refusal_that_blames_no_chute_leaves_the_chute_to_others(cause: str) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.refuses(parcel, cause, at=line.now + 50)
    assert parcel.story[-1] == f"PASSED shelf_a: DIVERT_INHIBITED ({cause})"
    assert parcel.bound_for == "shelf_b"
    assert line.known_parcel(at=8_000, identity=8).bound_for == "shelf_a"


def test_a_missed_parcel_recirculates_and_is_routed_again_and_neighbours_do_not_notice() -> None:
    line = TinyLine()
    before, missed, behind = (
        line.known_parcel(at=1_000 + 3_500 * index, identity=index, category="electronics")
        for index in range(3)
    )
    before.passes("gate")
    line.fires(before)
    before.enters("bench")
    missed.passes("gate")
    line.fires(missed)
    missed.passes("middle")  # went by
    assert "PASSED bench: MISSED" in missed.story
    assert missed.decisions[-1] == "RECIRCULATED: NOTHING_FREE"
    assert missed.considered == {"bench": "EXCLUDED"}
    behind.passes("gate")
    line.fires(behind)
    behind.enters("bench")
    missed.passes("far")
    missed.comes_round()
    missed.passes("induct")
    assert "RECIRCULATED 1" in missed.story
    missed.passes("gate")
    sorts(line, missed, "bench")
    for neighbour in (before, behind):
        assert neighbour.decisions == ["ROUTED to bench: PLAN"]
        assert neighbour.end == "SORTED bench"
        assert [words for words in neighbour.story if words.startswith("PASSED")] == [
            "PASSED bench: DIVERTED"
        ]


def test_a_chute_entry_that_never_comes_is_a_miss_without_any_eye() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    line.runs_to(parcel.at("shelf_a") + 1_200)
    assert parcel.story[-1] == "PASSED shelf_a: MISSED"
    sorts(line, parcel, "shelf_c")  # by then shelf_b's commit point was behind it


def test_a_neighbour_taken_by_the_divert_is_missorted_and_the_intended_one_decided_again() -> None:
    line = TinyLine()
    neighbour = line.known_parcel(at=1_000, category="electronics").passes("gate")
    intended = line.known_parcel(at=4_000, identity=8, category="fashion").passes("gate")
    line.runs_to(neighbour.at("shelf_a"))
    line.told.clear()
    # the diverter of shelf_a acts far too early
    neighbour.enters("shelf_a")
    assert neighbour.story == ["CLOSED MISSORTED shelf_a"]
    assert neighbour.commands[-1][:2] == ("CANCEL", "bench")
    assert intended.story == []
    line.fires(intended)
    line.runs_to(intended.at("shelf_a") + 1_200)
    assert intended.story == ["SLACK 500 shelf_a", "PASSED shelf_a: MISSED"]
    assert intended.considered == {
        "shelf_a": "EXCLUDED",
        "shelf_b": "UNREACHABLE",
        "shelf_c": "CHOSEN",
    }
    sorts(line, intended, "shelf_c")
    assert line.fill_of("shelf_a") == (1, 0)


def test_an_entry_that_no_parcel_explains_is_a_missorted_parcel_of_its_own() -> None:
    line = TinyLine()
    tracked = line.known_parcel(at=1_000)
    line.enters("shelf_a", at=line.now + 100)
    assert [words for parcel, words in line.told if parcel == line.newest_parcel] == [
        "OPENED shelf_a: TRACKING_LOST",
        "CLOSED MISSORTED shelf_a: TRACKING_LOST",
    ]
    assert tracked.end == "still on the line"
    assert line.fill_of("shelf_a") == (1, 1)


def test_a_confirmation_for_a_divert_no_longer_meant_is_ignored() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.chute_becomes("shelf_a", "OPEN", "JAMMED")
    line.refuses(parcel, "EXPIRED", chute="shelf_a", at=line.now)  # crossed the new command
    assert "DEADLINE_MISSED: COMMAND_LATE" not in parcel.story
    assert line.counted("STALE_CONFIRMATIONS") == 1
    assert parcel.bound_for == "shelf_b"


def test_two_parcels_too_close_for_one_diverter_go_to_different_chutes() -> None:
    line = TinyLine(restock=[["shelf_a"], ["shelf_b"]])
    first = line.inducts(at=1_000, length=120).weighs()
    second = line.inducts(at=1_000 + 150, length=120)
    with line.one_frame():
        first.scans()
        second.scans(identity=8)
    line.runs_to(second.at("gate"))
    assert first.bound_for == "shelf_a"
    assert second.bound_for == "shelf_b"
    assert second.considered == {"shelf_a": "WINDOW_TAKEN", "shelf_b": "CHOSEN"}


def test_a_diverter_needs_time_between_two_parcels() -> None:
    line = TinyLine(restock=[["shelf_a"], ["shelf_b"]])
    first = line.known_parcel(at=1_000, length=200)
    second = line.known_parcel(at=1_000 + 300, length=200, identity=8)
    third = line.known_parcel(at=1_000 + 620, length=200, identity=9)
    assert [first.bound_for, second.bound_for, third.bound_for] == ["shelf_a", "shelf_b", "shelf_a"]
    assert second.considered["shelf_a"] == "RATE_LIMITED"
    assert second.commands[-1][2] == second.at("shelf_b") - FIRING_DISTANCE
