"""Numbers that no sensor can have meant are counted and change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_layout import HOLD, LOOP, WINDOW, make_layout, make_plan, make_policy
from tiny_line import TinyLine

from sorter.core.state import State
from sorter.model.codes import EventKind
from sorter.model.columns import ChuteColumn
from sorter.model.tracking import Register


@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [
        (EventKind.CHUTE_EMPTIED, -3, 0),
        (EventKind.CHUTE_CHANGED, 0, -1),
        (EventKind.PARCEL_PASSED, -5, 0),
        (EventKind.PARCEL_PASSED, LOOP + 1, 0),
        (EventKind.PARCEL_PASSED, 2**32 - 1, 0),
        (EventKind.PARCEL_MEASURED, -5, 10),
        (EventKind.PARCEL_MEASURED, 5, -10),
        (EventKind.CHUTE_ENTERED, -5, 0),
        (EventKind.CHUTE_ENTERED, 2**32 - 1, 0),
    ],
)
@pytest.mark.parametrize("loop", [True, False])
def test_an_impossible_number_is_counted_and_harmless(
    kind: EventKind, a: int, b: int, loop: bool
) -> None:
    line = TinyLine(loop=loop)
    parcel = line.known_parcel(at=1_000).passes("gate")
    told, chutes = list(line.told), line.state.chutes.copy()
    line.reports(kind, 0, a=a, b=b)
    assert line.counted("MALFORMED_REPORTS") == 1
    assert line.told == told
    assert np.array_equal(line.state.chutes, chutes)
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    line.runs_to(line.now + 3 * LOOP)
    assert line.state.tracked_count() == 0


def test_large_numbers_that_are_possible_are_taken() -> None:
    line = TinyLine()
    line.reports(EventKind.PARCEL_PASSED, 0, a=LOOP)
    line.reports(EventKind.CHUTE_EMPTIED, 0, a=2**32 - 1)
    assert line.counted("MALFORMED_REPORTS") == 0
    assert line.state.tracked_count() == 1


def test_neighbours_are_sought_as_far_as_a_planned_divert_may_be_off() -> None:
    layout = make_layout(True, {}, {}, 2)
    layout.chutes[ChuteColumn.ACTUATION, 3] = 700
    state = State.create(layout, make_plan([["shelf_a"]]), make_policy(), 4)
    assert state.registers[Register.REACH] > 700 + HOLD + WINDOW


FAR = (2**31, -(2**32) - 10_000, 2**62, -(2**62), 2**63 - 1)


@pytest.mark.parametrize("off", FAR)
@pytest.mark.parametrize("loop", [True, False])
def test_a_count_that_cannot_be_is_counted_at_once_and_harmless(off: int, loop: bool) -> None:
    """Found by fuzzing: such a count was brought round the loop lap by lap, for minutes."""
    line = TinyLine(loop=loop)
    parcel = line.known_parcel(at=1_000).passes("gate")
    told = list(line.told)
    event = [0, EventKind.PARCEL_PASSED, 2, off, 0, 300, 0]
    scan = [0, 0, off, 0, *[1] * 10]
    line._frame(line.now, [event], [scan])
    assert line.counted("MALFORMED_REPORTS") == 2
    assert line.told == told
    line.fires(parcel)
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


@pytest.mark.parametrize("laps", [5, 1_000_000])
def test_a_belt_count_that_jumps_loses_parcels_and_leaves_none_behind(laps: int) -> None:
    line = TinyLine()
    parcel = line.known_parcel(at=1_000).passes("gate")
    line._frame(line.now + laps * LOOP, [], [])
    line._frame(line.now + laps * LOOP, [[0, EventKind.PARCEL_PASSED, 1, line.now, 0, 300, 0]], [])
    line.runs_to(line.now + 2 * LOOP)
    assert parcel.end.startswith("LOST")
    assert line.state.tracked_count() == 0
