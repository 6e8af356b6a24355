"""Housekeeping by encoder count: what should have been reported by now and was not."""

from __future__ import annotations

from sorter.kernels.bits import RECONSIDER, ROUTE
from sorter.kernels.claims import without_another
from sorter.kernels.closing import close_parcel, divert_missed
from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_outcome
from sorter.kernels.tracking import (
    entry_due,
    eye_due,
    facts_due,
    is_another_unread,
    lap_due,
    next_eye,
    set_due,
)
from sorter.model.codes import NONE, Cause, FinalDisposition, OutcomeKind, ScanVerdict
from sorter.model.columns import LineField
from sorter.model.frames import Rows
from sorter.model.tracking import EYE_BITS, ParcelColumn, ParcelState, Register

SPARE_OUTCOMES = 256
"""Housekeeping pauses until the next frame when the output buffer has less room than this."""


@kernel("void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1])")
def facts_overdue(parcels: Rows, row: int, now: int, registers: Rows, outcomes: Rows) -> None:
    """Stop waiting: no scan result is a no-read, a missing measurement stays unknown."""
    if parcels[ParcelColumn.VERDICT, row] == NONE:
        no_read = ScanVerdict.NO_READ
        parcels[ParcelColumn.VERDICT, row] = no_read
        parcel = parcels[ParcelColumn.ID, row]
        add_outcome(outcomes, registers, parcel, OutcomeKind.SCANNED, no_read, NONE, NONE, now)
    parcels[ParcelColumn.SCALE_TRAVEL, row] = NONE
    parcels[ParcelColumn.ATTENTION, row] |= RECONSIDER


@kernel("void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1])")
def lap_completed(parcels: Rows, row: int, now: int, registers: Rows, outcomes: Rows) -> None:
    """Count the lap; a parcel without a chute gets another try at all of them."""
    lap = parcels[ParcelColumn.LAP, row] + 1
    parcels[ParcelColumn.LAP, row] = lap
    parcels[ParcelColumn.EXCLUDED, row] = NONE
    parcels[ParcelColumn.EXCLUDED_BITS, row] = NONE
    parcel = parcels[ParcelColumn.ID, row]
    add_outcome(outcomes, registers, parcel, OutcomeKind.RECIRCULATED, lap, NONE, NONE, now)
    if parcels[ParcelColumn.STATE, row] == ParcelState.WAITING:
        parcels[ParcelColumn.ATTENTION, row] |= RECONSIDER


@kernel("int64(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64)")
def is_blind(parcels: Rows, row: int, now: int, registers: Rows, line: Rows, eye: int) -> int:
    """Return 1 when an eye has not seen the parcel because it is blocked and sees nothing.

    That is no excuse for a parcel that no eye at all has seen on two rounds.
    """
    if (registers[Register.BLOCKED_EYES] >> (eye % EYE_BITS)) & 1 == 0:
        return 0
    unseen = now - parcels[ParcelColumn.ANCHOR, row] - parcels[ParcelColumn.SEEN_TRAVEL, row]
    return 1 if unseen <= 2 * line[LineField.LENGTH_COUNTS] else 0


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1])"
)
def eye_missed(
    parcels: Rows,
    row: int,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
) -> int:
    """Give up on an eye, or on the parcel; return 1 when the parcel was closed."""
    eye = parcels[ParcelColumn.EYE, row]
    final = FinalDisposition.LOST
    cause = Cause.MISTRACKED
    doubtful = parcels[ParcelColumn.DOUBTFUL, row] == 1
    if eye != NONE:
        parcel = parcels[ParcelColumn.ID, row]
        add_outcome(outcomes, registers, parcel, OutcomeKind.EYE_MISSED, eye, NONE, NONE, now)
        blind = is_blind(parcels, row, now, registers, line, eye)
        missed = parcels[ParcelColumn.MISSED_EYES, row] + (1 - blind)
        parcels[ParcelColumn.MISSED_EYES, row] = missed
        next_eye(parcels, row, eyes, line[LineField.LOOP_COUNTS])
        if blind:
            return 0
        # One that may lie in its chute is given as long as any other: its record may be late.
        fired = parcels[ParcelColumn.STATE, row] == ParcelState.FIRED
        if missed < line[LineField.LOST_AFTER_MISSED_EYES] and (fired or not doubtful):
            return 0
    if doubtful:
        final = FinalDisposition.REMOVED
        cause = Cause.ZONE_CLEARED
    elif eye == NONE and registers[Register.END_CHUTE] == NONE:
        final = FinalDisposition.REJECTED
        cause = Cause.LINE_END
    close_parcel(
        parcels, row, registers, chute_state, commands, outcomes, final, NONE, cause, now, now
    )
    return 1


@kernel(
    "void(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def parcel_overdue(
    parcels: Rows,
    row: int,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    chutes: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
) -> None:
    """Draw every conclusion about one parcel that is due at `now`, then set its next due count."""
    while True:
        if entry_due(parcels, row, line, chutes) <= now:
            divert_missed(parcels, row, registers, chute_state, outcomes, now)
        elif (
            parcels[ParcelColumn.STATE, row] == ParcelState.UNDECIDED
            and parcels[ParcelColumn.ATTENTION, row] & ROUTE == 0
            and facts_due(parcels, row, line) <= now
        ):
            facts_overdue(parcels, row, now, registers, outcomes)
        elif lap_due(parcels, row, line, chutes) <= min(
            now, eye_due(parcels, row, registers, line, eyes, chutes)
        ):
            lap_completed(parcels, row, now, registers, outcomes)
        elif eye_due(parcels, row, registers, line, eyes, chutes) <= now:
            if eye_missed(
                parcels, row, now, registers, line, eyes, chute_state, commands, outcomes
            ):
                return
        else:
            break
    set_due(parcels, row, registers, line, eyes, chutes)


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def left_in_doubt(
    parcels: Rows,
    row: int,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
) -> int:
    """Close a parcel when another is in its place, although no scanner said so; return 1 then."""
    if parcels[ParcelColumn.CLAIM_DUE, row] > now or not is_another_unread(parcels, row):
        return 0
    without_another(
        parcels, row, registers, line, eyes, scanners, scales, chute_state, commands, outcomes,
        now, now,
    )  # fmt: skip
    return 1


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def housekeeping(
    parcels: Rows,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    chutes: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
) -> None:
    """Look at every parcel that is due at `now`."""
    row = 0
    while row < registers[Register.ROWS]:
        if parcels[ParcelColumn.DUE, row] <= now and parcels[ParcelColumn.ID, row] != 0:
            if registers[Register.OUTCOMES] + SPARE_OUTCOMES > outcomes.shape[0]:
                return
            if left_in_doubt(
                parcels, row, now, registers, line, eyes, scanners, scales, chute_state, commands,
                outcomes,
            ):  # fmt: skip
                continue  # the other one may be in this very row
            parcel_overdue(
                parcels, row, now, registers, line, eyes, chutes, chute_state, commands, outcomes
            )
        row += 1
