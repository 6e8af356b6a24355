"""Opens files that somebody named: a pipe or a device in their place must not stall anything.

Also what our SQLite files have in common: their marks, and what a damaged one raises.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from pathlib import Path
from typing import BinaryIO, Final

from sorter.errors import SorterError

JOURNAL_ID: Final = 0x50534A31  # "PSJ1"
REGISTRY_ID: Final = 0x50534F52  # "PSOR"
"""Mark our SQLite files (``application_id``), so that no other is mistaken for one."""

NOT_A_FILE = "is a folder, a pipe or a device, not a file"

DATABASE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a file that is damaged or does not answer raises: Python's module decodes SQLite's messages,
and a message may quote the damaged bytes."""

_DAMAGE: Final = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_ERROR,
)
_NOT_DECODED: Final = "Could not decode to UTF-8"
_COLUMN: Final = re.compile(rf"{_NOT_DECODED} column '(\w{{1,40}})'")
_LONGEST_WORDS: Final = 120


class DamagedRow(sqlite3.DatabaseError):
    """A row holds what nobody can have stored: SQLite does not look at each cell it reads."""


def database_code(error: BaseException | None) -> int:
    """Return SQLite's code for the kind of an error; 0 for what is none of SQLite's."""
    # Extended codes keep the kind of error in their lowest byte.
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)) & 0xFF


def is_damage(error: BaseException | None) -> bool:
    """Say whether an error is about what a database file holds, not about the disk or the moment.

    Our statements are right and so is what they store: when SQLite finds fault with either (no such
    column, a row twice where there can be one), the file holds something else than it should.
    """
    known = isinstance(error, DamagedRow) or database_code(error) in _DAMAGE
    return known or _damaged_text(error)


def database_words(error: BaseException) -> str:
    """Return what SQLite says, in one line, without the damaged text that it may quote.

    What is no error of SQLite's is said as it is.
    """
    text = str(error)
    if not isinstance(error, DATABASE_ERRORS):
        return text
    if _damaged_text(error):
        column = _COLUMN.search(text)
        return f"damaged text in the column {column[1]}" if column else "damaged text"
    line = text.partition("\n")[0]
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}..."


def _damaged_text(error: BaseException | None) -> bool:
    """Say whether bytes are no text: of a cell Python's module says so itself, without a code."""
    return isinstance(error, UnicodeDecodeError) or (
        isinstance(error, sqlite3.OperationalError) and str(error).startswith(_NOT_DECODED)
    )


def open_regular(path: Path | str) -> BinaryIO:
    """Open a file for reading.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file: opening a pipe would wait for whoever writes
        it, and some devices never end.
    """
    # Without waiting: what it is, the open descriptor tells, so nothing can be put in its place.
    wait_not = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | wait_not)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def without_waiting(path: str, flags: int) -> int:
    """Open a file to write it: the `opener` of :func:`open`.

    Raises
    ------
    OSError
        It cannot be opened, or is a pipe that nobody reads: opening that would wait for a reader.
    """
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.ENXIO, "it is a pipe or socket that nobody reads", path) from error
    os.set_blocking(descriptor, True)  # whoever reads may be slower
    return descriptor


def write_text(path: Path | str, text: str) -> None:
    """Write a file as UTF-8; raises :class:`OSError` as :func:`without_waiting` does."""
    with open(path, "w", encoding="utf-8", opener=without_waiting) as file:
        file.write(text)


def read_regular(path: Path | str, most_bytes: int) -> bytes:
    """Return the content of a file.

    Raises
    ------
    OSError
        It cannot be opened, is no regular file, or is larger than `most_bytes`.
    """
    with open_regular(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"is larger than {most_bytes // 1024} kB", str(path))
    return content


def may_be_database(path: Path | str) -> bool:
    """Return whether SQLite can be given this path: a regular file, or nothing yet."""
    there = Path(path)
    return there.is_file() or not there.exists()


def require_folder(path: Path | str, option: str) -> None:
    """Check that the folder of a file named on the command line is there.

    A folder of a mistyped name would take what nobody then finds. The folders that a line file
    names are made.

    Raises
    ------
    SorterError
        It is not there.
    """
    folder = Path(path).parent
    if not folder.is_dir():
        raise SorterError(
            f"{path}: there is no folder {folder} to put it in; make it, or correct {option}"
        )


def mistaken_database(application_id: int) -> str:
    """Return what another SQLite file of ours is and which option wants it; empty: none of ours."""
    if application_id == JOURNAL_ID:
        return (
            "is a journal, not a return registry; a journal is for `sorter explain`, `sorter "
            "replay` and --journal, a registry is made by `sorter returns import --registry FILE`"
        )
    if application_id == REGISTRY_ID:
        return (
            "is a return registry, not a journal; a registry is for --registry, a journal is what "
            "--journal (or service.journal in the line file) named when the line ran"
        )
    return ""
