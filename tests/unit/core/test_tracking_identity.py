"""Which parcel an edge belongs to, and what becomes of those that are not seen."""

from __future__ import annotations

import pytest
from tiny_layout import WINDOW
from tiny_line import Parcel, TinyLine


def seen_at(parcel: Parcel, eye: str) -> bool:
    return f"SEEN {eye}" in parcel.story


def test_of_two_parcels_in_one_window_the_nearest_is_meant_and_each_edge_is_used_once() -> None:
    line = TinyLine()
    first = line.inducts(at=1_000, length=100)
    second = line.inducts(at=1_000 + 110, length=100)
    line.passes("gate", at=first.at("gate") + 60, length=100)  # 60 late, or 50 early
    assert (seen_at(first, "gate"), seen_at(second, "gate")) == (False, True)
    line.passes("gate", at=first.at("gate") + 70, length=100)  # the nearest one is taken
    assert (seen_at(first, "gate"), seen_at(second, "gate")) == (True, True)
    line.passes("gate", at=first.at("gate") + 80, length=100)  # nobody's edge is on another
    assert line.counted("DUPLICATE_REPORTS") == 1
    line.passes("gate", at=first.at("gate") + 250, length=100)  # nobody is left
    assert line.told[-2] == (3, "OPENED gate: TRACKING_LOST")


def test_of_two_equally_near_the_older_one_is_meant() -> None:
    line = TinyLine()
    first = line.inducts(at=1_000, length=100)
    second = line.inducts(at=1_000 + 120, length=100)
    line.passes("gate", at=first.at("gate") + 60, length=100)
    assert (seen_at(first, "gate"), seen_at(second, "gate")) == (True, False)


@pytest.mark.parametrize(
    ("shift", "longer", "mine"),
    [
        (WINDOW, 0, True),
        (-WINDOW, 0, True),
        (WINDOW + 1, 0, False),
        (-WINDOW - 1, 0, False),
        (0, 60, True),
        (0, -60, True),
        (0, 61, False),
        (0, -61, False),
    ],
)
def test_an_edge_is_of_the_parcel_when_place_and_length_fit(
    shift: int, longer: int, mine: bool
) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, length=300)
    line.passes("gate", at=parcel.at("gate") + shift, length=300 + longer)
    line.runs_to(parcel.at("gate") + 1_000)
    assert ("SEEN gate" in parcel.story) == mine
    assert ("EYE_MISSED gate" in parcel.story) != mine
    strangers = [words for number, words in line.told if number != parcel.id]
    assert (strangers == []) == mine
    assert mine or strangers[0] == "OPENED gate: TRACKING_LOST"


def test_a_chute_entry_of_another_length_is_not_this_parcel() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, length=300).passes("gate")
    line.fires(parcel)
    line.enters("shelf_a", at=parcel.at("shelf_a") + 400, length=500)
    assert parcel.end == "still on the line"
    assert line.told[-1] == (line.newest_parcel, "CLOSED MISSORTED shelf_a: TRACKING_LOST")


def test_every_sighting_corrects_the_position() -> None:
    """Each shift alone is within the window, their sum is not."""
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="furniture")
    for eye in ("gate", "middle", "far"):
        parcel.slips(80)
        parcel.passes(eye)
    assert [words for words in parcel.story if "SEEN" in words] == [
        "SEEN gate",
        "SEEN middle",
        "SEEN far",
    ]
    assert parcel.commands[-1] == ("FIRE", "last_resort", parcel.at("last_resort") - 230)


def test_an_eye_that_misses_a_parcel_once_is_forgiven() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics")
    line.runs_to(parcel.at("gate") + 1_000)
    assert parcel.story[-1] == "EYE_MISSED gate"
    line.fires(parcel)
    parcel.enters("bench")
    assert parcel.end == "SORTED bench"


def test_an_eye_that_sees_it_starts_the_count_of_missed_eyes_again() -> None:
    line = TinyLine()
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, category="electronics").passes("middle")
    assert parcel.story[-2:] == ["EYE_MISSED gate", "SEEN middle"]
    parcel.comes_round()
    parcel.passes("induct")
    assert parcel.story[-3:] == ["EYE_MISSED far", "RECIRCULATED 1", "SEEN induct"]
    assert parcel.end == "still on the line"


@pytest.mark.parametrize("lost_after", [1, 2, 3])
def test_a_parcel_that_several_eyes_in_a_row_miss_is_lost(lost_after: int) -> None:
    line = TinyLine(lost_after=lost_after)
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, category="electronics")
    line.runs_to(parcel.at("far") + 1_000)
    missed = ["EYE_MISSED gate", "EYE_MISSED middle", "EYE_MISSED far"][:lost_after]
    assert parcel.story[-lost_after - 1 :] == [*missed, "CLOSED LOST: MISTRACKED"]


def test_a_lost_parcel_gives_its_place_back_and_its_divert_is_cancelled() -> None:
    line = TinyLine(lost_after=1)
    parcel = line.known_parcel(at=1_000)
    fire = parcel.commands[-1][2]
    assert line.fill_of("shelf_a") == (0, 1)
    line.runs_to(parcel.at("gate") + 1_000)
    assert parcel.end == "LOST: MISTRACKED"
    assert parcel.commands[-1] == ("CANCEL", "shelf_a", fire)
    assert line.fill_of("shelf_a") == (0, 0)


def test_an_operator_clears_a_zone() -> None:
    line = TinyLine()
    ahead = line.known_parcel(at=1_000, category="electronics").passes("gate")
    behind = line.known_parcel(at=6_000, identity=8)
    line.runs_to(ahead.at("shelf_c"))
    fire = behind.commands[-1][2]
    line.clears("front")
    assert behind.end == "REMOVED: ZONE_CLEARED"
    assert behind.commands[-1] == ("CANCEL", "shelf_a", fire)
    assert line.fill_of("shelf_a") == (0, 0)
    assert ahead.end == "still on the line"
    line.fires(ahead)
    ahead.enters("bench")
    assert ahead.end == "SORTED bench"


def test_a_zone_is_where_parcels_are_in_this_round() -> None:
    line = TinyLine()
    line.chute_becomes("bench")
    parcel = line.known_parcel(at=1_000, category="electronics").passes("gate", "middle", "far")
    line.clears("front")
    assert parcel.end == "still on the line"
    parcel.comes_round()
    parcel.passes("induct")
    line.clears("back")
    assert parcel.end == "still on the line"
    line.clears("front")
    assert parcel.end == "REMOVED: ZONE_CLEARED"


def test_a_fired_divert_is_not_cancelled() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    line.clears("front")
    assert parcel.end == "REMOVED: ZONE_CLEARED"
    assert [kind for kind, _, _ in parcel.commands] == ["FIRE"]


def test_a_parcel_for_which_the_table_has_no_room_is_accounted_for() -> None:
    line = TinyLine(rows=2)
    kept = [line.inducts(at=1_000), line.inducts(at=1_500)]
    line.passes("induct", at=2_000)
    assert line.told[-2:] == [(3, "OPENED induct"), (3, "CLOSED LOST: TRACKING_FULL")]
    assert [parcel.end for parcel in kept] == ["still on the line"] * 2
    line.runs_to(2_500)
    line.clears("front")
    assert line.inducts(at=3_000).end == "still on the line"


def test_on_a_straight_line_without_an_end_report_the_parcel_is_lost() -> None:
    line = TinyLine(loop=False)
    parcel = line.known_parcel(at=1_000, category="furniture").passes("gate", "middle", "far")
    assert parcel.decisions == ["ROUTED to last_resort: EXCEPTION"]
    assert parcel.commands == []  # nothing to fire: it runs there by itself
    line.runs_to(parcel.at("last_resort") + 2_000)
    assert parcel.end == "LOST: MISTRACKED"
