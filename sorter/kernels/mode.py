"""In which state the line is, all things considered, and why (ISA-TR88, numbers of OPC 30050).

The PLC knows of drives and safety: emergency stop, jam, stopped. Only the controller knows that
a running belt is of no use: no chute of the plan takes a parcel (blocked), or nothing comes
(starved).
"""

from __future__ import annotations

from sorter.kernels.bits import AIM, JAMMED, OPEN
from sorter.kernels.chute_verdicts import has_room
from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_outcome
from sorter.model.codes import NONE, LineState, ModeReason, OutcomeKind
from sorter.model.columns import ChuteStateColumn, LineField
from sorter.model.frames import Rows
from sorter.model.tracking import ParcelColumn, Register, Resend

NO_PARCEL = 0


@kernel("int64(int64[:, ::1], int64[:, ::1], int64[::1])")
def is_blocked(chutes: Rows, chute_state: Rows, group_chutes: Rows) -> int:
    """Return 1 when no chute that the sort plan routes to takes a parcel now.

    Places held for parcels on their way count as taken. Outlets of exceptions do not count: what
    they take is not what the line is there for.
    """
    for index in range(len(group_chutes)):
        chute = group_chutes[index]
        bits = chute_state[ChuteStateColumn.BITS, chute]
        if bits & OPEN and bits & JAMMED == 0 and has_room(chutes, chute_state, chute, 1):
            return 0
    return 1 if len(group_chutes) > 0 else 0


@kernel("int64(int64[::1], int64[::1])")
def starved_at(registers: Rows, line: Rows) -> int:
    """Return the count at which the line is starved if nothing comes, or -1."""
    if line[LineField.STARVED_AFTER] == 0 or registers[Register.TRACKED] > 0:
        return NONE
    return int(registers[Register.LAST_INFEED] + line[LineField.STARVED_AFTER])


@kernel(
    "void(int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[:, ::1])"
)
def note_mode(
    now: int,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    group_chutes: Rows,
    outcomes: Rows,
) -> None:
    """Write down the state of the line, and when it will be starved; report a change."""
    state = registers[Register.LINE_STATE]
    reason = ModeReason.PLC
    at = now
    if state == LineState.EXECUTE:
        reason = ModeReason.RUNNING
        starved = starved_at(registers, line)
        if is_blocked(chutes, chute_state, group_chutes):
            state = LineState.SUSPENDED
            reason = ModeReason.BLOCKED
        elif starved != NONE and starved <= now:
            state = LineState.SUSPENDED
            reason = ModeReason.STARVED
            at = starved
        elif starved != NONE:
            registers[Register.NEXT_DUE] = min(registers[Register.NEXT_DUE], starved)
    elif state == LineState.ABORTING or state == LineState.ABORTED:  # noqa: PLR1714
        reason = ModeReason.EMERGENCY_STOP
    elif state == LineState.HOLDING or state == LineState.HELD:  # noqa: PLR1714
        reason = ModeReason.JAM
    if state == registers[Register.MODE] and reason == registers[Register.MODE_REASON]:
        return
    registers[Register.MODE] = state
    registers[Register.MODE_REASON] = reason
    changed = OutcomeKind.MODE_CHANGED
    add_outcome(outcomes, registers, NO_PARCEL, changed, state, NONE, reason, at)


@kernel("void(int64[:, ::1], int64[::1])")
def send_again(parcels: Rows, registers: Rows) -> None:
    """Have the commands sent again that were refused while the line stood, now that it runs."""
    if registers[Register.RESENDS] == 0 or registers[Register.LINE_STATE] != LineState.EXECUTE:
        return
    for row in range(registers[Register.ROWS]):
        if parcels[ParcelColumn.RESEND, row] == Resend.WAITING:
            parcels[ParcelColumn.RESEND, row] = Resend.SENT
            parcels[ParcelColumn.ATTENTION, row] |= AIM
    registers[Register.RESENDS] = 0
