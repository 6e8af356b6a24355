"""The belt: travel as a piecewise linear function of time, and the encoder on it."""

from __future__ import annotations

import math
from bisect import bisect_right

NEVER_NS = 1 << 62


class Belt:
    """Belt travel in mm, zero at time zero, running at once.

    Parameters
    ----------
    speed_mm_s : float
    mm_per_count : float
    encoder_slip : float
        Relative error of the encoder.
    encoder_start : int
    tick_start : int
    """

    __slots__ = (
        "_bases",
        "_counts_per_mm",
        "_marks",
        "_pieces",
        "_running_speed",
        "_tick_start",
        "ns_per_mm",
        "since_mm",
        "since_ns",
        "speed_mm_ns",
    )

    def __init__(
        self,
        speed_mm_s: float,
        mm_per_count: float,
        encoder_slip: float,
        encoder_start: int,
        tick_start: int,
    ) -> None:
        self._running_speed = speed_mm_s * 1e-9
        self.speed_mm_ns = self._running_speed
        self.ns_per_mm = 1.0 / self._running_speed
        self._counts_per_mm = (1.0 + encoder_slip) / mm_per_count
        self.since_ns = 0
        self.since_mm = 0.0
        self._pieces: list[tuple[float, int, float]] = [(0.0, 0, self._running_speed)]
        self._marks: list[float] = [0.0]  # travel at which the encoder's base changed
        self._bases: list[float] = [float(encoder_start)]
        self._tick_start = tick_start

    # --- travel and time ------------------------------------------------------------------------
    @property
    def running(self) -> bool:
        """Whether the belt moves."""
        return self.speed_mm_ns > 0.0

    def travel_at(self, now_ns: int) -> float:
        """Return the travel at a time not before the last start or stop."""
        return self.since_mm + (now_ns - self.since_ns) * self.speed_mm_ns

    def time_of(self, travel_mm: float) -> int:
        """Return when the belt will have travelled so far; never while it stands."""
        ahead = travel_mm - self.since_mm
        if ahead <= 0.0:
            return self.since_ns
        if self.speed_mm_ns <= 0.0:
            return NEVER_NS
        return self.since_ns + int(ahead * self.ns_per_mm) + 1

    def tick_at(self, travel_mm: float) -> int:
        """Return the PLC tick at a travel of the past or present."""
        if travel_mm >= self.since_mm:
            at_ns = self.since_ns + (travel_mm - self.since_mm) * self.ns_per_mm
        else:
            index = bisect_right(self._pieces, (travel_mm, -1, 0.0)) - 1
            start_mm, start_ns, speed = self._pieces[max(index, 0)]
            at_ns = start_ns + ((travel_mm - start_mm) / speed if speed > 0.0 else 0.0)
        return self._tick_start + int(at_ns) // 100_000

    def tick_now(self, now_ns: int) -> int:
        """Return the PLC tick at a time."""
        return self._tick_start + now_ns // 100_000

    def run(self, now_ns: int, running: bool) -> None:
        """Start or stop."""
        self.since_mm = self.travel_at(now_ns)
        self.since_ns = now_ns
        self.speed_mm_ns = self._running_speed if running else 0.0
        self._pieces.append((self.since_mm, now_ns, self.speed_mm_ns))

    def latch_at(self, travel_mm: float) -> tuple[int, int]:
        """Return encoder count and tick at a travel of the past or present."""
        mark = self._marks[-1]
        if travel_mm < self.since_mm or travel_mm < mark:
            return self.encoder_at(travel_mm), self.tick_at(travel_mm)
        return (
            int(self._bases[-1] + (travel_mm - mark) * self._counts_per_mm),
            self._tick_start
            + (self.since_ns + int((travel_mm - self.since_mm) * self.ns_per_mm)) // 100_000,
        )

    def sample(self, now_ns: int) -> tuple[int, int]:
        """Return encoder count and tick at a time not before the last start or stop."""
        travel_mm = self.since_mm + (now_ns - self.since_ns) * self.speed_mm_ns
        return (
            int(self._bases[-1] + (travel_mm - self._marks[-1]) * self._counts_per_mm),
            self._tick_start + now_ns // 100_000,
        )

    # --- encoder --------------------------------------------------------------------------------
    def encoder_at(self, travel_mm: float) -> int:
        """Return the unwrapped encoder count at a travel."""
        if travel_mm >= self._marks[-1]:
            return int(self._bases[-1] + (travel_mm - self._marks[-1]) * self._counts_per_mm)
        index = max(bisect_right(self._marks, travel_mm) - 1, 0)
        counts = (travel_mm - self._marks[index]) * self._counts_per_mm
        return math.floor(self._bases[index] + counts)

    def travel_of(self, encoder: int) -> float:
        """Return the travel at which the encoder will show a count, if it does not jump again."""
        return self._marks[-1] + (encoder - self._bases[-1]) / self._counts_per_mm

    def jump(self, travel_mm: float, slip_mm: float) -> None:
        """Let the encoder count `slip_mm` that the belt did not travel."""
        counts = (travel_mm - self._marks[-1] + slip_mm) * self._counts_per_mm
        self._bases.append(self._bases[-1] + counts)
        self._marks.append(travel_mm)

    def mm_of(self, counts: int) -> float:
        """Return the belt travel that moves the encoder by so many counts."""
        return counts / self._counts_per_mm
