"""One decision step as one call: reports, housekeeping, assignment.

One call costs less than two microseconds to enter; a call for each event and parcel would cost
that each time.
"""

from __future__ import annotations

from sorter.kernels.assignment import assign
from sorter.kernels.confirmations import (
    chute_emptied,
    chute_entered,
    divert_fired,
    divert_refused,
    repeated,
    set_bits,
    sources,
    zone_cleared,
)
from sorter.kernels.jit import kernel
from sorter.kernels.jumps import encoder_jumped, from_before_jump, lose_all
from sorter.kernels.mode import note_mode, send_again
from sorter.kernels.overdue import housekeeping
from sorter.kernels.reports import is_late, parcel_measured, parcel_passed, parcel_scanned
from sorter.model.codes import Cause, EventKind, LineState, NoticeKind
from sorter.model.columns import EventColumn, LineField, ScanColumn
from sorter.model.frames import Rows
from sorter.model.tracking import EYE_BITS, NEVER, ParcelColumn, Register


@kernel("void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1])")
def restart_plc(
    parcels: Rows, boot_id: int, now: int, registers: Rows, chute_state: Rows, outcomes: Rows
) -> None:
    """Start over with a PLC that has lost its encoder count and its pending diverts.

    Nobody can say any more where a parcel is: each is closed as lost and will be found again by
    an eye as an unexpected one. What lies in the chutes is still there.
    """
    if registers[Register.BOOT_ID] != 0:
        lose_all(parcels, Cause.PLC_RESTARTED, now, registers, chute_state, outcomes)
        registers[Register.COMMAND_SEQ] = 0
        registers[Register.LAST_SCAN_SEQ] = 0
        registers[Register.BLOCKED_EYES] = 0
    registers[Register.COUNT_BEFORE_JUMP] = NEVER
    registers[Register.JUMP_TICK] = -NEVER
    registers[Register.LAST_INFEED] = now
    registers[Register.BOOT_ID] = boot_id


OLDEST = 1 << 32
"""Counts that a report may lie back: more than the wire's 32 bits can say."""


@kernel("int64(int64, int64, int64[::1])", inline=True)
def out_of_time(encoder: int, now: int, line: Rows) -> int:
    """Return 1 for a count that no report of this frame can have been latched at.

    A parcel believed to come in a million metres would keep its place in the table for days.
    """
    return 1 if encoder > now + line[LineField.LENGTH_COUNTS] or encoder < now - OLDEST else 0


@kernel("void(int64[:, ::1], int64, int64[::1])")
def note_newest(events: Rows, now: int, registers: Rows) -> None:
    """Note up to which count reports have come; none can be of later than now."""
    for index in range(events.shape[0]):
        encoder = min(events[index, EventColumn.ENCODER], now)
        registers[Register.NEWEST_REPORT] = max(registers[Register.NEWEST_REPORT], encoder)


@kernel(
    "int64(int64[::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1])"
)
def malformed(
    event: Rows, now: int, line: Rows, eyes: Rows, scales: Rows, zones: Rows, chutes: Rows
) -> int:
    """Return 1 for an event that nothing on this line can have caused.

    That is: an unknown kind, a sensor that does not exist, a negative number, a parcel longer
    than the line, a count far from the frame's.
    """
    kind = event[EventColumn.KIND]
    source = event[EventColumn.SOURCE]
    known = sources(kind, eyes.shape[1], scales.shape[1], chutes.shape[1], zones.shape[1])
    if source < 0 or source >= known or event[EventColumn.A] < 0 or event[EventColumn.B] < 0:
        return 1
    if out_of_time(event[EventColumn.ENCODER], now, line):
        return 1
    if kind == EventKind.PARCEL_PASSED or kind == EventKind.CHUTE_ENTERED:  # noqa: PLR1714
        return 1 if event[EventColumn.A] > line[LineField.LENGTH_COUNTS] else 0
    return 0


@kernel(
    "void(int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1],"
    " int64[:, ::1])"
)
def line_changed(
    event: Rows,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    group_chutes: Rows,
    outcomes: Rows,
) -> None:
    """Take the PackML state that the line has now, unless there is no such state."""
    if LineState.CLEARING <= event[EventColumn.B] <= LineState.COMPLETED:
        registers[Register.LINE_STATE] = event[EventColumn.B]
    else:
        registers[Register.MALFORMED_REPORTS] += 1
    at = event[EventColumn.ENCODER]
    note_mode(at, registers, line, chutes, chute_state, group_chutes, outcomes)


@kernel(
    "void(int64[::1], int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1])"
)
def take_event(
    event: Rows,
    parcels: Rows,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    zones: Rows,
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
    """Hand one event to its handler; count it when the PLC cannot have meant it."""
    kind = event[EventColumn.KIND]
    old = from_before_jump(event[EventColumn.ENCODER], event[EventColumn.TICK], now, registers)
    if kind == EventKind.LINE_CHANGED:
        line_changed(event, registers, line, chutes, chute_state, group_chutes, outcomes)
    elif kind == NoticeKind.ENCODER_JUMPED:
        encoder_jumped(event, parcels, registers, chute_state, commands, outcomes)
    elif malformed(event, now, line, eyes, scales, zones, chutes):
        registers[Register.MALFORMED_REPORTS] += 1
        return
    registers[Register.LATE_REPORTS] += is_late(event, registers, line)
    if repeated(event, chute_state):
        registers[Register.DUPLICATE_REPORTS] += 1
    elif kind <= EventKind.PARCEL_MEASURED and old:
        registers[Register.MALFORMED_REPORTS] += 1
    elif kind == EventKind.PARCEL_PASSED:
        parcel_passed(
            event, parcels, registers, line, eyes, scanners, scales, chutes, chute_state, outcomes
        )
    elif kind == EventKind.PARCEL_MEASURED:
        parcel_measured(event, parcels, registers, line, scales, outcomes)
    elif kind == EventKind.DIVERT_FIRED:
        divert_fired(
            event, parcels, registers, line, chutes, chute_state, cell_groups, group_starts,
            group_chutes, overflow, outlets, commands, outcomes,
        )  # fmt: skip
    elif kind == EventKind.DIVERT_REFUSED:
        divert_refused(event, parcels, registers, chute_state, outcomes)
    elif kind == EventKind.CHUTE_ENTERED:
        chute_entered(event, parcels, registers, line, chutes, chute_state, commands, outcomes, now)
    elif kind == EventKind.EYE_BLOCKED:
        registers[Register.BLOCKED_EYES] |= 1 << (event[EventColumn.SOURCE] % EYE_BITS)
    elif kind == EventKind.CHUTE_CHANGED:
        set_bits(chute_state, registers, event[EventColumn.SOURCE], event[EventColumn.B])
    elif kind == EventKind.CHUTE_EMPTIED:
        chute_emptied(event, registers, chute_state)
    elif kind == EventKind.ZONE_CLEARED:
        zone_cleared(
            event, parcels, registers, line, eyes, zones, chute_state, commands, outcomes, now
        )


@kernel(
    "void(int64[:, ::1], int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def take_scans(
    scans: Rows,
    parcels: Rows,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
) -> None:
    """Hand each scanner result to its parcel; count those that are not of this time."""
    for index in range(scans.shape[0]):
        encoder = scans[index, ScanColumn.ENCODER]
        tick = scans[index, ScanColumn.TICK]
        if out_of_time(encoder, now, line) or from_before_jump(encoder, tick, now, registers):
            registers[Register.MALFORMED_REPORTS] += 1
            continue
        parcel_scanned(
            scans[index], parcels, now, registers, line, eyes, scanners, scales, chute_state,
            commands, outcomes,
        )  # fmt: skip


@kernel("void(int64[::1])", inline=True)
def empty_outputs(registers: Rows) -> None:
    """Forget what the last frame wrote."""
    registers[Register.COMMANDS] = 0
    registers[Register.DECISIONS] = 0
    registers[Register.CANDIDATES] = 0
    registers[Register.OUTCOMES] = 0


@kernel("void(int64[:, ::1], int64[::1])")
def find_next_due(parcels: Rows, registers: Rows) -> None:
    """Write down when the first parcel is due."""
    due = NEVER
    for row in range(registers[Register.ROWS]):
        if parcels[ParcelColumn.ID, row] != 0:
            due = min(due, parcels[ParcelColumn.DUE, row])
    registers[Register.NEXT_DUE] = due


@kernel(
    "void(int64[:, ::1], int64[:, ::1], int64, int64, int64, int64[:, ::1], int64[::1],"
    " int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1])",
    entry=True,
)
def decide_frame(
    events: Rows,
    scans: Rows,
    now: int,
    boot_id: int,
    line_state: int,
    parcels: Rows,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    zones: Rows,
    chutes: Rows,
    chute_state: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    outlets: Rows,
    window_days: Rows,
    rules: Rows,
    rows: Rows,
    near: Rows,
    choices: Rows,
    commands: Rows,
    decisions: Rows,
    candidates: Rows,
    outcomes: Rows,
) -> None:
    """Take in one frame and write commands, decisions, candidates and outcomes.

    Scan results are of parcels that eyes have seen: events come first. `now` is the encoder count.
    """
    empty_outputs(registers)
    if registers[Register.BOOT_ID] != boot_id:
        restart_plc(parcels, boot_id, now, registers, chute_state, outcomes)
    for index in range(events.shape[0]):
        take_event(
            events[index], parcels, now, registers, line, eyes, scanners, scales, zones, chutes,
            chute_state, cell_groups, group_starts, group_chutes, overflow, outlets, commands,
            outcomes,
        )  # fmt: skip
    note_newest(events, now, registers)
    registers[Register.LINE_STATE] = line_state
    send_again(parcels, registers)
    take_scans(
        scans, parcels, now, registers, line, eyes, scanners, scales, chute_state, commands,
        outcomes,
    )  # fmt: skip
    housekeeping(
        parcels, now, registers, line, eyes, scanners, scales, chutes, chute_state, commands,
        outcomes,
    )  # fmt: skip
    assign(
        parcels, now, registers, line, eyes, chutes, chute_state, cell_groups, group_starts,
        group_chutes, overflow, outlets, window_days, rules, rows, near, choices, commands,
        decisions, candidates, outcomes,
    )  # fmt: skip
    find_next_due(parcels, registers)
    note_mode(now, registers, line, chutes, chute_state, group_chutes, outcomes)
