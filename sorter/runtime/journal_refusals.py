"""What it means that SQLite does not write: the disk takes nothing now, or the file is broken."""

from __future__ import annotations

import sqlite3
from typing import Final

from sorter.errors import JournalError, JournalRefused

_REFUSALS: Final = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
)
"""What says something about the disk or the moment, and nothing against the file."""


def kind_of(error: Exception) -> type[JournalError]:
    """Return :class:`JournalRefused` when there may be more luck another time."""
    # Extended codes keep the kind of error in their lowest byte.
    refused = getattr(error, "sqlite_errorcode", 0) & 0xFF in _REFUSALS
    return JournalRefused if refused else JournalError


def writing_failed(path: str, error: Exception) -> JournalError:
    """Return the error for a journal that could not be written."""
    return kind_of(error)(
        f"{path}: cannot be written ({error}); events are no longer acknowledged. Check "
        "free space and permissions, then restart the controller"
    )
