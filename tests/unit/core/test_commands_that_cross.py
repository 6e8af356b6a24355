"""A command crosses the divert it was to replace: what the PLC did counts, not what was meant."""

from __future__ import annotations

import pytest
from tiny_line import Parcel, TinyLine


def aimed_again(line: TinyLine, slip: int = -60) -> tuple[Parcel, int]:
    """A parcel that slipped, so that its fire count was corrected; and the old fire count."""
    parcel = line.known_parcel(at=1_000)
    old_fire = parcel.commands[-1][2]
    parcel.slips(slip)
    parcel.passes("gate")
    assert [command[:2] for command in parcel.commands] == [("FIRE", "shelf_a")] * 2
    return parcel, old_fire


def test_a_refused_correction_leaves_the_older_command_which_may_still_sort() -> None:
    line = TinyLine(restock=[["shelf_a"]])
    line.chute_becomes("outlet")
    parcel, old_fire = aimed_again(line)
    line.refuses(parcel, "TOO_LATE", at=old_fire - 20)
    assert parcel.story[-1] == "PASSED shelf_a: DIVERT_INHIBITED (TOO_LATE)"
    assert line.fill_of("shelf_a") == (0, 0)
    line.fires_at("shelf_a", parcel, at=old_fire)
    assert line.fill_of("shelf_a") == (0, 1)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert line.fill_of("shelf_a") == (1, 0)


def test_a_refused_correction_that_was_decided_again_goes_where_it_is_diverted() -> None:
    line = TinyLine(capacity={"shelf_b": 1})
    parcel, old_fire = aimed_again(line)
    line.refuses(parcel, "TOO_LATE", at=old_fire - 20)
    assert parcel.bound_for == "shelf_b"
    line.fires_at("shelf_a", parcel, at=old_fire)
    assert parcel.commands[-1][:2] == ("CANCEL", "shelf_b")
    assert (line.fill_of("shelf_a"), line.fill_of("shelf_b")) == ((0, 1), (0, 0))
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_a_divert_that_misses_the_parcel_takes_nothing_back() -> None:
    line = TinyLine()
    parcel, old_fire = aimed_again(line)
    line.refuses(parcel, "TOO_LATE", at=old_fire - 20)
    line.runs_to(old_fire + 300)
    line.fires_at("shelf_a", parcel, at=line.now)
    assert parcel.bound_for == "shelf_b"
    assert line.counted("STALE_CONFIRMATIONS") == 1
    line.fires(parcel)
    parcel.enters("shelf_b")
    assert parcel.end == "SORTED shelf_b"


@pytest.mark.parametrize("cause", ["TOO_LATE", "EXPIRED", "CHUTE_FULL"])
def test_a_late_refusal_of_the_replaced_command_is_not_taken_for_the_newer_ones(cause: str) -> None:
    """The parcel slipped back: the old command came to its fire count before the new one did."""
    line = TinyLine()
    parcel, old_fire = aimed_again(line, slip=60)
    assert parcel.commands[-1][2] == old_fire + 60
    line.refuses(parcel, cause, at=old_fire + 5)
    assert "PASSED shelf_a: DIVERT_INHIBITED" not in " ".join(parcel.story)
    assert line.counted("STALE_CONFIRMATIONS") == 1
    line.fires(parcel)
    parcel.enters(parcel.bound_for)
    assert parcel.end == f"SORTED {parcel.bound_for}"


def test_a_confirmation_behind_a_miss_takes_nothing_back() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics").passes("gate")
    fire = parcel.commands[-1][2]
    parcel.passes("middle")
    assert "PASSED bench: MISSED" in parcel.story
    told = list(line.told)
    line.fires_at("bench", parcel, at=fire)
    assert line.told == told
    assert line.fill_of("bench") == (0, 0)
    assert line.counted("STALE_CONFIRMATIONS") == 1


def test_a_reroute_that_came_too_late_changes_nothing_where_the_plan_names_both_chutes() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    fire = parcel.commands[-1][2]
    line.chute_becomes("shelf_a", "OPEN", "JAMMED")
    assert parcel.bound_for == "shelf_b"
    line.fires_at("shelf_a", parcel, at=fire)
    assert "DEADLINE_MISSED: COMMAND_LATE" in parcel.story
    assert parcel.commands[-1][:2] == ("CANCEL", "shelf_b")
    assert (line.fill_of("shelf_a"), line.fill_of("shelf_b")) == ((0, 1), (0, 0))
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert (line.fill_of("shelf_a"), line.fill_of("shelf_b")) == ((1, 0), (0, 0))


def test_a_missort_by_a_reroute_that_came_too_late_has_its_cause() -> None:
    """The host's answer sent it elsewhere, and no plan sends it to the outlet it went into."""
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, known=0, seq=1).passes("gate")
    _, chute, fire = parcel.commands[-1]
    assert chute == "no_data"
    parcel.scans(seq=1, category="electronics")
    assert parcel.bound_for == "bench"
    line.fires_at("no_data", parcel, at=fire)
    assert parcel.story[-1] == "DEADLINE_MISSED: COMMAND_LATE"
    parcel.enters("no_data")
    assert parcel.end == "MISSORTED no_data"


def test_what_a_killed_controller_commanded_counts_when_its_journal_lost_it() -> None:
    """The restarted controller decided otherwise and is late: the diverter was fired already."""
    line = TinyLine(restock=[["shelf_a"], ["shelf_b"]])
    line.chute_becomes("shelf_a", "OPEN", "FULL")
    parcel = line.known_parcel(at=1_000).passes("gate")
    assert parcel.bound_for == "shelf_b"
    line.fires_at("shelf_a", parcel, at=parcel.at("shelf_a") - 100)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert (line.fill_of("shelf_a"), line.fill_of("shelf_b")) == ((1, 0), (0, 0))


def test_all_chutes_that_refused_a_parcel_are_left_out_until_the_next_lap() -> None:
    line = TinyLine(restock=[["shelf_a", "shelf_b"]])
    parcel = line.known_parcel(at=1_000)
    for _ in range(3):
        line.refuses(parcel, "TABLE_FULL", at=line.now)
    assert [command[:2] for command in parcel.commands] == [
        ("FIRE", "shelf_a"),
        ("FIRE", "shelf_b"),
        ("FIRE", "outlet"),
    ]
    assert parcel.considered == dict.fromkeys(("shelf_a", "shelf_b", "outlet"), "EXCLUDED")
    parcel.passes("gate", "middle", "far")
    parcel.comes_round()
    parcel.passes("induct")
    assert parcel.bound_for == "shelf_a"
