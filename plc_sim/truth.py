"""The truth ledger: where every parcel physically went, whatever the controller believes.

Kept by the kernels as columns and a log; put together parcel by parcel when somebody asks.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from . import cells as c
from .feed import FeedParcel
from .floor_memory import FloorMemory

ON_LINE: Final = "on_line"
IN_CHUTE: Final = "chute"
LINE_END: Final = "line_end"
REMOVED: Final = "removed"

_ENDS = {
    c.ON_LINE: ON_LINE,
    c.IN_CHUTE: IN_CHUTE,
    c.LINE_END: LINE_END,
    c.REMOVED: REMOVED,
}
_FAULTS = {
    c.FAULT_NO_READ: "no_read",
    c.FAULT_MULTI_READ: "multi_read",
    c.FAULT_FAILED_DIVERT: "failed_divert",
    c.FAULT_JAM: "jam",
    c.FAULT_SWAPPED_CODE: "swapped_code",
}


@dataclass(slots=True)
class PhysicalParcel:
    """One parcel as matter: its size, where it is, and what has happened to it so far.

    Encoder counts are as latched by the PLC, unwrapped from the PLC's start value.

    Attributes
    ----------
    physical_id : int
        Row in the feed.
    label : bytes
        The one on it, whatever scanners made of it.
    length_mm : float
    weight_g : int
    phase_mm : float
        Its place on the belt: belt travel, modulo the loop, at which its leading edge is at line
        position 0.
    arrived_ns, inducted_ns : int
    induct_eye, induct_count : int
    end : str
        ``on_line``, ``chute``, ``line_end`` or ``removed``.
    chute, end_count : int
        -1: none.
    sightings : list of (eye index, count)
    codes_read : list of (scanner index, codes)
    faults : tuple of str
        What went physically wrong: ``no_read``, ``multi_read``, ``swapped_code``,
        ``failed_divert``, ``jam``.
    """

    physical_id: int
    label: bytes
    length_mm: float
    weight_g: int
    phase_mm: float
    arrived_ns: int
    inducted_ns: int
    induct_eye: int
    induct_count: int
    end: str
    chute: int
    end_count: int
    sightings: list[tuple[int, int]]
    codes_read: list[tuple[int, tuple[bytes, ...]]]
    faults: tuple[str, ...]


class TruthLedger:
    """All parcels that were put on the line, in the order in which they were.

    Parameters
    ----------
    chute_names : tuple of str
    memory : FloorMemory
    feed : sequence of FeedParcel
    """

    def __init__(
        self, chute_names: tuple[str, ...], memory: FloorMemory, feed: Sequence[FeedParcel]
    ) -> None:
        self.chute_names = chute_names
        self._memory = memory
        self._feed = feed

    def __len__(self) -> int:
        return int(self._memory.ints[c.RELEASED])

    @property
    def parcels(self) -> list[PhysicalParcel]:
        """All parcels as they are now."""
        memory, feed = self._memory, self._feed
        sightings, readings = self._logged()
        parcels: list[PhysicalParcel] = []
        order = memory.order
        cells, lengths = memory.parcels[order].tolist(), memory.parcel_mm[order].tolist()
        for row, cell, real in zip(order.tolist(), cells, lengths, strict=True):
            parcels.append(
                PhysicalParcel(
                    row,
                    feed[row].label,
                    real[c.PARCEL_LENGTH],
                    feed[row].weight_g,
                    real[c.PARCEL_PHASE],
                    cell[c.PARCEL_ARRIVED_NS],
                    cell[c.PARCEL_INDUCTED_NS],
                    cell[c.PARCEL_INDUCT_EYE],
                    cell[c.PARCEL_INDUCT_COUNT],
                    _ENDS[cell[c.PARCEL_END]],
                    cell[c.PARCEL_CHUTE],
                    cell[c.PARCEL_END_COUNT],
                    sightings.get(row, []),
                    readings.get(row, []),
                    _faults(cell[c.PARCEL_FAULTS]),
                )
            )
        return parcels

    def _logged(
        self,
    ) -> tuple[dict[int, list[tuple[int, int]]], dict[int, list[tuple[int, tuple[bytes, ...]]]]]:
        """Return what eyes and what scanners saw, by parcel."""
        feed = self._feed
        sightings: dict[int, list[tuple[int, int]]] = {}
        readings: dict[int, list[tuple[int, tuple[bytes, ...]]]] = {}
        for row, kind, source, a, b in self._memory.whole_log().tolist():
            if kind == c.SIGHTING:
                sightings.setdefault(row, []).append((source, a))
            else:
                codes = tuple(feed[text].label for text in (a, b) if text != c.NOBODY)
                readings.setdefault(row, []).append((source, codes))
        return sightings, readings

    def row(self, parcel: PhysicalParcel) -> dict[str, Any]:
        """Return one parcel as plain values, the form of :meth:`write_json`."""
        return {
            "physical_id": parcel.physical_id,
            "label": parcel.label.decode("utf-8", "backslashreplace"),
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

    def ends(self) -> list[dict[str, Any]]:
        """Return every parcel as plain values, only those that say where it was and ended.

        The keys are those of :meth:`row`. Putting one together costs a fifth of a whole row, which
        counts where all parcels of a long simulation are asked for.
        """
        memory, feed, chute_names = self._memory, self._feed, self.chute_names
        sightings = self._sightings()
        cells = memory.parcels[memory.order].tolist()
        return [
            {
                "physical_id": row,
                "label": feed[row].label.decode("utf-8", "backslashreplace"),
                "induct_eye": cell[c.PARCEL_INDUCT_EYE],
                "induct_count": cell[c.PARCEL_INDUCT_COUNT],
                "sightings": sightings[row],
                "end": _ENDS[cell[c.PARCEL_END]],
                "chute": chute_names[cell[c.PARCEL_CHUTE]] if cell[c.PARCEL_CHUTE] >= 0 else None,
                "end_count": cell[c.PARCEL_END_COUNT],
                "faults": _faults(cell[c.PARCEL_FAULTS]),
            }
            for row, cell in zip(memory.order.tolist(), cells, strict=True)
        ]

    def _sightings(self) -> list[list[list[int]]]:
        """Return (eye index, count) of all sightings, by row of the feed."""
        log = self._memory.whole_log()
        seen = log[log[:, c.LOG_KIND] == c.SIGHTING]
        seen = seen[np.argsort(seen[:, c.LOG_PARCEL], kind="stable")]
        pairs = seen[:, [c.LOG_SOURCE, c.LOG_A]].tolist()
        borders = np.searchsorted(seen[:, c.LOG_PARCEL], np.arange(len(self._feed) + 1)).tolist()
        return [pairs[start:end] for start, end in itertools.pairwise(borders)]

    def by_end(self) -> dict[str, int]:
        """Return how many parcels ended in each way."""
        memory = self._memory
        ends, counts = np.unique(memory.parcels[memory.order, c.PARCEL_END], return_counts=True)
        return {
            _ENDS[end]: count for end, count in zip(ends.tolist(), counts.tolist(), strict=True)
        }

    def by_chute(self) -> dict[str, int]:
        """Return how many parcels physically went into each chute."""
        memory = self._memory
        chutes = memory.parcels[memory.order, c.PARCEL_CHUTE]
        counts = np.bincount(chutes[chutes >= 0], minlength=len(self.chute_names))
        return dict(zip(self.chute_names, counts.tolist(), strict=True))

    def write_json(self, path: Path) -> None:
        """Write one JSON object a line, one line a parcel."""
        with path.open("w", encoding="utf-8") as file:
            for row in self.rows():
                file.write(json.dumps(row, separators=(",", ":")))
                file.write("\n")


def _faults(cell: int) -> tuple[str, ...]:
    """Return the names of the faults in a cell, oldest first."""
    names: list[str] = []
    while cell:
        names.append(_FAULTS[cell & 7])
        cell >>= 3
    return tuple(reversed(names))
