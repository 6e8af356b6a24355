"""Take in what the sensors report: photo-eyes, scales, scanners.

The handlers change what is known and mark parcels for attention; the assignment at the end of the
frame decides with everything the frame brought. ``DUE = 0`` asks housekeeping for a new due count.
"""

from __future__ import annotations

from sorter.kernels.attention import committed
from sorter.kernels.bits import AIM, FACTS, RECONSIDER
from sorter.kernels.claims import (
    compare_measures,
    doubts_at_edge,
    is_another,
    note_claim,
    without_another,
)
from sorter.kernels.closing import divert_missed
from sorter.kernels.divert import firing_distance
from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_outcome
from sorter.kernels.tracking import nearest_parcel, next_eye, open_parcel, was_seen, wrapped
from sorter.model.codes import (
    NONE,
    Cause,
    EventKind,
    FinalDisposition,
    MissCause,
    OutcomeKind,
    ScanVerdict,
)
from sorter.model.columns import (
    ChuteColumn,
    ChuteStateColumn,
    EventColumn,
    EyeColumn,
    LineField,
    ScanColumn,
    StationColumn,
)
from sorter.model.frames import Rows
from sorter.model.tracking import (
    EDGE_EYES,
    EYE_BITS,
    FIRST_EDGE,
    NEVER,
    REGISTERS,
    REMEMBERED_EDGES,
    ParcelColumn,
    ParcelState,
    Register,
)

FIRST_SCAN_FACT = int(ScanColumn.KNOWN)
FIRST_PARCEL_FACT = int(ParcelColumn.KNOWN)
FACT_COLUMNS = int(ScanColumn.DAYS_HELD) - FIRST_SCAN_FACT + 1

AIM_PARTS = 8
"""A command is corrected when it is off by more than this part of the engaged interval."""


@kernel("void(int64[:, ::1], int64[::1], int64[:, ::1], int64, int64, int64, int64, int64, int64)")
def open_and_close(
    outcomes: Rows,
    registers: Rows,
    chute_state: Rows,
    eye: int,
    chute: int,
    length: int,
    final: int,
    cause: int,
    encoder: int,
) -> None:
    """Account for a parcel that cannot be tracked: it gets an id and its final disposition."""
    parcel = registers[Register.NEXT_PARCEL_ID]
    registers[Register.NEXT_PARCEL_ID] += 1
    opened = cause if cause == Cause.TRACKING_LOST else NONE
    add_outcome(outcomes, registers, parcel, OutcomeKind.OPENED, eye, chute, opened, encoder)
    add_outcome(outcomes, registers, parcel, OutcomeKind.CLOSED, final, chute, cause, encoder)
    if chute != NONE:
        chute_state[ChuteStateColumn.PARCELS, chute] += 1
        chute_state[ChuteStateColumn.LENGTH, chute] += length


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64, int64)"
)
def sighted(
    parcels: Rows,
    row: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    chutes: Rows,
    chute_state: Rows,
    outcomes: Rows,
    eye: int,
    encoder: int,
) -> None:
    """Correct the position of a parcel that an eye has seen, and what follows from it."""
    loop = line[LineField.LOOP_COUNTS]
    parcel = parcels[ParcelColumn.ID, row]
    position = eyes[EyeColumn.POSITION, eye]
    round_travel = parcels[ParcelColumn.ROUND, row]
    travel = position + round_travel
    if loop > 0:
        here = encoder - parcels[ParcelColumn.ANCHOR, row]
        travel = here + wrapped(travel - here, loop)
    add_outcome(outcomes, registers, parcel, OutcomeKind.SEEN, eye, NONE, NONE, encoder)
    while parcels[ParcelColumn.EYE, row] != NONE:
        expected = parcels[ParcelColumn.EYE, row]
        there = eyes[EyeColumn.POSITION, expected] + parcels[ParcelColumn.ROUND, row]
        if there > travel:
            break
        if there < travel:
            add_outcome(
                outcomes, registers, parcel, OutcomeKind.EYE_MISSED, expected, NONE, NONE, encoder
            )
        next_eye(parcels, row, eyes, loop)
    parcels[ParcelColumn.ANCHOR, row] = encoder - travel
    parcels[ParcelColumn.SEEN_TRAVEL, row] = travel
    parcels[ParcelColumn.MISSED_EYES, row] = 0
    parcels[ParcelColumn.DOUBTFUL, row] = NONE
    parcels[ParcelColumn.DUE, row] = 0
    state = parcels[ParcelColumn.STATE, row]
    if state != ParcelState.COMMANDED and state != ParcelState.FIRED:  # noqa: PLR1714
        return
    if travel > parcels[ParcelColumn.CHUTE_TRAVEL, row]:
        divert_missed(parcels, row, registers, chute_state, outcomes, encoder)
    elif state == ParcelState.COMMANDED:
        chute = parcels[ParcelColumn.CHUTE, row]
        fire = encoder - travel + parcels[ParcelColumn.CHUTE_TRAVEL, row]
        off = abs(fire - firing_distance(chutes, chute) - parcels[ParcelColumn.FIRE, row])
        if off * AIM_PARTS > chutes[ChuteColumn.HOLD, chute]:
            parcels[ParcelColumn.ATTENTION, row] |= AIM


@kernel("int64(int64, int64, int64[::1])")
def edge_taken(eye: int, encoder: int, registers: Rows) -> int:
    """Return 1 for an edge that was taken in before; remember it otherwise.

    Two parcels are never at one eye at the same count. Whatever has become of the parcel since, the
    same edge once more is no other one.
    """
    edge = encoder * EDGE_EYES + eye
    for place in range(FIRST_EDGE, REGISTERS):
        if registers[place] == edge:
            return 1
    following = registers[Register.NEXT_EDGE]
    registers[FIRST_EDGE + following] = edge
    registers[Register.NEXT_EDGE] = (following + 1) % REMEMBERED_EDGES
    return 0


@kernel("int64(int64[::1], int64[::1], int64[::1])", inline=True)
def is_late(event: Rows, registers: Rows, line: Rows) -> int:
    """Return 1 for a report that newer ones have overtaken by more than parcels are waited for.

    An edge is reported when the parcel's end has passed. What waited because nobody could read it
    has kept its order, and is not late.
    """
    kind = event[EventColumn.KIND]
    if kind > EventKind.DIVERT_FIRED and kind != EventKind.CHUTE_ENTERED:
        return 0
    edge = kind == EventKind.PARCEL_PASSED or kind == EventKind.CHUTE_ENTERED  # noqa: PLR1714
    length = event[EventColumn.A] if edge else line[LineField.MAX_LENGTH]
    patience = line[LineField.WINDOW] + line[LineField.LENGTH_TOLERANCE]
    patience += line[LineField.IO_ALLOWANCE] + length
    overtaken = registers[Register.NEWEST_REPORT] - event[EventColumn.ENCODER]
    return 1 if overtaken > patience else 0


@kernel(
    "void(int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def parcel_passed(
    event: Rows,
    parcels: Rows,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    chutes: Rows,
    chute_state: Rows,
    outcomes: Rows,
) -> None:
    """Take in an edge: of the expected parcel, of a new one, or of one that nobody expects."""
    eye = event[EventColumn.SOURCE]
    encoder = event[EventColumn.ENCODER]
    length = event[EventColumn.A]
    position = eyes[EyeColumn.POSITION, eye]
    rows = registers[Register.ROWS]
    if edge_taken(eye, encoder, registers):
        registers[Register.DUPLICATE_REPORTS] += 1
        return
    registers[Register.BLOCKED_EYES] &= ~(1 << (eye % EYE_BITS))
    row = nearest_parcel(parcels, rows, line, position, 0, encoder, length)
    if row == NONE and was_seen(parcels, rows, line, position, encoder, length):
        registers[Register.DUPLICATE_REPORTS] += 1
        return
    if row != NONE:
        doubts = doubts_at_edge(parcels, row, line, eyes, eye, encoder, length)
        sighted(parcels, row, registers, line, eyes, chutes, chute_state, outcomes, eye, encoder)
        note_claim(parcels, row, line, eyes, scanners, eye, encoder, length, doubts)
        return
    if is_late(event, registers, line) and eyes[EyeColumn.INDUCTS, eye] == 0:
        return  # it may have left since, as one that is closed; if not, the next eye meets it
    row = open_parcel(parcels, registers, line, eyes, scanners, scales, eye, encoder, length)
    if row == NONE:
        final = FinalDisposition.LOST
        full = Cause.TRACKING_FULL
        open_and_close(outcomes, registers, chute_state, eye, NONE, length, final, full, encoder)
        return
    cause = NONE
    if eyes[EyeColumn.INDUCTS, eye] == 0:
        cause = Cause.TRACKING_LOST
        parcels[ParcelColumn.UNEXPECTED, row] = 1
        parcels[ParcelColumn.ATTENTION, row] = RECONSIDER
    parcels[ParcelColumn.DUE, row] = 0
    registers[Register.LAST_INFEED] = max(registers[Register.LAST_INFEED], encoder)
    parcel = parcels[ParcelColumn.ID, row]
    add_outcome(outcomes, registers, parcel, OutcomeKind.OPENED, eye, NONE, cause, encoder)


@kernel("void(int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1])")
def parcel_measured(
    event: Rows, parcels: Rows, registers: Rows, line: Rows, scales: Rows, outcomes: Rows
) -> None:
    """Take in what a scale measured."""
    scale = event[EventColumn.SOURCE]
    position = scales[StationColumn.POSITION, scale]
    encoder = event[EventColumn.ENCODER]
    row = nearest_parcel(parcels, registers[Register.ROWS], line, position, 0, encoder, NONE)
    if row == NONE:
        registers[Register.STRAY_MEASUREMENTS] += 1
        return
    weight_g = event[EventColumn.B] * 10
    width_mm = event[EventColumn.A] >> 16
    height_mm = event[EventColumn.A] & 0xFFFF
    compare_measures(parcels, row, width_mm, height_mm, weight_g)
    parcels[ParcelColumn.CLAIM_SCALE, row] = scale
    parcels[ParcelColumn.WIDTH_MM, row] = width_mm
    parcels[ParcelColumn.HEIGHT_MM, row] = height_mm
    parcels[ParcelColumn.WEIGHT_G, row] = weight_g
    parcels[ParcelColumn.SCALE_TRAVEL, row] = NONE
    parcels[ParcelColumn.ATTENTION, row] |= FACTS
    parcels[ParcelColumn.DUE, row] = 0
    parcel = parcels[ParcelColumn.ID, row]
    add_outcome(outcomes, registers, parcel, OutcomeKind.MEASURED, weight_g, scale, NONE, encoder)


@kernel("void(int64[::1], int64[:, ::1], int64)")
def take_facts(scan: Rows, parcels: Rows, row: int) -> None:
    """Take over whom a scan result identifies and what the host knows about that return."""
    parcels[ParcelColumn.IDENTITY, row] = scan[ScanColumn.IDENTITY]
    for offset in range(FACT_COLUMNS):
        parcels[FIRST_PARCEL_FACT + offset, row] = scan[FIRST_SCAN_FACT + offset]


@kernel("int64(int64[::1], int64[:, ::1], int64)")
def merge_scan(scan: Rows, parcels: Rows, row: int) -> int:
    """Join a scan result to a parcel; return the verdict it amounts to.

    A read replaces a no-read, the same identity again changes nothing but ends all doubt, another
    identity is a conflict for good.
    """
    verdict = int(scan[ScanColumn.VERDICT])
    before = parcels[ParcelColumn.VERDICT, row]
    if verdict == ScanVerdict.NO_READ:
        if before == NONE:
            parcels[ParcelColumn.VERDICT, row] = verdict
        return verdict
    if before == ScanVerdict.READ and verdict == ScanVerdict.READ:
        if scan[ScanColumn.IDENTITY] == parcels[ParcelColumn.IDENTITY, row]:
            parcels[ParcelColumn.DOUBTS, row] = 0
            parcels[ParcelColumn.CLAIM_EYE, row] = NONE
            return verdict
        verdict = ScanVerdict.CONFLICT
    if before == ScanVerdict.CONFLICT:
        return verdict
    parcels[ParcelColumn.VERDICT, row] = verdict
    if verdict == ScanVerdict.READ:
        parcels[ParcelColumn.SCAN_SEQ, row] = scan[ScanColumn.SEQ]
        take_facts(scan, parcels, row)
    return verdict


@kernel("void(int64[::1], int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1])")
def host_answered(
    scan: Rows, parcels: Rows, now: int, registers: Rows, line: Rows, outcomes: Rows
) -> None:
    """Take in what the host found out about a scan result after it was first taken in.

    The parcel is the one that this very result identified, wherever it is by now. It is decided
    again like after any news: until its commit point.
    """
    seq = scan[ScanColumn.SEQ]
    for row in range(registers[Register.ROWS]):
        if parcels[ParcelColumn.SCAN_SEQ, row] != seq or parcels[ParcelColumn.ID, row] == 0:
            continue
        unknown = parcels[ParcelColumn.KNOWN, row] != 1 and scan[ScanColumn.KNOWN] == 1
        if not unknown or parcels[ParcelColumn.VERDICT, row] != ScanVerdict.READ:
            break
        parcel = parcels[ParcelColumn.ID, row]
        grade = scan[ScanColumn.GRADE]
        take_facts(scan, parcels, row)
        parcels[ParcelColumn.ATTENTION, row] |= FACTS
        parcels[ParcelColumn.DUE, row] = 0
        answered = OutcomeKind.ANSWERED
        add_outcome(outcomes, registers, parcel, answered, grade, NONE, NONE, now)
        if committed(parcels, row, now, line):
            chute = parcels[ParcelColumn.CHUTE, row]
            late = MissCause.LATE_HOST
            missed = OutcomeKind.DEADLINE_MISSED
            add_outcome(outcomes, registers, parcel, missed, 0, chute, late, now)
        return
    registers[Register.UNUSED_ANSWERS] += 1


@kernel(
    "void(int64[::1], int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def parcel_scanned(
    scan: Rows,
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
    """Take in a scanner result, possibly without a code; or a late answer about an earlier one."""
    scanner = scan[ScanColumn.SCANNER]
    if scanner < 0 or scanner >= scanners.shape[1]:
        registers[Register.MALFORMED_REPORTS] += 1
        return
    seq = scan[ScanColumn.SEQ]
    if 0 < seq <= registers[Register.LAST_SCAN_SEQ]:
        host_answered(scan, parcels, now, registers, line, outcomes)
        return
    registers[Register.LAST_SCAN_SEQ] = seq
    encoder = scan[ScanColumn.ENCODER]
    position = scanners[StationColumn.POSITION, scanner]
    row = nearest_parcel(parcels, registers[Register.ROWS], line, position, 0, encoder, NONE)
    if row != NONE and is_another(scan, parcels, row):
        row = without_another(
            parcels, row, registers, line, eyes, scanners, scales, chute_state, commands, outcomes,
            encoder, now,
        )  # fmt: skip
    if row == NONE:
        registers[Register.STRAY_SCANS] += 1
        return
    parcels[ParcelColumn.CLAIM_DUE, row] = NEVER
    verdict = merge_scan(scan, parcels, row)
    parcels[ParcelColumn.ATTENTION, row] |= FACTS
    parcels[ParcelColumn.DUE, row] = 0
    parcel = parcels[ParcelColumn.ID, row]
    add_outcome(outcomes, registers, parcel, OutcomeKind.SCANNED, verdict, scanner, NONE, encoder)
