"""An operator clears a zone: which parcels that surely removes, and which it leaves to the eyes."""

from __future__ import annotations

import pytest
from tiny_layout import ENTRY_DELAY, WINDOW, ZONES
from tiny_line import Parcel, TinyLine


def cleared_while_diverted() -> tuple[TinyLine, Parcel]:
    """A parcel whose diverter has fired when the zone around it is cleared."""
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    line.runs_to(parcel.at("shelf_a"))
    line.clears("front")
    return line, parcel


def test_a_parcel_sliding_into_its_chute_was_not_on_the_cleared_belt() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    line.runs_to(parcel.at("shelf_a") + ENTRY_DELAY // 2)
    line.clears("front")
    assert parcel.end == "still on the line"
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert line.fill_of("shelf_a") == (1, 0)


def test_a_parcel_whose_diverter_has_yet_to_take_it_is_removed() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    assert line.now < parcel.at("shelf_a") - WINDOW
    line.clears("front")
    assert parcel.end == "REMOVED: ZONE_CLEARED"
    assert line.fill_of("shelf_a") == (0, 0)


@pytest.mark.parametrize(
    ("short_of_border", "end"),
    [
        (WINDOW + 1, "REMOVED: ZONE_CLEARED"),
        (WINDOW - 1, "still on the line"),
        (1, "still on the line"),
        (-WINDOW, "still on the line"),
    ],
)
def test_a_parcel_near_a_border_is_removed_only_when_it_surely_was_inside(
    short_of_border: int, end: str
) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics").passes("gate")
    line.runs_to(parcel.anchor + ZONES["front"][1] - short_of_border)
    line.clears("front")
    assert parcel.end == end


def test_a_parcel_that_stayed_near_the_border_goes_on_to_its_chute() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics").passes("gate")
    line.runs_to(parcel.anchor + ZONES["front"][1] - 10)
    line.clears("front")
    line.fires(parcel)
    parcel.enters("bench")
    assert parcel.end == "SORTED bench"


def test_a_parcel_taken_off_near_the_border_is_missed_by_the_next_eyes() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, verdict="NO_READ").scans("side", verdict="NO_READ")
    parcel.passes("gate")
    line.runs_to(parcel.anchor + ZONES["front"][1] - 10)
    line.clears("front")
    line.runs_to(line.now + 40_000)
    assert parcel.end == "REMOVED: ZONE_CLEARED"
    assert sum(words.startswith("EYE_MISSED") for words in parcel.story) <= 1
    assert line.state.tracked_count() == 0


def test_a_parcel_that_stuck_at_its_chute_and_was_taken_off_is_not_sent_on() -> None:
    line, parcel = cleared_while_diverted()
    line.runs_to(parcel.at("far") + 2_000)
    assert parcel.end == "REMOVED: ZONE_CLEARED"
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]
    assert line.counted("CHUTES_IMPROVED") == 0
    assert line.fill_of("shelf_a") == (0, 0)


def test_a_late_record_of_an_entry_finds_the_parcel_that_was_perhaps_taken_off() -> None:
    """Closed at once it was counted twice: as removed, and as one that nobody expected."""
    line, parcel = cleared_while_diverted()
    line.runs_to(parcel.at("middle"))
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert line.newest_parcel == parcel.id
    assert line.fill_of("shelf_a") == (1, 0)


def test_an_eye_right_behind_the_chute_does_not_cut_the_wait_for_a_late_record_short() -> None:
    line = TinyLine(restock=[["outlet"]])
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    line.runs_to(parcel.at("outlet") + 50)
    line.clears("back")
    line.runs_to(parcel.at("middle") + 1_000)
    parcel.enters("outlet")
    assert parcel.end == "SORTED outlet"
    assert line.newest_parcel == parcel.id


def test_a_divert_that_failed_behind_a_cleared_zone_bars_no_chute_in_the_next_lap() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="furniture").passes("gate", "middle", "far")
    line.fires(parcel)
    line.runs_to(parcel.at("last_resort") + 10)
    line.clears("back")
    parcel.comes_round()
    parcel.passes("induct")
    parcel.weighs().scans()
    parcel.passes("gate", "middle", "far")
    assert [(kind, chute) for kind, chute, _ in parcel.commands] == [("FIRE", "last_resort")] * 2
    story = [words.split()[0].rstrip(":") for words in parcel.story]
    assert story.index("PASSED") < story.index("RECIRCULATED")


def test_clearing_the_next_zone_too_takes_no_doubt_back() -> None:
    line, parcel = cleared_while_diverted()
    line.runs_to(parcel.at("middle") + 2 * WINDOW)
    line.clears("back")
    line.runs_to(line.now + 40_000)
    assert parcel.end == "REMOVED: ZONE_CLEARED"


def test_a_parcel_that_its_diverter_missed_is_perhaps_still_there_behind_a_cleared_zone() -> None:
    _, parcel = cleared_while_diverted()
    parcel.passes("middle")
    assert parcel.end == "still on the line"
    assert any(words.startswith("PASSED") for words in parcel.story)
    assert parcel.decisions[1:] != []


def test_a_parcel_seen_after_the_clearing_was_not_taken_off() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics").passes("gate")
    line.runs_to(parcel.anchor + ZONES["front"][1] + 10)
    line.clears("front")
    line.fires(parcel)
    parcel.passes("middle")
    line.runs_to(line.now + 2_000)
    assert parcel.end == "still on the line"


@pytest.mark.parametrize(("behind", "given_up"), [(WINDOW + 1, False), (WINDOW + 600, True)])
def test_a_parcel_that_its_last_eye_has_not_seen_is_lost_and_not_removed(
    behind: int, given_up: bool
) -> None:
    """It may have been met somewhere else, under another number: both were ends of one parcel."""
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.runs_to(parcel.at("gate") + behind)
    assert any(words.startswith("EYE_MISSED") for words in parcel.story) is given_up
    line.clears("front")
    assert parcel.end == "LOST: MISTRACKED"
    assert line.state.tracked_count() == 0
