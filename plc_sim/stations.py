"""Stations of the line: photo-eyes, scanners, scales, its end, and the mouths of its chutes."""

from __future__ import annotations

import numpy as np

from sorter.config.models import Line
from sorter.model.codes import EventKind

from .belt import encoder_at, tick_at
from .cells import (
    AT_CHAIN,
    AT_CHAIN_MM,
    AT_PARCEL_MM,
    AT_PARCELS,
    AT_SCANNERS,
    AT_SLIP_MM,
    AT_STATION_MM,
    AT_STATIONS,
    CHAIN_END,
    CHAIN_LEAD,
    CHAIN_REALS,
    DARK_MM,
    DOUBLE_FEEDS,
    END,
    EYE,
    FAULT_DOUBLE_FEED,
    FAULT_JAM,
    FAULT_STUCK_EYE,
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
    PARCEL_PHASE,
    PARCEL_REALS,
    PARCEL_SIGHTINGS,
    PARCEL_STATION,
    RING_SIZE,
    SCALE,
    SCANNER,
    SCANNER_CELLS,
    SCANNER_SWAPPED,
    SIGHTING,
    SLIPS,
    STATION_CELLS,
    STATION_INDEX,
    STATION_KIND,
    STATION_STUCK,
    Ints,
    Reals,
)
from .chutes import put_into_chute
from .inductions import leave_belt, ordered_eyes
from .jit import inner
from .plc_memory import Tampering
from .ring import distance_behind, follower, shift_on_belt
from .scanners import read_parcel
from .way import end_way, fly, next_station, note_fault, note_in_log, note_tampering
from .wires import Wires, latch

PARCEL_PASSED = int(EventKind.PARCEL_PASSED)
PARCEL_MEASURED = int(EventKind.PARCEL_MEASURED)
CHUTE_ENTERED = int(EventKind.CHUTE_ENTERED)
DROP = int(Tampering.DROP)
SEEN_GAP_MM = 0.9
"""A gap that eyes see. Parcels that slip stay 1 mm apart: only those put on so touch."""
SLIP_STRIDE = 7919
"""A prime: each sighting of a parcel takes another draw of how far it slips."""


@inner
def pass_station(ints: Ints, reals: Reals, wires: Wires, row: int, lead_mm: float) -> None:
    """Handle a trailing edge behind a station; the leading edge was there at `lead_mm`."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    if lead_mm > reals[real + PARCEL_LEFT]:
        return
    number = ints[parcel + PARCEL_STATION]
    station = ints[AT_STATIONS] + number * STATION_CELLS
    kind, index = ints[station + STATION_KIND], ints[station + STATION_INDEX]
    if kind == END:
        leave_belt(ints, reals, row, lead_mm)
        if index >= 0:
            fly(ints, reals, row, index, lead_mm)
        else:
            end_way(ints, row, LINE_END, NOBODY, encoder_at(ints, reals, lead_mm))
        return
    end_mm = lead_mm + reals[real + PARCEL_LENGTH]
    first = row
    if ints[DOUBLE_FEEDS]:
        first, lead_mm = join_chain(ints, reals, row, number, lead_mm, end_mm)
    if first != NOBODY:
        if lead_mm >= reals[DARK_MM]:
            sense_parcel(ints, reals, wires, row, first, station, lead_mm, end_mm)
        if kind == EYE:
            move_on(ints, reals, row)
    next_station(ints, reals, row)


@inner
def sense_parcel(
    ints: Ints,
    reals: Reals,
    wires: Wires,
    row: int,
    first: int,
    station: int,
    lead_mm: float,
    end_mm: float,
) -> None:
    """Post what an eye, scanner or scale sees: one parcel, or several that touch.

    Parameters
    ----------
    ints, reals, wires
    row, first : int
        The last parcel of those that pass for one, and the first.
    station : int
        Its cells.
    lead_mm, end_mm : float
        Belt travel when the leading edge was there, and when the trailing edge.
    """
    kind, index = ints[station + STATION_KIND], ints[station + STATION_INDEX]
    count, tick = encoder_at(ints, reals, lead_mm), tick_at(ints, reals, lead_mm)
    if kind == EYE:
        if ints[station + STATION_STUCK]:
            note_fault(ints, row, FAULT_STUCK_EYE)
            return
        length = encoder_at(ints, reals, end_mm) - count
        latch(wires, PARCEL_PASSED, index, count, tick, max(length, 0), 0)
        if note_tampering(ints, wires.memory, first) != DROP:
            note_sighting(ints, first, index, count)
    elif kind == SCANNER:
        joined = first if first != row else NOBODY
        swaps = ints[ints[AT_SCANNERS] + index * SCANNER_CELLS + SCANNER_SWAPPED] > 0
        behind = follower(ints, reals, row) if swaps else NOBODY
        read_parcel(ints, wires, index, row, count, tick, joined, behind)
        note_tampering(ints, wires.memory, row)
    else:
        a, b = measured(ints, row, first)
        latch(wires, PARCEL_MEASURED, index, count, tick, a, b)
        note_tampering(ints, wires.memory, row)


@inner
def measured(ints: Ints, row: int, first: int) -> tuple[int, int]:
    """Return words A and B of what lies on a scale: the weights add up, the larger sizes count."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    a, b = ints[parcel + PARCEL_MEASURED_A], ints[parcel + PARCEL_MEASURED_B]
    if first == row:
        return a, b
    other = ints[AT_PARCELS] + first * PARCEL_CELLS
    other_a = ints[other + PARCEL_MEASURED_A]
    width = max(a >> 16, other_a >> 16)
    height = max(a & 0xFFFF, other_a & 0xFFFF)
    return width << 16 | height, min(b + ints[other + PARCEL_MEASURED_B], 0xFFFF)


@inner
def note_sighting(ints: Ints, row: int, eye: int, count: int) -> None:
    """Note that the PLC knows where a parcel was."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    if ints[parcel + PARCEL_INDUCT_EYE] < 0:
        ints[parcel + PARCEL_INDUCT_EYE] = eye
        ints[parcel + PARCEL_INDUCT_COUNT] = count
    note_in_log(ints, row, SIGHTING, eye, count, 0)


@inner
def move_on(ints: Ints, reals: Reals, row: int) -> None:
    """Let a parcel slip on the belt behind an eye, or get stuck."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    sightings = ints[parcel + PARCEL_SIGHTINGS] + 1
    ints[parcel + PARCEL_SIGHTINGS] = sightings
    if sightings == ints[parcel + PARCEL_JAMS_AFTER]:
        note_fault(ints, row, FAULT_JAM)
        ints[JAMMED] = row
    left = reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_LEFT]
    if reals[MARGIN_MM] > 0.0 and left == np.inf:
        draw = (row * 4 + sightings * SLIP_STRIDE) % ints[SLIPS]
        shift_on_belt(ints, reals, row, reals[ints[AT_SLIP_MM] + draw])


@inner
def join_chain(
    ints: Ints, reals: Reals, row: int, number: int, lead_mm: float, end_mm: float
) -> tuple[int, float]:
    """Take parcels that touch for one.

    Returns
    -------
    tuple of (int, float)
        The first of them and when its leading edge was there; NOBODY: another one touches this
        one from behind, so that the station has not seen the end yet.
    """
    chain = ints[AT_CHAIN_MM] + number * CHAIN_REALS
    first = ints[ints[AT_CHAIN] + number]
    if first != NOBODY and lead_mm - reals[chain + CHAIN_END] >= SEEN_GAP_MM:
        first = NOBODY  # what touched it was taken off the belt meanwhile
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    behind = distance_behind(ints, reals, reals[real + PARCEL_PHASE]) - reals[real + PARCEL_LENGTH]
    on_belt = reals[real + PARCEL_LEFT] == np.inf
    if on_belt and behind < SEEN_GAP_MM and ints[RING_SIZE] > 1:
        if first == NOBODY:
            ints[ints[AT_CHAIN] + number] = row
            reals[chain + CHAIN_LEAD] = lead_mm
        reals[chain + CHAIN_END] = end_mm
        note_fault(ints, row, FAULT_DOUBLE_FEED)
        return NOBODY, lead_mm
    ints[ints[AT_CHAIN] + number] = NOBODY
    if first == NOBODY:
        return row, lead_mm
    note_fault(ints, row, FAULT_DOUBLE_FEED)
    return first, reals[chain + CHAIN_LEAD]


@inner
def enter_chute(
    ints: Ints, reals: Reals, wires: Wires, row: int, chute: int, entry_mm: float
) -> None:
    """Handle a trailing edge behind the entry eye of a chute."""
    count, tick = encoder_at(ints, reals, entry_mm), tick_at(ints, reals, entry_mm)
    real = ints[AT_PARCEL_MM] + row * PARCEL_REALS
    length = encoder_at(ints, reals, entry_mm + reals[real + PARCEL_LENGTH]) - count
    ints[FLYING] -= 1
    if entry_mm >= reals[DARK_MM]:
        latch(wires, CHUTE_ENTERED, chute, count, tick, max(length, 0), 0)
        note_tampering(ints, wires.memory, row)
    end_way(ints, row, IN_CHUTE, chute, count)
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
        ints[ints[AT_CHAIN] + number] = NOBODY
        reals[ints[AT_STATION_MM] + number] = position_mm
