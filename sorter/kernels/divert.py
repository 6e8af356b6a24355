"""When to fire a diverter, and whether another parcel stands in the way.

The leading edge is to arrive in the middle of the engaged interval
``[fire + actuation, fire + actuation + hold]``. Whatever leading edge is at the chute in that
interval is diverted, so a window is taken when another parcel's interval on the same diverter
overlaps it, or when another parcel would be caught by it. Spacing between two parcels is the same
at every chute, so neighbours are searched once for a decision, not once for a candidate.
"""

from __future__ import annotations

from sorter.kernels.jit import kernel
from sorter.kernels.tracking import wrapped
from sorter.model.codes import ChuteVerdict
from sorter.model.columns import ChuteColumn, LineField
from sorter.model.frames import Rows
from sorter.model.tracking import NEAR_WIDTH, NEVER, ParcelColumn, ParcelState


@kernel("int64(int64[:, ::1], int64)", inline=True)
def firing_distance(chutes: Rows, chute: int) -> int:
    """Return how many counts before the arrival at the chute the diverter must be fired."""
    return int(chutes[ChuteColumn.ACTUATION, chute] + chutes[ChuteColumn.HOLD, chute] // 2)


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64, int64)", inline=True)
def chute_travel(parcels: Rows, row: int, line: Rows, chutes: Rows, chute: int, now: int) -> int:
    """Return the travel of `chute` in the first pass whose commit point is not behind, or NEVER.

    On a line there is one pass. On a loop the pass must begin in the current lap: what comes
    later is decided at the end of the lap.
    """
    travel = int(chutes[ChuteColumn.POSITION, chute])
    if chutes[ChuteColumn.LINE_END, chute] == 1:
        return travel
    lead = firing_distance(chutes, chute) + line[LineField.IO_ALLOWANCE]
    here = now - parcels[ParcelColumn.ANCHOR, row]
    loop = line[LineField.LOOP_COUNTS]
    if loop == 0:
        return travel if travel - lead >= here else NEVER
    travel += parcels[ParcelColumn.ROUND, row] - 2 * loop
    lap_end = parcels[ParcelColumn.INDUCT_TRAVEL, row] + (parcels[ParcelColumn.LAP, row] + 1) * loop
    while travel - lead < min(here, lap_end):
        travel += loop
    return travel if travel - lead < lap_end else NEVER


@kernel("void(int64[:, ::1], int64, int64, int64, int64, int64[::1])")
def find_neighbours(parcels: Rows, rows: int, row: int, loop: int, reach: int, near: Rows) -> None:
    """List the parcels closer than `reach` to the one in `row`.

    `near` gets their number, then pairs of table row and spacing (positive: behind it, arrives
    later). At most eight are kept; more do not fit into the reach of a diverter.
    """
    near[0] = 0
    own = parcels[ParcelColumn.ANCHOR, row] + parcels[ParcelColumn.ROUND, row]
    for other in range(rows):
        if parcels[ParcelColumn.ID, other] == 0 or other == row:
            continue
        there = parcels[ParcelColumn.ANCHOR, other] + parcels[ParcelColumn.ROUND, other]
        spacing = wrapped(there - own, loop)
        if -reach < spacing < reach and 2 * near[0] + 2 < NEAR_WIDTH:
            near[1 + 2 * near[0]] = other
            near[2 + 2 * near[0]] = spacing
            near[0] += 1


@kernel("int64(int64[:, ::1], int64[:, ::1], int64, int64, int64[::1])", inline=True)
def window_verdict(parcels: Rows, chutes: Rows, chute: int, fire: int, near: Rows) -> int:
    """Return CHOSEN when `chute` can be fired at `fire`, else RATE_LIMITED or WINDOW_TAKEN."""
    hold = chutes[ChuteColumn.HOLD, chute]
    cycle = hold + chutes[ChuteColumn.ACTUATION, chute]
    verdict = ChuteVerdict.CHOSEN
    for index in range(near[0]):
        other = near[1 + 2 * index]
        if 2 * abs(near[2 + 2 * index]) <= hold + 1:
            return ChuteVerdict.WINDOW_TAKEN
        state = parcels[ParcelColumn.STATE, other]
        planned = state == ParcelState.COMMANDED or state == ParcelState.FIRED  # noqa: PLR1714
        if planned and parcels[ParcelColumn.CHUTE, other] == chute:
            apart = abs(parcels[ParcelColumn.FIRE, other] - fire)
            if apart <= hold:
                return ChuteVerdict.WINDOW_TAKEN
            if apart < cycle:
                verdict = ChuteVerdict.RATE_LIMITED
    return verdict
