"""Says in one sentence why the registry's file cannot be used, and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sorter.errors import RegistryUnusable
from sorter.files import DATABASE_ERRORS, database_code, database_words, is_damage


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into one sentence for people.

    Raises
    ------
    RegistryUnusable
        With that sentence.
    """
    try:
        yield
    except (*DATABASE_ERRORS, OSError) as error:
        problem = (isinstance(error, OSError) and error.strerror) or database_words(error)
        raise RegistryUnusable(
            f"{name}: the return registry cannot be used ({problem}); {_remedy(error)}"
        ) from error


def _remedy(error: Exception) -> str:
    """Return what to do about it."""
    kind = database_code(error)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another process is writing it: try again when that has ended"
    if kind == sqlite3.SQLITE_FULL:
        return "make room on its disk"
    if is_damage(error):
        return "name another file, or import the returns into a new one"
    return "its folder must be there and both may be written; correct that, or name another file"
