"""Checks of a returns policy, alone and with its sort plan."""

from __future__ import annotations

from collections.abc import Callable

from sorter.config.documents import Document
from sorter.config.models import ReturnsPolicyFile, SortPlanFile
from sorter.errors import Problem

POLICY_CHECKS: tuple[Callable[[ReturnsPolicyFile, Document], list[Problem]], ...] = ()
PLAN_POLICY_CHECKS: tuple[
    Callable[[SortPlanFile, Document, ReturnsPolicyFile, Document], list[Problem]], ...
] = ()
