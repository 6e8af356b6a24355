"""Whether a parcel has to be looked at in this frame, and why."""

from __future__ import annotations

from sorter.kernels.bits import BLOCKING, OPEN, RECONSIDER, ROUTE
from sorter.kernels.jit import kernel
from sorter.kernels.tracking import facts_due
from sorter.model.codes import NONE
from sorter.model.columns import ChuteStateColumn, LineField
from sorter.model.frames import Rows
from sorter.model.tracking import ParcelColumn, ParcelState, Register


@kernel("int64(int64[:, ::1], int64, int64, int64[::1])", inline=True)
def committed(parcels: Rows, row: int, now: int, line: Rows) -> int:
    """Return 1 when it is too late to change the parcel's divert."""
    state = parcels[ParcelColumn.STATE, row]
    if state == ParcelState.FIRED:
        return 1
    if state != ParcelState.COMMANDED:
        return 0
    return 1 if now > parcels[ParcelColumn.FIRE, row] - line[LineField.IO_ALLOWANCE] else 0


@kernel("int64(int64[:, ::1], int64, int64, int64[::1])")
def facts_complete(parcels: Rows, row: int, now: int, line: Rows) -> int:
    """Return 1 when an undecided parcel has waited for all it has to wait for."""
    if parcels[ParcelColumn.UNEXPECTED, row] == 1:
        return 1
    if parcels[ParcelColumn.VERDICT, row] == NONE:
        return 0
    if parcels[ParcelColumn.SCALE_TRAVEL, row] == NONE:
        return 1
    return 1 if facts_due(parcels, row, line) <= now else 0


@kernel("int64(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1])", inline=True)
def reasons_to_look(
    parcels: Rows, row: int, now: int, registers: Rows, line: Rows, chute_state: Rows
) -> int:
    """Return the attention a parcel needs now; -1: only if a chute can be had (a quiet retry)."""
    attention = int(parcels[ParcelColumn.ATTENTION, row])
    changed = registers[Register.CHUTES_WORSENED] | registers[Register.CHUTES_IMPROVED]
    if attention == 0 and changed == 0:
        return 0  # nearly every parcel in nearly every frame
    state = parcels[ParcelColumn.STATE, row]
    if committed(parcels, row, now, line):
        return 0
    if state == ParcelState.UNDECIDED:
        if attention == 0 or not facts_complete(parcels, row, now, line):
            return 0
        return RECONSIDER
    if state == ParcelState.COMMANDED and registers[Register.CHUTES_WORSENED]:
        bits = chute_state[ChuteStateColumn.BITS, parcels[ParcelColumn.CHUTE, row]]
        if bits & BLOCKING != OPEN:
            attention |= ROUTE
    if attention == 0 and state == ParcelState.WAITING and registers[Register.CHUTES_IMPROVED]:
        return -1
    return attention
