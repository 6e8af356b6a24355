"""What the line would do with a scanned code, outside the control loop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sorter.kernels.disposition import classify
from sorter.model.codes import NONE
from sorter.model.columns import ScanColumn
from sorter.model.frames import Rows
from sorter.model.layout import LineLayout
from sorter.model.plan import ReturnsPolicy
from sorter.model.tracking import ParcelColumn


class Preview(NamedTuple):
    """Class of a parcel; -1 where there is none."""

    disposition: int
    stream: int
    cause: int


def preview(
    policy: ReturnsPolicy,
    layout: LineLayout,
    scan_row: Rows,
    *,
    length_counts: int = NONE,
    width_mm: int = NONE,
    height_mm: int = NONE,
    weight_g: int = NONE,
) -> Preview:
    """Return the class that a parcel with this scan result and these measures gets.

    Parameters
    ----------
    policy, layout
        As the line runs with them.
    scan_row : int64[SCAN_WIDTH]
        One row as the return registry resolves it.
    length_counts, width_mm, height_mm, weight_g : int
        Measures, -1 when unknown: an unknown measure is within every limit.
    """
    parcel = np.full((len(ParcelColumn), 1), NONE, np.int64)
    parcel[ParcelColumn.LAP] = 0
    parcel[ParcelColumn.UNEXPECTED] = 0
    parcel[ParcelColumn.VERDICT] = scan_row[ScanColumn.VERDICT]
    facts = scan_row[ScanColumn.KNOWN : ScanColumn.DAYS_HELD + 1]
    parcel[ParcelColumn.KNOWN : ParcelColumn.DAYS_HELD + 1, 0] = facts
    parcel[ParcelColumn.LENGTH] = length_counts
    parcel[ParcelColumn.WIDTH_MM] = width_mm
    parcel[ParcelColumn.HEIGHT_MM] = height_mm
    parcel[ParcelColumn.WEIGHT_G] = weight_g
    classify(parcel, 0, layout.line, policy.window_days, policy.rules)
    return Preview(
        int(parcel[ParcelColumn.DISPOSITION, 0]),
        int(parcel[ParcelColumn.STREAM, 0]),
        int(parcel[ParcelColumn.CAUSE, 0]),
    )
