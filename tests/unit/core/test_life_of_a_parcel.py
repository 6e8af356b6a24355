"""From the induction to the chute, and what the controller says on the way."""

from __future__ import annotations

import pytest
from tiny_layout import COMMIT_DISTANCE, FIRING_DISTANCE, LOOP
from tiny_line import TinyLine


def test_a_parcel_is_inducted_weighed_read_diverted_and_sorted() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000)
    parcel.weighs(500).scans(category="fashion").passes("gate")
    line.fires(parcel, slack=321)
    parcel.enters("shelf_a")
    assert parcel.story == [
        "OPENED induct",
        "MEASURED 500",
        "SCANNED READ",
        "CLASSIFIED RESTOCK",
        "SEEN gate",
        "SLACK 321 shelf_a",
        "PASSED shelf_a: DIVERTED",
        "CLOSED SORTED shelf_a",
    ]
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]
    assert parcel.considered == {"shelf_a": "CHOSEN", "shelf_b": "NOT_BEST"}
    assert line.fill_of("shelf_a") == (1, 0)
    assert line.state.tracked_count() == 0


def test_the_leading_edge_arrives_in_the_middle_of_the_engaged_interval() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    assert parcel.commands == [("FIRE", "shelf_a", parcel.at("shelf_a") - FIRING_DISTANCE)]


def test_nothing_is_decided_before_the_facts_are_complete() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    assert parcel.decisions == []
    parcel.scans()
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]


def test_a_scale_that_says_nothing_delays_the_decision_but_does_not_prevent_it() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).scans()
    line.runs_to(parcel.at("gate"))
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]
    assert "CLASSIFIED RESTOCK" in parcel.story


def test_commands_are_numbered_without_gaps() -> None:
    line = TinyLine()
    for index in range(4):
        line.known_parcel(at=1_000 + 3_000 * index, identity=index)
    assert len(line.sequences) >= 4
    assert line.sequences == list(range(1, len(line.sequences) + 1))


def test_a_round_that_ends_at_the_origin_of_the_loop_changes_nothing() -> None:
    """Nothing is free in the first round; positions go on from the loop's end to 0."""
    line = TinyLine(restock=[["shelf_a"]])
    line.chute_becomes("shelf_a")
    line.chute_becomes("outlet", "OPEN", "FULL")
    parcel = line.known_parcel(at=3_000).passes("gate", "middle", "far")
    line.runs_to(parcel.at("last_resort"))
    assert parcel.bound_for is None
    parcel.comes_round()
    line.chute_becomes("outlet", "OPEN")
    parcel.passes("induct")
    assert parcel.story[-2:] == ["RECIRCULATED 1", "SEEN induct"]
    assert parcel.commands == [("FIRE", "outlet", parcel.at("outlet") - FIRING_DISTANCE)]
    parcel.passes("gate")
    line.fires(parcel)
    parcel.enters("outlet")
    assert parcel.end == "SORTED outlet"


def test_a_second_induction_is_a_start_like_the_first() -> None:
    """Its parcels meet scale and scanner in the next round of the belt, but in their first lap."""
    line = TinyLine(second_induction="middle")
    parcel = line.parcel(at=1_000).passes("middle", "far")
    assert parcel.story == ["OPENED middle", "SEEN far"]
    parcel.comes_round()
    parcel.passes("induct").weighs().scans().passes("gate")
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.story[-1] == "CLOSED SORTED shelf_a"
    assert "RECIRCULATED 1" not in parcel.story


@pytest.mark.parametrize("start", [-500, 2**32 - 4_000, 2**32 + 7, 2**40])
def test_encoder_counts_may_be_of_any_size(start: int) -> None:
    """The wire's counter wraps at 2^32; what the core sees goes on counting."""
    line = TinyLine(now=start)
    parcel = line.known_parcel(at=start + 1_000).passes("gate")
    assert parcel.commands == [("FIRE", "shelf_a", start + 1_000 + 7_500 - FIRING_DISTANCE)]
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_on_a_loop_a_chute_behind_the_parcel_is_for_the_next_lap() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    parcel.scans(late=parcel.at("shelf_c") - parcel.at("top"))
    assert parcel.bound_for == "outlet"
    assert parcel.considered["shelf_a"] == "UNREACHABLE"


def test_the_commit_point_is_the_last_count_at_which_a_chute_is_possible() -> None:
    bound_for = []
    for late in (0, 1):
        line = TinyLine(restock=[["shelf_a"]])
        parcel = line.inducts(at=1_000, length=300).weighs()
        commit = parcel.at("shelf_a") - COMMIT_DISTANCE
        parcel.scans(late=commit - (parcel.at("top") + 300) + late)
        bound_for.append(parcel.bound_for)
    assert bound_for == ["shelf_a", "outlet"]


def test_a_parcel_that_nobody_can_take_runs_off_the_end_of_a_straight_line() -> None:
    line = TinyLine(loop=False)
    for chute in ("shelf_a", "shelf_b", "shelf_c", "outlet"):
        line.chute_becomes(chute)
    parcel = line.known_parcel(at=1_000).passes("gate", "middle", "far").enters("last_resort")
    assert parcel.decisions == ["UNROUTABLE: NOTHING_FREE"]
    assert set(parcel.considered.values()) == {"CLOSED"}
    assert parcel.end == "REJECTED last_resort: LINE_END"
    assert parcel.commands == []


def test_the_loop_is_longer_than_every_place_on_it() -> None:
    """What the other stories rely on."""
    line = TinyLine()
    parcel = line.parcel(at=1_000)
    first = parcel.at("far")
    parcel.comes_round()
    assert parcel.at("far") - first == LOOP
