"""Scanners and scales: what they make of a parcel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sorter.model.mailbox import SCAN_FLAG_TRUNCATED

from .arrivals import Concern, generator
from .cells import (
    AT_PARCELS,
    AT_PREVIOUS,
    AT_READS,
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
    READING,
    READS,
    SCANNERS,
    TEXT_LENGTH,
    TEXT_START,
    Ints,
)
from .feed import FeedParcel
from .jit import inner
from .scenario import ReadFault, ScaleQuality, ScannerQuality
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
def read_parcel(ints: Ints, wires: Wires, scanner: int, row: int, encoder: int, tick: int) -> None:
    """Post what a scanner reads of a parcel: nothing, its label, or the one before's as well."""
    parcel = ints[AT_PARCELS] + row * PARCEL_CELLS
    passes = ints[parcel + PARCEL_PASSES]
    ints[parcel + PARCEL_PASSES] = passes + 1
    place = (row * ints[SCANNERS] + scanner + passes * STRIDE) % ints[READS]
    verdict = ints[ints[AT_READS] + place] | ints[parcel + PARCEL_FORCED]
    text = ints[parcel + PARCEL_TEXT]
    previous = ints[ints[AT_PREVIOUS] + scanner]
    ints[ints[AT_PREVIOUS] + scanner] = text
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
    ints[ints[AT_PREVIOUS] : ints[AT_PREVIOUS] + ints[SCANNERS]] = NOBODY
    rows = len(feed)
    parcels = ints[ints[AT_PARCELS] : ints[AT_PARCELS] + rows * PARCEL_CELLS]
    parcels = parcels.reshape(rows, PARCEL_CELLS)
    swaps = set(np.flatnonzero(draw.random(rows) < quality.swapped_code_rate).tolist())
    for fault in faults:
        hit = range(fault.from_parcel, min(fault.from_parcel + fault.parcels, rows))
        if fault.kind == "swapped_codes":
            swaps.update(hit)
        else:
            forced = READ_NO_READ if fault.kind == "no_read" else READ_MULTI
            parcels[hit.start : hit.stop, PARCEL_FORCED] = forced
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
