"""What a breakage of the shipped configuration is."""

from __future__ import annotations

from dataclasses import dataclass

LINE, PLAN, POLICY = "line.yaml", "sort_plan.yaml", "returns_policy.yaml"
SMALL, SMALL_PLAN = "small_line.yaml", "small_sort_plan.yaml"


@dataclass(frozen=True)
class Break:
    """Replace `old` by `new` in `file`; expect `problem` at `key` in the line that holds `at`."""

    file: str
    old: str
    new: str
    key: str
    at: str
    problem: str
    remedy: str = ""
    reported_in: str = ""
    others: tuple[str, ...] = ()
    """Texts of further problems that the same mistake must cause."""
