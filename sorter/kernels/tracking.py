"""Identity-checked tracking: which parcel explains an edge, and when a parcel is overdue.

A parcel is expected at a point of the line at count ``ANCHOR + travel``. An edge belongs to the
nearest parcel whose expected count is within the window *and* whose length fits; a parcel that was
already seen at or behind the point in this round cannot explain it. Nothing here depends on the
order in which parcels entered, so one failed divert cannot shift the others.
"""

from __future__ import annotations

from sorter.kernels.bits import (
    ALIKE,
    DOUBTFUL_WAY,
    EDGE_OFF,
    ENTRY_AWAITED,
    EYE_MISSED,
    OTHER_WEIGHT,
)
from sorter.kernels.jit import kernel
from sorter.model.codes import NONE
from sorter.model.columns import ChuteColumn, EyeColumn, LineField, StationColumn
from sorter.model.frames import Rows
from sorter.model.tracking import EXCLUDED_MODULUS, NEVER, ParcelColumn, ParcelState, Register


@kernel("int64(int64, int64)", inline=True)
def wrapped(difference: int, loop: int) -> int:
    """Return `difference` brought into ``[-loop/2, loop/2]``; unchanged on a line (loop 0)."""
    if loop > 0:
        half = loop // 2
        if abs(difference) > 2 * loop:  # a wrong count: not round by round then
            difference %= loop
        while difference > half:
            difference -= loop
        while difference < -half:
            difference += loop
    return difference


@kernel("int64(int64[:, ::1], int64, int64[::1], int64, int64, int64, int64)")
def nearest_parcel(
    parcels: Rows,
    rows: int,
    line: Rows,
    point: int,
    delay: int,
    encoder: int,
    length: int,
) -> int:
    """Return the table row of the parcel that explains an edge, or -1.

    Parameters
    ----------
    parcels : int64[len(ParcelColumn), capacity]
    rows : int
        Rows of the table to look at.
    line : int64[len(LineField)]
    point : int
        Line position of the sensor, or of the chute mouth.
    delay : int
        Counts from the leading edge reaching `point` to the sensor seeing it (chute entry).
    encoder : int
        Latched count.
    length : int
        Length seen. -1: scanner or scale, which see no length and may report late, so that the
        parcel may have been seen farther down already. Of two parcels in question they mean
        rather one that its last eye has seen.
    """
    loop = line[LineField.LOOP_COUNTS]
    window = line[LineField.WINDOW]
    tolerance = line[LineField.LENGTH_TOLERANCE]
    offset = encoder - point - delay
    best = NONE
    best_rank = 2 * (window + 1)
    best_id = 0
    for row in range(rows):
        parcel = parcels[ParcelColumn.ID, row]
        if parcel == 0:
            continue
        anchor = parcels[ParcelColumn.ANCHOR, row]
        ahead = offset - anchor - parcels[ParcelColumn.ROUND, row]
        if loop > 0 and abs(ahead) > 2 * loop:
            continue  # it would have been seen, or lost, in the rounds between
        deviation = wrapped(ahead, loop)
        distance = abs(deviation)
        rank = distance
        if length < 0 and parcels[ParcelColumn.MISSED_EYES, row] > 0:
            rank += window + 1
        if distance > window or rank > best_rank or (rank == best_rank and parcel > best_id):
            continue
        if length >= 0:
            if abs(length - parcels[ParcelColumn.LENGTH, row]) > tolerance:
                continue
            behind = parcels[ParcelColumn.SEEN_TRAVEL, row] - (offset + point - anchor - deviation)
            if behind > 0 or (behind == 0 and delay == 0):
                continue
        best = row
        best_rank = rank
        best_id = parcel
    return best


@kernel("int64(int64[:, ::1], int64, int64[::1], int64, int64, int64)")
def was_seen(parcels: Rows, rows: int, line: Rows, point: int, encoder: int, length: int) -> int:
    """Return 1 when an edge is one that a tracked parcel has had, or one it has outrun.

    No other parcel can have been in its place: the report is a repetition, or it comes so late
    that the parcel was seen farther down before.
    """
    loop = line[LineField.LOOP_COUNTS]
    offset = encoder - point
    for row in range(rows):
        if parcels[ParcelColumn.ID, row] == 0:
            continue
        if abs(length - parcels[ParcelColumn.LENGTH, row]) > line[LineField.LENGTH_TOLERANCE]:
            continue
        anchor = parcels[ParcelColumn.ANCHOR, row]
        deviation = wrapped(offset - anchor - parcels[ParcelColumn.ROUND, row], loop)
        travel = encoder - anchor - deviation
        # One met as unexpected had been elsewhere before; that is only reported now.
        since = parcels[ParcelColumn.INDUCT_TRAVEL, row] <= travel
        since = since or parcels[ParcelColumn.UNEXPECTED, row] == 1
        seen = since and travel <= parcels[ParcelColumn.SEEN_TRAVEL, row]
        if seen and abs(deviation) <= line[LineField.WINDOW]:
            return 1
    return 0


@kernel("int64(int64[:, ::1], int64, int64)")
def row_of(parcels: Rows, rows: int, parcel: int) -> int:
    """Return the table row of a parcel id, or -1."""
    if parcel <= 0:
        return NONE
    for row in range(rows):
        if parcels[ParcelColumn.ID, row] == parcel:
            return row
    return NONE


@kernel("int64(int64[:, ::1], int64, int64)", inline=True)
def is_excluded(parcels: Rows, row: int, chute: int) -> int:
    """Return 1 when the chute refused or missed the parcel in this lap."""
    if parcels[ParcelColumn.EXCLUDED, row] == chute:
        return 1
    bits = parcels[ParcelColumn.EXCLUDED_BITS, row]
    return 1 if bits != NONE and (bits >> (chute % EXCLUDED_MODULUS)) & 1 else 0


@kernel("int64(int64[:, ::1], int64, int64, int64)")
def station_ahead(stations: Rows, travel: int, end: int, loop: int) -> int:
    """Return the travel of the first station in ``(travel, end)``, or -1."""
    best = NONE
    for station in range(stations.shape[1]):
        there = stations[StationColumn.POSITION, station]
        while loop > 0 and there <= travel:
            there += loop
        if travel < there < end and (best == NONE or there < best):
            best = there
    return best


@kernel("void(int64[:, ::1], int64, int64[:, ::1], int64)")
def next_eye(parcels: Rows, row: int, eyes: Rows, loop: int) -> None:
    """Expect the parcel at the eye after the one it was expected at."""
    eye = parcels[ParcelColumn.EYE, row] + 1
    if eye == eyes.shape[1]:
        if loop > 0:
            eye = 0
            parcels[ParcelColumn.ROUND, row] += loop
        else:
            eye = NONE
    parcels[ParcelColumn.EYE, row] = eye


@kernel("int64(int64[:, ::1], int64[::1])")
def free_row(parcels: Rows, registers: Rows) -> int:
    """Return the lowest free row and take it into use, or -1 when the table is full."""
    rows = registers[Register.ROWS]
    for row in range(rows):
        if parcels[ParcelColumn.ID, row] == 0:
            return row
    if rows >= registers[Register.CAPACITY]:
        return NONE
    registers[Register.ROWS] = rows + 1
    return int(rows)


@kernel(
    "int64(int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64, int64, int64)"
)
def open_parcel(
    parcels: Rows,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    eye: int,
    encoder: int,
    length: int,
) -> int:
    """Start to track a parcel first seen at `eye`; return its row, or -1 when there is no room."""
    row = free_row(parcels, registers)
    if row == NONE:
        return NONE
    loop = line[LineField.LOOP_COUNTS]
    travel = eyes[EyeColumn.POSITION, eye]
    for column in range(parcels.shape[0]):
        parcels[column, row] = NONE
    parcels[ParcelColumn.ID, row] = registers[Register.NEXT_PARCEL_ID]
    parcels[ParcelColumn.ANCHOR, row] = encoder - travel
    parcels[ParcelColumn.LENGTH, row] = length
    parcels[ParcelColumn.STATE, row] = ParcelState.UNDECIDED
    parcels[ParcelColumn.EYE, row] = eye
    parcels[ParcelColumn.SEEN_TRAVEL, row] = travel
    parcels[ParcelColumn.INDUCT_TRAVEL, row] = travel
    parcels[ParcelColumn.CLAIM_DUE, row] = NEVER
    for column in (
        ParcelColumn.ROUND,
        ParcelColumn.MISSED_EYES,
        ParcelColumn.LAP,
        ParcelColumn.IDENTITY,
        ParcelColumn.UNEXPECTED,
        ParcelColumn.ATTENTION,
        ParcelColumn.FIRE,
        ParcelColumn.DOUBTS,
    ):
        parcels[column, row] = 0
    end = travel + loop if loop > 0 else line[LineField.LENGTH_COUNTS]
    scanner = station_ahead(scanners, travel, end, loop)
    parcels[ParcelColumn.SCANNER_TRAVEL, row] = scanner
    if scanner != NONE:
        parcels[ParcelColumn.SCALE_TRAVEL, row] = station_ahead(scales, travel, scanner + 1, loop)
    next_eye(parcels, row, eyes, loop)
    registers[Register.NEXT_PARCEL_ID] += 1
    registers[Register.TRACKED] += 1
    return row


@kernel("void(int64[:, ::1], int64[::1], int64)")
def forget_parcel(parcels: Rows, registers: Rows, row: int) -> None:
    """Free a row of the table."""
    parcels[ParcelColumn.ID, row] = 0
    parcels[ParcelColumn.ATTENTION, row] = 0
    parcels[ParcelColumn.DUE, row] = NEVER
    registers[Register.TRACKED] -= 1
    rows = registers[Register.ROWS]
    while rows > 0 and parcels[ParcelColumn.ID, rows - 1] == 0:
        rows -= 1
    registers[Register.ROWS] = rows


@kernel("int64(int64[:, ::1], int64, int64[::1])")
def patience(parcels: Rows, row: int, line: Rows) -> int:
    """Return the counts after which an expected report about this parcel is overdue.

    Reports are posted at the trailing edge; the allowance covers the PLC scan and the exchange.
    """
    return int(
        line[LineField.WINDOW]
        + parcels[ParcelColumn.LENGTH, row]
        + line[LineField.LENGTH_TOLERANCE]
        + line[LineField.IO_ALLOWANCE]
    )


@kernel("int64(int64[:, ::1], int64, int64[::1])")
def facts_due(parcels: Rows, row: int, line: Rows) -> int:
    """Return the count at which an undecided parcel stops waiting for scan or measurement."""
    travel = parcels[ParcelColumn.SCALE_TRAVEL, row]
    if parcels[ParcelColumn.VERDICT, row] == NONE:
        travel = parcels[ParcelColumn.SCANNER_TRAVEL, row]
    if travel == NONE:
        return int(parcels[ParcelColumn.ANCHOR, row])
    return int(parcels[ParcelColumn.ANCHOR, row] + travel) + patience(parcels, row, line)


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1])")
def entry_by(parcels: Rows, row: int, line: Rows, chutes: Rows) -> int:
    """Return the count by which a commanded parcel's entry has been reported; NEVER: no command."""
    state = parcels[ParcelColumn.STATE, row]
    if state != ParcelState.COMMANDED and state != ParcelState.FIRED:  # noqa: PLR1714
        return NEVER
    return int(
        parcels[ParcelColumn.ANCHOR, row]
        + parcels[ParcelColumn.CHUTE_TRAVEL, row]
        + chutes[ChuteColumn.ENTRY_DELAY, parcels[ParcelColumn.CHUTE, row]]
        + patience(parcels, row, line)
    )


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1])")
def entry_due(parcels: Rows, row: int, line: Rows, chutes: Rows) -> int:
    """Return the count at which the entry of a commanded parcel is overdue.

    Never, if a cleared zone may have had it: the eyes decide, and say that it was removed or that
    its divert failed. A record of its entry that comes late finds it until then.
    """
    if parcels[ParcelColumn.DOUBTFUL, row] == 1:
        return NEVER
    return int(entry_by(parcels, row, line, chutes))


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1])")
def eye_due(parcels: Rows, row: int, registers: Rows, line: Rows, eyes: Rows, chutes: Rows) -> int:
    """Return the count at which the next eye's (or the line end's) report is overdue.

    While the parcel may be on its way into a chute before that eye, the chute entry is awaited
    first: a diverted parcel is not a missed one.
    """
    eye = parcels[ParcelColumn.EYE, row]
    if eye == NONE:
        travel = registers[Register.END_TRAVEL]
    else:
        travel = eyes[EyeColumn.POSITION, eye] + parcels[ParcelColumn.ROUND, row]
    due = parcels[ParcelColumn.ANCHOR, row] + travel + patience(parcels, row, line)
    entry = entry_by(parcels, row, line, chutes)
    if entry != NEVER and travel > parcels[ParcelColumn.CHUTE_TRAVEL, row]:
        due = max(due, entry)
    return int(due)


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1])")
def lap_due(parcels: Rows, row: int, line: Rows, chutes: Rows) -> int:
    """Return the count at which the parcel completes its lap; never on a line.

    While it may be on its way into a chute before the lap's end, the chute entry is awaited
    first: a diverted parcel does not come round. Nor does one that a cleared zone may have had,
    until an eye sees it.
    """
    loop = line[LineField.LOOP_COUNTS]
    if loop == 0:
        return NEVER
    travel = parcels[ParcelColumn.INDUCT_TRAVEL, row] + (parcels[ParcelColumn.LAP, row] + 1) * loop
    due = parcels[ParcelColumn.ANCHOR, row] + travel
    entry = entry_by(parcels, row, line, chutes)
    if entry != NEVER and travel > parcels[ParcelColumn.CHUTE_TRAVEL, row]:
        if parcels[ParcelColumn.DOUBTFUL, row] == 1:
            return NEVER
        due = max(due, entry)
    return int(due)


@kernel("int64(int64[:, ::1], int64)")
def is_another_unread(parcels: Rows, row: int) -> int:
    """Return 1 when all but a label says that another parcel is in the place of this one.

    Diverters fail more often than records are lost: that no entry was reported does not suffice.
    """
    doubts = parcels[ParcelColumn.DOUBTS, row]
    if doubts & DOUBTFUL_WAY and doubts & OTHER_WEIGHT:
        return 1
    off = doubts & (EYE_MISSED | EDGE_OFF)
    return 1 if doubts & ENTRY_AWAITED and off and doubts & ALIKE == 0 else 0


@kernel("void(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1])")
def set_due(parcels: Rows, row: int, registers: Rows, line: Rows, eyes: Rows, chutes: Rows) -> None:
    """Write down when housekeeping must look at this parcel next."""
    due = min(
        eye_due(parcels, row, registers, line, eyes, chutes),
        entry_due(parcels, row, line, chutes),
        lap_due(parcels, row, line, chutes),
    )
    if is_another_unread(parcels, row):
        due = min(due, parcels[ParcelColumn.CLAIM_DUE, row])
    if parcels[ParcelColumn.STATE, row] == ParcelState.UNDECIDED:
        due = min(due, facts_due(parcels, row, line))
    parcels[ParcelColumn.DUE, row] = due
