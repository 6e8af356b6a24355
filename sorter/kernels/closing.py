"""End a parcel's pass by a chute, or its life on the line."""

from __future__ import annotations

from sorter.kernels.bits import ENTRY_AWAITED, RECONSIDER
from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_cancel, add_outcome
from sorter.kernels.tracking import forget_parcel
from sorter.model.codes import NONE, MissCause, OutcomeKind, PassResult, RefusalCause
from sorter.model.columns import ChuteStateColumn
from sorter.model.frames import Rows
from sorter.model.tracking import EXCLUDED_MODULUS, ParcelColumn, ParcelState, Register


@kernel("void(int64[:, ::1], int64, int64[:, ::1])")
def release(parcels: Rows, row: int, chute_state: Rows) -> None:
    """Give back the place that a parcel holds in its chute, if any."""
    chute = parcels[ParcelColumn.CHUTE, row]
    if chute == NONE:
        return
    chute_state[ChuteStateColumn.RESERVED, chute] -= 1
    chute_state[ChuteStateColumn.RESERVED_LENGTH, chute] -= parcels[ParcelColumn.LENGTH, row]
    parcels[ParcelColumn.CHUTE, row] = NONE


@kernel("void(int64[:, ::1], int64, int64[:, ::1], int64)")
def reserve(parcels: Rows, row: int, chute_state: Rows, chute: int) -> None:
    """Hold a place for a parcel in a chute."""
    chute_state[ChuteStateColumn.RESERVED, chute] += 1
    chute_state[ChuteStateColumn.RESERVED_LENGTH, chute] += parcels[ParcelColumn.LENGTH, row]
    parcels[ParcelColumn.CHUTE, row] = chute


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64, int64, int64, int64, int64)"
)
def close_parcel(
    parcels: Rows,
    row: int,
    registers: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
    final: int,
    chute: int,
    cause: int,
    encoder: int,
    now: int,
) -> None:
    """Give a parcel its final disposition and stop tracking it.

    A divert that is still pending is cancelled: fired for nobody it could only hit a neighbour.
    """
    parcel = parcels[ParcelColumn.ID, row]
    pending = parcels[ParcelColumn.STATE, row] == ParcelState.COMMANDED
    if (
        pending
        and parcels[ParcelColumn.FIRE, row] > now
        and parcels[ParcelColumn.CHUTE, row] != chute
    ):
        add_cancel(commands, registers, parcels, row)
    if parcels[ParcelColumn.CHUTE, row] != chute:
        registers[Register.CHUTES_IMPROVED] = 1
    release(parcels, row, chute_state)
    add_outcome(outcomes, registers, parcel, OutcomeKind.CLOSED, final, chute, cause, encoder)
    forget_parcel(parcels, registers, row)


@kernel("void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64, int64, int64)")
def end_pass(
    parcels: Rows,
    row: int,
    registers: Rows,
    chute_state: Rows,
    outcomes: Rows,
    result: int,
    cause: int,
    encoder: int,
) -> None:
    """Report a failed pass; the parcel needs another chute and may not take this one again."""
    chute = parcels[ParcelColumn.CHUTE, row]
    parcel = parcels[ParcelColumn.ID, row]
    add_outcome(outcomes, registers, parcel, OutcomeKind.PASSED, result, chute, cause, encoder)
    release(parcels, row, chute_state)
    registers[Register.CHUTES_IMPROVED] = 1
    parcels[ParcelColumn.EXCLUDED, row] = chute
    bits = max(parcels[ParcelColumn.EXCLUDED_BITS, row], 0)
    parcels[ParcelColumn.EXCLUDED_BITS, row] = bits | (1 << (chute % EXCLUDED_MODULUS))
    parcels[ParcelColumn.STATE, row] = ParcelState.WAITING
    parcels[ParcelColumn.ATTENTION, row] |= RECONSIDER
    parcels[ParcelColumn.DUE, row] = 0


@kernel("void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64)")
def add_command_late(
    parcels: Rows, row: int, registers: Rows, outcomes: Rows, encoder: int
) -> None:
    """Report that the PLC had no command for a parcel in time."""
    parcel = parcels[ParcelColumn.ID, row]
    chute = parcels[ParcelColumn.CHUTE, row]
    missed = OutcomeKind.DEADLINE_MISSED
    late = MissCause.COMMAND_LATE
    add_outcome(outcomes, registers, parcel, missed, 0, chute, late, encoder)


@kernel("void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64)")
def divert_missed(
    parcels: Rows, row: int, registers: Rows, chute_state: Rows, outcomes: Rows, encoder: int
) -> None:
    """End a pass in which the parcel went by its chute, as far as anybody knows.

    If the PLC never fired, it had not accepted the command in time. That the parcel went by is not
    sure before an eye sees it: the record of its entry may have been lost.
    """
    if parcels[ParcelColumn.STATE, row] == ParcelState.COMMANDED:
        add_command_late(parcels, row, registers, outcomes, encoder)
    parcels[ParcelColumn.DOUBTS, row] |= ENTRY_AWAITED
    missed = PassResult.MISSED
    end_pass(parcels, row, registers, chute_state, outcomes, missed, NONE, encoder)


@kernel("void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64, int64)")
def divert_inhibited(
    parcels: Rows,
    row: int,
    registers: Rows,
    chute_state: Rows,
    outcomes: Rows,
    refusal: int,
    encoder: int,
) -> None:
    """End a pass because the PLC refused the divert."""
    if refusal == RefusalCause.TOO_LATE or refusal == RefusalCause.EXPIRED:  # noqa: PLR1714
        add_command_late(parcels, row, registers, outcomes, encoder)
    inhibited = PassResult.DIVERT_INHIBITED
    end_pass(parcels, row, registers, chute_state, outcomes, inhibited, refusal, encoder)
