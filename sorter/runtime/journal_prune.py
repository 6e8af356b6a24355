"""Prunes a journal from outside the controller, which may be running."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any, Final

from sorter.errors import JournalError
from sorter.files import DATABASE_ERRORS, database_words
from sorter.runtime.journal_checks import damaged
from sorter.runtime.journal_refusals import is_refusal
from sorter.runtime.journal_retention import Limits, Retention
from sorter.runtime.journal_schema import connect_writable
from sorter.runtime.journal_store import JournalReader

TURN_S: Final = 0.03
"""Pause between two slices. Whoever waits for SQLite's lock asks for it again after 1 to 25 ms, and
ever more seldom: a pruner that took it again at once held up commits for 1.6 s."""


def prune_journal(path: Path, limits: Limits, now_s: float) -> dict[str, Any]:
    """Prune a journal to its limits, slice by slice, and give the space back.

    Parameters
    ----------
    path : Path
        An existing journal.
    limits : Limits
    now_s : float
        Wall time, seconds since 1970.

    Raises
    ------
    JournalError
        It is missing, no journal, damaged, or cannot be written.
    """
    JournalReader(path).close()  # says what is wrong with it, and makes no new file
    connection = connect_writable(str(path), "FULL")
    pause = threading.Event()
    try:
        _refuse_damaged(connection, path)
        with JournalReader(path) as reader:
            reader.runs()  # any column may hold any type: this says which row does
        retention = Retention(connection, limits)
        before = retention.size_bytes()
        while retention.prune_slice(now_s):
            pause.wait(TURN_S)
        retention.drop_empty_runs()
        while retention.free_bytes() and retention.give_back():
            pause.wait(TURN_S)
        # The file itself shrinks at a checkpoint. One that others hold up is made up for later.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        after = retention.size_bytes()
    except DATABASE_ERRORS as error:
        why = database_words(error)
        if not is_refusal(error):
            raise damaged(path, "the file", why) from error
        raise JournalError(
            f"{path}: cannot be pruned ({why}); check free space and permissions, and try again"
        ) from error
    except (TypeError, ValueError) as error:
        raise damaged(path, "a number in the file", str(error)) from error
    finally:
        connection.close()
    return {
        "pruned_steps": retention.pruned.steps,
        "pruned_parcels": retention.pruned.parcels,
        "bytes_before": before,
        "bytes_after": after,
        "within_limits": limits.max_bytes is None or after <= limits.max_bytes,
    }


def _refuse_damaged(connection: sqlite3.Connection, path: Path) -> None:
    """Raise when a page of the file is rotten, wherever it is.

    Taking out the oldest steps looks at few pages: it found nothing to do in a file of which all
    others were gone, and would move what is left of such a file.
    """
    found = _first_damage(connection, "1")
    if not found:
        return
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (name,) in tables:
        if of_table := _first_damage(connection, f'"{name}"'):
            raise damaged(path, f"the table {name}", of_table)
    raise damaged(path, "the file", found)


def _first_damage(connection: sqlite3.Connection, what: str) -> str:
    """Return the first damage of a table or, of ``1``, of the file; empty: there is none."""
    try:
        (found,) = connection.execute(f"PRAGMA quick_check({what})").fetchone()
    except DATABASE_ERRORS as error:
        if is_refusal(error):
            raise
        return database_words(error)
    if found == "ok":
        return ""
    return str(found).removeprefix("*** in database main ***").strip().partition("\n")[0]
