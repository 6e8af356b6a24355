"""What is not a parcel's business: restarts, snapshots, malformed reports, frames without news."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tiny_line import TinyLine

from sorter.core.decide import decide
from sorter.core.state import State
from sorter.model.codes import EventKind
from sorter.model.frames import Decisions

OUTPUTS = [field.name for field in dataclasses.fields(Decisions)]


def assert_same(left: Decisions, right: Decisions) -> None:
    for name in OUTPUTS:
        assert np.array_equal(getattr(left, name), getattr(right, name)), name


def a_busy_day(line: TinyLine) -> None:
    """Sort, refuse, miss, lose, overflow, wait, remove: something of everything."""
    refused = line.known_parcel(at=1_000, identity=1).passes("gate")
    line.refuses(refused, "CHUTE_FULL")
    missed = line.known_parcel(at=9_000, identity=2, category="electronics").passes("gate")
    line.fires(missed)
    line.known_parcel(at=14_000, identity=3, verdict="NO_READ").scans("side").passes("gate")
    missed.passes("far")
    line.chute_becomes("shelf_a", "OPEN")
    line.chute_becomes("bench", "OPEN", "JAMMED")
    missed.comes_round()
    missed.passes("induct", "gate")
    line.known_parcel(at=line.now + 500, identity=4, category="furniture")
    line.empties("shelf_b", 1)
    line.runs_to(line.now + 9_000)
    line.clears("back")
    line.parcel(at=line.now).passes("gate")
    line.runs_to(line.now + 40_000)


def is_idle(frame: int, line: TinyLine) -> bool:
    inputs, said = line.tape[frame]
    nothing_said = not any(len(getattr(said, name)) for name in OUTPUTS)
    return len(inputs.events) == len(inputs.scans) == 0 and nothing_said


def test_a_plc_restart_closes_all_parcels_as_lost_and_frees_what_they_held() -> None:
    line = TinyLine()
    commanded = line.known_parcel(at=1_000)
    undecided = line.inducts(at=4_000)
    line.chute_becomes("shelf_b")
    line.enters("shelf_c", at=line.now)
    line.plc_restarts()
    assert commanded.end == undecided.end == "LOST: PLC_RESTARTED"
    assert line.state.tracked_count() == 0
    assert line.fill_of("shelf_a") == (0, 0)
    assert line.fill_of("shelf_c") == (1, 0)  # what lies in a chute still lies there
    assert [kind for kind, _, _ in commanded.commands] == ["FIRE"]  # the PLC has forgotten it
    line.sequences.clear()
    fresh = line.known_parcel(at=6_000, identity=8)
    assert fresh.id > undecided.id
    assert fresh.bound_for == "shelf_a"
    assert line.sequences == [1]


def test_a_parcel_found_again_after_a_plc_restart_is_nobodys() -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.plc_restarts()
    line.passes("gate", at=parcel.at("gate"))
    assert line.told[-2] == (parcel.id + 1, "OPENED gate: TRACKING_LOST")


def test_the_first_frame_is_no_restart() -> None:
    line = TinyLine(boot_id=77)
    line.runs_to(500)
    assert line.state.boot_id == 77
    assert line.told == []


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (0, 0),
        (11, 0),
        (-1, 0),
        (0xFFFF, 0),
        (EventKind.PARCEL_PASSED, 4),
        (EventKind.PARCEL_PASSED, -1),
        (EventKind.PARCEL_MEASURED, 1),
        (EventKind.DIVERT_FIRED, 15),
        (EventKind.DIVERT_REFUSED, 0xFFFF),
        (EventKind.CHUTE_ENTERED, -7),
        (EventKind.CHUTE_CHANGED, 15),
        (EventKind.CHUTE_EMPTIED, 0xFFFF),
        (EventKind.ZONE_CLEARED, 2),
        (EventKind.EYE_BLOCKED, 4),
    ],
)
def test_a_report_of_something_that_does_not_exist_is_counted_and_harmless(
    kind: int, source: int
) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    before, chutes = list(line.told), line.state.chutes.copy()
    line.reports(kind, source, a=parcel.id, b=1)
    assert line.counted("MALFORMED_REPORTS") == 1
    assert line.told == before
    assert np.array_equal(line.state.chutes, chutes)
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


@pytest.mark.parametrize("parcel_id", [0, -1, 99, 2**32 - 1])
def test_a_confirmation_for_a_parcel_nobody_knows_is_counted_and_harmless(parcel_id: int) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000)
    line.reports(EventKind.DIVERT_FIRED, 0, a=parcel_id)
    line.reports(EventKind.DIVERT_REFUSED, 0, a=parcel_id, b=1)
    assert line.counted("STALE_CONFIRMATIONS") + line.counted("MALFORMED_REPORTS") == 2
    assert parcel.bound_for == "shelf_a"
    assert len(parcel.decisions) == 1


def test_a_scan_by_a_scanner_that_does_not_exist_is_counted_and_harmless() -> None:
    line = TinyLine()
    parcel = line.inducts(at=1_000).weighs()
    line.runs_to(parcel.at("top"))
    inputs, _ = line.tape[-1]
    for scanner in (-1, 2):
        inputs.scans = np.array([[0, scanner, parcel.at("top"), *[0] * 11]], np.int64)
        decide(line.state, inputs, 0)
    assert line.counted("MALFORMED_REPORTS") == 2
    assert parcel.scans().bound_for == "shelf_a"


def test_a_frame_with_very_many_reports_loses_none_of_them() -> None:
    line = TinyLine(loop=False, rows=8)
    with line.one_frame():
        for index in range(1_200):  # more than the output buffers are made for
            line.passes("induct", at=1_000 + 500 * index)
    assert line.counted("DROPPED_OUTPUTS") == 0
    assert sum(words == "OPENED induct" for _, words in line.told) == 1_200
    closed = sum(words.startswith("CLOSED") for _, words in line.told)
    assert closed + line.state.tracked_count() == 1_200


def test_a_restored_state_decides_like_the_one_it_was_taken_from() -> None:
    line = TinyLine()
    a_busy_day(line)
    tape = line.tape
    for cut in range(0, len(tape), 97):
        state = line.fresh_state()
        for inputs, said in tape[:cut]:
            assert_same(decide(state, inputs, 0), said)
        twin = line.fresh_state()
        twin.restore(state.to_bytes())
        assert twin.to_bytes() == state.to_bytes()
        for inputs, said in tape[cut : cut + 300]:
            assert_same(decide(twin, inputs, 0), said)


@pytest.mark.parametrize("damage", [lambda b: b[:40], lambda b: b[:-8], lambda b: b + b[:8]])
def test_a_snapshot_that_does_not_fit_is_refused(damage) -> None:
    line = TinyLine()
    line.known_parcel(at=1_000)
    with pytest.raises(ValueError, match="snapshot"):
        line.fresh_state().restore(damage(line.state.to_bytes()))


def test_a_snapshot_of_another_table_size_is_refused() -> None:
    line = TinyLine(rows=32)
    with pytest.raises(ValueError, match="another"):
        TinyLine(rows=16).fresh_state().restore(line.state.to_bytes())


@pytest.mark.parametrize("seed", range(6))
def test_frames_without_news_may_be_left_out(seed: int) -> None:
    line = TinyLine(poll=37)
    a_busy_day(line)
    idle = [is_idle(frame, line) for frame in range(len(line.tape))]
    assert sum(idle) > 1_000
    assert len(idle) - sum(idle) > 40
    chance = np.random.default_rng(seed)
    keep = chance.random(len(idle)) < (0.0, 0.1, 0.3, 0.5, 0.9, 0.99)[seed]
    state: State = line.fresh_state()
    for frame, (inputs, said) in enumerate(line.tape):
        if not idle[frame] or keep[frame]:
            assert_same(decide(state, inputs, 0), said)


def test_the_time_of_day_decides_nothing() -> None:
    line = TinyLine()
    a_busy_day(line)
    state = line.fresh_state()
    for frame, (inputs, said) in enumerate(line.tape):
        assert_same(decide(state, inputs, -(frame**3)), said)
