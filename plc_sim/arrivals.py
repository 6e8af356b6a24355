"""Random numbers, drawn ahead, one seeded generator per concern and thing.

What happens to a parcel does not depend on the order in which the simulation gets to ask for it:
the same seed gives the same parcels, reads and failures, whatever the controller does.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cells import DRAW_BLOCK
from .feed import FeedParcel
from .scenario import (
    Arrivals,
    ConstantTime,
    Duration,
    ExponentialTime,
    GeometricTime,
    NormalTime,
    ParcelSizes,
    Spread,
)

NS_PER_S = 1_000_000_000


class Concern(IntEnum):
    """What random numbers are for; part of every seed, so append, never renumber."""

    ARRIVALS = 1
    SIZES = 2
    SCANS = 3
    DIVERTERS = 4
    CHUTE_SERVICE = 5
    PARCEL_SLIP = 6
    JAMS = 7
    PREPARATION = 8
    SCALES = 9
    OPERATOR = 10
    BURSTS = 11
    TAMPERINGS = 12


def generator(seed: int, concern: Concern, index: int = 0) -> np.random.Generator:
    """Return the generator of one concern of one thing."""
    return np.random.default_rng((seed, int(concern), index))


class Draws:
    """Durations of one kind for one thing, in ns, drawn in blocks."""

    __slots__ = ("_block", "_duration", "_generator")

    def __init__(self, duration: Duration, source: np.random.Generator) -> None:
        self._duration = duration
        self._generator = source
        self._block: list[int] = []

    def next_ns(self) -> int:
        """Return the next duration."""
        if not self._block:
            self._block = self.block_ns()[::-1].tolist()
        return self._block.pop()

    def block_ns(self) -> NDArray[np.int64]:
        """Return the next `DRAW_BLOCK` durations at once."""
        duration = self._duration
        draw = self._generator
        seconds: NDArray[np.floating[Any]]
        if isinstance(duration, ConstantTime):
            seconds = np.full(DRAW_BLOCK, duration.value_s)
        elif isinstance(duration, ExponentialTime):
            seconds = draw.exponential(duration.mean_s, DRAW_BLOCK)
        elif isinstance(duration, NormalTime):
            seconds = np.maximum(
                draw.normal(duration.mean_s, duration.sd_s, DRAW_BLOCK), duration.least_s
            )
        elif isinstance(duration, GeometricTime):
            seconds = draw.geometric(duration.success, DRAW_BLOCK) * duration.slot_s
        else:
            seconds = draw.uniform(duration.from_s, duration.to_s, DRAW_BLOCK)
        return np.rint(seconds * NS_PER_S).astype(np.int64)


def arrival_times_ns(arrivals: Arrivals, feed: Sequence[FeedParcel], seed: int) -> list[int]:
    """Return when each parcel comes, from the start of arrivals; ascending by feed row."""
    count = len(feed)
    mean_ns = 3600 * NS_PER_S / arrivals.rate_parcels_per_h
    times: NDArray[np.floating[Any]]
    if arrivals.process == "poisson":
        times = np.cumsum(generator(seed, Concern.ARRIVALS).exponential(mean_ns, count))
    elif arrivals.process == "as_recorded":
        recorded = np.array([p.arrive_ms or 0.0 for p in feed], np.float64) * 1e6
        times = np.maximum.accumulate(recorded) if count else recorded
    elif arrivals.process == "saturated":
        times = np.zeros(count)
    else:
        times = np.arange(count) * mean_ns
    result: list[int] = times.astype(np.int64).tolist()
    return result


def generate_feed(sizes: ParcelSizes, labels: Sequence[bytes], seed: int) -> list[FeedParcel]:
    """Return a parcel per label with sizes drawn from the scenario."""
    source = generator(seed, Concern.SIZES)
    count = len(labels)

    def draw(spread: Spread) -> list[float]:
        values = np.clip(source.normal(spread.mean, spread.sd, count), spread.least, spread.most)
        result: list[float] = np.round(values, 1).tolist()
        return result

    length, width, height = draw(sizes.length_mm), draw(sizes.width_mm), draw(sizes.height_mm)
    weight = draw(sizes.weight_g)
    return [
        FeedParcel(label, length[i], width[i], height[i], int(weight[i]))
        for i, label in enumerate(labels)
    ]
