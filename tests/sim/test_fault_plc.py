"""A PLC that refuses, stands, starts again or shows its registers where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from plc_sim.truth import IN_CHUTE, ON_LINE, REMOVED
from sim.driving import ONE, TWO, divert_all, started
from sim.lines import line_file, scenario
from sim.mini import SECOND, MiniController
from sorter.model import mailbox as m
from sorter.model.codes import ChuteBit, EventKind, LineState, RefusalCause


# --- diverters and chutes -------------------------------------------------------------------------
def test_a_slow_diverter_misses_its_parcel():
    fault = {"kind": "slow_divert", "chute": "one", "at_s": 0, "for_s": 3.5, "delay_ms": 60}
    mini = started(5, faults=[fault])
    divert_all(mini, ONE)
    mini.run(9)
    assert [p.end for p in mini.rig.truth.parcels] == [ON_LINE, ON_LINE, *[IN_CHUTE] * 3]
    assert [p.faults for p in mini.rig.truth.parcels] == [*[("slow_divert",)] * 2, (), (), ()]


def test_a_slow_diverter_takes_the_neighbour():
    fault = {"kind": "slow_divert", "chute": "one", "at_s": 0, "for_s": 60, "delay_ms": 168}
    mini = started(2, arrivals={"process": "regular", "rate_parcels_per_h": 100_000})
    edge = first_edge(mini)
    mini = started(
        2, arrivals={"process": "regular", "rate_parcels_per_h": 100_000}, faults=[fault]
    )
    mini.run(0.5)
    mini.fire_at(1, ONE, edge, 500)
    mini.run(5)
    assert [p.end for p in mini.rig.truth.parcels] == [ON_LINE, IN_CHUTE]


def first_edge(mini: MiniController) -> int:
    mini.run(0.5)
    return mini.of(EventKind.PARCEL_PASSED)[0].encoder


def test_a_chute_that_says_late_that_it_is_full_takes_more():
    operator = {"operator": {"response": {"kind": "constant", "value_s": 1000}}}
    fault = {"kind": "chute_full_late", "chute": "two", "at_s": 0, "for_s": 60, "delay_s": 2.5}
    mini = started(9, chutes=operator, faults=[fault])
    divert_all(mini, TWO)
    mini.run(14)
    full = next(e for e in mini.of(EventKind.CHUTE_CHANGED) if e.b & ChuteBit.FULL)
    fourth = list(mini.of(EventKind.CHUTE_ENTERED))[3]
    # The entry eye posts at the trailing edge, 120 ms behind the leading one.
    assert full.tick - fourth.tick == pytest.approx(25_000 + 1_200, abs=10)
    assert mini.rig.truth.by_chute()["two"] == 6  # it has room for 4
    assert {cause for _, cause in mini.refusals()} == {RefusalCause.CHUTE_FULL}


# --- refusals of the program ----------------------------------------------------------------------
def test_no_divert_is_accepted_after_an_emergency_stop_until_the_line_runs():
    mini = started(0, faults=[{"kind": "e_stop", "at_s": 1, "for_s": 2}])
    mini.command(1, ONE, 20_000)
    mini.run(2)
    mini.command(2, ONE, 20_500)
    mini.command(3, ONE, 21_000)
    mini.run(4)
    mini.command(4, ONE, 21_500)
    mini.run(20)
    assert mini.refusals() == [(2, RefusalCause.LINE_STOPPED), (3, RefusalCause.LINE_STOPPED)]
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == [1, 4]


def test_diverts_are_accepted_while_a_jam_is_cleared():
    mini = started(0, faults=[{"kind": "jam", "zone": "sort", "at_s": 1, "clear_after_s": 2}])
    mini.run(2)
    mini.command(1, ONE, 20_000)
    mini.run(20)
    assert mini.refusals() == []
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == [1]


# --- a program that stands ------------------------------------------------------------------------
def test_a_frozen_plc_shows_nothing_new_and_posts_all_of_it_afterwards():
    frozen = started(6, faults=[{"kind": "plc_frozen", "at_s": 2, "for_s": 3}])
    steady = started(6)
    frozen.run(1.99)
    frozen.rig.advance(round(2.5 * SECOND))
    before = frozen.image.status.copy()
    frozen.rig.advance(round(4.9 * SECOND))
    assert np.array_equal(frozen.image.status, before)
    assert frozen.rig.plant.travel_mm == pytest.approx(4.9 * 2500)
    for mini in (frozen, steady):
        mini.run(9)
    heartbeats = [int(mini.image.status[m.STATUS_HEARTBEAT]) for mini in (frozen, steady)]
    assert heartbeats[1] - heartbeats[0] == 600
    edges = [
        [(e.kind, e.source, e.encoder, e.tick) for e in mini.events] for mini in (frozen, steady)
    ]
    assert edges[0] == edges[1]


def test_the_drives_may_notice_that_the_program_stands():
    fault = {"kind": "plc_frozen", "at_s": 2, "for_s": 3, "belt": "stops"}
    mini = started(1, faults=[fault])
    mini.run(8)
    assert mini.rig.plant.travel_mm == pytest.approx(5 * 2500)


def test_a_fire_whose_window_has_passed_is_refused_when_the_program_goes_on():
    mini = started(0, faults=[{"kind": "plc_frozen", "at_s": 1, "for_s": 1}])
    mini.command(1, ONE, 5000)  # at 1.6 s
    mini.command(2, ONE, 5900)  # just before it goes on: its window of 160 counts is still open
    mini.run(5)
    assert mini.refusals() == [(1, RefusalCause.TOO_LATE)]
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == [2]


def test_looks_of_a_poller_find_an_end_while_the_program_stands():
    mini = started(5, faults=[{"kind": "plc_frozen", "at_s": 2, "for_s": 3}])
    looks = 0
    while mini.rig.now_ns < 8 * SECOND:
        before_ns = mini.rig.now_ns
        mini.rig.advance_to_look(8 * SECOND, 50_000_000)
        assert mini.rig.now_ns > before_ns
        looks += 1
    assert looks > 8


# --- a PLC that starts again ----------------------------------------------------------------------
def restarted(belts: str) -> tuple[MiniController, MiniController]:
    """A controller before and one after a restart that begins at 2.9 s and takes 2 s."""
    fault = {"kind": "plc_restart", "at_s": 2.9, "down_s": 2, "belts": belts}
    before = started(4, faults=[fault], plc={"encoder_start": 70_000, "boot_id": 9})
    before.command(1, ONE, 500_000)
    before.run(2.85)
    before.rig.advance(5 * SECOND)
    after = MiniController(before.rig, epoch=2)
    return before, after


@pytest.mark.parametrize("belts", ["emptied", "kept"])
def test_a_restarted_plc_begins_anew(belts):
    before, after = restarted(belts)
    assert before.rig.plant.travel_mm == pytest.approx(3 * 2500)
    assert after.status32(m.STATUS_BOOT_ID) == 10
    assert after.status32(m.STATUS_COMMAND_ACK) == 0
    assert before.rig.plc.pending == 0
    after.run(5.01)
    first = after.events[:4]
    assert [(e.kind, e.seq) for e in first] == [
        *[(EventKind.CHUTE_CHANGED, seq) for seq in (1, 2, 3)],
        (EventKind.LINE_CHANGED, 4),
    ]
    assert {e.encoder for e in first} == {70_000}
    assert {e.tick for e in first} == {0}
    assert first[3].b == LineState.EXECUTE
    after.run(9)
    assert int(after.image.status[m.STATUS_HEARTBEAT]) == 820
    assert after.status32(m.STATUS_TICK) == 41_000
    assert after.status32(m.STATUS_ENCODER) == 80_250


def test_who_was_on_an_emptied_belt_is_removed():
    _, after = restarted("emptied")
    after.run(9)
    truth = after.rig.truth.parcels
    assert [p.end for p in truth] == [REMOVED, REMOVED, REMOVED, ON_LINE]
    assert {boot for p in truth[:3] for _, _, boot in p.sightings} == {9}
    assert {boot for _, _, boot in truth[3].sightings} == {10}
    assert after.of(EventKind.ZONE_CLEARED) == []


def test_who_stays_on_the_belt_is_seen_again_with_other_counts():
    _, after = restarted("kept")
    after.run(12)
    truth = after.rig.truth.parcels
    assert [p.end for p in truth] == [ON_LINE] * 4
    assert [p.faults for p in truth] == [("plc_restart",)] * 3 + [()]
    for parcel in truth[:3]:
        assert [boot for _, _, boot in parcel.sightings] == sorted(
            boot for _, _, boot in parcel.sightings
        )
        assert {boot for _, _, boot in parcel.sightings} == {9, 10}
        late = [(eye, count) for eye, count, boot in parcel.sightings if boot == 10]
        assert set(late) <= {(e.source, e.encoder) for e in after.of(EventKind.PARCEL_PASSED)}


def test_a_parcel_under_an_eye_at_the_restart_is_not_seen_there():
    # The leading edge is at the first eye at 0.12 s, the trailing one at 0.24 s.
    fault = {"kind": "plc_restart", "at_s": 0.18, "down_s": 1, "belts": "kept"}
    mini = started(1, faults=[fault])
    mini.rig.advance(4 * SECOND)
    assert [eye for eye, _, _ in mini.rig.truth.parcels[0].sightings] == [1]


# --- a wrong download -----------------------------------------------------------------------------
def test_a_shifted_map_shows_everything_further_up():
    mini = started(0, faults=[{"kind": "map_shifted", "at_s": 1, "for_s": 1, "words": 2}])
    image = mini.image
    mini.run(0.5)
    assert image.shown(image.status) is image.status
    mini.run(1.5)
    shown = image.shown(image.status)
    assert shown[:2].tolist() == [0, 0]
    assert shown[2:].tolist() == image.status[:-2].tolist()
    image.write_command(0, list(range(100, 100 + m.COMMAND_WORDS)))
    assert image.command[:3].tolist() == [102, 103, 104]
    mini.run(2.5)
    image.write_command(3, [7])
    assert image.command[3] == 7
    assert image.shown(image.events) is image.events


def test_names_that_the_line_does_not_have_are_told_with_the_nearest_one():
    faults = [
        {"kind": "stuck_eye", "eye": "verfy", "state": "clear", "at_s": 0, "for_s": 1},
        {"kind": "slow_divert", "chute": "onne", "at_s": 0, "for_s": 1, "delay_ms": 5},
        {"kind": "no_read_burst", "scanner": "scaner", "at_s": 0, "for_s": 1},
        {"kind": "event_dropped", "events": ["parcel_passed"], "source": "one"},
        {"kind": "event_dropped", "events": ["chute_entered"], "source": "one"},
    ]
    problems = scenario(faults=faults).problems_against(line_file())
    assert [(path, remedy.split("?")[0]) for path, _, remedy in problems] == [
        (("faults", 0, "eye"), "did you mean 'verify'"),
        (("faults", 1, "chute"), "did you mean 'one'"),
        (("faults", 2, "scanner"), "did you mean 'scanner'"),
        (("faults", 3, "source"), "known: induct, verify, last"),
    ]
