"""In which state the line is, and what happens to parcels in each."""

from __future__ import annotations

import pytest
from tiny_layout import COMMIT_DISTANCE, PLANNED
from tiny_line import TinyLine

from sorter.core.decide import decide


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("ABORTED", "ABORTED: EMERGENCY_STOP"),
        ("ABORTING", "ABORTING: EMERGENCY_STOP"),
        ("HELD", "HELD: JAM"),
        ("STOPPED", "STOPPED: PLC"),
        ("SUSPENDED", "SUSPENDED: PLC"),
    ],
)
def test_what_the_plc_says_is_the_state_with_its_reason(state: str, told: str) -> None:
    line = TinyLine()
    line.becomes(state)
    line.runs_to(500)
    line.becomes("EXECUTE")
    assert line.modes == [told, "EXECUTE: RUNNING"]
    assert [state.name for state in line.state.mode] == ["EXECUTE", "RUNNING"]


def test_a_state_that_only_the_header_tells_counts_too() -> None:
    line = TinyLine()
    line.line_state = 9
    line.runs_to(100)
    assert line.modes == ["ABORTED: EMERGENCY_STOP"]


def test_a_stop_that_was_over_before_the_link_came_back_is_told() -> None:
    line = TinyLine()
    line.runs_to(100)
    with line.one_frame():
        line.becomes("ABORTED")
        line.becomes("EXECUTE")
    assert line.modes == ["ABORTED: EMERGENCY_STOP", "EXECUTE: RUNNING"]


def test_an_impossible_state_is_counted_and_changes_nothing() -> None:
    line = TinyLine()
    line.reports(8, 0xFFFF, b=77)
    assert line.modes == []
    assert line.counted("MALFORMED_REPORTS") == 1


def test_blocked_when_no_planned_chute_takes_a_parcel_until_one_does() -> None:
    line = TinyLine()
    for chute, bits in zip(PLANNED, (["OPEN", "FULL"], [], ["OPEN", "JAMMED"]) * 2, strict=False):
        assert line.modes == []
        line.chute_becomes(chute, *bits)
    assert line.modes == ["SUSPENDED: BLOCKED"]
    line.chute_becomes("bench", "OPEN")
    assert line.modes == ["SUSPENDED: BLOCKED", "EXECUTE: RUNNING"]


def test_places_of_parcels_on_their_way_are_taken() -> None:
    line = TinyLine(restock=[["shelf_a"]], capacity={"shelf_a": 1, "bench": 1, "outlet": 1})
    line.known_parcel(at=1_000)
    line.known_parcel(at=1_800, identity=8, category="electronics")
    assert line.modes == []
    line.known_parcel(at=2_600, identity=9)  # overflows into the outlet
    assert line.modes == ["SUSPENDED: BLOCKED"]


def test_a_blocked_line_loses_nothing_and_goes_on_when_a_chute_is_emptied() -> None:
    line = TinyLine(restock=[["shelf_a"]], capacity=dict.fromkeys(PLANNED, 1))
    for chute in PLANNED:
        if chute != "shelf_a":
            line.chute_becomes(chute)
    first = line.known_parcel(at=1_000)
    line.fires(first.passes("gate"))
    first.enters("shelf_a")
    assert line.modes == ["SUSPENDED: BLOCKED"]
    second = line.known_parcel(at=12_000, identity=8)
    assert second.decisions == ["RECIRCULATED: NOTHING_FREE"]
    second.passes("gate", "middle", "far")
    line.empties("shelf_a")
    assert line.modes[-1] == "EXECUTE: RUNNING"
    second.comes_round()
    line.fires(second.passes("induct", "gate"))
    second.enters("shelf_a")
    assert second.end == "SORTED shelf_a"


def test_a_parcel_that_finds_the_line_blocked_to_its_last_lap_goes_to_the_last_resort() -> None:
    line = TinyLine()
    for chute in PLANNED:
        line.chute_becomes(chute)
    parcel = line.known_parcel(at=1_000)
    for _ in range(2):
        parcel.passes("gate", "middle", "far")
        parcel.comes_round()
        parcel.passes("induct")
    line.fires(parcel.passes("gate", "middle", "far"))
    parcel.enters("last_resort")
    assert parcel.end == "REJECTED last_resort: NO_CHUTE"


def test_starved_when_an_empty_belt_runs_without_a_new_parcel() -> None:
    line = TinyLine(starved_after=5_000)
    line.runs_to(4_950)
    assert line.modes == []
    line.runs_to(5_150)
    assert line.modes == ["SUSPENDED: STARVED"]
    parcel = line.known_parcel(at=8_000)
    assert line.modes[-1] == "EXECUTE: RUNNING"
    line.fires(parcel.passes("gate"))
    parcel.enters("shelf_a")
    assert line.modes[-1] == "SUSPENDED: STARVED", "what was on the belt kept the line going"


def test_a_stopped_line_is_not_starved_and_starving_replays() -> None:
    line = TinyLine(starved_after=5_000)
    line.becomes("HELD")
    line.runs_to(9_000)
    assert line.modes == ["HELD: JAM"]
    line.becomes("EXECUTE")
    assert line.modes[1:] == ["SUSPENDED: STARVED"]
    state = line.fresh_state()
    for inputs, said in line.tape:
        assert (decide(state, inputs, 1).outcomes == said.outcomes).all()


def test_a_jam_takes_the_parcels_of_its_zone_and_the_others_go_on() -> None:
    line = TinyLine()
    ahead = line.known_parcel(at=1_000, category="electronics").passes("gate")
    line.runs_to(ahead.at("gate") + 3_000)
    jammed = line.known_parcel(at=line.now + 100, identity=8)
    line.fires(ahead)
    line.becomes("HELD")
    line.clears("front")
    assert jammed.end == "REMOVED: ZONE_CLEARED"
    line.becomes("EXECUTE")
    ahead.enters("bench")
    assert ahead.end == "SORTED bench"


def test_a_command_refused_while_the_line_stands_is_sent_again_when_it_runs() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.becomes("HELD")
    line.refuses(parcel, "LINE_STOPPED", at=line.now)
    assert len(parcel.commands) == 1, "not while it stands"
    assert line.fill_of("shelf_a") == (0, 1), "its place is kept"
    line.becomes("EXECUTE")
    first, second = parcel.commands
    assert first == second
    line.fires(parcel.passes("gate"))
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert not [words for words in parcel.story if "INHIBITED" in words]


def test_a_command_refused_again_while_the_line_runs_is_a_refusal_like_any_other() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.refuses(parcel, "LINE_STOPPED", at=line.now)
    line.refuses(parcel, "LINE_STOPPED", at=line.now)
    assert "PASSED shelf_a: DIVERT_INHIBITED (LINE_STOPPED)" in parcel.story
    assert parcel.bound_for == "shelf_b"


def test_a_command_refused_while_standing_too_close_is_a_missed_divert_not_a_stuck_parcel() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.runs_to(parcel.at("shelf_a") - COMMIT_DISTANCE + 50)
    line.becomes("ABORTED")
    line.refuses(parcel, "LINE_STOPPED", at=line.now)
    line.becomes("EXECUTE")
    assert len(parcel.commands) == 1, "behind the commit point"
    parcel.passes("middle")
    assert "DEADLINE_MISSED: COMMAND_LATE" in parcel.story
    assert parcel.bound_for is not None
