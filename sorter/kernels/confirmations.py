"""Take in what the PLC confirms: diverts fired or refused, chute entries, chute and zone states."""

from __future__ import annotations

from sorter.kernels.bits import BLOCKING, FULL, JAMMED, OPEN
from sorter.kernels.closing import close_parcel, divert_inhibited, release, reserve
from sorter.kernels.divert import firing_distance
from sorter.kernels.jit import kernel
from sorter.kernels.reports import open_and_close
from sorter.kernels.routing import is_named
from sorter.kernels.rows import add_cancel, add_outcome
from sorter.kernels.tracking import is_excluded, nearest_parcel, row_of, wrapped
from sorter.model.codes import (
    NONE,
    Cause,
    EventKind,
    FinalDisposition,
    LineState,
    MissCause,
    OutcomeKind,
    PassResult,
    RefusalCause,
)
from sorter.model.columns import (
    ChuteColumn,
    ChuteStateColumn,
    EventColumn,
    EyeColumn,
    LineField,
    ZoneColumn,
)
from sorter.model.frames import Rows
from sorter.model.tracking import EYE_BITS, ParcelColumn, ParcelState, Register, Resend


@kernel("void(int64[:, ::1], int64[::1], int64, int64)")
def set_bits(chute_state: Rows, registers: Rows, chute: int, bits: int) -> None:
    """Take over a chute's state word; have the assignment look again when it matters."""
    before = chute_state[ChuteStateColumn.BITS, chute]
    chute_state[ChuteStateColumn.BITS, chute] = bits
    if (before ^ bits) & BLOCKING:
        registers[Register.CHUTES_IMPROVED] = 1
        registers[Register.CHUTES_WORSENED] = 1


@kernel("int64(int64[:, ::1], int64[::1], int64, int64)")
def commanded_row(parcels: Rows, registers: Rows, parcel: int, chute: int) -> int:
    """Return the row of a parcel that is commanded to `chute`, or -1 when that is no longer so."""
    row = row_of(parcels, registers[Register.ROWS], parcel)
    if (
        row == NONE
        or parcels[ParcelColumn.CHUTE, row] != chute
        or parcels[ParcelColumn.STATE, row] != ParcelState.COMMANDED
    ):
        registers[Register.STALE_CONFIRMATIONS] += 1
        return NONE
    return row


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64, int64)")
def travel_hit(parcels: Rows, row: int, line: Rows, chutes: Rows, chute: int, fired_at: int) -> int:
    """Return the travel at which a fired diverter meets the parcel, or -1 when it cannot."""
    there = fired_at + firing_distance(chutes, chute) - parcels[ParcelColumn.ANCHOR, row]
    travel = chutes[ChuteColumn.POSITION, chute] + parcels[ParcelColumn.ROUND, row]
    deviation = wrapped(there - travel, line[LineField.LOOP_COUNTS])
    travel = there - deviation
    if abs(deviation) > line[LineField.WINDOW] + chutes[ChuteColumn.HOLD, chute] // 2:
        return NONE
    return int(travel) if travel >= parcels[ParcelColumn.SEEN_TRAVEL, row] else NONE


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64, int64)"
)
def follow_divert(
    parcels: Rows,
    row: int,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    commands: Rows,
    chute: int,
    fired_at: int,
) -> None:
    """Send the parcel to another chute than meant, because that one's diverter is fired after all.

    The PLC refuses a correction and keeps the command it holds; a confirmation may come later
    than patience lasts; a controller that was killed may have commanded what its journal lost.
    """
    travel = travel_hit(parcels, row, line, chutes, chute, fired_at)
    if travel == NONE or parcels[ParcelColumn.STATE, row] == ParcelState.FIRED:
        return
    if parcels[ParcelColumn.STATE, row] == ParcelState.COMMANDED:
        add_cancel(commands, registers, parcels, row)
    if parcels[ParcelColumn.CHUTE, row] != NONE:
        registers[Register.CHUTES_IMPROVED] = 1
    release(parcels, row, chute_state)
    reserve(parcels, row, chute_state, chute)
    parcels[ParcelColumn.CHUTE_TRAVEL, row] = travel
    parcels[ParcelColumn.FIRE, row] = fired_at
    parcels[ParcelColumn.STATE, row] = ParcelState.COMMANDED
    parcels[ParcelColumn.DUE, row] = 0


@kernel(
    "void(int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1])"
)
def divert_fired(
    event: Rows,
    parcels: Rows,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    outlets: Rows,
    commands: Rows,
    outcomes: Rows,
) -> None:
    """Note that the diverter was fired, and with how much slack the command had come.

    Fired at a chute that the parcel was moved away from: the new command came too late. It is
    sorted there all the same where its plan names that chute; else the missort to be expected
    has its cause.
    """
    parcel = event[EventColumn.A]
    chute = event[EventColumn.SOURCE]
    fired_at = event[EventColumn.ENCODER]
    row = row_of(parcels, registers[Register.ROWS], parcel)
    if row != NONE and parcels[ParcelColumn.CHUTE, row] != chute:
        excluded = is_excluded(parcels, row, chute)
        if not excluded and parcels[ParcelColumn.STATE, row] != ParcelState.UNDECIDED:
            late = MissCause.COMMAND_LATE
            missed = OutcomeKind.DEADLINE_MISSED
            add_outcome(outcomes, registers, parcel, missed, 0, chute, late, fired_at)
        if excluded or is_named(
            parcels, row, line, cell_groups, group_starts, group_chutes, overflow, outlets, chute
        ):
            follow_divert(
                parcels, row, registers, line, chutes, chute_state, commands, chute, fired_at
            )
    row = commanded_row(parcels, registers, parcel, chute)
    if row == NONE:
        return
    parcels[ParcelColumn.STATE, row] = ParcelState.FIRED
    slack = event[EventColumn.B]
    add_outcome(outcomes, registers, parcel, OutcomeKind.SLACK, slack, chute, NONE, fired_at)


@kernel("int64(int64)")
def refused_at_fire_count(refusal: int) -> int:
    """Return 1 for a cause that the PLC finds at or behind the command's fire count only."""
    if refusal == RefusalCause.TOO_LATE or refusal == RefusalCause.EXPIRED:  # noqa: PLR1714
        return 1
    return 1 if RefusalCause.CHUTE_CLOSED <= refusal <= RefusalCause.CHUTE_JAMMED else 0


@kernel("int64(int64[:, ::1], int64, int64[::1])")
def may_send_again(parcels: Rows, row: int, registers: Rows) -> int:
    """Return 1 when a command refused because the line stood can be sent again as it runs.

    The parcel stands, too: it keeps its chute, its place there and its fire count.
    """
    standing = registers[Register.LINE_STATE] != LineState.EXECUTE
    return 1 if standing or parcels[ParcelColumn.RESEND, row] != Resend.SENT else 0


@kernel("void(int64[::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1])")
def divert_refused(
    event: Rows, parcels: Rows, registers: Rows, chute_state: Rows, outcomes: Rows
) -> None:
    """Take in a refusal; what it says about the chute is believed until the PLC says else.

    A refusal carries no sequence, and needs none: where it was found tells whether it can mean
    the newest command. One found before that command's fire count was an older command's.
    """
    chute = event[EventColumn.SOURCE]
    refusal = event[EventColumn.B]
    bits = chute_state[ChuteStateColumn.BITS, chute]
    if refusal == RefusalCause.CHUTE_CLOSED:
        set_bits(chute_state, registers, chute, bits & ~OPEN)
    elif refusal == RefusalCause.CHUTE_FULL:
        set_bits(chute_state, registers, chute, bits | FULL)
    elif refusal == RefusalCause.CHUTE_JAMMED:
        set_bits(chute_state, registers, chute, bits | JAMMED)
    row = commanded_row(parcels, registers, event[EventColumn.A], chute)
    if row == NONE:
        return
    encoder = event[EventColumn.ENCODER]
    ahead = encoder < parcels[ParcelColumn.FIRE, row]
    if ahead and refused_at_fire_count(refusal):
        registers[Register.STALE_CONFIRMATIONS] += 1
    elif ahead and refusal == RefusalCause.LINE_STOPPED and may_send_again(parcels, row, registers):
        parcels[ParcelColumn.RESEND, row] = Resend.WAITING
        registers[Register.RESENDS] += 1
    else:
        divert_inhibited(parcels, row, registers, chute_state, outcomes, refusal, encoder)


@kernel(
    "void(int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64)"
)
def chute_entered(
    event: Rows,
    parcels: Rows,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
    now: int,
) -> None:
    """Close the parcel that entered a chute; which one, its position tells, not what was fired."""
    chute = event[EventColumn.SOURCE]
    encoder = event[EventColumn.ENCODER]
    length = event[EventColumn.A]
    point = chutes[ChuteColumn.POSITION, chute]
    delay = chutes[ChuteColumn.ENTRY_DELAY, chute]
    at_end = chutes[ChuteColumn.LINE_END, chute] == 1
    rows = registers[Register.ROWS]
    row = nearest_parcel(parcels, rows, line, point, delay, encoder, length)
    if row == NONE:
        final = FinalDisposition.REJECTED if at_end else FinalDisposition.MISSORTED
        lost = Cause.TRACKING_LOST
        open_and_close(outcomes, registers, chute_state, NONE, chute, length, final, lost, encoder)
        return
    chute_state[ChuteStateColumn.PARCELS, chute] += 1
    chute_state[ChuteStateColumn.LENGTH, chute] += parcels[ParcelColumn.LENGTH, row]
    parcel = parcels[ParcelColumn.ID, row]
    cause = parcels[ParcelColumn.CAUSE, row]
    final = FinalDisposition.MISSORTED
    if parcels[ParcelColumn.CHUTE, row] == chute:
        final = FinalDisposition.SORTED if cause == NONE else FinalDisposition.REJECTED
        diverted = PassResult.DIVERTED
        add_outcome(outcomes, registers, parcel, OutcomeKind.PASSED, diverted, chute, NONE, encoder)
    elif at_end:
        final = FinalDisposition.REJECTED
        cause = Cause.LINE_END
    close_parcel(
        parcels, row, registers, chute_state, commands, outcomes, final, chute, cause, encoder, now
    )


@kernel("void(int64[::1], int64[::1], int64[:, ::1])")
def chute_emptied(event: Rows, registers: Rows, chute_state: Rows) -> None:
    """Take parcels out of a chute, all of them or a number."""
    chute = event[EventColumn.SOURCE]
    taken = event[EventColumn.A]
    inside = chute_state[ChuteStateColumn.PARCELS, chute]
    registers[Register.CHUTES_IMPROVED] = 1
    if taken == 0 or taken >= inside:
        chute_state[ChuteStateColumn.PARCELS, chute] = 0
        chute_state[ChuteStateColumn.LENGTH, chute] = 0
        return
    length = chute_state[ChuteStateColumn.LENGTH, chute]
    chute_state[ChuteStateColumn.PARCELS, chute] = inside - taken
    chute_state[ChuteStateColumn.LENGTH, chute] = length - length * taken // inside


@kernel("int64(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1])")
def is_unseen(
    parcels: Rows, row: int, encoder: int, registers: Rows, line: Rows, eyes: Rows
) -> int:
    """Return 1 for a parcel that an eye which can see has not seen where it was expected."""
    if parcels[ParcelColumn.MISSED_EYES, row] > 0:
        return 1
    eye = parcels[ParcelColumn.EYE, row]
    if eye == NONE or (registers[Register.BLOCKED_EYES] >> (eye % EYE_BITS)) & 1 == 1:
        return 0
    travel = eyes[EyeColumn.POSITION, eye] + parcels[ParcelColumn.ROUND, row]
    beyond = encoder - parcels[ParcelColumn.ANCHOR, row] - travel
    return 1 if beyond > line[LineField.WINDOW] else 0


@kernel(
    "void(int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64)"
)
def zone_cleared(
    event: Rows,
    parcels: Rows,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    zones: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
    now: int,
) -> None:
    """Close every parcel that an operator surely took off a cleared stretch of the belt.

    Not surely: a parcel that its diverter may have taken off the belt before, and one nearer to a
    border of the zone than its position is known. The chute's or the next eyes' reports decide
    about them: without any they were removed.

    Nobody knows where a parcel is that its last eye has not seen: it may have been met somewhere
    else, under another number. It is lost, and nobody says that it was removed.
    """
    loop = line[LineField.LOOP_COUNTS]
    start = zones[ZoneColumn.START, event[EventColumn.SOURCE]] + line[LineField.WINDOW]
    end = zones[ZoneColumn.END, event[EventColumn.SOURCE]] - line[LineField.WINDOW]
    encoder = event[EventColumn.ENCODER]
    for row in range(registers[Register.ROWS]):
        if parcels[ParcelColumn.ID, row] == 0:
            continue
        position = encoder - parcels[ParcelColumn.ANCHOR, row]
        fired = parcels[ParcelColumn.STATE, row] == ParcelState.FIRED
        here = position + line[LineField.WINDOW]
        may_be_off = fired and here >= parcels[ParcelColumn.CHUTE_TRAVEL, row]
        if loop > 0:
            position -= parcels[ParcelColumn.ROUND, row]
            position %= loop
        if position < start - line[LineField.WINDOW] or position >= end + line[LineField.WINDOW]:
            continue
        seen = is_unseen(parcels, row, encoder, registers, line, eyes) == 0
        if may_be_off or position < start or position >= end:
            if seen:
                parcels[ParcelColumn.DOUBTFUL, row] = 1
        else:
            final = FinalDisposition.REMOVED if seen else FinalDisposition.LOST
            cause = Cause.ZONE_CLEARED if seen else Cause.MISTRACKED
            close_parcel(
                parcels, row, registers, chute_state, commands, outcomes,
                final, NONE, cause, encoder, now,
            )  # fmt: skip


@kernel("int64(int64[::1], int64[:, ::1])")
def repeated(event: Rows, chute_state: Rows) -> int:
    """Return 1 for a chute's report that came before, or that a newer one has overtaken.

    Only an entry or emptying of the same count and time is the same one: a belt that stands counts
    nothing, while parcels go on sliding. What a chute was before it changed says nothing about it
    now.
    """
    kind = event[EventColumn.KIND]
    chute = event[EventColumn.SOURCE]
    encoder = event[EventColumn.ENCODER]
    if kind == EventKind.CHUTE_ENTERED or kind == EventKind.CHUTE_EMPTIED:  # noqa: PLR1714
        count_column, tick_column = ChuteStateColumn.LAST_ENTRY, ChuteStateColumn.LAST_ENTRY_TICK
        if kind == EventKind.CHUTE_EMPTIED:
            count_column = ChuteStateColumn.LAST_EMPTIED
            tick_column = ChuteStateColumn.LAST_EMPTIED_TICK
        tick = event[EventColumn.TICK]
        same_count = chute_state[count_column, chute] == encoder
        if same_count and chute_state[tick_column, chute] == tick:
            return 1
        chute_state[count_column, chute] = encoder
        chute_state[tick_column, chute] = tick
    elif kind == EventKind.CHUTE_CHANGED:
        if encoder < chute_state[ChuteStateColumn.LAST_CHANGE, chute]:
            return 1
        chute_state[ChuteStateColumn.LAST_CHANGE, chute] = encoder
    return 0


@kernel("int64(int64, int64, int64, int64, int64)")
def sources(kind: int, eyes: int, scales: int, chutes: int, zones: int) -> int:
    """Return how many sources an event kind can come from."""
    if kind == EventKind.PARCEL_PASSED or kind == EventKind.EYE_BLOCKED:  # noqa: PLR1714
        return eyes
    if kind == EventKind.PARCEL_MEASURED:
        return scales
    if kind == EventKind.ZONE_CLEARED:
        return zones
    if kind == EventKind.LINE_CHANGED:
        return 0x10000
    return chutes if EventKind.DIVERT_FIRED <= kind <= EventKind.CHUTE_EMPTIED else 0
