"""Inductions: parcels come there and wait for a free window on the belt."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from sorter.config.models import Line, PhotoEye

from .agenda import after, at_travel, next_duration_ns
from .arrivals import Concern, Draws, generator
from .belt import travel_at
from .cells import (
    ARRIVE_OWN,
    ARRIVE_SHARED,
    AT_INDUCTION_MM,
    AT_INDUCTIONS,
    AT_ORDER,
    AT_PARCEL_MM,
    AT_PARCELS,
    DOUBLE_FEEDS,
    INDUCTION_BLOCKED,
    INDUCTION_CELLS,
    INDUCTION_FIRST,
    INDUCTION_LAST,
    INDUCTION_OWN,
    INDUCTION_PLAN,
    INDUCTION_PLANNED,
    INDUCTION_POSITION,
    INDUCTION_QUEUED,
    INDUCTION_REALS,
    INDUCTION_SATURATED,
    INDUCTION_STATION,
    INDUCTIONS,
    NEXT_ROW,
    NOBODY,
    NOW_NS,
    PARCEL_ANCHOR,
    PARCEL_ARRIVED_NS,
    PARCEL_CELLS,
    PARCEL_DUE_NS,
    PARCEL_GAP,
    PARCEL_INDUCTED_NS,
    PARCEL_INDUCTION,
    PARCEL_LEFT,
    PARCEL_LENGTH,
    PARCEL_NEXT,
    PARCEL_PHASE,
    PARCEL_REALS,
    PARCEL_STATION,
    RELEASED,
    ROWS,
    SHARED,
    SPEED_MM_NS,
    STARTED_NS,
    WAITING,
    WINDOW_COMES,
    Ints,
    Reals,
)
from .fault_sections import DoubleFeedFault
from .feed import FeedParcel, rows_of
from .jit import inner
from .ring import NO_WINDOW, add_to_ring, distance_behind, earliest_anchor, remove_from_ring
from .scenario import ConstantTime, ExponentialTime, ScenarioFile
from .way import next_station

RETRY_MM = 1000.0
"""How far the belt travels before an induction looks again at a loop that is all full."""


# --- windows --------------------------------------------------------------------------------------
@inner
def put_first_on(ints: Ints, reals: Reals, induction: int, anchor: float) -> int:
    """Put the first parcel of a queue on the belt and return it."""
    cell = ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS
    row = ints[cell + INDUCTION_FIRST]
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    ints[cell + INDUCTION_FIRST] = ints[parcel + PARCEL_NEXT]
    ints[cell + INDUCTION_QUEUED] -= 1
    ints[cell + INDUCTION_BLOCKED] = 0
    ints[WAITING] -= 1
    ints[ints[AT_ORDER] + ints[RELEASED]] = row
    ints[RELEASED] += 1
    ints[parcel + PARCEL_INDUCTED_NS] = ints[NOW_NS]
    ints[parcel + PARCEL_STATION] = ints[cell + INDUCTION_STATION]
    reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_ANCHOR] = anchor
    add_to_ring(ints, reals, row)
    next_station(ints, reals, row)
    return int(row)


@inner
def put_on(ints: Ints, reals: Reals, induction: int, anchor: float) -> bool:
    """Put the first parcel of a queue on the belt; return whether the next is to be planned."""
    cell = ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS
    row = put_first_on(ints, reals, induction, anchor)
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    gap = reals[real + PARCEL_GAP]
    if gap >= 0.0 and ints[cell + INDUCTION_QUEUED] > 0:
        offset = reals[real + PARCEL_LENGTH] + gap
        second = ints[AT_PARCEL_MM] + ints[cell + INDUCTION_FIRST] * PARCEL_REALS
        behind = distance_behind(ints, reals, reals[real + PARCEL_PHASE])
        if offset + reals[second + PARCEL_LENGTH] <= behind:
            put_first_on(ints, reals, induction, anchor + offset)
    if ints[cell + INDUCTION_SATURATED]:
        after(ints, next_duration_ns(ints, induction), ARRIVE_OWN, induction)
        return False
    return bool(ints[cell + INDUCTION_QUEUED] > 0)


@inner
def plan_window(ints: Ints, reals: Reals, induction: int) -> None:
    """Put parcels on the belt as long as their windows are there; plan the first that is not."""
    cell = ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS
    real = ints[AT_INDUCTION_MM] + induction * INDUCTION_REALS
    while True:
        first = ints[AT_PARCEL_MM] + ints[cell + INDUCTION_FIRST] * PARCEL_REALS
        if reals[first + PARCEL_GAP] >= 0.0 and ints[cell + INDUCTION_QUEUED] == 1:
            return  # it waits for the one that is to come with it
        wanted = travel_at(ints, reals, ints[NOW_NS]) - reals[real + INDUCTION_POSITION]
        anchor = earliest_anchor(ints, reals, wanted, reals[first + PARCEL_LENGTH])
        ints[cell + INDUCTION_PLAN] += 1
        if anchor != wanted or reals[SPEED_MM_NS] <= 0.0:
            break
        if not put_on(ints, reals, induction, anchor):
            return
    ints[cell + INDUCTION_BLOCKED] = 1
    planned = wanted + RETRY_MM if anchor == NO_WINDOW else anchor
    reals[real + INDUCTION_PLANNED] = planned
    at_mm = planned + reals[real + INDUCTION_POSITION]
    plan = ints[cell + INDUCTION_PLAN]
    at_travel(ints, reals, at_mm, WINDOW_COMES, induction, plan, 0.0, 0.0)


@inner
def window_comes(ints: Ints, reals: Reals, induction: int, plan: int) -> None:
    """Use the window found before, unless another induction has."""
    cell = ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS
    if plan != ints[cell + INDUCTION_PLAN]:
        return
    anchor = reals[ints[AT_INDUCTION_MM] + induction * INDUCTION_REALS + INDUCTION_PLANNED]
    first = ints[AT_PARCEL_MM] + ints[cell + INDUCTION_FIRST] * PARCEL_REALS
    if earliest_anchor(ints, reals, anchor, reals[first + PARCEL_LENGTH]) != anchor or put_on(
        ints, reals, induction, anchor
    ):
        plan_window(ints, reals, induction)


# --- arrivals -------------------------------------------------------------------------------------
@inner
def enqueue(ints: Ints, reals: Reals, induction: int, row: int) -> None:
    """Take a row of the feed and let it wait at an induction."""
    ints[NEXT_ROW] = row + 1
    ints[WAITING] += 1
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    ints[parcel + PARCEL_ARRIVED_NS] = ints[NOW_NS]
    ints[parcel + PARCEL_NEXT] = NOBODY
    cell = ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS
    queued = ints[cell + INDUCTION_QUEUED]
    ints[cell + INDUCTION_QUEUED] = queued + 1
    if queued == 0:
        ints[cell + INDUCTION_FIRST] = row
        ints[cell + INDUCTION_LAST] = row
        plan_window(ints, reals, induction)
        return
    last = ints[cell + INDUCTION_LAST]
    ints[ints[AT_PARCELS] + last * PARCEL_CELLS + PARCEL_NEXT] = row
    ints[cell + INDUCTION_LAST] = row
    first = ints[AT_PARCEL_MM] + ints[cell + INDUCTION_FIRST] * PARCEL_REALS
    if queued == 1 and reals[first + PARCEL_GAP] >= 0.0:
        plan_window(ints, reals, induction)


@inner
def start_arrivals(ints: Ints) -> None:
    """Let parcels come from now on."""
    ints[STARTED_NS] = ints[NOW_NS]
    if ints[SHARED] and ints[ROWS] > 0:
        after(ints, ints[ints[AT_PARCELS] + PARCEL_DUE_NS], ARRIVE_SHARED, 0)
    for induction in range(ints[INDUCTIONS]):
        if ints[ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS + INDUCTION_OWN]:
            after(ints, next_duration_ns(ints, induction), ARRIVE_OWN, induction)


@inner
def arrive_shared(ints: Ints, reals: Reals) -> None:
    """Let the next parcel come to the induction that it is for."""
    row = ints[NEXT_ROW]
    if row >= ints[ROWS]:
        return
    cell = ints[AT_PARCELS] + row * PARCEL_CELLS
    enqueue(ints, reals, ints[cell + PARCEL_INDUCTION], row)
    if ints[NEXT_ROW] < ints[ROWS]:
        due = ints[AT_PARCELS] + ints[NEXT_ROW] * PARCEL_CELLS + PARCEL_DUE_NS
        after(ints, max(ints[STARTED_NS] + ints[due] - ints[NOW_NS], 0), ARRIVE_SHARED, 0)


@inner
def arrive_own(ints: Ints, reals: Reals, induction: int) -> None:
    """Let the next parcel come by an induction's own process."""
    row = ints[NEXT_ROW]
    if row >= ints[ROWS]:
        return
    enqueue(ints, reals, induction, row)
    if ints[ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS + INDUCTION_SATURATED] == 0:
        after(ints, next_duration_ns(ints, induction), ARRIVE_OWN, induction)


@inner
def leave_belt(ints: Ints, reals: Reals, row: int, at_mm: float) -> None:
    """Take a parcel off the belt at a travel; a free window may come of it."""
    reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_LEFT] = at_mm
    remove_from_ring(ints, reals, row)
    for induction in range(ints[INDUCTIONS]):
        if ints[ints[AT_INDUCTIONS] + induction * INDUCTION_CELLS + INDUCTION_BLOCKED]:
            plan_window(ints, reals, induction)


# --- building -------------------------------------------------------------------------------------
def ordered_eyes(line: Line) -> list[PhotoEye]:
    """Return the photo-eyes by position: the order of their indices on the wire."""
    return sorted(line.photo_eyes, key=lambda eye: eye.position_mm)


def mark_double_feeds(
    ints: Ints, reals: Reals, faults: Sequence[DoubleFeedFault], feed: Sequence[FeedParcel]
) -> None:
    """Mark each parcel with which the next of its induction is to come, where there is one."""
    rows, inductions = len(feed), int(ints[INDUCTIONS])
    at, at_mm = int(ints[AT_PARCELS]), int(ints[AT_PARCEL_MM])
    for fault in faults:
        for row in rows_of(feed, fault.from_parcel, fault.parcels):
            other = row + inductions
            cells = [at + each * PARCEL_CELLS + PARCEL_INDUCTION for each in (row, other)]
            if other >= rows or ints[cells[0]] != ints[cells[1]]:
                continue
            if not ints[ints[AT_INDUCTIONS] + ints[cells[0]] * INDUCTION_CELLS + INDUCTION_OWN]:
                reals[at_mm + row * PARCEL_REALS + PARCEL_GAP] = fault.gap_mm
                ints[DOUBLE_FEEDS] = 1


def set_up_inductions(
    ints: Ints,
    reals: Reals,
    scenario: ScenarioFile,
    line: Line,
    stations_mm: Sequence[float],
) -> None:
    """Write the table of inductions: one before each inducting eye."""
    own = {item.eye: item for item in scenario.inductions}
    arrivals = scenario.arrivals
    cell, real = ints[AT_INDUCTIONS], ints[AT_INDUCTION_MM]
    for eye in ordered_eyes(line):
        if not eye.inducts:
            continue
        position = eye.position_mm - arrivals.induction_distance_mm
        position = position % line.length_mm if line.topology == "loop" else max(position, 0.0)
        process = own[eye.name].process if eye.name in own else arrivals.process
        ints[cell + INDUCTION_SATURATED] = process == "saturated"
        ints[cell + INDUCTION_OWN] = eye.name in own or process == "saturated"
        ints[cell + INDUCTION_STATION] = bisect_left(stations_mm, position) - 1
        reals[real + INDUCTION_POSITION] = position
        cell += INDUCTION_CELLS
        real += INDUCTION_REALS


def induction_draws(scenario: ScenarioFile, line: Line, seed: int) -> list[Draws | None]:
    """Return each induction's own times: between arrivals, or of preparation; None: it has none."""
    own = {item.eye: item for item in scenario.inductions}
    draws: list[Draws | None] = []
    for eye in ordered_eyes(line):
        if not eye.inducts:
            continue
        source = generator(seed, Concern.PREPARATION, len(draws))
        item = own.get(eye.name)
        if item is not None:
            default = (
                ConstantTime(value_s=0)
                if item.process == "saturated"
                else ExponentialTime(kind="exponential", mean_s=item.mean_s)
            )
            draws.append(Draws(item.interval or default, source))
        elif scenario.arrivals.process == "saturated":
            draws.append(Draws(scenario.arrivals.preparation, source))
        else:
            draws.append(None)
    return draws
