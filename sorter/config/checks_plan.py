"""Checks of a sort plan, alone and on its line."""

from __future__ import annotations

from collections.abc import Callable

from sorter.config.documents import Document
from sorter.config.models import LineFile, SortPlanFile
from sorter.errors import Problem

PLAN_CHECKS: tuple[Callable[[SortPlanFile, Document], list[Problem]], ...] = ()
LINE_PLAN_CHECKS: tuple[Callable[[LineFile, SortPlanFile, Document], list[Problem]], ...] = ()
