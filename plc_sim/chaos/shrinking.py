"""Finds the shortest story that still fails: delta debugging over its faults.

After A. Zeller, R. Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, IEEE TSE
28(2), 2002, with complements only: a story has a handful of faults.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


async def shortest(
    items: Sequence[Item],
    still_fails: Callable[[Sequence[Item]], Awaitable[bool]],
    may_go_on: Callable[[], bool],
) -> list[Item]:
    """Return a part of `items` that still fails and from which nothing more can be left out.

    Parameters
    ----------
    items : sequence
        Fails as a whole.
    still_fails : callable
    may_go_on : callable
        Asked before each try; False ends the search with the shortest found so far.
    """
    kept = list(items)
    size = max(1, len(kept) // 2)
    while kept:
        for start in range(0, len(kept), size):
            if not may_go_on():
                return kept
            rest = kept[:start] + kept[start + size :]
            if await still_fails(rest):
                kept = rest
                size = min(size, max(1, len(kept) // 2))
                break
        else:
            if size == 1:
                return kept
            size = max(1, size // 2)
    return kept
