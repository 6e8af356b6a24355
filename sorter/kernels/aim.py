"""Commands given before: their fire counts corrected, or the same said again."""

from __future__ import annotations

from sorter.kernels.bits import AGAIN
from sorter.kernels.divert import find_neighbours, firing_distance, window_verdict
from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_cancel, add_command
from sorter.model.codes import ChuteVerdict, CommandKind
from sorter.model.columns import ChuteColumn, LineField
from sorter.model.frames import Rows
from sorter.model.tracking import ParcelColumn, ParcelState, Register


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1])"
)
def aim_again(
    parcels: Rows,
    row: int,
    now: int,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    near: Rows,
    commands: Rows,
) -> int:
    """Correct the fire count of a commanded divert; return 0 when its window is not free."""
    chute = parcels[ParcelColumn.CHUTE, row]
    fire = parcels[ParcelColumn.ANCHOR, row] + parcels[ParcelColumn.CHUTE_TRAVEL, row]
    fire -= firing_distance(chutes, chute)
    if fire - line[LineField.IO_ALLOWANCE] < now:
        return 1  # the commit point moved behind us: the old aim is better than none
    rows = registers[Register.ROWS]
    loop = line[LineField.LOOP_COUNTS]
    find_neighbours(parcels, rows, row, loop, registers[Register.REACH], near[0])
    if window_verdict(parcels, chutes, chute, fire, near[0]) != ChuteVerdict.CHOSEN:
        return 0
    parcels[ParcelColumn.FIRE, row] = fire
    parcel = parcels[ParcelColumn.ID, row]
    hold = chutes[ChuteColumn.HOLD, chute]
    add_command(commands, registers, CommandKind.FIRE_DIVERT, parcel, chute, fire, hold)
    return 1


@kernel("void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1])")
def command_again(
    parcels: Rows, row: int, now: int, registers: Rows, chutes: Rows, commands: Rows
) -> None:
    """Repeat the last command for a parcel that may not have reached the PLC.

    To the PLC a repeated command is no news. What was commanded and then taken back is taken back
    again. Behind the fire count nothing can be mended: what the PLC says, or the next eye, decides.
    """
    parcels[ParcelColumn.ATTENTION, row] &= ~AGAIN
    fire = parcels[ParcelColumn.FIRE, row]
    state = parcels[ParcelColumn.STATE, row]
    if fire == 0 or fire <= now or state == ParcelState.FIRED:
        return
    if state != ParcelState.COMMANDED:
        add_cancel(commands, registers, parcels, row)
        return
    parcel = parcels[ParcelColumn.ID, row]
    chute = parcels[ParcelColumn.CHUTE, row]
    hold = chutes[ChuteColumn.HOLD, chute]
    add_command(commands, registers, CommandKind.FIRE_DIVERT, parcel, chute, fire, hold)
