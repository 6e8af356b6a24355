"""Scanners and scales: what they make of a parcel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sorter.model.mailbox import SCAN_FLAG_TRUNCATED

from .arrivals import Concern, generator
from .cells import (
    AT_PARCELS,
    AT_READS,
    AT_SCANNERS,
    FAULT_MULTI_READ,
    FAULT_NO_READ,
    FAULT_SWAPPED_CODE,
    NOBODY,
    PARCEL_CELLS,
    PARCEL_FAULTS,
    PARCEL_FORCED,
    PARCEL_MEASURED_A,
    PARCEL_MEASURED_B,
    PARCEL_PASSES,
    PARCEL_TEXT,
    READ_MULTI,
    READ_NO_READ,
    READ_SWAPPED,
    READING,
    READS,
    SCANNER_CELLS,
    SCANNER_MULTI,
    SCANNER_NO_READ,
    SCANNER_OWED,
    SCANNER_PREVIOUS,
    SCANNER_SALT,
    SCANNER_SWAPPED,
    SCANNERS,
    TEXT_LENGTH,
    TEXT_START,
    Ints,
)
from .chance import drawn
from .fault_sections import ReadFault
from .feed import FeedParcel, rows_of
from .jit import inner
from .scenario import ScaleQuality, ScannerQuality
from .way import note_fault, note_in_log
from .wires import Wires, latch_scan
from .words import LONGEST_CODE_BYTES, SCAN_PAYLOAD_BYTES

STRIDE = 104_729
"""A prime: a later pass of a parcel takes another place in the table of draws."""


@inner
def pack_text(ints: Ints, wires: Wires, length: int, text: int) -> int:
    """Append a code to the scratch payload; return how long that is now, longer if it fitted."""
    cell = ints[AT_PARCELS] + text * PARCEL_CELLS
    start, size = ints[cell + TEXT_START], ints[cell + TEXT_LENGTH]
    if size > LONGEST_CODE_BYTES or length + 1 + size > SCAN_PAYLOAD_BYTES:
        return length
    wires.payload[length] = size
    for index in range(size):
        wires.payload[length + 1 + index] = wires.texts[start + index]
    return int(length + 1 + size)


@inner
def has_text(ints: Ints, text: int) -> bool:
    """Return whether there is something to read on a label."""
    if text == NOBODY:
        return False
    return bool(ints[ints[AT_PARCELS] + text * PARCEL_CELLS + TEXT_LENGTH] > 0)


@inner
def burst(ints: Ints, scanner: int, row: int, passes: int) -> int:
    """Return what a scanner that misreads for a while does to a parcel, as READ_ bits."""
    cell = ints[AT_SCANNERS] + scanner * SCANNER_CELLS
    verdict = 0
    for bit, threshold in (
        (READ_NO_READ, SCANNER_NO_READ),
        (READ_MULTI, SCANNER_MULTI),
        (READ_SWAPPED, SCANNER_SWAPPED),
    ):
        if ints[cell + threshold] > 0:
            bits = drawn(ints[cell + SCANNER_SALT], bit, row, passes)
            if bits < ints[cell + threshold]:
                verdict |= bit
    return verdict


@inner
def swap_text(ints: Ints, scanner: int, row: int, verdict: int, behind: int) -> int:
    """Return the text that a parcel passes for: its own, or a neighbour's while they are swapped.

    `behind` is the parcel that follows on the belt, NOBODY: none. It is owed this one's text.
    """
    cell = ints[AT_SCANNERS] + scanner * SCANNER_CELLS
    text = ints[ints[AT_PARCELS] + row * PARCEL_CELLS + PARCEL_TEXT]
    owed = ints[cell + SCANNER_OWED]
    if owed != NOBODY:
        ints[cell + SCANNER_OWED] = NOBODY
        note_fault(ints, row, FAULT_SWAPPED_CODE)
        return int(owed)
    if verdict & READ_SWAPPED and behind != NOBODY:
        ints[cell + SCANNER_OWED] = text
        note_fault(ints, row, FAULT_SWAPPED_CODE)
        return int(ints[ints[AT_PARCELS] + behind * PARCEL_CELLS + PARCEL_TEXT])
    return int(text)


@inner
def read_parcel(
    ints: Ints,
    wires: Wires,
    scanner: int,
    row: int,
    encoder: int,
    tick: int,
    joined: int,
    behind: int,
) -> None:
    """Post what a scanner reads of a parcel: nothing, its label, or the one before's as well.

    `joined` is a parcel that touches it in front, so that both pass for one; NOBODY: none.
    """
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    passes = ints[parcel + PARCEL_PASSES]
    ints[parcel + PARCEL_PASSES] = passes + 1
    place = (row * ints[SCANNERS] + scanner + passes * STRIDE) % ints[READS]
    verdict = ints[ints[AT_READS] + place] | ints[parcel + PARCEL_FORCED]
    verdict |= burst(ints, scanner, row, passes)
    text = swap_text(ints, scanner, row, verdict, behind)
    seen = ints[AT_SCANNERS] + scanner * SCANNER_CELLS + SCANNER_PREVIOUS
    previous = ints[seen]
    ints[seen] = text
    if joined != NOBODY:
        verdict |= READ_MULTI
        previous = ints[ints[AT_PARCELS] + joined * PARCEL_CELLS + PARCEL_TEXT]
    first, second = NOBODY, NOBODY
    if has_text(ints, text):
        if verdict & READ_NO_READ:
            note_fault(ints, row, FAULT_NO_READ)
        else:
            first = text
            if verdict & READ_MULTI and previous != text and has_text(ints, previous):
                note_fault(ints, row, FAULT_MULTI_READ)
                second = previous
    note_in_log(ints, row, READING, scanner, first, second)
    length = codes = flags = 0
    for code in (first, second):
        if code != NOBODY:
            longer = pack_text(ints, wires, length, code)
            if longer > length:
                codes += 1
                length = longer
            else:
                flags = SCAN_FLAG_TRUNCATED
    latch_scan(wires, scanner, encoder, tick, codes, flags, length)


# --- building -------------------------------------------------------------------------------------
def set_up_scanners(
    ints: Ints,
    quality: ScannerQuality,
    faults: Sequence[ReadFault],
    feed: Sequence[FeedParcel],
    inductions: int,
    seed: int,
) -> bytes:
    """Draw what scanners get wrong and write each parcel's label; return all labels end to end."""
    draw = generator(seed, Concern.SCANS)
    size = int(ints[READS])
    no_read = draw.random(size) >= quality.read_rate
    multi = draw.random(size) < quality.multi_read_rate
    at = ints[AT_READS]
    ints[at : at + size] = no_read * READ_NO_READ + multi * READ_MULTI
    for scanner in range(int(ints[SCANNERS])):
        cell = ints[AT_SCANNERS] + scanner * SCANNER_CELLS
        ints[cell + SCANNER_PREVIOUS] = ints[cell + SCANNER_OWED] = NOBODY
        ints[cell + SCANNER_SALT] = generator(seed, Concern.BURSTS, scanner).integers(1 << 32)
    rows = len(feed)
    parcels = ints[ints[AT_PARCELS] : ints[AT_PARCELS] + rows * PARCEL_CELLS]
    parcels = parcels.reshape(rows, PARCEL_CELLS)
    swaps = set(np.flatnonzero(draw.random(rows) < quality.swapped_code_rate).tolist())
    for fault in faults:
        hit = rows_of(feed, fault.from_parcel, fault.parcels)
        if fault.kind == "swapped_codes":
            swaps.update(hit)
        else:
            parcels[hit, PARCEL_FORCED] |= READ_NO_READ if fault.kind == "no_read" else READ_MULTI
    first_row: dict[bytes, int] = {}
    texts = [first_row.setdefault(parcel.label, row) for row, parcel in enumerate(feed)]
    lengths = [len(parcel.label) for parcel in feed]
    parcels[:, PARCEL_TEXT] = texts
    parcels[:, TEXT_LENGTH] = lengths
    parcels[1:, TEXT_START] = np.cumsum(lengths)[:-1]
    swapped: set[int] = set()
    for row in sorted(swaps):
        other = row + inductions  # the next one of the same induction
        if other < rows and row not in swapped and other not in swapped:
            swapped |= {row, other}
            parcels[row, PARCEL_TEXT], parcels[other, PARCEL_TEXT] = texts[other], texts[row]
            parcels[[row, other], PARCEL_FAULTS] = FAULT_SWAPPED_CODE
    return b"".join(parcel.label for parcel in feed)


def set_up_scales(ints: Ints, quality: ScaleQuality, feed: Sequence[FeedParcel], seed: int) -> None:
    """Write the words A and B of each parcel's PARCEL_MEASURED record."""
    rows = len(feed)
    draw = generator(seed, Concern.SCALES)
    weight_error = draw.standard_normal(max(rows, 1))[:rows] * quality.weight_sd_g
    size_error = draw.standard_normal(max(rows, 1))[:rows] * quality.size_sd_mm
    width = np.array([parcel.width_mm for parcel in feed]) + size_error
    height = np.array([parcel.height_mm for parcel in feed]) + size_error
    weight = np.array([float(parcel.weight_g) for parcel in feed]) + weight_error
    words = [
        np.clip(np.rint(values), 0, 0xFFFF).astype(np.int64)
        for values in (width, height, weight / 10)
    ]
    parcels = ints[ints[AT_PARCELS] : ints[AT_PARCELS] + rows * PARCEL_CELLS]
    parcels = parcels.reshape(rows, PARCEL_CELLS)
    parcels[:, PARCEL_MEASURED_A] = words[0] << 16 | words[1]
    parcels[:, PARCEL_MEASURED_B] = words[2]
