"""The truth ledger: where every parcel physically went, whatever the controller believes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ON_LINE: Final = "on_line"
IN_CHUTE: Final = "chute"
LINE_END: Final = "line_end"
REMOVED: Final = "removed"


class PhysicalParcel:
    """One parcel as matter: its size, where it is, and what has happened to it.

    Encoder counts are as latched by the PLC, unwrapped from the PLC's start value.

    Attributes
    ----------
    physical_id : int
        Row in the feed.
    anchor_mm : float
        Belt travel at which its leading edge is at line position 0 in the current lap.
    phase_mm : float
        Its place in the ring of parcels: anchor modulo the loop.
    left_mm : float
        Belt travel at which it left the belt; infinite while it is on it.
    sightings : list of (eye index, count)
    codes_read : list of (scanner index, codes)
    faults : tuple of str
        What went physically wrong: ``no_read``, ``multi_read``, ``swapped_code``,
        ``failed_divert``, ``jam``.
    """

    __slots__ = (
        "anchor_mm",
        "arrived_ns",
        "chute",
        "codes_read",
        "end",
        "end_count",
        "end_ns",
        "faults",
        "feed_label",
        "height_mm",
        "induct_count",
        "induct_eye",
        "inducted_ns",
        "left_mm",
        "length_mm",
        "passes",
        "phase_mm",
        "physical_id",
        "scan_label",
        "sightings",
        "station",
        "weight_g",
        "width_mm",
    )

    def __init__(  # every column of the feed
        self,
        physical_id: int,
        label: bytes,
        length_mm: float,
        width_mm: float,
        height_mm: float,
        weight_g: int,
    ) -> None:
        self.physical_id = physical_id
        self.feed_label = label
        self.scan_label = label
        self.length_mm = length_mm
        self.width_mm = width_mm
        self.height_mm = height_mm
        self.weight_g = weight_g
        self.anchor_mm = 0.0
        self.phase_mm = 0.0
        self.left_mm = float("inf")
        self.station = 0
        self.passes = 0
        self.arrived_ns = -1
        self.inducted_ns = -1
        self.induct_eye = -1
        self.induct_count = -1
        self.sightings: list[tuple[int, int]] = []
        self.codes_read: list[tuple[int, tuple[bytes, ...]]] = []
        self.end = ON_LINE
        self.chute = -1
        self.end_count = -1
        self.end_ns = -1
        self.faults: tuple[str, ...] = ()

    def close(self, end: str, chute: int, count: int, now_ns: int) -> None:
        """Note how its way ended."""
        self.end = end
        self.chute = chute
        self.end_count = count
        self.end_ns = now_ns


class TruthLedger:
    """All parcels that were put on the line, in the order in which they were."""

    def __init__(self, chute_names: tuple[str, ...]) -> None:
        self.chute_names = chute_names
        self.parcels: list[PhysicalParcel] = []

    def __len__(self) -> int:
        return len(self.parcels)

    def row(self, parcel: PhysicalParcel) -> dict[str, Any]:
        """Return one parcel as plain values, the form of :meth:`write_json`."""
        return {
            "physical_id": parcel.physical_id,
            "label": parcel.feed_label.decode("utf-8", "backslashreplace"),
            "length_mm": round(parcel.length_mm, 1),
            "weight_g": parcel.weight_g,
            "induct_eye": parcel.induct_eye,
            "induct_count": parcel.induct_count,
            "sightings": [list(sighting) for sighting in parcel.sightings],
            "codes_read": [
                [scanner, [code.decode("utf-8", "backslashreplace") for code in codes]]
                for scanner, codes in parcel.codes_read
            ],
            "end": parcel.end,
            "chute": self.chute_names[parcel.chute] if parcel.chute >= 0 else None,
            "end_count": parcel.end_count,
            "faults": list(parcel.faults),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every parcel as plain values."""
        return (self.row(parcel) for parcel in self.parcels)

    def by_end(self) -> dict[str, int]:
        """Return how many parcels ended in each way."""
        counts: dict[str, int] = {}
        for parcel in self.parcels:
            counts[parcel.end] = counts.get(parcel.end, 0) + 1
        return counts

    def by_chute(self) -> dict[str, int]:
        """Return how many parcels physically went into each chute."""
        counts = dict.fromkeys(self.chute_names, 0)
        for parcel in self.parcels:
            if parcel.chute >= 0:
                counts[self.chute_names[parcel.chute]] += 1
        return counts

    def write_json(self, path: Path) -> None:
        """Write one JSON object a line, one line a parcel."""
        with path.open("w", encoding="utf-8") as file:
            for row in self.rows():
                file.write(json.dumps(row, separators=(",", ":")))
                file.write("\n")
