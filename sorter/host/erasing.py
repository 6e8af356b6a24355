"""Deletes return records without a trace: from the registry's file and from its log.

SQLite overwrites what is deleted (``secure_delete``), but neither the copies that moving rows from
page to page leaves in the gaps of pages, which only ``VACUUM`` rids the file of, nor what the
write-ahead log holds until it is emptied. Nobody can empty it while another process is reading. So
the registry itself remembers whether that is still to be done: who deleted may have ended long ago.
The two numbers are in a table of their own: a registry of an older version has none, and nobody
knows what was deleted from it.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

ERASURES_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS erasures (
    row INTEGER PRIMARY KEY CHECK (row = 1),
    done INTEGER NOT NULL,
    traceless INTEGER NOT NULL
) STRICT
"""
"""How often something was deleted, and how many of these times nothing is left of."""
NOTHING_ERASED: Final = "INSERT OR IGNORE INTO erasures VALUES (1, 0, 0)"
_COUNT_REPLACED: Final = """
CREATE TEMP TRIGGER IF NOT EXISTS customer_replaced AFTER UPDATE OF customer ON main.returns
WHEN OLD.customer NOT IN (x'', NEW.customer) BEGIN UPDATE erasures SET done = done + 1; END
"""
_HAS_TABLE: Final = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'erasures'"
_ANEW: Final = "VACUUM"
_UNKNOWN: Final = (0, -1)


@dataclass(frozen=True, slots=True)
class Erased:
    """What a deletion did.

    Attributes
    ----------
    returns : int
        Records deleted.
    traceless : bool
        Whether nothing is left of what was deleted, now or before; False: it could not be made
        sure, because another process is using the registry, or its disk is full.
    """

    returns: int
    traceless: bool


def delete(connection: sqlite3.Connection, where: str, value: bytes | str | int) -> int:
    """Delete records, and remember that the log still holds them; return how many.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode, outside a transaction.
    where : str
        Condition with one parameter; part of the statement, so never from outside.
    value : bytes, str or int
        Its parameter.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        statement = f"DELETE FROM returns WHERE {where}"  # noqa: S608 - fixed texts
        deleted = connection.execute(statement, (value,)).rowcount
        if deleted:
            _make_table(connection)
            connection.execute("UPDATE erasures SET done = done + 1")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # not after an error upon which SQLite rolls back by itself
            connection.execute("ROLLBACK")
        raise
    return deleted


def count_replaced(connection: sqlite3.Connection) -> None:
    """Count a customer that an import puts in another one's place as a deletion of that one.

    Parameters
    ----------
    connection : sqlite3.Connection
        It alone does so.
    """
    if _has_table(connection):  # else nothing is known to be without a trace
        connection.execute(_COUNT_REPLACED)


def is_traceless(connection: sqlite3.Connection) -> bool:
    """Return whether nothing that was deleted is left, as far as the registry remembers."""
    done, traceless = _erasures(connection)
    return done == traceless


def leave_no_trace(connection: sqlite3.Connection) -> bool:
    """Rid file and log of what was deleted; return whether nothing is left of it, now or before.

    Also of an import that was broken off: its pages may be in the log, and nobody counted them.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode, outside a transaction.
    """
    # First: what another process deletes meanwhile may be in the log that comes next.
    done, traceless = _erasures(connection)
    if not _emptied(connection):
        return False  # before anything else goes into the log, which nobody may empty for long
    if done == traceless:
        return True
    try:
        connection.execute(_ANEW)
    except sqlite3.OperationalError:
        return False  # somebody is writing, or there is no room for a second file of that size
    if not _emptied(connection):
        return False
    # Somebody may be writing again: then it is remembered next time, but done it was.
    with suppress(sqlite3.OperationalError):
        _remember_traceless(connection, done)
        _emptied(connection)  # of this very note
    return True


def _emptied(connection: sqlite3.Connection) -> bool:
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _has_table(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute(_HAS_TABLE).fetchone()[0])


def _erasures(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how often something was deleted, and how many of these times without a trace."""
    if not _has_table(connection):
        return _UNKNOWN
    row: tuple[int, int] | None = connection.execute(
        "SELECT done, traceless FROM erasures"
    ).fetchone()
    return row or _UNKNOWN


def _remember_traceless(connection: sqlite3.Connection, done: int) -> None:
    _make_table(connection)
    connection.execute("UPDATE erasures SET traceless = max(traceless, ?)", (done,))


def _make_table(connection: sqlite3.Connection) -> None:
    """Make the table in a registry of an older version, which knows of no erasure."""
    connection.execute(ERASURES_SCHEMA)
    connection.execute(NOTHING_ERASED)
