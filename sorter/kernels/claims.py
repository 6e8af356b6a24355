"""Whose edge it was that an inducting eye saw: the expected parcel's, or a new one's.

A parcel stays expected on the belt when nobody hears that it left: the record of its chute entry
was lost, or that of a cleared zone. At the next induction a new parcel may take its place. Place
and length cannot tell the two apart, so the edge is taken for the expected one and remembered as
a claim. What is found out afterwards, label first and then weight and size, confirms the claim or
says that this is another parcel: then the expected one is lost, and the new one begins at that
edge, with what is known of it since.
"""

from __future__ import annotations

from sorter.kernels.bits import (
    ALIKE,
    DOUBTFUL_WAY,
    EDGE_OFF,
    EYE_MISSED,
    OTHER_WEIGHT,
    UNLIKE,
)
from sorter.kernels.closing import close_parcel
from sorter.kernels.jit import kernel
from sorter.kernels.rows import add_outcome
from sorter.kernels.tracking import (
    is_another_unread,
    open_parcel,
    patience,
    station_ahead,
    wrapped,
)
from sorter.model.codes import NONE, Cause, FinalDisposition, OutcomeKind, ScanVerdict
from sorter.model.columns import EyeColumn, LineField, ScanColumn
from sorter.model.frames import Rows
from sorter.model.tracking import NEVER, ParcelColumn, Register

SAME_WEIGHT_G = 40
SAME_WEIGHT_PARTS = 50
"""Two weighings that differ by no more than this, or this part of the weight, may be of one parcel:
twice what a belt scale may err."""
SAME_SIZE_MM = 15
WELL_FITTING_LENGTH_PARTS = 4
"""An eye finds the length of one parcel again within this part of the tolerance."""
OTHER_WEIGHT_G = 100
OTHER_WEIGHT_PARTS = 10
"""Two weighings that differ by more than both are of two parcels, even if all else is in order."""


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64, int64, int64)")
def doubts_at_edge(
    parcels: Rows, row: int, line: Rows, eyes: Rows, eye: int, encoder: int, length: int
) -> int:
    """Return what speaks against an edge that fits a parcel; called before its place is corrected.

    Where it fits as badly as chance would have it, in the outer part of window or tolerance, it
    is off.
    """
    doubts = 0
    if parcels[ParcelColumn.MISSED_EYES, row] > 0 or parcels[ParcelColumn.EYE, row] != eye:
        doubts |= EYE_MISSED
    travel = encoder - parcels[ParcelColumn.ANCHOR, row] - parcels[ParcelColumn.ROUND, row]
    deviation = wrapped(travel - eyes[EyeColumn.POSITION, eye], line[LineField.LOOP_COUNTS])
    longer = length - parcels[ParcelColumn.LENGTH, row]
    tolerance = line[LineField.LENGTH_TOLERANCE] // WELL_FITTING_LENGTH_PARTS
    if 2 * abs(deviation) > line[LineField.WINDOW] or abs(longer) > tolerance:
        doubts |= EDGE_OFF
    return doubts


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1])")
def claim_due(parcels: Rows, row: int, line: Rows, scanners: Rows) -> int:
    """Return the count by which the next scanner has told whom the eye has just seen."""
    travel = parcels[ParcelColumn.SEEN_TRAVEL, row]
    loop = line[LineField.LOOP_COUNTS]
    end = travel + loop if loop > 0 else line[LineField.LENGTH_COUNTS]
    scanner = station_ahead(scanners, travel, end, loop)
    if scanner == NONE:
        return NEVER
    return int(parcels[ParcelColumn.ANCHOR, row] + scanner) + patience(parcels, row, line)


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64, int64, int64,"
    " int64)"
)
def note_claim(
    parcels: Rows,
    row: int,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    eye: int,
    encoder: int,
    length: int,
    found: int,
) -> None:
    """Note that an edge was taken for a parcel's, and the doubts `found` about it.

    Where no parcel can be new, seeing one where it is expected ends the doubt that it is there.
    Whether it is the right one, if that was in question before, only its label can say.
    """
    doubts = parcels[ParcelColumn.DOUBTS, row]
    if eyes[EyeColumn.INDUCTS, eye] == 1:
        doubts = doubts & ~ALIKE | found
        parcels[ParcelColumn.CLAIM_EYE, row] = eye
        parcels[ParcelColumn.CLAIM_COUNT, row] = encoder
        parcels[ParcelColumn.CLAIM_LENGTH, row] = length
        parcels[ParcelColumn.CLAIM_SCALE, row] = NONE
        parcels[ParcelColumn.CLAIM_DUE, row] = NEVER
        if doubts & DOUBTFUL_WAY:
            parcels[ParcelColumn.CLAIM_DUE, row] = claim_due(parcels, row, line, scanners)
    elif parcels[ParcelColumn.CLAIM_EYE, row] == NONE:
        doubts = 0
    parcels[ParcelColumn.DOUBTS, row] = doubts


@kernel("void(int64[:, ::1], int64, int64, int64, int64)")
def compare_measures(parcels: Rows, row: int, width_mm: int, height_mm: int, weight_g: int) -> None:
    """Note whether a scale finds what one found before; called before that is overwritten.

    Once it found something else, the same again proves nothing: it may be the other's.
    """
    before_g = parcels[ParcelColumn.WEIGHT_G, row]
    if before_g == NONE:
        return
    off_g = abs(weight_g - before_g)
    heavier_g = max(weight_g, before_g)
    off_mm = max(
        abs(width_mm - parcels[ParcelColumn.WIDTH_MM, row]),
        abs(height_mm - parcels[ParcelColumn.HEIGHT_MM, row]),
    )
    doubts = parcels[ParcelColumn.DOUBTS, row]
    if off_g > max(SAME_WEIGHT_G, heavier_g // SAME_WEIGHT_PARTS) or off_mm > SAME_SIZE_MM:
        doubts = doubts & ~ALIKE | UNLIKE
        if off_g > max(OTHER_WEIGHT_G, heavier_g // OTHER_WEIGHT_PARTS):
            doubts |= OTHER_WEIGHT
    elif doubts & UNLIKE == 0:
        doubts |= ALIKE
    parcels[ParcelColumn.DOUBTS, row] = doubts


@kernel("int64(int64[::1], int64[:, ::1], int64)")
def is_another(scan: Rows, parcels: Rows, row: int) -> int:
    """Return 1 when what a scanner read was another parcel than the one in its place.

    A parcel followed without a gap is itself, and another label on it a conflict, unless it weighs
    otherwise than before. One whose way is in doubt is not, unless its label is found again, or
    weight and size are where it fits well. Silence of the scanner, or of the one before, leaves
    it to weight and way.
    """
    claimed = parcels[ParcelColumn.CLAIM_EYE, row] != NONE
    if not claimed and parcels[ParcelColumn.MISSED_EYES, row] <= 0:
        return 0
    read = scan[ScanColumn.VERDICT] == ScanVerdict.READ
    if not read or parcels[ParcelColumn.VERDICT, row] != ScanVerdict.READ:
        return is_another_unread(parcels, row)
    if scan[ScanColumn.IDENTITY] == parcels[ParcelColumn.IDENTITY, row]:
        return 0
    doubts = parcels[ParcelColumn.DOUBTS, row]
    if doubts & DOUBTFUL_WAY:
        return 1 if doubts & ALIKE == 0 or doubts & EDGE_OFF else 0
    return 1 if doubts & OTHER_WEIGHT else 0


@kernel(
    "int64(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64, int64)"
)
def without_another(
    parcels: Rows,
    row: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    scanners: Rows,
    scales: Rows,
    chute_state: Rows,
    commands: Rows,
    outcomes: Rows,
    encoder: int,
    now: int,
) -> int:
    """Close a parcel that another one was taken for; return the row of that other one.

    -1: no inducting eye has seen the other one, so that the next eye will meet it.
    """
    eye = parcels[ParcelColumn.CLAIM_EYE, row]
    seen = eye != NONE and parcels[ParcelColumn.MISSED_EYES, row] == 0
    count = parcels[ParcelColumn.CLAIM_COUNT, row]
    length = parcels[ParcelColumn.CLAIM_LENGTH, row]
    scale = parcels[ParcelColumn.CLAIM_SCALE, row]
    width_mm = parcels[ParcelColumn.WIDTH_MM, row]
    height_mm = parcels[ParcelColumn.HEIGHT_MM, row]
    weight_g = parcels[ParcelColumn.WEIGHT_G, row]
    anchor = parcels[ParcelColumn.ANCHOR, row]
    expected_eye = parcels[ParcelColumn.EYE, row]
    expected_round = parcels[ParcelColumn.ROUND, row]
    seen_travel = parcels[ParcelColumn.SEEN_TRAVEL, row]
    doubtful = parcels[ParcelColumn.DOUBTFUL, row]
    lost, cause = FinalDisposition.LOST, Cause.MISTRACKED
    close_parcel(
        parcels, row, registers, chute_state, commands, outcomes, lost, NONE, cause, encoder, now
    )
    if not seen:
        return NONE
    new = open_parcel(parcels, registers, line, eyes, scanners, scales, eye, count, length)
    # Its travel begins in the first round; other eyes may have seen it since.
    travel = count - anchor - eyes[EyeColumn.POSITION, eye]
    rounds = travel - wrapped(travel, line[LineField.LOOP_COUNTS])
    parcels[ParcelColumn.ANCHOR, new] = anchor + rounds
    parcels[ParcelColumn.EYE, new] = expected_eye
    parcels[ParcelColumn.ROUND, new] = expected_round - rounds
    parcels[ParcelColumn.SEEN_TRAVEL, new] = seen_travel - rounds
    parcels[ParcelColumn.DOUBTFUL, new] = doubtful
    registers[Register.LAST_INFEED] = max(registers[Register.LAST_INFEED], count)
    parcel = parcels[ParcelColumn.ID, new]
    add_outcome(outcomes, registers, parcel, OutcomeKind.OPENED, eye, NONE, NONE, count)
    if scale != NONE:
        parcels[ParcelColumn.WIDTH_MM, new] = width_mm
        parcels[ParcelColumn.HEIGHT_MM, new] = height_mm
        parcels[ParcelColumn.WEIGHT_G, new] = weight_g
        parcels[ParcelColumn.SCALE_TRAVEL, new] = NONE
        measured = OutcomeKind.MEASURED
        add_outcome(outcomes, registers, parcel, measured, weight_g, scale, NONE, encoder)
    return int(new)
