"""Inductions: parcels wait there for a free window on the belt."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sorter.config.models import Line, PhotoEye

from .arrivals import Concern, Draws, arrival_times_ns, generator
from .feed import FeedParcel
from .scenario import Arrivals, ConstantTime, ExponentialTime, InductionArrivals, ScenarioFile
from .truth import PhysicalParcel


class Induction:
    """One induction station.

    Attributes
    ----------
    eye : int
        Index of the photo-eye right behind it.
    position_mm : float
        Where it puts a parcel's leading edge.
    queue : deque of PhysicalParcel
    plan : int
        Number of the newest plan; events of older ones are stale.
    blocked : bool
        The parcel in front waits for a window: a parcel that leaves the belt may open one.
    interval : Draws or None
        Own process: time between arrivals, or preparation after a parcel was put on the belt.
    saturated : bool
    """

    __slots__ = (
        "blocked",
        "eye",
        "index",
        "interval",
        "plan",
        "planned_mm",
        "position_mm",
        "queue",
        "saturated",
    )

    def __init__(
        self,
        index: int,
        eye: int,
        position_mm: float,
        own: InductionArrivals | None,
        arrivals: Arrivals,
        seed: int,
    ) -> None:
        self.index = index
        self.eye = eye
        self.position_mm = position_mm
        self.queue: deque[PhysicalParcel] = deque()
        self.plan = 0
        self.planned_mm = 0.0
        self.blocked = False
        self.saturated = arrivals.process == "saturated"
        self.interval: Draws | None = None
        source = generator(seed, Concern.PREPARATION, index)
        if own is not None:
            self.saturated = own.process == "saturated"
            default = (
                ConstantTime(value_s=0)
                if self.saturated
                else ExponentialTime(kind="exponential", mean_s=own.mean_s)
            )
            self.interval = Draws(own.interval or default, source)
        elif self.saturated:
            self.interval = Draws(arrivals.preparation, source)


def ordered_eyes(line: Line) -> list[PhotoEye]:
    """Return the photo-eyes by position: the order of their indices on the wire."""
    return sorted(line.photo_eyes, key=lambda eye: eye.position_mm)


def build_inductions(scenario: ScenarioFile, line: Line, seed: int) -> list[Induction]:
    """Return an induction before each inducting eye."""
    own = {item.eye: item for item in scenario.inductions}
    inductions: list[Induction] = []
    for index, eye in enumerate(ordered_eyes(line)):
        if not eye.inducts:
            continue
        position = eye.position_mm - scenario.arrivals.induction_distance_mm
        position = position % line.length_mm if line.topology == "loop" else max(position, 0.0)
        inductions.append(
            Induction(len(inductions), index, position, own.get(eye.name), scenario.arrivals, seed)
        )
    return inductions


def shared_times_ns(
    scenario: ScenarioFile,
    inductions: Sequence[Induction],
    feed: Sequence[FeedParcel],
    seed: int,
) -> list[int]:
    """Return arrival times for the inductions that have no process of their own."""
    if all(induction.interval is not None for induction in inductions):
        return []
    return arrival_times_ns(scenario.arrivals, feed, seed)
