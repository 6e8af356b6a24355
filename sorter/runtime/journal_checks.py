"""Checks what SQLite gives back: any column may hold any type, and files get damaged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from sorter.errors import JournalError

LARGEST: Final = 1 << 62
"""No number of a journal comes near; arithmetic on what is below cannot overflow."""


def whole_numbers(path: object, what: str, cells: Iterable[object]) -> None:
    """Raise unless all cells are whole numbers that a journal can hold.

    Parameters
    ----------
    path : path
        Of the journal.
    what : str
        What the cells belong to, e.g. ``the table of runs``.
    cells : iterable

    Raises
    ------
    JournalError
    """
    for cell in cells:
        if type(cell) is not int or not -LARGEST < cell < LARGEST:
            raise damaged(path, what, f"{_shown(cell)} stands where a number should be")


def texts(path: object, what: str, cells: Iterable[object]) -> None:
    """Raise unless all cells are text; arguments as for :func:`whole_numbers`."""
    for cell in cells:
        if not isinstance(cell, str):
            raise damaged(path, what, f"{_shown(cell)} stands where text should be")


def json_object(text: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    ValueError
        The text is no JSON, something else than an object, or nested without end.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def damaged(path: object, what: str, problem: str) -> JournalError:
    """Return the error for a part of the journal that cannot be used."""
    return JournalError(f"{path}: {what} is damaged ({problem}); restore the journal from a copy")


def _shown(cell: object) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else f"{text[:40]}..."
