"""Each exception cause has an outlet of its own, and causes have an order."""

from __future__ import annotations

import pytest
from tiny_layout import MAX_LENGTH, MAX_WEIGHT_G
from tiny_line import Parcel, TinyLine

TOO_LONG = MAX_LENGTH + 1
TOO_HEAVY = MAX_WEIGHT_G + 10

# What is wrong with a parcel: the stated cause first, then all that comes behind it in the order.
UNGRADED = {"grade": "U", "category": "furniture"}
EXPIRED = {**UNGRADED, "days_held": 15}
HAZMAT = {**EXPIRED, "hazmat": 1}
WRONG: dict[str, tuple[int, int, dict[str, int | str]]] = {
    "NO_READ": (TOO_LONG, TOO_HEAVY, {"verdict": "NO_READ"}),
    "MULTI_READ_CONFLICT": (TOO_LONG, TOO_HEAVY, {"verdict": "CONFLICT"}),
    "NO_DATA": (TOO_LONG, TOO_HEAVY, {"known": 0}),
    "HAZMAT": (TOO_LONG, TOO_HEAVY, HAZMAT),
    "OVER_SIZE": (TOO_LONG, TOO_HEAVY, EXPIRED),
    "OVER_WEIGHT": (300, TOO_HEAVY, EXPIRED),
    "WINDOW_EXPIRED": (300, 500, EXPIRED),
    "UNGRADED": (300, 500, UNGRADED),
}


def end_at_its_outlet(line: TinyLine, parcel: Parcel, cause: str) -> str:
    """Take a parcel to the outlet of its cause, decided once; return how it ended."""
    outlet = cause.lower()
    parcel.passes("gate", "middle")
    assert parcel.bound_for == outlet
    assert parcel.decisions == [f"ROUTED to {outlet}: EXCEPTION"]
    line.fires(parcel)
    parcel.enters(outlet)
    return parcel.end


@pytest.mark.parametrize("cause", WRONG)
def test_a_parcel_with_several_causes_goes_to_the_outlet_of_the_first(cause: str) -> None:
    length, weight_g, facts = WRONG[cause]
    line = TinyLine()
    parcel = line.inducts(at=1_000, length=length).weighs(weight_g).scans(**facts)
    assert parcel.story[-1] == f"CLASSIFIED {cause}"
    assert end_at_its_outlet(line, parcel, cause) == f"REJECTED {cause.lower()}: {cause}"


@pytest.mark.parametrize(
    ("cause", "length", "weight_g", "facts"),
    [
        ("NO_DATA", 300, 500, {"known": 0}),
        ("UNGRADED", 300, 500, {"grade": "U"}),
        ("HAZMAT", 300, 500, {"hazmat": 1}),
        ("OVER_SIZE", TOO_LONG, 500, {}),
        ("OVER_WEIGHT", 300, TOO_HEAVY, {}),
        ("WINDOW_EXPIRED", 300, 500, {"days_held": 15}),
    ],
)
def test_one_thing_wrong_with_a_parcel_is_enough(
    cause: str, length: int, weight_g: int, facts: dict[str, int | str]
) -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000, length=length).weighs(weight_g).scans(**facts)
    assert end_at_its_outlet(line, parcel, cause) == f"REJECTED {cause.lower()}: {cause}"


def test_a_parcel_at_every_limit_is_still_sorted() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000, length=MAX_LENGTH)
    parcel.weighs(MAX_WEIGHT_G, width_mm=450, height_mm=400).scans(days_held=14)
    assert parcel.bound_for == "shelf_a"


@pytest.mark.parametrize("size", [(451, 100), (100, 401)])
def test_too_wide_or_too_high_is_over_size(size: tuple[int, int]) -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs(width_mm=size[0], height_mm=size[1]).scans()
    assert end_at_its_outlet(line, parcel, "OVER_SIZE") == "REJECTED over_size: OVER_SIZE"


def test_a_scanner_that_reports_nothing_is_a_no_read() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    assert end_at_its_outlet(line, parcel, "NO_READ") == "REJECTED no_read: NO_READ"
    assert "SCANNED NO_READ" in parcel.story


def test_an_edge_that_nobody_expects_goes_to_the_tracking_lost_outlet() -> None:
    line = TinyLine()
    parcel = line.parcel(at=1_000).passes("gate")
    assert parcel.story == ["OPENED gate: TRACKING_LOST", "CLASSIFIED TRACKING_LOST"]
    parcel.passes("middle")
    assert (
        end_at_its_outlet(line, parcel, "TRACKING_LOST") == "REJECTED tracking_lost: TRACKING_LOST"
    )


def test_tracking_lost_comes_before_what_a_scanner_says_later() -> None:
    """It slipped in between gate and scanner of the next round: still nobody knows it."""
    line = TinyLine()
    line.chute_becomes("tracking_lost")
    parcel = line.parcel(at=1_000).passes("gate", "middle", "far")
    parcel.comes_round()
    parcel.passes("induct").scans()
    line.chute_becomes("tracking_lost", "OPEN")
    parcel.passes("gate")
    assert "SCANNED READ" in parcel.story
    assert parcel.bound_for == "tracking_lost"


def test_a_parcel_without_a_rule_goes_to_the_last_resort() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="furniture").passes("gate", "middle", "far")
    line.fires(parcel)
    parcel.enters("last_resort")
    assert parcel.end == "REJECTED last_resort: NO_RULE"


def test_a_classified_return_that_may_be_repaired_is_no_exception() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics", grade="D").passes("gate")
    line.fires(parcel)
    parcel.enters("bench")
    assert "CLASSIFIED REPAIR" in parcel.story
    assert parcel.end == "SORTED bench"
