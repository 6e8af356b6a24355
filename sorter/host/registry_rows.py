"""Checks what the registry's file gives back: SQLite does not look at each cell that it reads.

One damaged bit of a row makes a number missing or a code that there is none of; tables that refuse
such things refuse them when they are written.
"""

from __future__ import annotations

from typing import Any, Final

from sorter.files import DamagedRow
from sorter.model.codes import Grade, ReturnReason

FactsRow = tuple[str, int, int, str, int, int, int, str, int]
"""Label, identity hash and what a decision needs, as ``Registry.facts_of`` gives them."""
_FACT_TYPES: Final = (str, int, int, str, int, int, int, str, int)
_OTHER_TYPES: Final = (str, int, int, int, int, int, str)


def can_be(row: FactsRow) -> bool:
    """Say whether the cells of a row can be what they say; the control loop relies on it."""
    return (
        tuple(map(type, row)) == _FACT_TYPES
        and 0 <= row[2] < len(Grade)
        and 0 <= row[4] < len(ReturnReason)
        and 0 <= row[5] <= 1
    )


def checked(row: FactsRow) -> FactsRow:
    """Return a row that can be.

    Raises
    ------
    DamagedRow
        It cannot.
    """
    if not can_be(row):
        raise _damaged()
    return row


def check_others(identity: tuple[Any, ...], announced: tuple[Any, ...]) -> None:
    """Look at the cells of a record that no decision needs: the first one, and the last six.

    Raises
    ------
    DamagedRow
        They cannot be what they say.
    """
    if tuple(map(type, (*identity, *announced))) != _OTHER_TYPES:
        raise _damaged()


def _damaged() -> DamagedRow:
    return DamagedRow("a return record holds what none can hold")
