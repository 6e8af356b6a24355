"""The simulator against queueing theory, through the plant's own belt, inductions and chutes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from plc_sim.rig import Rig
from sim.lines import chute, feed, line_file, scenario
from sim.mini import SECOND, Event, MiniController
from sim.queueing import (
    EYE_MM,
    assert_agrees,
    attempts_blocked,
    batch_means,
    mm1k,
    one_chute_line,
    takeaway,
)
from sorter.model.codes import ChuteBit, EventKind

TRAY_MM = 500
TRAY_S = TRAY_MM / 2500
LOOP_MM = 24_000
DISTANCE_MM = 500  # inductions lie so far before their eyes, at a whole number of trays


def trays_line(inductions: int) -> object:
    eyes = [
        {
            "name": f"induct{i}",
            "position_mm": DISTANCE_MM + i * LOOP_MM // inductions,
            "inducts": True,
        }
        for i in range(inductions)
    ]
    # Half a spacing behind each induction, so a parcel's mean way is half a loop.
    chutes = [chute(f"c{i}", 1250 + 2000 * i, actuation_distance_mm=20) for i in range(12)]
    return line_file(
        "loop",
        length_mm=LOOP_MM,
        zones=[{"name": "all", "start_mm": 0, "end_mm": LOOP_MM}],
        photo_eyes=eyes,
        scales=[],
        scanners=[{"name": "scanner", "position_mm": 100}],
        chutes=chutes,
    )


def loop_capacity(inductions: int, parcels: int, presorted: bool) -> list[float]:
    """Return how many parcels were put on per tray that passed, by stretches of 50 parcels."""
    arrivals = {
        "process": "saturated",
        "carrier_pitch_mm": TRAY_MM,
        "induction_distance_mm": DISTANCE_MM,
        "min_gap_mm": 10,
    }
    run = Rig(scenario(arrivals=arrivals), trays_line(inductions), feed(parcels), seed=3)
    mini = MiniController(run)
    mini.keep = False
    own_zone = 12 // inductions
    draw = np.random.default_rng(11)
    destinations = draw.integers(0, own_zone if presorted else 12, parcels).tolist()
    tray_of: dict[int, int] = {}
    taken: set[int] = set()
    number = 0

    def on_event(event: Event) -> None:
        nonlocal number
        if event.kind == EventKind.PARCEL_PASSED:
            position = DISTANCE_MM + event.source * LOOP_MM // inductions
            tray = round((event.encoder - position) / TRAY_MM) % (LOOP_MM // TRAY_MM)
            if tray in taken or number == parcels:
                return
            taken.add(tray)
            target = (destinations[number] + event.source * own_zone) % 12
            number += 1
            tray_of[number] = tray
            mini.fire_at(number, target, event.encoder, position)
        elif event.kind == EventKind.DIVERT_FIRED:
            taken.discard(tray_of.pop(event.a))

    mini.on_event = on_event
    run.start_arrivals()
    mini.run_out()
    times = [parcel.inducted_ns for parcel in run.truth.parcels][::50]
    return [50 / ((b - a) / SECOND / TRAY_S) for a, b in pairwise(times)]


@pytest.mark.parametrize(("inductions", "theory"), [(1, 1.0), (2, 4 / 3), (4, 1.6)])
def test_loop_capacity_with_uniform_destinations(inductions, theory):
    """C/V = 2K / (K + 1)."""
    rates = loop_capacity(inductions, 4500, presorted=False)
    assert theory == pytest.approx(2 * inductions / (inductions + 1))
    mean, half = batch_means(rates)
    assert abs(mean - theory) < half + 0.02 * theory
    assert half < 0.05 * theory


@pytest.mark.parametrize("inductions", [2, 4])
def test_loop_capacity_presorted(inductions):
    """C/V = K: every tray is emptied before the next induction."""
    mean, _ = batch_means(loop_capacity(inductions, 2500, presorted=True))
    assert mean == pytest.approx(inductions, rel=0.02)


def two_inductions() -> object:
    return line_file(
        "line",
        length_mm=4000,
        zones=[{"name": "all", "start_mm": 0, "end_mm": 4000}],
        photo_eyes=[
            {"name": "up", "position_mm": 500, "inducts": True},
            {"name": "down", "position_mm": 2500, "inducts": True},
        ],
        scales=[],
        scanners=[{"name": "scanner", "position_mm": 600}],
        chutes=[chute("end", 4000, side="end")],
    )


def tray_rig(parcels: int, inductions: list[dict[str, object]]) -> Rig:
    arrivals = {
        "process": "regular",
        "carrier_pitch_mm": TRAY_MM,
        "induction_distance_mm": DISTANCE_MM,
        "min_gap_mm": 10,
    }
    described = scenario(arrivals=arrivals, inductions=inductions)
    run = Rig(described, two_inductions(), feed(parcels), seed=9)
    run.start_arrivals()
    while not run.finished:
        run.advance(run.now_ns + 3600 * SECOND)
    return run


def geometric(success: float) -> dict[str, object]:
    return {"kind": "geometric", "success": success, "slot_s": TRAY_S}


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.6, 0.3)])
def test_two_inductors_in_series(first, second):
    """r = p1 + 1 / (1/p2 + p1/(1-p1))."""
    theory = first + 1 / (1 / second + first / (1 - first))
    run = tray_rig(
        12_000,
        [
            {"eye": "up", "process": "saturated", "interval": geometric(first)},
            {"eye": "down", "process": "saturated", "interval": geometric(second)},
        ],
    )
    times = sorted(parcel.inducted_ns for parcel in run.truth.parcels)[:-50:100]
    rates = [100 / ((b - a) / SECOND / TRAY_S) for a, b in pairwise(times)]
    assert_agrees(rates, theory, within=0.03, bias=0.005)


@pytest.mark.parametrize(("arrival", "empty", "theory"), [(0.2, 0.5, 2.6667), (0.3, 0.4, 7.0)])
def test_geo_geo_1_sojourn(arrival, empty, theory):
    """(1-a) / (e-a) trays from arrival to tray, its own included."""
    assert theory == pytest.approx((1 - arrival) / (empty - arrival), rel=1e-3)
    run = tray_rig(
        24_000,
        [
            {"eye": "up", "process": "saturated", "interval": geometric(1 - empty)},
            {"eye": "down", "process": "geometric", "interval": geometric(arrival)},
        ],
    )
    trays = [
        (parcel.inducted_ns - parcel.arrived_ns) / SECOND / TRAY_S + 1
        for parcel in run.truth.parcels
        if parcel.induct_eye == 1
    ]
    mean, half = batch_means(trays)
    assert mean == pytest.approx(theory, rel=0.15)
    assert half < 0.35 * theory


BLOCKING = [
    ("exponential", 0.5, 2, 0.14285714),
    ("exponential", 0.8, 3, 0.17344173),
    ("exponential", 0.8, 5, 0.08881950),
    ("constant", 0.5, 1, 0.33333333),
    ("constant", 0.8, 3, 0.10329899),
]
"""M/M/1/K: (1-rho) rho^K / (1-rho^(K+1)); M/D/1/K by the embedded chain."""


@pytest.mark.parametrize(("service", "rho", "places", "theory"), BLOCKING)
def test_blocking_of_a_takeaway_chute(service, rho, places, theory):
    if service == "exponential":
        assert theory == pytest.approx(mm1k(rho, places), rel=1e-5)
    blocked = attempts_blocked(
        one_chute_line("line", places), 7000, 100 / rho, takeaway(service, 100)
    )
    assert_agrees(blocked, theory, within=0.5, bias=0.02)


def erlang_b(load: float, servers: int) -> float:
    value = 1.0
    for number in range(1, servers + 1):
        value = load * value / (number + load * value)
    return value


@pytest.mark.parametrize(("load", "servers"), [(1, 1), (5, 5), (5, 8)])
def test_erlang_b_with_parallel_servers(load, servers):
    blocked = attempts_blocked(
        one_chute_line("line", servers),
        6000,
        200 / load,
        takeaway("exponential", 200, servers),
    )
    assert_agrees(blocked, erlang_b(load, servers), within=0.5, bias=0.02)


def test_retrials_from_a_loop_with_random_laps():
    """Passes = (1 + rho theta/mu) / (1 - rho): one place, blocked parcels come back at random."""
    rho, theta, service_s, lap_s = 0.5, 1.0, 100.0, 4.0
    theory = (1 + rho * theta) / (1 - rho)
    line = one_chute_line("loop", 1, length_mm=10_000)
    arrivals = {
        "process": "poisson",
        "rate_parcels_per_h": 3600 * rho / service_s,
        "carrier_pitch_mm": TRAY_MM,
    }
    run = Rig(
        scenario(arrivals=arrivals, chutes=takeaway("exponential", service_s)),
        line,
        feed(1600),
        seed=21,
    )
    mini = MiniController(run)
    mini.keep = False
    draw = np.random.default_rng(4)
    laps_to_wait: dict[int, int] = {}
    attempts: dict[int, int] = {}
    passes: list[int] = []
    tray_of: dict[int, int] = {}
    number = 0

    def on_event(event: Event) -> None:
        nonlocal number
        if event.kind == EventKind.PARCEL_PASSED:
            tray = round((event.encoder - EYE_MM) / TRAY_MM) % 20
            if laps_to_wait.get(tray, 0) > 0:
                laps_to_wait[tray] -= 1
                return
            attempts[tray] = attempts.get(tray, 0) + 1
            number += 1
            tray_of[number] = tray
            mini.fire_at(number, 0, event.encoder, EYE_MM)
        elif event.kind == EventKind.DIVERT_FIRED:
            tray = tray_of.pop(event.a)
            passes.append(attempts.pop(tray))
        elif event.kind == EventKind.DIVERT_REFUSED:
            laps = draw.geometric(theta * lap_s / service_s) - 1
            laps_to_wait[tray_of.pop(event.a)] = int(laps)

    mini.on_event = on_event
    run.start_arrivals()
    mini.run_out()
    assert_agrees(passes, theory, within=0.45, bias=0.04)


def test_a_constant_lap_recirculates_more_than_the_markov_formula_says():
    """Blocked clusters come back intact: a fixed point of M/M/1/K is too low for them."""
    rho, places, service_s = 0.8, 5, 10.0
    offered = rho
    for _ in range(200):
        offered = rho / (1 - mm1k(offered, places))
    fixed_point = mm1k(offered, places)
    assert fixed_point == pytest.approx(0.137, abs=0.001)
    line = one_chute_line("loop", places, length_mm=200_000)
    blocked = attempts_blocked(line, 9000, service_s / rho, takeaway("exponential", service_s))
    mean, half = batch_means(blocked)
    assert mean - half > 1.1 * fixed_point


def test_share_of_time_that_a_bag_change_closes_a_chute():
    """Closed share = lambda T / N with lambda what the chute takes; the rest runs by."""
    parcels, places, change_s, gap_s = 12_000, 20, 100.0, 10.0
    operator = {
        "call_at_fill_ratio": 1.0,
        "response": {"kind": "constant", "value_s": 0},
        "change": {"kind": "constant", "value_s": change_s},
    }
    line = one_chute_line("line", places)
    built = line.line.chutes[0].model_copy(update={"emptied_by": "operator"})
    line = line.model_copy(update={"line": line.line.model_copy(update={"chutes": (built,)})})
    arrivals = {"process": "poisson", "rate_parcels_per_h": 3600 / gap_s}
    run = Rig(scenario(arrivals=arrivals, chutes={"operator": operator}), line, feed(parcels), 2)
    mini = MiniController(run)
    mini.keep = False
    taken: list[int] = []
    closed_ns = 0
    closed_since = -1

    def on_event(event: Event) -> None:
        nonlocal closed_ns, closed_since
        if event.kind == EventKind.PARCEL_PASSED:
            mini.fire_at(event.seq, 0, event.encoder, EYE_MM)
        elif event.kind == EventKind.DIVERT_FIRED:
            taken.append(1)
        elif event.kind == EventKind.DIVERT_REFUSED:
            taken.append(0)
        elif event.kind == EventKind.CHUTE_CHANGED:
            if not event.b & ChuteBit.OPEN:
                closed_since = run.now_ns
            elif closed_since >= 0:
                closed_ns += run.now_ns - closed_since
                closed_since = -1

    mini.on_event = on_event
    run.start_arrivals()
    mini.run_out()
    throughput_s = sum(taken) / (run.now_ns / SECOND)
    assert closed_ns / run.now_ns == pytest.approx(throughput_s * change_s / places, rel=0.02)
    # Renewal: open until the Nth parcel has come, closed for T.
    open_share = (places * gap_s) / (places * gap_s + change_s)
    assert_agrees(taken, open_share, within=0.1, bias=0.01)


def test_at_most_so_many_passes_with_independent_blocking():
    """Reject share b^R, mean passes (1 - b^R) / (1 - b)."""
    blocking, most = 0.3, 3
    line = one_chute_line("loop", 0, length_mm=10_000)
    arrivals = {"process": "regular", "rate_parcels_per_h": 900, "carrier_pitch_mm": TRAY_MM}
    described = scenario(arrivals=arrivals, diverters={"fail_rate": blocking})
    run = Rig(described, line, feed(6000), seed=8)
    mini = MiniController(run)
    mini.keep = False
    passes_of: dict[int, int] = {}
    passes: list[int] = []
    rejected: list[int] = []

    def on_event(event: Event) -> None:
        tray = round((event.encoder - EYE_MM) / TRAY_MM) % 20
        if event.kind == EventKind.PARCEL_PASSED:
            passes_of[tray] = passes_of.get(tray, 0) + 1
            mini.fire_at(event.seq, 0, event.encoder, EYE_MM)
        elif event.kind == EventKind.CHUTE_ENTERED:
            mouth = round((event.encoder - 2001) / TRAY_MM) % 20
            count = passes_of.pop(mouth)
            passes.append(min(count, most))
            rejected.append(int(count > most))

    mini.on_event = on_event
    run.start_arrivals()
    mini.run_out()
    assert len(passes) == 6000
    assert_agrees(passes, (1 - blocking**most) / (1 - blocking), within=0.05, bias=0.0)
    assert_agrees(rejected, blocking**most, within=0.5, bias=0.0)


def test_line_capacity():
    """3600 v / pitch parcels an hour from one induction that never waits for parcels."""
    arrivals = {"process": "saturated", "min_gap_mm": 120}
    run = Rig(scenario(arrivals=arrivals), line_file("line"), feed(500), seed=1)
    run.start_arrivals()
    run.advance(600 * SECOND)
    times = [parcel.inducted_ns for parcel in run.truth.parcels]
    rate = (len(times) - 1) / ((times[-1] - times[0]) / SECOND) * 3600
    assert rate == pytest.approx(3600 * 2500 / (300 + 120), rel=1e-3)
    assert math.isclose(rate, 21_429, rel_tol=1e-3)
