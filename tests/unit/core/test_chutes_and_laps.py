"""Chutes that fill, close and jam; overflow; the end of the laps."""

from __future__ import annotations

import pytest
from tiny_layout import COMMIT_DISTANCE
from tiny_line import Parcel, TinyLine


def into(line: TinyLine, chute: str, **facts: int | str) -> Parcel:
    """Bring one parcel into `chute`."""
    parcel = line.known_parcel(at=line.now + 1_000, **facts).passes("gate")
    assert parcel.bound_for == chute
    line.fires(parcel)
    return parcel.enters(chute)


@pytest.mark.parametrize("bits", [(), ("OPEN", "FULL"), ("OPEN", "JAMMED")])
def test_a_chute_that_fails_before_the_commit_point_is_replaced(bits: tuple[str, ...]) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.runs_to(parcel.at("shelf_a") - COMMIT_DISTANCE)
    line.chute_becomes("shelf_a", *bits)
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN", "REROUTED to shelf_b: PLAN"]
    assert parcel.bound_for == "shelf_b"
    assert (line.fill_of("shelf_a"), line.fill_of("shelf_b")) == ((0, 0), (0, 1))


@pytest.mark.parametrize("bits", [(), ("OPEN", "FULL"), ("OPEN", "JAMMED")])
def test_a_chute_that_fails_behind_the_commit_point_is_left_to_the_plc(
    bits: tuple[str, ...],
) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.runs_to(parcel.at("shelf_a") - COMMIT_DISTANCE + 1)
    line.chute_becomes("shelf_a", *bits)
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]
    assert parcel.bound_for == "shelf_a"


def test_a_chute_that_is_half_full_is_as_good_as_any() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.chute_becomes("shelf_a", "OPEN", "HALF_FULL")
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]


def test_a_parcel_without_any_chute_left_is_cancelled_and_takes_the_first_that_opens() -> None:
    line = TinyLine(restock=[["shelf_a"]])
    line.chute_becomes("outlet")
    parcel = line.known_parcel(at=1_000)
    fire = parcel.commands[-1][2]
    line.chute_becomes("shelf_a", "OPEN", "JAMMED")
    assert parcel.decisions[-1] == "RECIRCULATED: NOTHING_FREE"
    assert parcel.considered == {"shelf_a": "JAMMED", "outlet": "CLOSED"}
    assert parcel.commands == [("FIRE", "shelf_a", fire), ("CANCEL", "shelf_a", fire)]
    line.chute_becomes("shelf_a", "OPEN")
    assert parcel.decisions[-1] == "ROUTED to shelf_a: PLAN"
    assert parcel.commands[-1] == ("FIRE", "shelf_a", fire)


def test_capacity_counts_parcels_on_their_way() -> None:
    line = TinyLine(capacity={"shelf_a": 2})
    first = line.known_parcel(at=1_000, identity=1)
    second = line.known_parcel(at=1_700, identity=2)
    third = line.known_parcel(at=2_400, identity=3)
    assert [p.bound_for for p in (first, second, third)] == ["shelf_a", "shelf_a", "shelf_b"]
    assert third.considered == {"shelf_a": "FULL", "shelf_b": "CHOSEN"}
    assert line.fill_of("shelf_a") == (0, 2)


def test_a_place_on_the_way_becomes_a_place_inside() -> None:
    line = TinyLine(capacity={"shelf_a": 1})
    into(line, "shelf_a")
    assert line.fill_of("shelf_a") == (1, 0)
    into(line, "shelf_b", identity=8)


def test_capacity_by_length_counts_the_lengths_of_parcels() -> None:
    line = TinyLine(capacity_length={"shelf_a": 900})
    bound_for = [
        line.known_parcel(at=1_000 + 700 * index, length=length, identity=index).bound_for
        for index, length in enumerate((500, 401, 400))
    ]
    assert bound_for == ["shelf_a", "shelf_b", "shelf_a"]


def test_a_full_stream_overflows_to_the_next() -> None:
    line = TinyLine(restock=[["shelf_a"], ["shelf_b"]])
    line.chute_becomes("shelf_a", "OPEN", "FULL")
    line.chute_becomes("shelf_b", "OPEN", "JAMMED")
    parcel = line.known_parcel(at=1_000)
    assert parcel.decisions == ["ROUTED to outlet: OVERFLOW"]
    assert parcel.considered == {"shelf_a": "FULL", "shelf_b": "JAMMED", "outlet": "CHOSEN"}


def test_a_later_group_is_used_only_when_the_first_has_nothing() -> None:
    line = TinyLine(capacity={"shelf_a": 1, "shelf_b": 1})
    bound_for = [
        line.known_parcel(at=1_000 + 700 * index, identity=index).bound_for for index in range(3)
    ]
    assert bound_for == ["shelf_a", "shelf_b", "shelf_c"]


def test_a_stream_without_overflow_waits_on_the_belt() -> None:
    line = TinyLine()
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, category="electronics")
    assert parcel.decisions == ["RECIRCULATED: NOTHING_FREE"]
    assert parcel.commands == []


def test_when_the_laps_are_used_up_the_last_resort_takes_it() -> None:
    line = TinyLine()
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, category="electronics")
    for _ in range(2):
        parcel.passes("gate", "middle", "far")
        parcel.comes_round()
        parcel.passes("induct")
    laps = [words for words in parcel.story if words.startswith("RECIRCULATED")]
    assert laps == ["RECIRCULATED 1", "RECIRCULATED 2"]
    assert "CLASSIFIED NO_CHUTE" in parcel.story
    assert parcel.decisions[-1] == "ROUTED to last_resort: LAPS_EXHAUSTED"
    parcel.passes("gate", "middle", "far")
    line.fires(parcel)
    parcel.enters("last_resort")
    assert parcel.end == "REJECTED last_resort: NO_CHUTE"


@pytest.mark.parametrize(("taken", "left"), [(1, 2), (3, 0), (4, 0), (0, 0)])
def test_an_operator_empties_a_chute(taken: int, left: int) -> None:
    line = TinyLine(capacity={"shelf_a": 3})
    for identity in range(3):
        into(line, "shelf_a", identity=identity)
    line.empties("shelf_a", taken)
    assert line.fill_of("shelf_a") == (left, 0)
    into(line, "shelf_a", identity=9)


def test_a_waiting_parcel_takes_the_place_that_an_operator_makes() -> None:
    line = TinyLine(restock=[["shelf_a"]], capacity={"shelf_a": 1})
    line.chute_becomes("outlet")
    into(line, "shelf_a")
    parcel = line.known_parcel(at=line.now + 1_000, identity=8)
    assert parcel.considered == {"shelf_a": "FULL", "outlet": "CLOSED"}
    line.empties("shelf_a", 1)
    assert parcel.bound_for == "shelf_a"


def test_a_place_given_up_by_one_parcel_goes_to_the_one_that_waits_for_it() -> None:
    line = TinyLine(restock=[["shelf_a"]], capacity={"shelf_a": 1})
    line.chute_becomes("outlet")
    # the table has its rows in order of arrival: the one that waits must be looked at twice
    waits = line.inducts(at=1_000)
    has_it = line.inducts(at=1_700).weighs().scans(identity=8)
    waits.weighs().scans(identity=7)
    assert (has_it.bound_for, waits.bound_for) == ("shelf_a", None)
    has_it.scans("side", identity=9)
    assert has_it.bound_for == "multi_read_conflict"
    assert waits.bound_for == "shelf_a"
