"""An encoder count that jumped: another counter, or one that was reset.

Nobody can say where a parcel is then. Diverts planned in the old counts would hit whatever comes
by at the new ones, so all are taken back, and every parcel is closed as lost: an eye will find it
again as an unexpected one, whose way is known from there on.
"""

from __future__ import annotations

from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_cancel, add_outcome
from sorter.kernels.tracking import forget_parcel
from sorter.model.codes import NONE, Cause, FinalDisposition, OutcomeKind
from sorter.model.columns import ChuteStateColumn, EventColumn
from sorter.model.frames import Rows
from sorter.model.tracking import (
    FIRST_EDGE,
    NEVER,
    REGISTERS,
    ParcelColumn,
    ParcelState,
    Register,
)


@kernel("void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1])")
def lose_all(
    parcels: Rows, cause: int, now: int, registers: Rows, chute_state: Rows, outcomes: Rows
) -> None:
    """Close every parcel as lost; what lies in the chutes is still there."""
    lost = FinalDisposition.LOST
    for row in range(registers[Register.ROWS]):
        parcel = parcels[ParcelColumn.ID, row]
        if parcel != 0:
            add_outcome(outcomes, registers, parcel, OutcomeKind.CLOSED, lost, NONE, cause, now)
            forget_parcel(parcels, registers, row)
    chute_state[ChuteStateColumn.RESERVED, :] = 0
    chute_state[ChuteStateColumn.RESERVED_LENGTH, :] = 0
    for column in range(ChuteStateColumn.LAST_ENTRY, ChuteStateColumn.LAST_CHANGE + 1):
        chute_state[column, :] = -NEVER  # counts begin anew: none is older than another
    registers[FIRST_EDGE:REGISTERS] = NONE
    registers[Register.RESENDS] = 0
    registers[Register.LAST_INFEED] = now
    registers[Register.NEWEST_REPORT] = -NEVER


@kernel("void(int64[::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])")
def encoder_jumped(
    event: Rows,
    parcels: Rows,
    registers: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
) -> None:
    """Start over with the counts behind a jump."""
    encoder = event[EventColumn.ENCODER]
    back = event[EventColumn.B] == 1
    jump = event[EventColumn.A]
    for row in range(registers[Register.ROWS]):
        pending = parcels[ParcelColumn.STATE, row] == ParcelState.COMMANDED
        if parcels[ParcelColumn.ID, row] != 0 and pending:
            add_cancel(commands, registers, parcels, row)
    lose_all(parcels, Cause.ENCODER_JUMPED, encoder, registers, chute_state, outcomes)
    registers[Register.ENCODER_JUMPS] += 1
    registers[Register.CHUTES_IMPROVED] = 1
    registers[Register.COUNT_BEFORE_JUMP] = encoder + jump if back else encoder - jump
    registers[Register.COUNT_BEHIND_JUMP] = encoder
    registers[Register.JUMP_TICK] = event[EventColumn.TICK]


@kernel("int64(int64, int64, int64, int64[::1])")
def from_before_jump(encoder: int, tick: int, now: int, registers: Rows) -> int:
    """Return 1 for a count latched before the newest jump, which says nothing about the belt now.

    Its tick tells, and so does the count, until the belt has gone half of the way back to the old
    counts: of what was latched between two looks nobody knows when the encoder jumped.
    """
    if tick < registers[Register.JUMP_TICK]:
        return 1
    before = registers[Register.COUNT_BEFORE_JUMP]
    behind = registers[Register.COUNT_BEHIND_JUMP]
    if before == NEVER or (before > behind and now - behind > (before - behind) // 2):
        return 0
    return 1 if abs(encoder - before) < abs(encoder - behind) else 0
