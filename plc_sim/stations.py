"""Stations of the line: photo-eyes, scanners, scales, its end, and the mouths of its chutes."""

from __future__ import annotations

import numpy as np

from sorter.config.models import Line
from sorter.model.codes import EventKind

from .belt import encoder_at, tick_at
from .cells import (
    AT_PARCEL_MM,
    AT_PARCELS,
    AT_SLIP_MM,
    AT_STATION_MM,
    AT_STATIONS,
    END,
    EYE,
    FAULT_JAM,
    FLYING,
    IN_CHUTE,
    JAMMED,
    LINE_END,
    MARGIN_MM,
    NOBODY,
    PARCEL_CELLS,
    PARCEL_INDUCT_COUNT,
    PARCEL_INDUCT_EYE,
    PARCEL_JAMS_AFTER,
    PARCEL_LEFT,
    PARCEL_LENGTH,
    PARCEL_MEASURED_A,
    PARCEL_MEASURED_B,
    PARCEL_REALS,
    PARCEL_SIGHTINGS,
    PARCEL_STATION,
    SCALE,
    SCANNER,
    SIGHTING,
    SLIPS,
    STATION_CELLS,
    STATION_INDEX,
    STATION_KIND,
    Ints,
    Reals,
)
from .chutes import put_into_chute
from .inductions import leave_belt, ordered_eyes
from .jit import inner
from .ring import shift_on_belt
from .scanners import read_parcel
from .way import end_way, fly, next_station, note_fault, note_in_log
from .wires import Wires, latch

PARCEL_PASSED = int(EventKind.PARCEL_PASSED)
PARCEL_MEASURED = int(EventKind.PARCEL_MEASURED)
CHUTE_ENTERED = int(EventKind.CHUTE_ENTERED)
SLIP_STRIDE = 7919
"""A prime: each sighting of a parcel takes another draw of how far it slips."""


@inner
def pass_station(ints: Ints, reals: Reals, wires: Wires, row: int, lead_mm: float) -> None:
    """Handle a trailing edge behind a station; the leading edge was there at `lead_mm`."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    if lead_mm > reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_LEFT]:
        return
    station = ints[AT_STATIONS] + ints[parcel + PARCEL_STATION] * STATION_CELLS
    kind, index = ints[station + STATION_KIND], ints[station + STATION_INDEX]
    count, tick = encoder_at(ints, reals, lead_mm), tick_at(ints, reals, lead_mm)
    if kind == EYE:
        pass_eye(ints, reals, wires, row, lead_mm, index, count, tick)
    elif kind == SCANNER:
        read_parcel(ints, wires, index, row, count, tick)
    elif kind == SCALE:
        a, b = ints[parcel + PARCEL_MEASURED_A], ints[parcel + PARCEL_MEASURED_B]
        latch(wires, PARCEL_MEASURED, index, count, tick, a, b)
    else:
        leave_belt(ints, reals, row, lead_mm)
        if index >= 0:
            fly(ints, reals, row, index, lead_mm)
        else:
            end_way(ints, row, LINE_END, NOBODY, count)
        return
    next_station(ints, reals, row)


@inner
def pass_eye(
    ints: Ints,
    reals: Reals,
    wires: Wires,
    row: int,
    lead_mm: float,
    eye: int,
    count: int,
    tick: int,
) -> None:
    """Post a sighting; behind an eye a parcel may slip, or get stuck."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    length = encoder_at(ints, reals, lead_mm + reals[real + PARCEL_LENGTH]) - count
    latch(wires, PARCEL_PASSED, eye, count, tick, length, 0)
    if ints[parcel + PARCEL_INDUCT_EYE] < 0:
        ints[parcel + PARCEL_INDUCT_EYE] = eye
        ints[parcel + PARCEL_INDUCT_COUNT] = count
    note_in_log(ints, row, SIGHTING, eye, count, 0)
    sightings = ints[parcel + PARCEL_SIGHTINGS] + 1
    ints[parcel + PARCEL_SIGHTINGS] = sightings
    if sightings == ints[parcel + PARCEL_JAMS_AFTER]:
        note_fault(ints, row, FAULT_JAM)
        ints[JAMMED] = row
    if reals[MARGIN_MM] > 0.0 and reals[real + PARCEL_LEFT] == np.inf:
        draw = (row * 4 + sightings * SLIP_STRIDE) % ints[SLIPS]
        shift_on_belt(ints, reals, row, reals[ints[AT_SLIP_MM] + draw])


@inner
def enter_chute(
    ints: Ints, reals: Reals, wires: Wires, row: int, chute: int, entry_mm: float
) -> None:
    """Handle a trailing edge behind the entry eye of a chute."""
    count, tick = encoder_at(ints, reals, entry_mm), tick_at(ints, reals, entry_mm)
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    length = encoder_at(ints, reals, entry_mm + reals[real + PARCEL_LENGTH]) - count
    ints[FLYING] -= 1
    end_way(ints, row, IN_CHUTE, chute, count)
    latch(wires, CHUTE_ENTERED, chute, count, tick, length, 0)
    put_into_chute(ints, reals, wires, chute, row)


# --- building -------------------------------------------------------------------------------------
def stations_of(line: Line) -> list[tuple[float, int, int]]:
    """Return position, kind and index of all that a parcel passes, in order."""
    stations = [(eye.position_mm, EYE, index) for index, eye in enumerate(ordered_eyes(line))]
    stations += [(s.position_mm, SCANNER, index) for index, s in enumerate(line.scanners)]
    stations += [(s.position_mm, SCALE, index) for index, s in enumerate(line.scales)]
    if line.topology == "line":
        ends = [index for index, chute in enumerate(line.chutes) if chute.side == "end"]
        at_mm = line.chutes[ends[0]].position_mm if ends else line.length_mm
        stations.append((at_mm, END, ends[0] if ends else NOBODY))
    stations.sort()
    return stations


def set_up_stations(ints: Ints, reals: Reals, stations: list[tuple[float, int, int]]) -> None:
    """Write the table of stations."""
    for number, (position_mm, kind, index) in enumerate(stations):
        cell = ints[AT_STATIONS] + number * STATION_CELLS
        ints[cell + STATION_KIND] = kind
        ints[cell + STATION_INDEX] = index
        reals[ints[AT_STATION_MM] + number] = position_mm
