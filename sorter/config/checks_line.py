"""Checks of a line file alone that pydantic cannot see."""

from __future__ import annotations

from collections.abc import Callable

from sorter.config.documents import Document
from sorter.config.models import LineFile
from sorter.errors import Problem

LINE_CHECKS: tuple[Callable[[LineFile, Document], list[Problem]], ...] = ()
