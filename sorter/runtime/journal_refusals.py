"""What it means that SQLite does not write: the disk takes nothing now, or the file is broken."""

from __future__ import annotations

import sqlite3
from typing import Final

from sorter.errors import JournalError, JournalRefused
from sorter.files import database_code, database_words

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
_FULL_DISK: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""What a full disk makes SQLite say: also of a file beside the journal that cannot be made."""


def is_refusal(error: Exception) -> bool:
    """Say whether an error is about the disk or the moment, and nothing against the file."""
    return database_code(error) in _REFUSALS


def may_be_full_disk(error: BaseException | None) -> bool:
    """Say whether an error is one of those that a full disk causes."""
    return database_code(error) in _FULL_DISK


def kind_of(error: Exception) -> type[JournalError]:
    """Return :class:`JournalRefused` when there may be more luck another time."""
    return JournalRefused if is_refusal(error) else JournalError


def writing_failed(path: str, error: Exception) -> JournalError:
    """Return the error for a journal that could not be written."""
    return kind_of(error)(
        f"{path}: cannot be written ({database_words(error)}); events are no longer acknowledged. "
        "Check free space and permissions, then restart the controller"
    )
