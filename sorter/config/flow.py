"""How much of some demands a set of shared supplies can serve."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

TINY: Final = 1e-9
"""Flow below this is rounding."""


def unserved(
    demands: Sequence[float], choices: Sequence[Sequence[int]], supplies: Sequence[float]
) -> list[float]:
    """Return what is left of each demand when as much as possible is served.

    A maximum flow by shortest augmenting paths: one demand may push another off a supply, if
    that one has a choice elsewhere.

    Parameters
    ----------
    demands : sequence of float
    choices : sequence of sequence of int
        For each demand the supplies that may serve it.
    supplies : sequence of float
        May be infinite.
    """
    left = list(demands)
    spare = list(supplies)
    flow: list[dict[int, float]] = [{} for _ in demands]
    for demand in range(len(left)):
        while left[demand] > TINY:
            path = _path_to_spare(demand, choices, spare, flow)
            if path is None:
                break
            _push(path, left, spare, flow)
    return [0.0 if rest <= TINY else rest for rest in left]


Path = list[tuple[int, int]]
"""(demand, supply) steps: each demand takes the supply from the demand of the next step."""


def _path_to_spare(
    start: int,
    choices: Sequence[Sequence[int]],
    spare: Sequence[float],
    flow: Sequence[dict[int, float]],
) -> Path | None:
    came_from: dict[int, tuple[int, int] | None] = {start: None}
    seen_supplies: set[int] = set()
    queue = deque([start])
    while queue:
        demand = queue.popleft()
        for supply in choices[demand]:
            if supply in seen_supplies:
                continue
            seen_supplies.add(supply)
            if spare[supply] > TINY:
                path = [(demand, supply)]
                step = came_from[demand]
                while step is not None:
                    path.append(step)
                    step = came_from[step[0]]
                return path[::-1]
            for other, served in enumerate(flow):
                if other not in came_from and served.get(supply, 0.0) > TINY:
                    came_from[other] = (demand, supply)
                    queue.append(other)
    return None


def _push(path: Path, left: list[float], spare: list[float], flow: list[dict[int, float]]) -> None:
    amount = min(left[path[0][0]], spare[path[-1][1]])
    for (_, supply), (giver, _) in pairwise(path):
        amount = min(amount, flow[giver][supply])
    for place, (demand, supply) in enumerate(path):
        flow[demand][supply] = flow[demand].get(supply, 0.0) + amount
        if place + 1 < len(path):
            flow[path[place + 1][0]][supply] -= amount
    left[path[0][0]] -= amount
    spare[path[-1][1]] -= amount
