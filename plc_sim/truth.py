"""The truth ledger: where every parcel physically went, whatever the controller believes.

Kept by the kernels as columns and a log; put together parcel by parcel when somebody asks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from . import cells as c
from .cells import Ints
from .feed import FeedParcel, physical_ids
from .floor_memory import FloorMemory

ON_LINE: Final = "on_line"
IN_CHUTE: Final = "chute"
LINE_END: Final = "line_end"
REMOVED: Final = "removed"
PLC_RESTART: Final = "plc_restart"
EVENT_DROPPED: Final = "event_dropped"
EVENT_CORRUPTED: Final = "event_corrupted"
DOUBLE_FEED: Final = "double_feed"

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
    c.FAULT_SLOW_DIVERT: "slow_divert",
    c.FAULT_DROPPED: EVENT_DROPPED,
    c.FAULT_DUPLICATED: "event_duplicated",
    c.FAULT_REORDERED: "event_reordered",
    c.FAULT_DELAYED: "event_delayed",
    c.FAULT_CORRUPTED: EVENT_CORRUPTED,
    c.FAULT_STUCK_EYE: "stuck_eye",
    c.FAULT_DOUBLE_FEED: DOUBLE_FEED,
    c.FAULT_PLC_RESTART: PLC_RESTART,
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
    end_boot : int
        Boot id of the PLC start that the count is of.
    sightings : list of (eye index, count, boot id)
    codes_read : list of (scanner index, codes)
    faults : tuple of str
        What went wrong with it, oldest first: ``no_read``, ``multi_read``, ``swapped_code``,
        ``failed_divert``, ``slow_divert``, ``jam``, ``stuck_eye``, ``double_feed``,
        ``plc_restart``, or what happened to one of its records: ``event_dropped``,
        ``event_duplicated``, ``event_reordered``, ``event_delayed``, ``event_corrupted``.
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
    end_boot: int
    sightings: list[tuple[int, int, int]]
    codes_read: list[tuple[int, tuple[bytes, ...]]]
    faults: tuple[str, ...]


class TruthLedger:
    """All parcels that were put on the line, in the order in which they were.

    Parameters
    ----------
    chute_names : tuple of str
    memory : FloorMemory
        Where it is kept.
    feed : sequence of FeedParcel
    boot_id : int
        Of the PLC's present start. Counts of different starts have nothing to do with each other.
    """

    def __init__(
        self,
        chute_names: tuple[str, ...],
        memory: FloorMemory,
        feed: Sequence[FeedParcel],
        boot_id: int,
    ) -> None:
        self.chute_names = chute_names
        self.memory = memory
        self._feed = feed
        self._ids = physical_ids(feed)
        self._boots = [(0, boot_id)]  # the first entry of the log that is of each start

    def begin_again(self) -> None:
        """Forget everything: the same parcels come once more."""
        self._boots = [(0, self._boots[-1][1])]

    def begin_boot(self, boot_id: int) -> None:
        """Note that the PLC has started again."""
        self._boots.append((self.memory.logged(), boot_id))

    def __len__(self) -> int:
        return int(self.memory.ints[c.RELEASED])

    @property
    def parcels(self) -> list[PhysicalParcel]:
        """All parcels as they are now."""
        memory, feed = self.memory, self._feed
        sightings, readings = self._logged()
        end_boots, last_boot = self._end_boots(), self._boots[-1][1]
        parcels: list[PhysicalParcel] = []
        order = memory.order
        cells, lengths = memory.parcels[order].tolist(), memory.parcel_mm[order].tolist()
        for row, cell, real in zip(order.tolist(), cells, lengths, strict=True):
            parcels.append(
                PhysicalParcel(
                    self._ids[row],
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
                    _boot_of_end(cell, end_boots.get(row, last_boot)),
                    sightings.get(row, []),
                    readings.get(row, []),
                    _faults(cell[c.PARCEL_FAULTS]),
                )
            )
        return parcels

    def _logged(
        self,
    ) -> tuple[
        dict[int, list[tuple[int, int, int]]], dict[int, list[tuple[int, tuple[bytes, ...]]]]
    ]:
        """Return what eyes and what scanners saw, by parcel."""
        feed = self._feed
        sightings: dict[int, list[tuple[int, int, int]]] = {}
        readings: dict[int, list[tuple[int, tuple[bytes, ...]]]] = {}
        log = self.memory.whole_log()
        boot_ids = self.boots_of(0, len(log)).tolist()
        for (row, kind, source, a, b), boot_id in zip(log.tolist(), boot_ids, strict=True):
            if kind == c.SIGHTING:
                sightings.setdefault(row, []).append((source, a, boot_id))
            elif kind == c.READING:
                codes = tuple(feed[text].label for text in (a, b) if text != c.NOBODY)
                readings.setdefault(row, []).append((source, codes))
        return sightings, readings

    # --- bit by bit -----------------------------------------------------------------------------
    @property
    def at_s(self) -> float:
        """Time since parcels began to come."""
        cells = self.memory.ints
        return round(int(cells[c.NOW_NS] - cells[c.STARTED_NS]) / 1e9, 3)

    def physical_id(self, row: int) -> int:
        """Return the number of a parcel."""
        return self._ids[row]

    def put_on(self, row: int) -> dict[str, Any]:
        """Return what a parcel is as plain values."""
        return {
            "physical_id": self._ids[row],
            "label": _text(self._feed[row].label),
            "length_mm": round(self._feed[row].length_mm, 1),
            "weight_g": self._feed[row].weight_g,
        }

    def ending(self, row: int) -> dict[str, Any]:
        """Return where a parcel ended as plain values."""
        cells = self.memory.parcels[row]
        chute = int(cells[c.PARCEL_CHUTE])
        return {
            "end": _ENDS[int(cells[c.PARCEL_END])],
            "chute": self.chute_names[chute] if chute >= 0 else None,
        }

    def texts(self, *rows: int) -> list[str]:
        """Return what is on the labels that a scanner read."""
        return [_text(self._feed[row].label) for row in rows if row != c.NOBODY]

    def faults(self, row: int) -> tuple[str, ...]:
        """Return what went wrong with a parcel so far."""
        return _faults(int(self.memory.parcels[row, c.PARCEL_FAULTS]))

    # --- as a whole -----------------------------------------------------------------------------
    def row(self, parcel: PhysicalParcel) -> dict[str, Any]:
        """Return one parcel as plain values."""
        return {
            "physical_id": parcel.physical_id,
            "label": _text(parcel.label),
            "length_mm": round(parcel.length_mm, 1),
            "weight_g": parcel.weight_g,
            "induct_eye": parcel.induct_eye,
            "induct_count": parcel.induct_count,
            "sightings": [list(sighting) for sighting in parcel.sightings],
            "codes_read": [
                [scanner, [_text(code) for code in codes]] for scanner, codes in parcel.codes_read
            ],
            "end": parcel.end,
            "chute": self.chute_names[parcel.chute] if parcel.chute >= 0 else None,
            "end_count": parcel.end_count,
            "end_boot": parcel.end_boot,
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
        memory, feed, chute_names = self.memory, self._feed, self.chute_names
        sightings = self._sightings()
        end_boots, last_boot = self._end_boots(), self._boots[-1][1]
        cells = memory.parcels[memory.order].tolist()
        return [
            {
                "physical_id": self._ids[row],
                "label": _text(feed[row].label),
                "induct_eye": cell[c.PARCEL_INDUCT_EYE],
                "induct_count": cell[c.PARCEL_INDUCT_COUNT],
                "sightings": sightings[row],
                "end": _ENDS[cell[c.PARCEL_END]],
                "chute": chute_names[cell[c.PARCEL_CHUTE]] if cell[c.PARCEL_CHUTE] >= 0 else None,
                "end_count": cell[c.PARCEL_END_COUNT],
                "end_boot": _boot_of_end(cell, end_boots.get(row, last_boot)),
                "faults": _faults(cell[c.PARCEL_FAULTS]),
            }
            for row, cell in zip(memory.order.tolist(), cells, strict=True)
        ]

    def boots_of(self, start: int, stop: int) -> Ints:
        """Return the boot id that each of a stretch of log entries belongs to."""
        firsts = np.array([first for first, _ in self._boots])
        boot_ids = np.array([boot_id for _, boot_id in self._boots])
        return boot_ids[np.searchsorted(firsts, np.arange(start, stop), side="right") - 1]

    def _end_boots(self) -> dict[int, int]:
        """Return the boot id of each end, by row of the feed, where that is not the last one."""
        if len(self._boots) == 1:
            return {}
        log = self.memory.whole_log()[: self._boots[-1][0]]
        ended = np.flatnonzero(log[:, c.LOG_KIND] == c.ENDED)
        boot_ids = self.boots_of(0, len(log))[ended]
        return dict(zip(log[ended, c.LOG_PARCEL].tolist(), boot_ids.tolist(), strict=True))

    def _sightings(self) -> list[list[list[int]]]:
        """Return (eye index, count, boot id) of all sightings, by row of the feed."""
        log = self.memory.whole_log()
        log[:, c.LOG_B] = self.boots_of(0, len(log))  # a copy; sightings leave the cell unused
        seen = log[log[:, c.LOG_KIND] == c.SIGHTING]
        seen = seen[np.argsort(seen[:, c.LOG_PARCEL], kind="stable")]
        pairs = seen[:, [c.LOG_SOURCE, c.LOG_A, c.LOG_B]].tolist()
        borders = np.searchsorted(seen[:, c.LOG_PARCEL], np.arange(len(self._feed) + 1)).tolist()
        return [pairs[start:end] for start, end in itertools.pairwise(borders)]

    def by_end(self) -> dict[str, int]:
        """Return how many parcels ended in each way."""
        memory = self.memory
        ends, counts = np.unique(memory.parcels[memory.order, c.PARCEL_END], return_counts=True)
        return {
            _ENDS[end]: count for end, count in zip(ends.tolist(), counts.tolist(), strict=True)
        }

    def by_chute(self) -> dict[str, int]:
        """Return how many parcels physically went into each chute."""
        memory = self.memory
        chutes = memory.parcels[memory.order, c.PARCEL_CHUTE]
        counts = np.bincount(chutes[chutes >= 0], minlength=len(self.chute_names))
        return dict(zip(self.chute_names, counts.tolist(), strict=True))


def _boot_of_end(cells: list[int], boot_id: int) -> int:
    """Return the boot id that a parcel's end is of; -1 while it is on the line."""
    return boot_id if cells[c.PARCEL_END] != c.ON_LINE else -1


def _text(code: bytes) -> str:
    return code.decode("utf-8", "backslashreplace")


def _faults(cell: int) -> tuple[str, ...]:
    """Return the names of the faults in a cell, oldest first."""
    if not cell:
        return ()
    names: list[str] = []
    while cell:
        names.append(_FAULTS[cell & 15])
        cell >>= 4
    return tuple(reversed(names))
