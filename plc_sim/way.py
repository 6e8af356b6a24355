"""A parcel's way: from station to station, and from a diverter down into a chute."""

from __future__ import annotations

from sorter.model.frames import Rows

from .agenda import at_travel
from .cells import (
    AT_CHUTE_MM,
    AT_LOG,
    AT_PARCEL_MM,
    AT_PARCELS,
    AT_STATION_MM,
    CHUTE_ENTRY,
    CHUTE_MOUTH,
    CHUTE_REALS,
    ENDED,
    FAULT_CORRUPTED,
    FAULT_DROPPED,
    FLYING,
    LOG_A,
    LOG_B,
    LOG_CELLS,
    LOG_KIND,
    LOG_PARCEL,
    LOG_SIZE,
    LOG_SOURCE,
    LOOP_MM,
    NOW_NS,
    PARCEL_ANCHOR,
    PARCEL_CELLS,
    PARCEL_CHUTE,
    PARCEL_END,
    PARCEL_END_COUNT,
    PARCEL_END_NS,
    PARCEL_FAULTS,
    PARCEL_LEFT,
    PARCEL_LENGTH,
    PARCEL_REALS,
    PARCEL_STATION,
    STATION_PASSED,
    STATIONS,
    Ints,
    Reals,
)
from .jit import inner
from .plc_memory import Memory

MOST_FAULTS = 1 << 58
"""Faults noted of one parcel fill its cell here: later ones are not noted."""


@inner
def next_station(ints: Ints, reals: Reals, row: int) -> None:
    """Plan the next station that a parcel passes: when its trailing edge is behind it."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    station = ints[parcel + PARCEL_STATION] + 1
    if station == ints[STATIONS]:
        station = 0
        reals[real + PARCEL_ANCHOR] += reals[LOOP_MM]
    ints[parcel + PARCEL_STATION] = station
    lead = reals[real + PARCEL_ANCHOR] + reals[ints[AT_STATION_MM] + station]
    if lead <= reals[real + PARCEL_LEFT]:
        at_mm = lead + reals[real + PARCEL_LENGTH]
        at_travel(ints, reals, at_mm, STATION_PASSED, row, 0, lead, 0.0)


@inner
def fly(ints: Ints, reals: Reals, row: int, chute: int, lead_mm: float) -> None:
    """Let a parcel slide to the entry eye of a chute; its leading edge left at `lead_mm`."""
    entry = lead_mm + reals[ints[AT_CHUTE_MM] + chute * CHUTE_REALS + CHUTE_ENTRY]
    ints[FLYING] += 1
    at_mm = entry + reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_LENGTH]
    at_travel(ints, reals, at_mm, CHUTE_MOUTH, row, chute, entry, 0.0)


@inner
def end_way(ints: Ints, row: int, end: int, chute: int, count: int) -> None:
    """Note how a parcel's way ended."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    ints[parcel + PARCEL_END] = end
    ints[parcel + PARCEL_CHUTE] = chute
    ints[parcel + PARCEL_END_COUNT] = count
    ints[parcel + PARCEL_END_NS] = ints[NOW_NS]
    note_in_log(ints, row, ENDED, chute, count, end)


@inner
def note_fault(ints: Ints, row: int, fault: int) -> None:
    """Note what went physically wrong with a parcel."""
    cell = ints[AT_PARCELS] + row * PARCEL_CELLS + PARCEL_FAULTS
    if ints[cell] < MOST_FAULTS:
        ints[cell] = ints[cell] << 4 | fault


@inner
def note_tampering(ints: Ints, memory: Rows, row: int) -> int:
    """Note on a parcel what was done to its newest record; return that, 0: nothing."""
    if memory[Memory.TAMPERS] == 0 or memory[Memory.TAMPERED] == 0:
        return 0
    what = memory[Memory.TAMPERED]
    note_fault(ints, row, min(FAULT_DROPPED + what - 1, FAULT_CORRUPTED))
    return int(what)


@inner
def note_in_log(ints: Ints, row: int, kind: int, source: int, a: int, b: int) -> None:
    """Keep for the truth ledger what an eye or a scanner saw, or how it ended."""
    cell = ints[AT_LOG] + ints[LOG_SIZE] * LOG_CELLS
    ints[LOG_SIZE] += 1
    ints[cell + LOG_PARCEL] = row
    ints[cell + LOG_KIND] = kind
    ints[cell + LOG_SOURCE] = source
    ints[cell + LOG_A] = a
    ints[cell + LOG_B] = b
