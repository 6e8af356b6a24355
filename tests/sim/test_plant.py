"""The plant: what happens to parcels, whatever anybody believes."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from plc_sim.feed import FeedParcel
from plc_sim.truth import IN_CHUTE, LINE_END, ON_LINE, REMOVED
from sim.lines import chute, feed, line_file, rig
from sim.mini import Event, MiniController
from sorter.errors import ConfigError
from sorter.model.codes import ChuteBit, EventKind, LineState, RefusalCause

ONE, TWO, THREE = 0, 1, 2


def divert_all(mini: MiniController, to: int | list[int]) -> None:
    """Fire for every parcel that passes the first eye: to one chute, or in turn."""
    chutes = [to] if isinstance(to, int) else to
    count = 0

    def on_event(event: Event) -> None:
        nonlocal count
        if event.kind == EventKind.PARCEL_PASSED and event.source == 0:
            mini.fire_at(count + 1, chutes[count % len(chutes)], event.encoder, 500)
            count += 1

    mini.on_event = on_event


def started(*args, **changes) -> MiniController:
    mini = MiniController(rig(*args, **changes))
    mini.rig.start_arrivals()
    return mini


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
    assert parcel.sightings == [(0, 1300), (1, 4800)]


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


def test_scanner_errors_are_as_frequent_as_asked_and_in_the_truth():
    quality = {"read_rate": 0.8, "multi_read_rate": 0.1}
    mini = started(500, scanners=quality)
    divert_all(mini, ONE)
    mini.run_out(600)
    empty = sum(scan.codes == () for scan in mini.scans)
    double = sum(len(scan.codes) == 2 for scan in mini.scans)
    assert 70 < empty < 130
    assert 20 < double < 65
    truth = mini.rig.truth.parcels
    assert sum("no_read" in p.faults for p in truth) == empty
    assert sum("multi_read" in p.faults for p in truth) == double
    assert [p.codes_read[0][1] for p in truth] == [scan.codes for scan in mini.scans]


def test_read_faults_hit_the_parcels_they_name():
    faults = [
        {"kind": "no_read", "from_parcel": 1, "parcels": 2},
        {"kind": "multi_read", "from_parcel": 4},
        {"kind": "swapped_codes", "from_parcel": 6},
    ]
    mini = started(9, faults=faults)
    divert_all(mini, ONE)
    mini.run_out(60)
    codes = [scan.codes for scan in mini.scans]
    label = [(b"L%05d" % row,) for row in range(9)]
    assert codes[0:4] == [label[0], (), (), label[3]]
    assert codes[4] == (*label[4], *label[3])
    assert codes[5:9] == [label[5], label[7], label[6], label[8]]
    assert mini.rig.truth.parcels[6].faults == ("swapped_code",)
    assert mini.rig.truth.row(mini.rig.truth.parcels[6])["label"] == "L00006"


def test_a_parcel_without_label_is_a_no_read():
    mini = started([FeedParcel(b"")])
    mini.run(5)
    assert mini.scans[0].codes == ()


def test_a_scale_errs_by_its_standard_deviation():
    mini = started(200, scales={"weight_sd_g": 50, "size_sd_mm": 5})
    divert_all(mini, ONE)
    mini.run_out(300)
    weights = [e.b * 10 for e in mini.of(EventKind.PARCEL_MEASURED)]
    assert 780 < sum(weights) / len(weights) < 820
    assert len(set(weights)) > 10
    assert len({e.a >> 16 for e in mini.of(EventKind.PARCEL_MEASURED)}) > 10


def test_a_chute_reports_half_full_and_full_by_count_and_diverts_are_inhibited():
    mini = started(5, chutes={"operator": {"response": {"kind": "constant", "value_s": 1000}}})
    divert_all(mini, TWO)
    mini.run(11)
    states = [e.b for e in mini.of(EventKind.CHUTE_CHANGED) if e.source == TWO]
    assert states == [
        ChuteBit.OPEN,
        ChuteBit.OPEN | ChuteBit.HALF_FULL,
        ChuteBit.OPEN | ChuteBit.HALF_FULL | ChuteBit.FULL,
    ]
    assert mini.refusals() == [(5, RefusalCause.CHUTE_FULL)]
    assert mini.rig.truth.by_chute()["two"] == 4


def test_a_chute_fills_by_length():
    mini = started(5, chutes={"operator": {"response": {"kind": "constant", "value_s": 1000}}})
    divert_all(mini, THREE)
    mini.run(11)
    assert mini.rig.truth.by_chute()["three"] == 4  # 1000 mm take 4 x 300 mm, the last too much
    assert mini.refusals() == [(5, RefusalCause.CHUTE_FULL)]


def test_a_bag_change_closes_the_chute_and_empties_it():
    operator = {
        "call_at_fill_ratio": 0.75,
        "response": {"kind": "constant", "value_s": 0.5},
        "change": {"kind": "constant", "value_s": 4},
    }
    mini = started(12, chutes={"operator": operator})
    divert_all(mini, TWO)
    mini.run(15)
    story = [(e.kind, e.b) for e in mini.events if e.source == TWO and e.kind in {6, 7}]
    half = ChuteBit.OPEN | ChuteBit.HALF_FULL
    assert story[:5] == [
        (EventKind.CHUTE_CHANGED, ChuteBit.OPEN),
        (EventKind.CHUTE_CHANGED, half),
        (EventKind.CHUTE_CHANGED, ChuteBit.HALF_FULL),
        (EventKind.CHUTE_EMPTIED, 0),
        (EventKind.CHUTE_CHANGED, ChuteBit.OPEN),
    ]
    closed = [cause for _, cause in mini.refusals()]
    assert closed[:3] == [RefusalCause.CHUTE_CLOSED] * 3


def test_a_takeaway_serves_parcels_one_by_one():
    line = line_file(chutes=[chute("one", 6000, capacity={"parcels": 2}, emptied_by="takeaway")])
    service = {"takeaway": {"service": {"kind": "constant", "value_s": 3}}}
    mini = started(4, line, chutes=service)
    divert_all(mini, ONE)
    mini.run(30)
    entered = [e.tick for e in mini.of(EventKind.CHUTE_ENTERED)]
    emptied = mini.of(EventKind.CHUTE_EMPTIED)
    assert {e.a for e in emptied} == {1}
    # The entry eye reports when the trailing edge is in, 300 mm or 0.12 s behind the leading one.
    assert emptied[0].tick - entered[0] == pytest.approx(31_200, abs=5)
    assert emptied[1].tick - emptied[0].tick == pytest.approx(30_000, abs=5)
    assert mini.refusals()[0][1] == RefusalCause.CHUTE_FULL


def test_a_jammed_chute_takes_nothing_until_it_is_free():
    mini = started(8, faults=[{"kind": "chute_jam", "chute": "one", "at_s": 0.1, "for_s": 4}])
    divert_all(mini, ONE)
    mini.run(30)
    assert [cause for _, cause in mini.refusals()] == [RefusalCause.CHUTE_JAMMED] * 2
    assert mini.rig.truth.by_chute()["one"] == 8  # these two in the next lap


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
    jump = [{"kind": "encoder_slip", "at_s": 3, "slip_mm": 250}]
    mini = started(1, faults=jump)
    mini.run(10)
    counts = [e.encoder for e in mini.of(EventKind.PARCEL_PASSED)]
    assert counts[2] - counts[0] == 14_500 + 250


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
    mini.rig.truth.write_json(file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert rows == list(mini.rig.truth.rows())
    assert [(row["physical_id"], row["end"], row["chute"]) for row in rows] == [
        (0, "chute", "one"),
        (1, "chute", "two"),
        (2, "chute", "one"),
    ]
    assert rows[0]["sightings"] == [[0, 1300], [1, 4800]]
    assert rows[0]["codes_read"] == [[0, ["L00000"]]]


def test_a_scenario_that_names_what_the_line_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="no zone nowhere"):
        rig(1, faults=[{"kind": "jam", "at_s": 1, "zone": "nowhere"}])
    with pytest.raises(ConfigError, match="no chute nine"):
        rig(1, faults=[{"kind": "failed_divert", "chute": "nine"}])
