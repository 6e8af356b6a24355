"""Diverters: they take whatever leading edge passes while they are engaged, right or wrong."""

from __future__ import annotations

import numpy as np

from sorter.config.models import Line

from .agenda import at_travel
from .arrivals import Concern, generator
from .belt import travel_at
from .cells import (
    AGENDA_NEEDED,
    AGENDA_ROOM,
    AGENDA_SIZE,
    AT_CHUTE_MM,
    AT_CHUTES,
    AT_FAILS,
    AT_JITTER_MM,
    AT_PARCEL_MM,
    AT_RING,
    AT_RING_MM,
    CHUTE_ACTUATION,
    CHUTE_CELLS,
    CHUTE_FIRED,
    CHUTE_FORCED_FAILURES,
    CHUTE_LATE_MM,
    CHUTE_POSITION,
    CHUTE_REALS,
    COUNTS_PER_MM,
    DIVERTER_DRAWS,
    DIVERTER_PASSED,
    FAULT_FAILED_DIVERT,
    FAULT_SLOW_DIVERT,
    LOOP_MM,
    MARGIN_MM,
    NOMINAL_RATE,
    NOW_NS,
    PARCEL_LEFT,
    PARCEL_PHASE,
    PARCEL_REALS,
    RING_SIZE,
    Ints,
    Reals,
)
from .inductions import leave_belt
from .jit import inner
from .ring import first_not_before
from .scenario import DiverterQuality
from .way import fly, note_fault


@inner
def fire_diverter(ints: Ints, reals: Reals, chute: int, hold_counts: int) -> bool:
    """Fire now: engaged after the actuation distance, for so much belt travel.

    Returns
    -------
    bool
        False: nothing was done, the agenda needs more room first.
    """
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    real = ints[AT_CHUTE_MM] + chute * CHUTE_REALS
    margin = reals[MARGIN_MM]
    # An encoder that stands or counts backward fires nothing by itself; what was due just then
    # is held for as long as it should be.
    rate = reals[COUNTS_PER_MM] if reals[COUNTS_PER_MM] > 0.0 else reals[NOMINAL_RATE]
    hold_mm = hold_counts / rate
    late_mm = reals[real + CHUTE_LATE_MM]
    laps = 1
    if reals[LOOP_MM] > 0.0:
        laps = 2 + int((hold_mm + late_mm + 2 * margin) / reals[LOOP_MM])
    if ints[AGENDA_ROOM] - ints[AGENDA_SIZE] < laps * ints[RING_SIZE]:
        ints[AGENDA_NEEDED] = laps * ints[RING_SIZE]
        return False
    draw = chute * DIVERTER_DRAWS + ints[cell + CHUTE_FIRED] % DIVERTER_DRAWS
    ints[cell + CHUTE_FIRED] += 1
    actuation = reals[real + CHUTE_ACTUATION] + reals[ints[AT_JITTER_MM] + draw]
    engaged = travel_at(ints, reals, ints[NOW_NS]) + max(actuation, 0.0)
    failed = ints[ints[AT_FAILS] + draw] != 0
    if ints[cell + CHUTE_FORCED_FAILURES] > 0:
        ints[cell + CHUTE_FORCED_FAILURES] -= 1
        failed = True
    released = engaged + hold_mm
    if failed:
        plan_passing(ints, reals, chute, engaged, released, FAULT_FAILED_DIVERT)
        return True
    if late_mm > 0.0:
        plan_passing(ints, reals, chute, engaged, released, FAULT_SLOW_DIVERT)
    plan_passing(ints, reals, chute, engaged + late_mm, released + late_mm, 0)
    return True


@inner
def plan_passing(
    ints: Ints, reals: Reals, chute: int, engaged: float, released: float, fault: int
) -> None:
    """Plan to take every leading edge that passes between two travels, or only note a fault."""
    position = reals[ints[AT_CHUTE_MM] + chute * CHUTE_REALS + CHUTE_POSITION]
    first = engaged - reals[MARGIN_MM] - position
    last = released + reals[MARGIN_MM] - position
    loop = reals[LOOP_MM]
    base = first // loop * loop if loop > 0.0 else 0.0
    place = first_not_before(ints, reals, first - base)
    while ints[RING_SIZE] > 0:
        if place >= ints[RING_SIZE]:
            if loop <= 0.0:
                return
            base += loop
            place = 0
        anchor = reals[ints[AT_RING_MM] + place] + base
        if anchor > last:
            return
        row = ints[ints[AT_RING] + place]
        at_mm = anchor + position
        if fault:
            note_fault(ints, row, fault)
        else:
            at_travel(ints, reals, at_mm, DIVERTER_PASSED, row, chute, engaged, released)
        place += 1


@inner
def pass_diverter(
    ints: Ints,
    reals: Reals,
    row: int,
    chute: int,
    expected: float,
    engaged: float,
    released: float,
) -> None:
    """Take a leading edge that is where the diverter was expected to take it."""
    parcel = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    if reals[parcel + PARCEL_LEFT] != np.inf:
        return
    at_mm = expected
    margin = reals[MARGIN_MM]
    if margin > 0.0:
        # It may have slipped since the diverter was fired.
        at_mm = reals[parcel + PARCEL_PHASE]
        position = reals[ints[AT_CHUTE_MM] + chute * CHUTE_REALS + CHUTE_POSITION]
        if reals[LOOP_MM] > 0.0:
            laps = np.floor((expected - position - at_mm) / reals[LOOP_MM] + 0.5)
            at_mm += laps * reals[LOOP_MM]
        at_mm += position
        if at_mm < engaged - margin or at_mm > released + margin:
            return
        if at_mm > expected:
            at_travel(ints, reals, at_mm, DIVERTER_PASSED, row, chute, engaged, released)
            return
    if engaged <= at_mm <= released:
        leave_belt(ints, reals, row, at_mm)
        fly(ints, reals, row, chute, at_mm)


def set_up_diverters(
    ints: Ints, reals: Reals, line: Line, quality: DiverterQuality, seed: int
) -> None:
    """Draw how exactly each firing acts, and which fail."""
    sd_mm = quality.actuation_jitter_ms * line.belt_speed_mm_s / 1000.0
    for chute in range(len(line.chutes)):
        draw = generator(seed, Concern.DIVERTERS, chute)
        first = chute * DIVERTER_DRAWS
        jitter, fails = ints[AT_JITTER_MM] + first, ints[AT_FAILS] + first
        reals[jitter : jitter + DIVERTER_DRAWS] = draw.standard_normal(DIVERTER_DRAWS) * sd_mm
        ints[fails : fails + DIVERTER_DRAWS] = draw.random(DIVERTER_DRAWS) < quality.fail_rate
