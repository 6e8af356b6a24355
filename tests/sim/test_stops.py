"""The belt: stops, jams, and an encoder that errs."""

from __future__ import annotations

import pytest

from plc_sim.truth import IN_CHUTE, REMOVED
from sim.driving import ONE, divert_all, started
from sorter.model.codes import EventKind, LineState


def test_an_emergency_stop_moves_no_event_along_the_belt():
    def edges(**changes):
        mini = started(5, **changes)
        divert_all(mini, ONE)
        mini.run_out(100)
        counts = [e.encoder for e in mini.of(EventKind.CHUTE_ENTERED)]
        return counts, mini

    undisturbed, _ = edges()
    stopped, mini = edges(faults=[{"kind": "e_stop", "at_s": 2, "for_s": 30}])
    assert stopped[:2] == undisturbed[:2]
    assert mini.rig.truth.by_chute()["one"] == 5
    states = [e.b for e in mini.of(EventKind.LINE_CHANGED)]
    assert states == [LineState.EXECUTE, LineState.ABORTED, LineState.EXECUTE]
    ticks = [e.tick for e in mini.of(EventKind.CHUTE_ENTERED)]
    assert ticks[-1] > 320_000


def test_nothing_moves_and_the_encoder_stands_while_stopped():
    mini = started(3, faults=[{"kind": "e_stop", "at_s": 2, "for_s": 30}])
    mini.run(3)
    count = mini.rig.plant.encoder_now()
    heads = mini.seen
    mini.run(31)
    assert mini.rig.plant.encoder_now() == count == 1000 + 5000
    assert mini.seen == heads
    mini.run(40)
    assert mini.seen > heads


def test_inductions_put_nothing_on_a_standing_belt():
    mini = started(20, faults=[{"kind": "e_stop", "at_s": 2.5, "for_s": 5}])
    mini.run(7)
    assert mini.rig.released == 3
    assert mini.rig.parcels_waiting == 5
    mini.run(12)
    assert mini.rig.released == 13
    assert mini.rig.parcels_waiting == 0


def test_a_jam_stops_the_belt_and_the_operator_clears_the_zone():
    fault = {"kind": "jam", "at_s": 5, "zone": "sort", "clear_after_s": 10}
    mini = started(4, faults=[fault])
    mini.run(30)
    story = [(e.kind, e.source, e.b) for e in mini.events if e.kind in {8, 9}][1:]
    assert story == [
        (EventKind.LINE_CHANGED, 1, LineState.HELD),
        (EventKind.ZONE_CLEARED, 1, 0),
        (EventKind.LINE_CHANGED, 1, LineState.EXECUTE),
    ]
    # At 5 s the parcels put on at 0, 1, 2, 3 s are at 12.7, 10.2, 7.7 and 5.2 m: all in the zone.
    assert mini.rig.truth.by_end() == {REMOVED: 4}
    assert mini.rig.finished


def test_random_jams_hit_single_parcels_and_the_rest_goes_on():
    mini = started(100, jams={"rate": 0.1, "clear": {"kind": "constant", "value_s": 5}})
    divert_all(mini, ONE)
    mini.run_out(2000)
    ends = mini.rig.truth.by_end()
    jammed = [p for p in mini.rig.truth.parcels if "jam" in p.faults]
    assert 1 <= len(jammed) <= 25
    assert all(p.end == REMOVED for p in jammed)
    assert ends[IN_CHUTE] > 60
    assert ends[IN_CHUTE] + ends[REMOVED] == 100


def test_encoder_slip_and_jumps_change_counts_not_the_belt():
    mini = started(1, belt={"encoder_slip": 0.01})
    mini.run(10)
    counts = [e.encoder for e in mini.of(EventKind.PARCEL_PASSED)]
    assert counts[2] - counts[0] == pytest.approx(14_500 * 1.01, abs=1)
    jump = [{"kind": "encoder_jump", "at_s": 3, "jump_mm": 250}]
    mini = started(1, faults=jump)
    mini.run(10)
    counts = [e.encoder for e in mini.of(EventKind.PARCEL_PASSED)]
    assert counts[2] - counts[0] == 14_500 + 250


def test_a_line_is_settled_when_nothing_is_going_to_happen_any_more():
    """What is left over would happen to the parcels of the next round."""
    mini = started(1, faults=[{"kind": "e_stop", "at_s": 20, "for_s": 200}])
    divert_all(mini, ONE)
    mini.run(19)
    assert mini.rig.finished
    mini.run(210)
    assert not mini.rig.settled, "the belt stands, and goes on in a moment"
    mini.run(600)
    assert not mini.rig.settled, "from here on two laps are waited for"
    mini.run(900)
    assert mini.rig.settled
