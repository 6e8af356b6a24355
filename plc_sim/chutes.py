"""Chutes: they fill, and an operator or a takeaway conveyor empties them."""

from __future__ import annotations

from sorter.config.models import Chute
from sorter.model.codes import ChuteBit, EventKind

from .agenda import after, next_duration_ns
from .arrivals import Concern, Draws, generator
from .belt import encoder_at, tick_now, travel_at
from .cells import (
    AT_CHUTE_MM,
    AT_CHUTES,
    AT_PARCEL_MM,
    AT_PARCELS,
    BAG_CHANGED,
    BAG_CLOSED,
    CALL_RATIO,
    CHANGE,
    CHUTE_ACTUATION,
    CHUTE_BITS,
    CHUTE_BUSY,
    CHUTE_CALLED,
    CHUTE_CAPACITY,
    CHUTE_CAPACITY_MM,
    CHUTE_CELLS,
    CHUTE_COUNT,
    CHUTE_ENTRY,
    CHUTE_FIRST,
    CHUTE_FULL_STATE,
    CHUTE_JAMMED,
    CHUTE_LAST,
    CHUTE_LATE_NS,
    CHUTE_OPEN,
    CHUTE_OPERATOR,
    CHUTE_POSITION,
    CHUTE_REALS,
    CHUTE_STREAMS,
    CHUTE_USED,
    FULL_SAID,
    FULL_SHOWS,
    FULL_UNSAID,
    FULL_WAITS,
    INDUCTIONS,
    NOBODY,
    NOW_NS,
    PARCEL_CELLS,
    PARCEL_LENGTH,
    PARCEL_NEXT,
    PARCEL_REALS,
    PARCEL_SERVED,
    RESPONSE,
    SERVERS,
    SERVICE,
    Ints,
    Reals,
)
from .jit import inner
from .plc_memory import ChuteCell
from .scenario import ChuteService
from .wires import Wires, latch

BIT_OPEN = int(ChuteBit.OPEN)
BIT_HALF_FULL = int(ChuteBit.HALF_FULL)
BIT_FULL = int(ChuteBit.FULL)
BIT_JAMMED = int(ChuteBit.JAMMED)
CHUTE_CHANGED = int(EventKind.CHUTE_CHANGED)
CHUTE_EMPTIED = int(EventKind.CHUTE_EMPTIED)


@inner
def fill_ratio(ints: Ints, reals: Reals, chute: int) -> float:
    """Return how full a chute is; 1 is full, 0 for one without a limit."""
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    real = ints[AT_CHUTE_MM] + chute * CHUTE_REALS
    ratio = 0.0
    if ints[cell + CHUTE_CAPACITY] > 0:
        ratio = ints[cell + CHUTE_COUNT] / ints[cell + CHUTE_CAPACITY]
    if reals[real + CHUTE_CAPACITY_MM] > 0.0:
        ratio = max(ratio, reals[real + CHUTE_USED] / reals[real + CHUTE_CAPACITY_MM])
    return ratio


@inner
def says_full(ints: Ints, chute: int) -> bool:
    """Return whether a full chute's sensor says so already; a late one is waited for."""
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    state = ints[cell + CHUTE_FULL_STATE]
    if state == FULL_UNSAID:
        # One that was seen full before its sensor became slow stays so.
        if ints[cell + CHUTE_LATE_NS] == 0 or ints[cell + CHUTE_BITS] & BIT_FULL:
            return True
        ints[cell + CHUTE_FULL_STATE] = FULL_WAITS
        after(ints, ints[cell + CHUTE_LATE_NS], FULL_SHOWS, chute)
        return False
    return bool(state == FULL_SAID)


@inner
def full_shows(ints: Ints, reals: Reals, wires: Wires, chute: int) -> None:
    """Let a late sensor say now what it sees."""
    ints[ints[AT_CHUTES] + chute * CHUTE_CELLS + CHUTE_FULL_STATE] = FULL_SAID
    sense_chute(ints, reals, wires, chute)


@inner
def sense_chute(ints: Ints, reals: Reals, wires: Wires, chute: int) -> None:
    """Let the PLC know when a chute's sensors show something else."""
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    ratio = fill_ratio(ints, reals, chute)
    bits = 0
    if ints[cell + CHUTE_OPEN]:
        bits |= BIT_OPEN
    if ratio >= 0.5:
        bits |= BIT_HALF_FULL
    if ratio >= 1.0 and says_full(ints, chute):
        bits |= BIT_FULL
    elif ratio < 1.0 and ints[cell + CHUTE_FULL_STATE] == FULL_SAID:
        ints[cell + CHUTE_FULL_STATE] = FULL_UNSAID
    if ints[cell + CHUTE_JAMMED]:
        bits |= BIT_JAMMED
    if bits == ints[cell + CHUTE_BITS]:
        return
    ints[cell + CHUTE_BITS] = bits
    wires.chutes[ChuteCell.BITS, chute] = bits
    now_ns = ints[NOW_NS]
    encoder = encoder_at(ints, reals, travel_at(ints, reals, now_ns))
    latch(wires, CHUTE_CHANGED, chute, encoder, tick_now(ints, now_ns), 0, bits)


@inner
def report_emptied(ints: Ints, reals: Reals, wires: Wires, chute: int, parcels: int) -> None:
    """Let the PLC know that parcels were taken out, 0: all."""
    now_ns = ints[NOW_NS]
    encoder = encoder_at(ints, reals, travel_at(ints, reals, now_ns))
    latch(wires, CHUTE_EMPTIED, chute, encoder, tick_now(ints, now_ns), parcels, 0)
    sense_chute(ints, reals, wires, chute)


@inner
def chute_stream(ints: Ints, chute: int, what: int) -> int:
    """Return which stream of draws a chute's durations come from."""
    return int(ints[INDUCTIONS]) + chute * CHUTE_STREAMS + what


@inner
def queue_for_takeaway(ints: Ints, cell: int, row: int) -> None:
    """Put a parcel behind those that wait in a chute for its take-away; `cell`: the chute's first.

    An operator takes all out at once, so nobody asks for the order there; and a chain that is
    never taken down would end at a row that is by then another parcel (see ``begin_again``).
    """
    ints[ints[AT_PARCELS] + row * PARCEL_CELLS + PARCEL_NEXT] = NOBODY
    if ints[cell + CHUTE_COUNT] == 0:
        ints[cell + CHUTE_FIRST] = row
    else:
        last = ints[cell + CHUTE_LAST]
        ints[ints[AT_PARCELS] + last * PARCEL_CELLS + PARCEL_NEXT] = row
    ints[cell + CHUTE_LAST] = row


@inner
def put_into_chute(ints: Ints, reals: Reals, wires: Wires, chute: int, row: int) -> None:
    """Put a parcel into a chute, full or not."""
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    if ints[cell + CHUTE_OPERATOR] == 0:
        queue_for_takeaway(ints, cell, row)
    ints[cell + CHUTE_COUNT] += 1
    length = reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_LENGTH]
    reals[ints[AT_CHUTE_MM] + chute * CHUTE_REALS + CHUTE_USED] += length
    sense_chute(ints, reals, wires, chute)
    if ints[cell + CHUTE_OPERATOR] == 0:
        if ints[cell + CHUTE_BUSY] < ints[SERVERS]:
            ints[cell + CHUTE_BUSY] += 1
            delay = next_duration_ns(ints, chute_stream(ints, chute, SERVICE))
            after(ints, delay, PARCEL_SERVED, chute)
    elif ints[cell + CHUTE_CALLED] == 0 and fill_ratio(ints, reals, chute) >= reals[CALL_RATIO]:
        ints[cell + CHUTE_CALLED] = 1
        delay = next_duration_ns(ints, chute_stream(ints, chute, RESPONSE))
        after(ints, delay, BAG_CLOSED, chute)


@inner
def parcel_served(ints: Ints, reals: Reals, wires: Wires, chute: int) -> None:
    """Let a takeaway carry one parcel off and begin with the next."""
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    if ints[cell + CHUTE_COUNT] > 0:
        row = ints[cell + CHUTE_FIRST]
        ints[cell + CHUTE_FIRST] = ints[ints[AT_PARCELS] + row * PARCEL_CELLS + PARCEL_NEXT]
        ints[cell + CHUTE_COUNT] -= 1
        length = reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_LENGTH]
        reals[ints[AT_CHUTE_MM] + chute * CHUTE_REALS + CHUTE_USED] -= length
        report_emptied(ints, reals, wires, chute, 1)
    if ints[cell + CHUTE_COUNT] >= ints[cell + CHUTE_BUSY]:
        delay = next_duration_ns(ints, chute_stream(ints, chute, SERVICE))
        after(ints, delay, PARCEL_SERVED, chute)
    else:
        ints[cell + CHUTE_BUSY] -= 1


@inner
def close_bag(ints: Ints, reals: Reals, wires: Wires, chute: int) -> None:
    """Let the operator close a chute and begin to change its bag."""
    ints[ints[AT_CHUTES] + chute * CHUTE_CELLS + CHUTE_OPEN] = 0
    sense_chute(ints, reals, wires, chute)
    delay = next_duration_ns(ints, chute_stream(ints, chute, CHANGE))
    after(ints, delay, BAG_CHANGED, chute)


@inner
def bag_changed(ints: Ints, reals: Reals, wires: Wires, chute: int) -> None:
    """Open a chute again, with an empty bag."""
    cell = ints[AT_CHUTES] + chute * CHUTE_CELLS
    ints[cell + CHUTE_COUNT] = 0
    ints[cell + CHUTE_OPEN] = 1
    ints[cell + CHUTE_CALLED] = 0
    reals[ints[AT_CHUTE_MM] + chute * CHUTE_REALS + CHUTE_USED] = 0.0
    report_emptied(ints, reals, wires, chute, 0)


def set_up_chutes(ints: Ints, reals: Reals, chutes: tuple[Chute, ...]) -> None:
    """Write the tables of open, empty chutes."""
    for index, chute in enumerate(chutes):
        cell = ints[AT_CHUTES] + index * CHUTE_CELLS
        ints[cell + CHUTE_BITS] = BIT_OPEN
        ints[cell + CHUTE_OPEN] = 1
        ints[cell + CHUTE_OPERATOR] = chute.emptied_by == "operator"
        ints[cell + CHUTE_CAPACITY] = chute.capacity.parcels or 0
        real = ints[AT_CHUTE_MM] + index * CHUTE_REALS
        reals[real + CHUTE_POSITION] = chute.position_mm
        reals[real + CHUTE_ACTUATION] = chute.actuation_distance_mm
        reals[real + CHUTE_ENTRY] = chute.entry_distance_mm
        reals[real + CHUTE_CAPACITY_MM] = chute.capacity.length_mm or 0.0


def chute_draws(service: ChuteService, chutes: int, seed: int) -> list[Draws]:
    """Return the durations of each chute: service, response of the operator, bag change."""
    draws: list[Draws] = []
    for index in range(chutes):
        draws += [
            Draws(service.takeaway.service, generator(seed, Concern.CHUTE_SERVICE, index)),
            Draws(service.operator.response, generator(seed, Concern.OPERATOR, 2 * index)),
            Draws(service.operator.change, generator(seed, Concern.OPERATOR, 2 * index + 1)),
        ]
    return draws
