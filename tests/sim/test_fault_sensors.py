"""Eyes, scanners and encoders that err, and parcels that come two together."""

from __future__ import annotations

import itertools

import pytest

from plc_sim.truth import IN_CHUTE, ON_LINE
from sim.driving import ONE, divert_all, started
from sim.lines import feed
from sim.mini import MiniController
from sorter.model.codes import EventKind

PASSED = EventKind.PARCEL_PASSED


def at_eye(mini: MiniController, eye: int) -> list:
    return [e for e in mini.of(PASSED) if e.source == eye]


# --- stuck eyes -----------------------------------------------------------------------------------
def test_an_eye_that_is_always_dark_is_reported_once_a_second():
    fault = {"kind": "stuck_eye", "eye": "verify", "state": "blocked", "at_s": 2, "for_s": 5}
    mini = started(10, faults=[fault])
    mini.run(15)
    blocked = mini.of(EventKind.EYE_BLOCKED)
    assert {e.source for e in blocked} == {1}
    assert len(blocked) == 5
    # 2 m of belt are 0.8 s; from then on each second 2.5 m more.
    assert [e.a for e in blocked] == [2250 + 2500 * number for number in range(5)]
    assert [b.tick - a.tick for a, b in itertools.pairwise(blocked)] == [10_000] * 4
    hit = [p for p in mini.rig.truth.parcels if "stuck_eye" in p.faults]
    assert len(hit) == 5
    assert not [e for e in at_eye(mini, 1) if 20_000 < e.tick < 68_000]
    assert all(1 not in [eye for eye, _, _ in p.sightings[:2]] for p in hit)


def test_an_eye_that_sees_nothing_is_reported_by_nobody():
    fault = {"kind": "stuck_eye", "eye": "induct", "state": "clear", "at_s": 0, "for_s": 3.5}
    mini = started(6, faults=[fault])
    mini.run(7)
    assert mini.of(EventKind.EYE_BLOCKED) == []
    assert len(at_eye(mini, 0)) == 2
    assert [p.induct_eye for p in mini.rig.truth.parcels] == [1, 1, 1, 1, 0, 0]


def test_a_belt_that_stands_under_a_dark_eye_is_no_blocked_eye():
    stuck = {"kind": "stuck_eye", "eye": "verify", "state": "blocked", "at_s": 2, "for_s": 8}
    stop = {"kind": "e_stop", "at_s": 2.5, "for_s": 7}
    mini = started(1, faults=[stuck, stop])
    mini.run(9)
    assert mini.of(EventKind.EYE_BLOCKED) == []


# --- encoder --------------------------------------------------------------------------------------
@pytest.mark.parametrize("jump_mm", [250, -250, -5000])
def test_the_encoder_jumps_forward_and_back(jump_mm):
    mini = started(1, faults=[{"kind": "encoder_jump", "at_s": 3, "jump_mm": jump_mm}])
    mini.run(7)
    counts = [e.encoder for e in mini.of(PASSED)]
    assert counts[2] - counts[0] == 14_500 + jump_mm
    assert mini.rig.plant.travel_mm == pytest.approx(17_500)


@pytest.mark.parametrize(("error", "missing"), [(0.1, -250), (-0.1, 250), (-1, 2500), (-2, 5000)])
def test_the_encoder_slips_for_a_while(error, missing):
    fault = {"kind": "encoder_slip", "at_s": 3, "for_s": 1, "error": error}
    mini = started(1, faults=[fault])
    mini.run(7)
    counts = [e.encoder for e in mini.of(PASSED)]
    assert counts[1] - counts[0] == 3500
    assert counts[2] - counts[0] == pytest.approx(14_500 - missing, abs=2)


def test_an_edge_before_a_jump_keeps_its_count():
    # The leading edge is at the first eye at 0.12 s, the trailing one at 0.24 s.
    mini = started(1, faults=[{"kind": "encoder_jump", "at_s": 0.18, "jump_mm": 1000}])
    mini.run(1)
    assert mini.of(PASSED)[0].encoder == 1300
    assert mini.of(PASSED)[0].a == 1300


def test_nothing_fires_while_the_encoder_stands():
    fault = {"kind": "encoder_slip", "at_s": 0.5, "for_s": 30, "error": -1}
    mini = started(1, faults=[fault])
    divert_all(mini, ONE)
    mini.run(7)
    assert mini.rig.plc.pending == 1
    assert mini.of(EventKind.DIVERT_FIRED) == []


# --- scanners -------------------------------------------------------------------------------------
def test_a_burst_of_no_reads_hits_who_passes_then():
    fault = {"kind": "no_read_burst", "at_s": 3.5, "for_s": 2}
    mini = started(6, faults=[fault])
    mini.run(8)
    # Parcels leave the scanner at 1.04, 2.04, ... s.
    assert [bool(scan.codes) for scan in mini.scans] == [True, True, True, False, False, True]
    hit = [p.physical_id for p in mini.rig.truth.parcels if p.faults]
    assert hit == [3, 4]


def test_a_burst_of_swapped_codes_swaps_pairs():
    fault = {"kind": "swapped_codes_burst", "at_s": 1.5, "for_s": 2, "scanner": "scanner"}
    mini = started(6, faults=[fault])
    mini.run(8)
    label = [(b"L%05d" % row,) for row in range(6)]
    codes = [scan.codes for scan in mini.scans]
    assert codes == [label[0], label[2], label[1], label[3], label[4], label[5]]
    swapped = [p.physical_id for p in mini.rig.truth.parcels if "swapped_code" in p.faults]
    assert swapped == [1, 2]


def test_a_burst_of_multi_reads_reports_the_one_in_front_as_well():
    fault = {"kind": "multi_read_burst", "at_s": 1.5, "for_s": 1}
    mini = started(3, faults=[fault])
    mini.run(5)
    assert [len(scan.codes) for scan in mini.scans] == [1, 2, 1]


# --- two together ---------------------------------------------------------------------------------
def test_two_that_touch_are_one_long_parcel():
    mini = started(4, faults=[{"kind": "double_feed", "from_parcel": 1}])
    mini.run(5)
    first = at_eye(mini, 0)
    assert [e.a for e in first] == [300, 600, 300]
    measured = mini.of(EventKind.PARCEL_MEASURED)
    assert [e.b for e in measured] == [80, 160, 80]
    assert [set(scan.codes) for scan in mini.scans] == [
        {b"L00000"},
        {b"L00001", b"L00002"},
        {b"L00003"},
    ]
    truth = {p.physical_id: p for p in mini.rig.truth.parcels}
    assert "double_feed" in truth[1].faults
    assert "double_feed" in truth[2].faults
    assert truth[1].sightings[0] == (0, first[1].encoder, 1)
    assert truth[2].sightings == []


def test_the_second_of_two_stays_when_the_first_is_diverted():
    mini = started(2, faults=[{"kind": "double_feed", "from_parcel": 0}])
    divert_all(mini, ONE)
    mini.run(7.5)  # the first waits for the second, which comes at 1 s
    first, second = mini.rig.truth.parcels
    assert (first.end, second.end) == (IN_CHUTE, ON_LINE)
    assert [e.a for e in at_eye(mini, 2)] == [300]
    assert second.sightings[0][0] == 2


def test_two_with_a_gap_that_eyes_see_are_two():
    mini = started(2, faults=[{"kind": "double_feed", "from_parcel": 0, "gap_mm": 40}])
    mini.run(4)
    one, other = at_eye(mini, 0)
    assert other.encoder - one.encoder == 340
    assert len(mini.scans) == 2
    assert all(not p.faults for p in mini.rig.truth.parcels)


def test_two_do_not_come_together_where_there_is_no_place():
    mini = started(
        feed(100),
        arrivals={"process": "regular", "rate_parcels_per_h": 100_000},
        faults=[{"kind": "double_feed", "from_parcel": 60, "parcels": 20}],
    )
    mini.run(60)
    placed = sorted(mini.rig.plant.placed())
    for (ahead, length), (behind, _) in itertools.pairwise(placed):
        assert behind - ahead >= length - 0.01
