"""Eyes that stay dark, counts that jump, reports that come twice or late."""

from __future__ import annotations

import pytest
from lines import event, scan
from tiny_line import TinyLine

from sorter.model.codes import EventKind
from sorter.model.columns import EventColumn
from sorter.model.tracking import Register

EYES = {"gate": 1, "middle": 2, "far": 3}


# --- a blocked eye -------------------------------------------------------------------------------
def blocks(line: TinyLine, *eyes: str) -> None:
    for eye in eyes:
        line.reports(EventKind.EYE_BLOCKED, EYES[eye], a=2_500)


def test_a_parcel_that_only_blocked_eyes_have_missed_is_not_lost() -> None:
    line = TinyLine()
    blocks(line, "gate", "middle")
    assert line.state.blocked_eyes() == [False, True, True, False]
    parcel = line.known_parcel(at=1_000, category="furniture")
    parcel.passes("far")
    assert "EYE_MISSED gate" in parcel.story
    assert parcel.end == "still on the line"


def test_without_the_report_it_is_lost() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="furniture")
    line.runs_to(parcel.at("middle") + 2_000)
    assert parcel.end == "LOST: MISTRACKED"


def test_an_eye_that_sees_again_is_believed_again() -> None:
    line = TinyLine()
    blocks(line, "gate", "middle")
    line.known_parcel(at=1_000, category="furniture").passes("gate", "middle")
    assert line.state.blocked_eyes() == [False] * 4
    parcel = line.known_parcel(at=line.now + 1_000, identity=9, category="furniture")
    line.runs_to(parcel.at("middle") + 2_000)
    assert parcel.end == "LOST: MISTRACKED"


def test_a_parcel_that_no_eye_sees_any_more_is_not_kept_for_ever() -> None:
    line = TinyLine()
    blocks(line, *EYES)
    line.chute_becomes("last_resort")
    parcel = line.known_parcel(at=1_000, category="furniture")
    for _ in range(5):
        blocks(line, *EYES)
        line.runs_to(line.now + 30_000)
    assert parcel.end == "LOST: MISTRACKED"


# --- reports that come late ----------------------------------------------------------------------
def test_a_report_that_nobody_waits_for_any_more_is_counted_as_late() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="furniture")
    parcel.passes("gate")
    line.hears_nothing_until(parcel.at("middle") + parcel.length + 100)
    parcel.passes("middle")
    assert line.counted("LATE_REPORTS") == 0, "within what parcels are waited for"
    line.hears_nothing_until(parcel.at("far") + 3_000)
    line.reports(EventKind.CHUTE_CHANGED, 0, b=1)
    parcel.passes("far")
    assert line.counted("LATE_REPORTS") == 1
    assert line.state.anomalies()["late_reports"] == 1


def test_reports_that_waited_for_the_link_in_their_order_are_not_late() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="furniture")
    line.hears_nothing_until(parcel.at("far") + 20_000)
    parcel.passes("gate", "middle", "far")
    assert line.counted("LATE_REPORTS") == 0


def test_an_edge_that_comes_when_its_parcel_has_left_is_no_new_parcel() -> None:
    """It came behind the entry; and the next eye meets whoever is there all the same."""
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    parcel.passes("gate")
    line.fires(parcel)
    parcel.enters(parcel.bound_for)
    assert parcel.end
    line.runs_to(line.now + 3_000)
    line.reports(EventKind.CHUTE_CHANGED, 0, b=1)
    tracked, opened = line.state.tracked_count(), line.newest_parcel
    line.parcel(at=1_700).passes("gate")
    assert (line.state.tracked_count(), line.newest_parcel) == (tracked, opened)
    assert line.counted("LATE_REPORTS") == 1


# --- an encoder that jumps -----------------------------------------------------------------------
@pytest.mark.parametrize("counts", [-900_000, -3_000, 5_000, 2_000_000])
def test_a_jump_takes_back_every_divert_and_loses_what_nobody_can_place(counts: int) -> None:
    line = TinyLine(now=1_000_000)
    parcel = line.known_parcel(at=1_001_000)
    line.jumps(counts)
    assert parcel.end == "LOST: ENCODER_JUMPED"
    assert [command[0] for command in parcel.commands] == ["FIRE", "CANCEL"]
    assert line.fill_of("shelf_a") == (0, 0)
    assert line.counted("ENCODER_JUMPS") == 1
    again = line.known_parcel(at=line.now + 1_000, identity=9)
    line.fires(again.passes("gate"))
    again.enters("shelf_a")
    assert again.end == "SORTED shelf_a"


@pytest.mark.parametrize("counts", [-50_000, 50_000])
def test_what_was_latched_before_the_jump_opens_no_parcel_at_a_wrong_place(counts: int) -> None:
    line = TinyLine(now=1_000_000)
    line.runs_to(1_001_000)
    before = line.now
    line.jumps(counts)
    told = len(line.told)
    line._report(line.now, event_row=event(EventKind.PARCEL_PASSED, 0, before - 100, 300))
    line._report(line.now, scan_row=scan(before - 50))
    assert line.told[told:] == []
    assert line.state.tracked_count() == 0
    line.runs_to(line.now + 1_000)
    line.inducts(at=line.now)
    assert line.state.tracked_count() == 1


def test_what_was_latched_before_a_slip_was_noticed_opens_no_parcel_either() -> None:
    """Its count may look right: an encoder that stood has the same count all the time."""
    line = TinyLine(now=1_000_000)
    line.jumps(-50, tick=500)
    for tick, tracked in ((499, 0), (500, 1)):
        edge = event(EventKind.PARCEL_PASSED, 0, line.now, 300)
        edge[EventColumn.TICK] = tick
        line._report(line.now, event_row=edge)
        assert line.state.tracked_count() == tracked
    line.plc_restarts()
    line.inducts(at=line.now)
    assert line.state.tracked_count() == 1


def test_counts_that_come_back_to_the_old_ones_are_good_again() -> None:
    line = TinyLine(now=1_000_000)
    line.runs_to(1_001_000)
    line.jumps(-10_000)
    line.runs_to(1_000_500)
    line.inducts(at=1_000_900)
    assert line.state.tracked_count() == 1


# --- reports that come twice, late, or in another order ------------------------------------------
def test_the_same_edge_twice_is_one_parcel() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000)
    line.passes("induct", at=parcel.at("induct"))
    parcel.weighs().scans().passes("gate")
    line.passes("gate", at=parcel.at("gate"))
    assert line.newest_parcel == 1
    assert line.counted("DUPLICATE_REPORTS") == 2
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_an_edge_that_comes_again_behind_the_parcels_end_opens_no_second_parcel() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    parcel.enters("shelf_a")
    other = line.known_parcel(at=line.now + 1_000, identity=9)
    for eye in ("induct", "gate"):
        line.passes(eye, at=parcel.at(eye), length=parcel.length)
    assert line.newest_parcel == other.id
    assert line.counted("DUPLICATE_REPORTS") == 2
    assert line.state.tracked_count() == 1


def test_edges_of_a_restarted_plc_are_not_those_of_before() -> None:
    line = TinyLine()
    line.inducts(at=1_000)
    line.state.registers[Register.BOOT_ID] += 1  # as if it had been another start until now
    line.runs_to(line.now + 1)
    line.inducts(at=1_000)
    assert line.counted("DUPLICATE_REPORTS") == 0
    assert line.newest_parcel == 2


def test_a_snapshot_remembers_the_edges() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    parcel.enters("shelf_a")
    line.state.restore(line.state.to_bytes())
    line.passes("gate", at=parcel.at("gate"), length=parcel.length)
    assert line.newest_parcel == parcel.id


def test_an_edge_reported_behind_a_later_one_shifts_nothing() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000, category="electronics")
    parcel.passes("middle")
    anchor = line.state.parcels[1, 0]
    line.passes("gate", at=parcel.at("gate") + 40)
    assert line.state.parcels[1, 0] == anchor
    assert line.newest_parcel == 1
    assert line.counted("DUPLICATE_REPORTS") == 1


def test_an_induction_reported_behind_the_next_eye_opens_no_second_parcel() -> None:
    line = TinyLine()
    parcel = line.parcel(at=1_000)
    parcel.passes("gate")
    assert parcel.story == ["OPENED gate: TRACKING_LOST", *parcel.story[1:]]
    line.passes("induct", at=parcel.at("induct"))
    assert line.newest_parcel == parcel.id
    assert line.state.tracked_count() == 1


def test_an_entry_reported_twice_is_counted_once() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line.fires(parcel)
    parcel.enters("shelf_a").enters("shelf_a")
    assert line.fill_of("shelf_a") == (1, 0)
    assert line.newest_parcel == 1
    assert line.counted("DUPLICATE_REPORTS") == 1


def test_an_emptying_reported_twice_takes_out_its_parcels_once() -> None:
    line = TinyLine()
    for at in (1_000, 9_000, 17_000):
        parcel = line.known_parcel(at=at, identity=at).passes("gate")
        line.fires(parcel)
        parcel.enters("shelf_a")
    line.empties("shelf_a", 1)
    line.empties("shelf_a", 1)
    assert line.fill_of("shelf_a") == (2, 0)
    line.runs_to(line.now + 1)
    line.empties("shelf_a", 1)
    assert line.fill_of("shelf_a") == (1, 0)


def test_an_overtaken_state_of_a_chute_is_not_believed() -> None:
    line = TinyLine()
    line.runs_to(1_000)
    line.chute_becomes("shelf_a", "OPEN")
    line._report(line.now, event_row=event(EventKind.CHUTE_CHANGED, 0, 400, b=5))
    assert line.counted("DUPLICATE_REPORTS") == 1
    assert line.known_parcel(at=2_000).bound_for == "shelf_a"


# --- double feed, silent scanner, too small an outlet --------------------------------------------
def test_two_parcels_fed_as_one_are_both_brought_to_an_end() -> None:
    line = TinyLine()
    together = line.known_parcel(at=1_000, length=500)
    first = line.parcel(at=1_000, length=230)
    second = line.parcel(at=1_270, length=230)
    first.passes("gate")
    second.passes("gate")
    line.fires(together)
    line.runs_to(line.now + 200_000)
    assert line.state.tracked_count() == 0
    assert line.state.registers[Register.DROPPED_OUTPUTS] == 0
    ends = [words for _, words in line.told if words.startswith("CLOSED")]
    opened = [words for _, words in line.told if words.startswith("OPENED")]
    assert len(ends) == len(opened) == 3


def test_a_parcel_whose_scanner_says_nothing_is_a_no_read_in_time_for_its_outlet() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    line.runs_to(parcel.at("top") + 1_000)
    assert parcel.decisions == ["ROUTED to no_read: EXCEPTION"]


def test_a_parcel_too_long_for_the_outlet_of_its_exception_goes_to_the_last_resort() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000, length=5_500).weighs().scans(verdict="NO_READ")
    assert parcel.decisions == ["ROUTED to last_resort: OUTLET_TOO_SMALL"]
    assert parcel.considered == {"no_read": "OVER_SIZE", "last_resort": "CHOSEN"}
