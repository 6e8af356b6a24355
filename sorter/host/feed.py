"""Turns return records into arrivals: with sizes, at times compressed from the real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sorter.host.generate import FeedRow, category_index, draw_dimensions
from sorter.host.registry import AnnouncedReturn, Registry

PEAK_FACTOR: Final = 1.5
MAX_DRAWN_WEIGHT_G: Final = 15_000


def feed_from_registry(
    registry: Registry,
    seed: int,
    limit: int = -1,
    rate_parcels_per_h: float = 20_000,
    peak_factor: float = PEAK_FACTOR,
) -> Iterator[FeedRow]:
    """Yield the registry's returns as parcels, in time order, compressed to a mean rate.

    Busy days stay busy and quiet ones quiet, but bounded: the rate of each day's parcels is the
    mean rate times the day's share, clipped to 1/`peak_factor` and `peak_factor`, since a real
    peak (7.7 times the mean day in Online Retail) is more than any line takes. Within a day the
    distances between parcels vary by half. Size and weight are drawn by category where the
    announcement did not give them.

    Parameters
    ----------
    registry : Registry
    seed : int
    limit : int
        At most so many parcels, the earliest; -1: all.
    rate_parcels_per_h : float
        Mean rate, greater than 0.
    peak_factor : float
        At least 1.
    """
    returns = list(registry.returns(limit))
    if not returns:
        return
    rng = np.random.default_rng([seed, 0x46454544])
    arrive_ms = _arrivals_ms(returns, rng, rate_parcels_per_h, peak_factor)
    category = np.array([category_index(one.record.category) for one in returns], np.int64)
    length, width, height, weight = draw_dimensions(rng, category)
    drawn = zip(
        returns,
        arrive_ms,
        length.tolist(),
        width.tolist(),
        height.tolist(),
        weight.tolist(),
        strict=True,
    )
    for announced, arrive, length_mm, width_mm, height_mm, weight_g in drawn:
        yield FeedRow(
            announced.record.label,
            announced.length_mm or length_mm,
            announced.width_mm or width_mm,
            announced.height_mm or height_mm,
            announced.weight_g or _weight_of_units(weight_g, announced.units),
            arrive,
        )


def _weight_of_units(weight_g: int, units: int) -> int:
    """Return the weight of a parcel with several articles: each further one adds a tenth."""
    return min(weight_g + weight_g * (units - 1) // 10, MAX_DRAWN_WEIGHT_G)


def _arrivals_ms(
    returns: list[AnnouncedReturn],
    rng: np.random.Generator,
    rate_parcels_per_h: float,
    peak_factor: float,
) -> list[int]:
    days = [one.announced_at[:10] for one in returns]
    per_day = Counter(days)
    mean_per_day = len(returns) / len(per_day)
    factor = np.array([per_day[day] / mean_per_day for day in days])
    distance = rng.uniform(0.5, 1.5, len(days)) / np.clip(factor, 1 / peak_factor, peak_factor)
    distance *= 3_600_000 / rate_parcels_per_h / distance.mean()
    times: list[int] = (np.cumsum(distance) - distance[0]).astype(np.int64).tolist()
    return times
