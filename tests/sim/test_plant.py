"""The plant: what happens to parcels, whatever anybody believes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from plc_sim.truth import IN_CHUTE, LINE_END, ON_LINE
from plc_sim.truth_log import TruthLog
from sim.driving import ONE, THREE, TWO, divert_all, started
from sim.lines import chute, line_file, rig
from sim.mini import Event
from sorter.errors import ConfigError
from sorter.model.codes import EventKind
from sorter.runtime.truth_file import read_truth


def test_a_diverted_parcel_is_in_its_chute_and_seen_there():
    mini = started(1)
    divert_all(mini, ONE)
    mini.run_out(60)
    parcel = mini.rig.truth.parcels[0]
    assert (parcel.end, parcel.chute) == (IN_CHUTE, ONE)
    entered = mini.of(EventKind.CHUTE_ENTERED)
    assert [(e.source, e.a) for e in entered] == [(ONE, 300)]
    # 1000 at the start, put on at 200, eye at 500; mouth at 6000 + 400 of slide
    assert entered[0].encoder == parcel.end_count == 1000 + 6400 - 200
    assert parcel.sightings == [(0, 1300, 1), (1, 4800, 1)]


def test_without_a_command_a_parcel_goes_round_a_loop():
    mini = started(1)
    mini.run(20)
    first, second = [e.encoder for e in mini.of(EventKind.PARCEL_PASSED) if e.source == 0][:2]
    assert second - first == 20_000
    assert mini.rig.truth.parcels[0].end == ON_LINE
    assert mini.rig.parcels_on_line == 1
    assert not mini.rig.finished


def test_without_a_command_a_parcel_runs_into_the_end_chute_of_a_line():
    mini = started(1, line_file("line"))
    mini.run_out(60)
    assert mini.rig.truth.by_chute()["end"] == 1
    assert [e.source for e in mini.of(EventKind.CHUTE_ENTERED)] == [3]


def test_a_line_without_an_end_chute_drops_parcels():
    mini = started(1, line_file("line", chutes=[chute("one", 6000)]))
    mini.run_out(60)
    assert mini.rig.truth.by_end() == {LINE_END: 1}
    assert mini.of(EventKind.CHUTE_ENTERED) == []


def test_inductions_keep_the_gap_and_wait_for_a_free_window_on_a_full_loop():
    mini = started(100, arrivals={"process": "saturated"})
    mini.run(30)
    # 20 m of loop take 47 parcels of 300 mm with 120 mm between them; the rest waits.
    assert mini.rig.parcels_on_line == 47
    phases = mini.rig.plant.placed()
    for (ahead, length), (behind, _) in pairwise(phases):
        assert behind - ahead >= length + 120 - 0.02
    assert phases[0][0] + 20_000 - phases[-1][0] >= 420 - 0.02
    assert mini.rig.parcels_waiting == 1
    divert_all(mini, ONE)
    mini.run_out(200)
    assert mini.rig.truth.by_end() == {IN_CHUTE: 100}


def test_parcels_on_a_tray_sorter_lie_on_trays_only():
    mini = started(30, arrivals={"process": "poisson", "carrier_pitch_mm": 500})
    mini.run(60)
    assert len(mini.rig.truth) == 30
    assert {round(p.phase_mm % 500, 6) % 500 for p in mini.rig.truth.parcels} == {0}


def test_two_inductions_take_parcels_in_turn_and_share_the_belt():
    eyes = [
        {"name": "a", "position_mm": 500, "inducts": True},
        {"name": "b", "position_mm": 10_500, "inducts": True},
    ]
    mini = started(40, line_file(photo_eyes=eyes), arrivals={"process": "saturated"})
    mini.run(12)
    used = {p.induct_eye for p in mini.rig.truth.parcels}
    assert used == {0, 1}
    assert len(mini.rig.truth) == 40


def test_parcels_that_slip_stay_apart_and_are_still_diverted_where_they_are():
    mini = started(
        200,
        belt={"parcel_slip_sd_mm": 8},
        arrivals={"process": "saturated", "min_gap_mm": 15},
    )
    fires = iter(range(1, 1000))

    def on_event(event: Event) -> None:
        if event.kind == EventKind.PARCEL_PASSED and event.source == 1:
            mini.fire_at(next(fires), ONE, event.encoder, 4000)

    mini.on_event = on_event
    mini.run_out(300)
    assert mini.rig.truth.by_chute()["one"] == 200
    shifts = [
        counts[1][1] - counts[0][1] - 3500
        for counts in (p.sightings for p in mini.rig.truth.parcels)
    ]
    assert max(shifts) > 5
    assert min(shifts) < -5


def test_a_fast_parcel_that_slips_never_overlaps_its_neighbour():
    mini = started(
        300,
        belt={"parcel_slip_sd_mm": 40},
        arrivals={"process": "saturated", "min_gap_mm": 5},
    )
    mini.run(60)
    placed = mini.rig.plant.placed()
    for (ahead, length), (behind, _) in pairwise(placed):
        assert behind - ahead >= length - 0.01


def test_the_same_seed_gives_the_same_words_and_another_one_does_not():
    def words(seed: int) -> bytes:
        mini = started(
            50,
            seed=seed,
            arrivals={"process": "poisson"},
            scanners={"read_rate": 0.9},
            belt={"parcel_slip_sd_mm": 3},
            diverters={"actuation_jitter_ms": 2, "fail_rate": 0.1},
        )
        divert_all(mini, [ONE, TWO, THREE])
        mini.run(100)
        return mini.image.events.tobytes() + mini.image.scans.tobytes()

    assert words(3) == words(3)
    assert words(3) != words(4)


def test_the_ledger_is_written_one_parcel_a_line(tmp_path):
    mini = started(3)
    divert_all(mini, [ONE, TWO])
    mini.run_out(60)
    file = tmp_path / "truth.jsonl"
    TruthLog(file, mini.rig.truth).close()
    rows = read_truth(file)
    assert rows == list(mini.rig.truth.rows())
    assert [(row["physical_id"], row["end"], row["chute"]) for row in rows] == [
        (0, "chute", "one"),
        (1, "chute", "two"),
        (2, "chute", "one"),
    ]
    assert rows[0]["sightings"] == [[0, 1300, 1], [1, 4800, 1]]
    assert rows[0]["codes_read"] == [[0, ["L00000"]]]


def test_a_scenario_that_names_what_the_line_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="no zone nowhere"):
        rig(1, faults=[{"kind": "jam", "at_s": 1, "zone": "nowhere"}])
    with pytest.raises(ConfigError, match="no chute nine"):
        rig(1, faults=[{"kind": "failed_divert", "chute": "nine"}])
