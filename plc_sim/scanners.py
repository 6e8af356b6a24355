"""Scanners and scales: what they make of a parcel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrivals import Concern, generator
from .feed import FeedParcel
from .scenario import ReadFault, ScaleQuality, ScannerQuality
from .truth import PhysicalParcel

_STRIDE = 104_729
"""A prime: a later pass of a parcel takes another place in the table of draws."""


class Scanners:
    """All scanners of a line.

    Parameters
    ----------
    quality : ScannerQuality
    faults : sequence of ReadFault
    feed : sequence of FeedParcel
    scanner_count, induction_count : int
    seed : int
    """

    def __init__(
        self,
        quality: ScannerQuality,
        faults: Sequence[ReadFault],
        feed: Sequence[FeedParcel],
        scanner_count: int,
        induction_count: int,
        seed: int,
    ) -> None:
        draw = generator(seed, Concern.SCANS)
        size = max(len(feed) * scanner_count, 1)
        self._size = size
        self._scanner_count = scanner_count
        self._no_read: list[bool] = (draw.random(size) >= quality.read_rate).tolist()
        self._multi: list[bool] = (draw.random(size) < quality.multi_read_rate).tolist()
        self._previous: list[bytes] = [b""] * scanner_count
        self._forced: dict[int, str] = {}
        swaps = {int(i) for i in np.flatnonzero(draw.random(len(feed)) < quality.swapped_code_rate)}
        for fault in faults:
            rows = range(fault.from_parcel, fault.from_parcel + fault.parcels)
            if fault.kind == "swapped_codes":
                swaps.update(rows)
            else:
                self._forced.update(dict.fromkeys(rows, fault.kind))
        self._swapped = _swapped_labels(feed, sorted(swaps), induction_count)

    def attach(self, parcel: PhysicalParcel) -> None:
        """Give a parcel the label that scanners will see on it."""
        label = self._swapped.get(parcel.physical_id)
        if label is not None:
            parcel.scan_label = label
            parcel.faults += ("swapped_code",)

    def read(self, scanner: int, parcel: PhysicalParcel) -> tuple[bytes, ...]:
        """Return the codes that a scanner reports."""
        place = parcel.physical_id * self._scanner_count + scanner + parcel.passes * _STRIDE
        place %= self._size
        parcel.passes += 1
        label = parcel.scan_label
        previous = self._previous[scanner]
        self._previous[scanner] = label
        forced = self._forced.get(parcel.physical_id, "")
        codes: tuple[bytes, ...]
        if not label:
            codes = ()
        elif self._no_read[place] or forced == "no_read":
            parcel.faults += ("no_read",)
            codes = ()
        elif previous and previous != label and (self._multi[place] or forced == "multi_read"):
            parcel.faults += ("multi_read",)
            codes = (label, previous)
        else:
            codes = (label,)
        parcel.codes_read.append((scanner, codes))
        return codes


def _swapped_labels(
    feed: Sequence[FeedParcel], rows: Sequence[int], induction_count: int
) -> dict[int, bytes]:
    """Return the labels of parcels taken for each other with the next one of their induction."""
    swapped: dict[int, bytes] = {}
    for row in rows:
        other = row + induction_count
        if other < len(feed) and row not in swapped and other not in swapped:
            swapped[row] = feed[other].label
            swapped[other] = feed[row].label
    return swapped


class Scales:
    """All scales: weight and cross-section, with the errors that a scale has."""

    def __init__(self, quality: ScaleQuality, parcel_count: int, seed: int) -> None:
        draw = generator(seed, Concern.SCALES)
        count = max(parcel_count, 1)
        self._weight: list[float] = (draw.standard_normal(count) * quality.weight_sd_g).tolist()
        self._size: list[float] = (draw.standard_normal(count) * quality.size_sd_mm).tolist()
        self._exact = quality.weight_sd_g == 0 and quality.size_sd_mm == 0

    def measure(self, parcel: PhysicalParcel) -> tuple[int, int]:
        """Return the words A and B of a PARCEL_MEASURED record."""
        width, height, weight = parcel.width_mm, parcel.height_mm, float(parcel.weight_g)
        if not self._exact:
            row = parcel.physical_id
            width += self._size[row]
            height += self._size[row]
            weight += self._weight[row]
        a = min(max(round(width), 0), 0xFFFF) << 16 | min(max(round(height), 0), 0xFFFF)
        return a, min(max(round(weight / 10), 0), 0xFFFF)
