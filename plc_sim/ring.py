"""The parcels on the belt, ordered by place: finds free windows and what passes a chute when.

A parcel's anchor is the belt travel at which its leading edge is at line position 0; its phase is
the anchor modulo the loop, the anchor itself on a line that ends.
"""

from __future__ import annotations

import math

from .cells import (
    AT_PARCEL_MM,
    AT_RING,
    AT_RING_MM,
    GAP_MM,
    LOOP_MM,
    NOBODY,
    PARCEL_ANCHOR,
    PARCEL_LENGTH,
    PARCEL_PHASE,
    PARCEL_REALS,
    PITCH_MM,
    RING_SIZE,
    Ints,
    Reals,
)
from .jit import inner

ROUNDING_MM = 0.01
"""Belt travel and time are floats: windows that touch within this are free."""
FREE = -math.inf
"""What :func:`blocked_until` returns for a free window."""
NO_WINDOW = math.inf


@inner
def first_not_before(ints: Ints, reals: Reals, phase: float) -> int:
    """Return the place of the first parcel whose phase is not smaller."""
    low, high = 0, int(ints[RING_SIZE])
    while low < high:
        middle = (low + high) >> 1
        if reals[ints[AT_RING_MM] + middle] < phase:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def first_behind(ints: Ints, reals: Reals, phase: float) -> int:
    """Return the place of the first parcel whose phase is greater."""
    low, high = 0, int(ints[RING_SIZE])
    while low < high:
        middle = (low + high) >> 1
        if reals[ints[AT_RING_MM] + middle] <= phase:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def add_to_ring(ints: Ints, reals: Reals, row: int) -> None:
    """Take a parcel in at its anchor."""
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    phase = reals[real + PARCEL_ANCHOR]
    if reals[LOOP_MM] > 0.0:
        phase = phase % reals[LOOP_MM]
    reals[real + PARCEL_PHASE] = phase
    at, at_mm = ints[AT_RING], ints[AT_RING_MM]
    place = first_behind(ints, reals, phase)
    size = ints[RING_SIZE]
    for index in range(size, place, -1):
        ints[at + index] = ints[at + index - 1]
        reals[at_mm + index] = reals[at_mm + index - 1]
    ints[at + place] = row
    reals[at_mm + place] = phase
    ints[RING_SIZE] = size + 1


@inner
def remove_from_ring(ints: Ints, reals: Reals, row: int) -> None:
    """Take a parcel out."""
    at, at_mm = ints[AT_RING], ints[AT_RING_MM]
    phase = reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_PHASE]
    place = first_not_before(ints, reals, phase)
    while ints[at + place] != row:
        place += 1
    size = ints[RING_SIZE] - 1
    for index in range(place, size):
        ints[at + index] = ints[at + index + 1]
        reals[at_mm + index] = reals[at_mm + index + 1]
    ints[RING_SIZE] = size


@inner
def distance_behind(ints: Ints, reals: Reals, phase: float) -> float:
    """Return the distance from a leading edge to that of the next parcel behind it."""
    place = first_behind(ints, reals, phase)
    if place < ints[RING_SIZE]:
        return float(reals[ints[AT_RING_MM] + place] - phase)
    if reals[LOOP_MM] > 0.0:
        return float(reals[ints[AT_RING_MM]] + reals[LOOP_MM] - phase)
    return math.inf


@inner
def follower(ints: Ints, reals: Reals, row: int) -> int:
    """Return the parcel behind another on the belt, NOBODY: none."""
    phase = reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_PHASE]
    place = first_behind(ints, reals, phase)
    if place >= ints[RING_SIZE]:
        if reals[LOOP_MM] <= 0.0 or ints[RING_SIZE] == 0:
            return NOBODY
        place = 0
    other = ints[ints[AT_RING] + place]
    return NOBODY if other == row else int(other)


@inner
def free_ahead(ints: Ints, reals: Reals, phase: float) -> float:
    """Return the free belt between a parcel and the one in front of it."""
    place = first_not_before(ints, reals, phase)
    if place == 0:
        if reals[LOOP_MM] <= 0.0:
            return math.inf
        place = int(ints[RING_SIZE])
    ahead = ints[AT_RING] + place - 1
    distance = phase - reals[ints[AT_RING_MM] + place - 1]
    if distance <= 0.0:
        distance += reals[LOOP_MM]
    return float(distance - reals[ints[AT_PARCEL_MM] + ints[ahead] * PARCEL_REALS + PARCEL_LENGTH])


@inner
def shift_on_belt(ints: Ints, reals: Reals, row: int, slip_mm: float) -> None:
    """Let a parcel slip on the belt: back (+) or ahead (-), never into its neighbours."""
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    phase = reals[real + PARCEL_PHASE]
    behind = distance_behind(ints, reals, phase) - reals[real + PARCEL_LENGTH] - 1.0
    slip_mm = min(slip_mm, max(behind, 0.0))
    slip_mm = max(slip_mm, min(1.0 - free_ahead(ints, reals, phase), 0.0))
    remove_from_ring(ints, reals, row)
    reals[real + PARCEL_ANCHOR] += slip_mm
    add_to_ring(ints, reals, row)


@inner
def blocked_until(ints: Ints, reals: Reals, anchor_mm: float, length_mm: float) -> float:
    """Return FREE when the window is free, else the anchor that just clears the conflict."""
    count = ints[RING_SIZE]
    if count == 0:
        return FREE
    loop, gap = reals[LOOP_MM], reals[GAP_MM]
    looped = loop > 0.0
    phase = anchor_mm % loop if looped else anchor_mm
    at, at_mm, at_parcel = ints[AT_RING], ints[AT_RING_MM], ints[AT_PARCEL_MM]
    place = first_behind(ints, reals, phase)
    if place > 0 or looped:
        ahead = place - 1 if place > 0 else count - 1
        distance = phase - reals[at_mm + ahead]
        if distance < 0.0:
            distance += loop
        needed = reals[at_parcel + ints[at + ahead] * PARCEL_REALS + PARCEL_LENGTH] + gap
        if distance < needed - ROUNDING_MM:
            return float(anchor_mm + needed - distance)
    if place < count or looped:
        behind = place if place < count else 0
        distance = reals[at_mm + behind] - phase
        if distance < 0.0:
            distance += loop
        if distance < length_mm + gap - ROUNDING_MM:
            long = reals[at_parcel + ints[at + behind] * PARCEL_REALS + PARCEL_LENGTH]
            return float(anchor_mm + distance + long + gap)
    return FREE


@inner
def earliest_anchor(ints: Ints, reals: Reals, anchor_mm: float, length_mm: float) -> float:
    """Return the first free anchor at or behind `anchor_mm`; NO_WINDOW when a lap is full."""
    need = anchor_mm
    pitch = reals[PITCH_MM]
    while True:
        if pitch > 0.0:
            need = math.ceil((need - ROUNDING_MM) / pitch) * pitch
        clear = blocked_until(ints, reals, need, length_mm)
        if clear == FREE:
            return need
        need = clear
        if reals[LOOP_MM] > 0.0 and need - anchor_mm > reals[LOOP_MM]:
            return NO_WINDOW
