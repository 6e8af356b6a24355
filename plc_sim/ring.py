"""The parcels on the belt, ordered by place: finds free windows and what passes a chute when."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from .truth import PhysicalParcel

_ROUNDING_MM = 0.01
"""Belt travel and time are floats: windows that touch within this are free."""


class ParcelRing:
    """Parcels by anchor, the belt travel at which their leading edge is at line position 0.

    Parameters
    ----------
    loop_mm : float
        0 for a line that ends.
    gap_mm : float
        Free belt that an induction keeps before and behind a parcel.
    pitch_mm : float
        Distance of trays, 0 for a plain belt.
    """

    __slots__ = ("_gap_mm", "_loop_mm", "_parcels", "_phases", "_pitch_mm")

    def __init__(self, loop_mm: float, gap_mm: float, pitch_mm: float) -> None:
        self._loop_mm = loop_mm
        self._gap_mm = gap_mm
        self._pitch_mm = pitch_mm
        self._phases: list[float] = []
        self._parcels: list[PhysicalParcel] = []

    def __len__(self) -> int:
        return len(self._parcels)

    def parcels(self) -> list[PhysicalParcel]:
        """Return a copy of all parcels."""
        return list(self._parcels)

    def add(self, parcel: PhysicalParcel) -> None:
        """Take a parcel in at its anchor."""
        phase = parcel.anchor_mm % self._loop_mm if self._loop_mm else parcel.anchor_mm
        parcel.phase_mm = phase
        index = bisect_right(self._phases, phase)
        self._phases.insert(index, phase)
        self._parcels.insert(index, parcel)

    def remove(self, parcel: PhysicalParcel) -> None:
        """Take a parcel out."""
        index = bisect_left(self._phases, parcel.phase_mm)
        while self._parcels[index] is not parcel:
            index += 1
        del self._phases[index]
        del self._parcels[index]

    def shift(self, parcel: PhysicalParcel, slip_mm: float) -> None:
        """Let a parcel slip on the belt: back (+) or ahead (-), never into its neighbours."""
        slip_mm = min(slip_mm, max(self._behind(parcel) - parcel.length_mm - 1.0, 0.0))
        slip_mm = max(slip_mm, min(self._ahead_free(parcel) * -1.0 + 1.0, 0.0))
        self.remove(parcel)
        parcel.anchor_mm += slip_mm
        self.add(parcel)

    def _behind(self, parcel: PhysicalParcel) -> float:
        """Return the distance from a leading edge to that of the next parcel behind it."""
        index = bisect_right(self._phases, parcel.phase_mm)
        if index < len(self._phases):
            return self._phases[index] - parcel.phase_mm
        return self._phases[0] + self._loop_mm - parcel.phase_mm if self._loop_mm else math.inf

    def _ahead_free(self, parcel: PhysicalParcel) -> float:
        """Return the free belt between a parcel and the one in front of it."""
        index = bisect_left(self._phases, parcel.phase_mm)
        if index == 0 and not self._loop_mm:
            return math.inf
        ahead = self._parcels[index - 1]
        distance = parcel.phase_mm - ahead.phase_mm
        if distance <= 0.0:
            distance += self._loop_mm
        return distance - ahead.length_mm

    def earliest_anchor(self, anchor_mm: float, length_mm: float) -> float | None:
        """Return the first free anchor at or behind `anchor_mm`; None when a whole lap is full."""
        need = anchor_mm
        while True:
            if self._pitch_mm:
                need = math.ceil((need - _ROUNDING_MM) / self._pitch_mm) * self._pitch_mm
            clear = self._conflict(need, length_mm)
            if clear is None:
                return need
            need = clear
            if self._loop_mm and need - anchor_mm > self._loop_mm:
                return None

    def _conflict(self, anchor_mm: float, length_mm: float) -> float | None:
        """Return None when the window is free, else the anchor that just clears the conflict."""
        count = len(self._phases)
        if not count:
            return None
        loop = self._loop_mm
        phase = anchor_mm % loop if loop else anchor_mm
        index = bisect_right(self._phases, phase)
        if index or loop:
            ahead = self._parcels[index - 1]
            distance = phase - ahead.phase_mm
            if distance < 0.0:
                distance += loop
            needed = ahead.length_mm + self._gap_mm
            if distance < needed - _ROUNDING_MM:
                return anchor_mm + needed - distance
        if index < count or loop:
            behind = self._parcels[index] if index < count else self._parcels[0]
            distance = behind.phase_mm - phase
            if distance < 0.0:
                distance += loop
            if distance < length_mm + self._gap_mm - _ROUNDING_MM:
                return anchor_mm + distance + behind.length_mm + self._gap_mm
        return None

    def passing(
        self, position_mm: float, from_mm: float, to_mm: float
    ) -> list[tuple[float, PhysicalParcel]]:
        """Return travel and parcel of every leading edge at a position between two travels."""
        phases = self._phases
        loop = self._loop_mm
        first = from_mm - position_mm
        last = to_mm - position_mm
        if not loop:
            low, high = bisect_left(phases, first), bisect_right(phases, last)
            return [(phases[i] + position_mm, self._parcels[i]) for i in range(low, high)]
        base = first // loop * loop
        low = bisect_left(phases, first - base)
        found: list[tuple[float, PhysicalParcel]] = []
        count = len(phases)
        while True:
            if low >= count:
                base += loop
                low = 0
                if not count:
                    return found
            anchor = phases[low] + base
            if anchor > last:
                return found
            found.append((anchor + position_mm, self._parcels[low]))
            low += 1
