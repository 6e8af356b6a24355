"""The capacity question against the max-flow min-cut theorem, by trying all subsets."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorter.config.flow import unserved

amounts = st.integers(0, 20).map(float)


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[float], list[list[int]], list[float]]:
    supplies = draw(st.lists(amounts | st.just(math.inf), min_size=1, max_size=5))
    supply = st.integers(0, len(supplies) - 1)
    choices = draw(st.lists(st.lists(supply, unique=True, max_size=5), max_size=6))
    demands = [draw(amounts) for _ in choices]
    return demands, choices, supplies


@given(questions())
def test_unserved_total_is_the_worst_subset_of_demands(
    question: tuple[list[float], list[list[int]], list[float]],
) -> None:
    demands, choices, supplies = question
    worst = 0.0
    for size in range(1, len(demands) + 1):
        for subset in combinations(range(len(demands)), size):
            reachable = {supply for demand in subset for supply in choices[demand]}
            needed = sum(demands[demand] for demand in subset)
            worst = max(worst, needed - sum(supplies[supply] for supply in reachable))
    left = unserved(demands, choices, supplies)
    assert sum(left) == pytest.approx(worst)
    assert all(0 <= rest <= demand for rest, demand in zip(left, demands, strict=True))


def test_a_demand_gives_way_to_one_without_a_choice() -> None:
    assert unserved([5, 5], [[0, 1], [0]], [5, 5]) == [0, 0]
