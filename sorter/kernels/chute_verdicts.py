"""What one chute says to one parcel: whether it may come, and how full the chute is."""

from __future__ import annotations

from sorter.kernels.bits import FULL, JAMMED, OPEN
from sorter.kernels.divert import chute_travel, firing_distance, window_verdict
from sorter.kernels.jit import kernel
from sorter.kernels.tracking import is_excluded
from sorter.model.codes import ChuteVerdict
from sorter.model.columns import ChuteColumn, ChuteStateColumn
from sorter.model.frames import Rows
from sorter.model.tracking import NEVER, ParcelColumn

PARTS_PER_MILLION = 1_000_000


@kernel("int64(int64[:, ::1], int64[:, ::1], int64, int64)", inline=True)
def has_room(chutes: Rows, chute_state: Rows, chute: int, length: int) -> int:
    """Return 1 when one more parcel fits, counting those already on their way."""
    if chute_state[ChuteStateColumn.BITS, chute] & FULL:
        return 0
    capacity = chutes[ChuteColumn.CAPACITY, chute]
    inside = chute_state[ChuteStateColumn.PARCELS, chute]
    if 0 < capacity <= inside + chute_state[ChuteStateColumn.RESERVED, chute]:
        return 0
    capacity = chutes[ChuteColumn.CAPACITY_LENGTH, chute]
    inside = chute_state[ChuteStateColumn.LENGTH, chute]
    reserved = chute_state[ChuteStateColumn.RESERVED_LENGTH, chute]
    return 0 if 0 < capacity < inside + reserved + length else 1


@kernel("int64(int64[:, ::1], int64[:, ::1], int64)", inline=True)
def fill_ppm(chutes: Rows, chute_state: Rows, chute: int) -> int:
    """Return how full a chute is, parcels on their way included, in millionths."""
    fill = 0
    capacity = chutes[ChuteColumn.CAPACITY, chute]
    if capacity > 0:
        load = chute_state[ChuteStateColumn.PARCELS, chute]
        load += chute_state[ChuteStateColumn.RESERVED, chute]
        fill = load * PARTS_PER_MILLION // capacity
    capacity = chutes[ChuteColumn.CAPACITY_LENGTH, chute]
    if capacity > 0:
        load = chute_state[ChuteStateColumn.LENGTH, chute]
        load += chute_state[ChuteStateColumn.RESERVED_LENGTH, chute]
        fill = max(fill, load * PARTS_PER_MILLION // capacity)
    return fill


@kernel("int64(int64[:, ::1], int64, int64[:, ::1], int64)", inline=True)
def fit_verdict(parcels: Rows, row: int, chutes: Rows, chute: int) -> int:
    """Return CHOSEN when the parcel fits the chute, else OVER_SIZE or OVER_WEIGHT."""
    if (
        parcels[ParcelColumn.LENGTH, row] > chutes[ChuteColumn.MAX_LENGTH, chute]
        or parcels[ParcelColumn.WIDTH_MM, row] > chutes[ChuteColumn.MAX_WIDTH_MM, chute]
        or parcels[ParcelColumn.HEIGHT_MM, row] > chutes[ChuteColumn.MAX_HEIGHT_MM, chute]
    ):
        return ChuteVerdict.OVER_SIZE
    if parcels[ParcelColumn.WEIGHT_G, row] > chutes[ChuteColumn.MAX_WEIGHT_G, chute]:
        return ChuteVerdict.OVER_WEIGHT
    return ChuteVerdict.CHOSEN


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1], int64,"
    " int64, int64[::1])",
    inline=True,
)
def chute_verdict(
    parcels: Rows,
    row: int,
    now: int,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    chute: int,
    any_size: int,
    near: Rows,
) -> int:
    """Return CHOSEN when this chute is possible for the parcel now, else the first obstacle.

    `any_size` = 1 leaves out the chute's size and weight limits: the outlets for parcels that are
    too big or too heavy, and the last resort, take everything.
    """
    if is_excluded(parcels, row, chute):
        return ChuteVerdict.EXCLUDED
    if any_size == 0:
        verdict = fit_verdict(parcels, row, chutes, chute)
        if verdict != ChuteVerdict.CHOSEN:
            return verdict
    bits = chute_state[ChuteStateColumn.BITS, chute]
    if bits & OPEN == 0:
        return ChuteVerdict.CLOSED
    if bits & JAMMED:
        return ChuteVerdict.JAMMED
    if has_room(chutes, chute_state, chute, parcels[ParcelColumn.LENGTH, row]) == 0:
        return ChuteVerdict.FULL
    travel = chute_travel(parcels, row, line, chutes, chute, now)
    if travel == NEVER:
        return ChuteVerdict.UNREACHABLE
    if chutes[ChuteColumn.LINE_END, chute] == 1:
        return ChuteVerdict.CHOSEN
    fire = parcels[ParcelColumn.ANCHOR, row] + travel - firing_distance(chutes, chute)
    return window_verdict(parcels, chutes, chute, fire, near)
