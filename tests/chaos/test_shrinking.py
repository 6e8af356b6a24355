"""The shortest story that still fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_sim.chaos.shrinking import shortest


@given(
    st.integers(1, 9).flatmap(
        lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), max_size=3))
    )
)
async def test_finds_exactly_what_is_needed(case: tuple[int, set[int]]) -> None:
    size, needed = case

    async def still_fails(items: Sequence[int]) -> bool:
        return needed <= set(items)

    assert await shortest(range(size), still_fails, lambda: True) == sorted(needed)


async def test_stops_when_told_and_keeps_something_that_fails() -> None:
    tries = 0

    async def still_fails(items: Sequence[int]) -> bool:
        nonlocal tries
        tries += 1
        return 5 in items

    found = await shortest(range(64), still_fails, lambda: tries < 2)
    assert tries == 2
    assert 5 in found
    assert len(found) < 64


async def test_an_error_of_a_try_is_not_swallowed() -> None:
    async def still_fails(_items: Sequence[int]) -> bool:
        raise RuntimeError("no rig")

    with pytest.raises(RuntimeError, match="no rig"):
        await shortest([1, 2], still_fails, lambda: True)
