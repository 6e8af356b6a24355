"""Diverters: they take whatever leading edge passes while they are engaged, right or wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sorter.config.models import Line

from .arrivals import Concern, generator
from .belt import Belt
from .ring import ParcelRing
from .scenario import ScenarioFile
from .truth import PhysicalParcel

_DRAWN = 4096
"""Draws per diverter; they come round again after so many firings."""


class Floor(Protocol):
    """What diverters need of the plant."""

    line: Line
    belt: Belt
    ring: ParcelRing

    @property
    def travel_mm(self) -> float:
        """Belt travel now."""
        ...

    def at_travel(
        self, travel_mm: float, callback: Callable[[Any, Any], None], first: Any, second: Any
    ) -> None:
        """Call back when the belt has travelled so far."""
        ...

    def leave_belt(self, parcel: PhysicalParcel, at_mm: float) -> None:
        """Take a parcel off the belt."""
        ...

    def fly(self, parcel: PhysicalParcel, chute: int, lead_mm: float) -> None:
        """Let a parcel slide to a chute's entry eye."""
        ...


class Diverters:
    """All diverters of a line.

    Parameters
    ----------
    scenario : ScenarioFile
    floor : Floor
    seed : int
    margin_mm : float
        How far a parcel may slip between firing and passing.
    """

    def __init__(self, scenario: ScenarioFile, floor: Floor, seed: int, margin_mm: float) -> None:
        self._floor = floor
        self._margin_mm = margin_mm
        quality = scenario.diverters
        speed_mm_ms = floor.line.belt_speed_mm_s / 1000.0
        self._jitter_mm: list[list[float]] = []
        self._fails: list[list[bool]] = []
        for index in range(len(floor.line.chutes)):
            draw = generator(seed, Concern.DIVERTERS, index)
            sd_mm = quality.actuation_jitter_ms * speed_mm_ms
            self._jitter_mm.append((draw.standard_normal(_DRAWN) * sd_mm).tolist())
            self._fails.append((draw.random(_DRAWN) < quality.fail_rate).tolist())
        self._built = [
            (chute.position_mm, chute.actuation_distance_mm) for chute in floor.line.chutes
        ]
        self._fired = [0] * len(floor.line.chutes)
        self.forced_failures = [0] * len(floor.line.chutes)

    def fire(self, chute: int, hold_mm: float) -> None:
        """Fire now: engaged after the actuation distance, for `hold_mm` of belt travel."""
        floor = self._floor
        position_mm, actuation_mm = self._built[chute]
        number = self._fired[chute] % _DRAWN
        self._fired[chute] += 1
        delay = max(actuation_mm + self._jitter_mm[chute][number], 0.0)
        engaged = floor.travel_mm + delay
        released = engaged + hold_mm
        failed = self._fails[chute][number]
        if self.forced_failures[chute]:
            self.forced_failures[chute] -= 1
            failed = True
        margin = self._margin_mm
        for at_mm, parcel in floor.ring.passing(position_mm, engaged - margin, released + margin):
            if failed:
                parcel.faults += ("failed_divert",)
            else:
                floor.at_travel(at_mm, self._pass, parcel, (chute, engaged, released, at_mm))

    def _pass(self, parcel: PhysicalParcel, window: tuple[int, float, float, float]) -> None:
        """Take a leading edge that is where the diverter was expected to take it."""
        chute, engaged, released, expected = window
        if parcel.left_mm != float("inf"):
            return
        at_mm = expected
        if self._margin_mm:
            position = self._built[chute][0]
            margin = self._margin_mm
            for passes_mm, other in self._floor.ring.passing(
                position, engaged - margin, released + margin
            ):
                if other is parcel:
                    at_mm = passes_mm
            if at_mm > expected:
                again = (chute, engaged, released, at_mm)
                self._floor.at_travel(at_mm, self._pass, parcel, again)
                return
        if engaged <= at_mm <= released:
            self._floor.leave_belt(parcel, at_mm)
            self._floor.fly(parcel, chute, at_mm)
