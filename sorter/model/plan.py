"""Sort plan and returns policy, compiled to index tables."""

from __future__ import annotations

from dataclasses import dataclass

from sorter.model.frames import Rows


@dataclass(frozen=True, slots=True)
class SortPlan:
    """Which chutes may take a parcel of a grade and stream, in which order.

    For cell ``k = grade * n_streams + stream``, groups ``cell_groups[k]`` to
    ``cell_groups[k + 1] - 1`` are tried in order; group ``g`` holds the chute indices
    ``group_chutes[group_starts[g]:group_starts[g + 1]]``. The cost of a decision depends on
    the groups tried, not on the number of chutes.

    Attributes
    ----------
    stream_names : tuple of str
    cell_groups : int64[n_grades * n_streams + 1]
    group_starts : int64[n_groups + 1]
    group_chutes : int64[...]
    overflow : int64[n_streams]
        Stream to try next, -1 for none. Free of cycles (checked at load).
    exception_chutes : int64[len(EXCEPTION_CAUSES)]
        Outlet of each exception cause. NO_CHUTE and NO_RULE use ``fallback_chute``.
    fallback_chute : int
        Outlet after the last permitted lap, and for causes without an outlet of their own.
    """

    stream_names: tuple[str, ...]
    cell_groups: Rows
    group_starts: Rows
    group_chutes: Rows
    overflow: Rows
    exception_chutes: Rows
    fallback_chute: int


@dataclass(frozen=True, slots=True)
class ReturnsPolicy:
    """How a return record becomes a disposition and a destination stream.

    Attributes
    ----------
    category_names, country_names : tuple of str
        Index in the tuple = code in a scan row; names not listed are -1.
    window_days : int64[n_countries + 1]
        Return window by country index; the last is for unknown countries. -1: no window.
    rules : int64[len(RuleColumn), n_rules]
        First match wins.
    """

    category_names: tuple[str, ...]
    country_names: tuple[str, ...]
    window_days: Rows
    rules: Rows
