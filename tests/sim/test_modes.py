"""The plant as plain Python and with checked indices; looks that change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plc_sim.rig import Rig
from sim.lines import rig
from sim.mini import SECOND, MiniController

TESTS = Path(__file__).parents[1]
FEW = (
    "test_plant.py::test_a_diverted_parcel_is_in_its_chute_and_seen_there",
    "test_chutes.py::test_a_takeaway_serves_parcels_one_by_one",
    "test_stops.py::test_a_jam_stops_the_belt_and_the_operator_clears_the_zone",
    "test_readings.py::test_read_faults_hit_the_parcels_they_name",
    "test_diverters.py::test_a_failed_divert_is_in_the_truth",
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_the_plant_does_the_same_in_other_modes(mode):
    files = [f"sim/{name}" for name in FEW]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files],
        cwd=TESTS,
        env={**os.environ, mode: "1"},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert f"{len(FEW)} passed" in run.stdout, run.stdout + run.stderr


def busy_rig() -> Rig:
    return rig(
        60,
        arrivals={"process": "poisson", "rate_parcels_per_h": 9000},
        belt={"parcel_slip_sd_mm": 3},
        scanners={"read_rate": 0.9, "multi_read_rate": 0.1},
        jams={"rate": 0.05, "clear": {"kind": "constant", "value_s": 2}},
    )


@pytest.mark.parametrize("look_ms", [0, 5, 50, 400])
def test_looks_and_skipped_scans_change_nothing(look_ms):
    end_ns = 60 * SECOND

    every_scan = MiniController(busy_rig())
    every_scan.rig.start_arrivals()
    while every_scan.rig.now_ns < end_ns:
        every_scan.rig.advance(every_scan.rig.now_ns + every_scan.rig.scan_ns)
    looked = MiniController(busy_rig())
    looked.rig.start_arrivals()
    looks = 0
    while looked.rig.now_ns < end_ns:
        before_ns = looked.rig.now_ns
        looked.rig.advance_to_look(end_ns, look_ms * 1_000_000)
        assert looked.rig.now_ns > before_ns
        assert looked.rig.now_ns % max(look_ms * 1_000_000, 1) == 0
        looks += 1
    assert looks == 1 if look_ms == 0 else looks > 50
    assert looked.image.status.tobytes() == every_scan.image.status.tobytes()
    assert looked.image.events.tobytes() == every_scan.image.events.tobytes()
    assert looked.image.scans.tobytes() == every_scan.image.scans.tobytes()
    assert list(looked.rig.truth.rows()) == list(every_scan.rig.truth.rows())


def test_a_full_log_loses_nothing():
    full = rig(100, arrivals={"process": "saturated"})
    full.start_arrivals()
    full.advance(3000 * SECOND)
    sightings = sum(len(parcel.sightings) for parcel in full.truth.parcels)
    assert len(full.plant.memory.log) > 0
    assert sightings == pytest.approx(47 * 3 * 3000 / 8, rel=0.02)
