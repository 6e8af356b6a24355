"""Diverters: whom they take, and whom they miss."""

from __future__ import annotations

import pytest

from plc_sim.truth import IN_CHUTE, ON_LINE
from sim.driving import ONE, THREE, divert_all, started
from sim.lines import feed, line_file
from sorter.model.codes import EventKind


def test_an_engaged_diverter_takes_the_wrong_neighbour_too():
    close = feed(2, length_mm=150)
    mini = started(
        close, arrivals={"process": "regular", "rate_parcels_per_h": 100_000, "min_gap_mm": 10}
    )
    mini.run(1)
    edges = [e.encoder for e in mini.of(EventKind.PARCEL_PASSED) if e.source == 0]
    assert edges[1] - edges[0] == 160
    fire = edges[0] + 5500 - 150 - 80
    mini.command(1, ONE, fire, hold=300)  # engaged for 300 mm: two leading edges are in it
    mini.run(20)
    assert mini.rig.truth.by_chute()["one"] == 2


def test_a_diverter_takes_nobody_whose_leading_edge_has_passed():
    mini = started(1)
    mini.run(1)
    edge = mini.of(EventKind.PARCEL_PASSED)[0].encoder
    mini.command(1, ONE, edge + 5500 - 150 + 20)  # engaged 20 mm too late
    mini.run(5)
    assert len(mini.of(EventKind.DIVERT_FIRED)) == 1
    assert mini.rig.truth.by_end() == {ON_LINE: 1}


@pytest.mark.parametrize("jitter_ms", [0, 2])
def test_actuation_jitter_stays_within_the_engaged_window(jitter_ms):
    mini = started(40, diverters={"actuation_jitter_ms": jitter_ms})
    divert_all(mini, ONE)
    mini.run_out(200)
    assert mini.rig.truth.by_chute()["one"] == 40


def test_a_strongly_jittering_diverter_misses_some():
    mini = started(60, diverters={"actuation_jitter_ms": 40})
    divert_all(mini, ONE)
    mini.run(100)
    missed = len(mini.of(EventKind.DIVERT_FIRED)) - mini.rig.truth.by_chute()["one"]
    assert 10 < missed < 80


def test_a_failed_divert_is_in_the_truth():
    mini = started(3, faults=[{"kind": "failed_divert", "chute": "one", "times": 2}])
    divert_all(mini, ONE)
    mini.run(8)
    assert [p.end for p in mini.rig.truth.parcels] == [ON_LINE, ON_LINE, IN_CHUTE]
    assert [p.faults for p in mini.rig.truth.parcels] == [
        ("failed_divert",),
        ("failed_divert",),
        (),
    ]
    assert len(mini.of(EventKind.DIVERT_FIRED)) == 3


def test_fail_rate_is_met_and_does_not_depend_on_other_diverters():
    def failures(to: int | list[int]) -> list[bool]:
        mini = started(400, line_file("line"), diverters={"fail_rate": 0.2})
        divert_all(mini, to)
        mini.run(420)
        mine = range(400) if to == ONE else range(0, 400, 2)
        parcels = {p.physical_id: p for p in mini.rig.truth.parcels}
        return [bool(parcels[row].faults) for row in mine]

    alone = failures(ONE)
    assert 50 < sum(alone) < 110
    assert failures([ONE, THREE])[:150] == alone[:150]
