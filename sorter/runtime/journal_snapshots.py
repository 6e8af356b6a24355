"""Snapshots of the tracking state in the journal: where a restart begins to read.

A snapshot belongs to a step boundary and is written in the same transaction as the steps before
it, so it never says more than the steps do. The newest few are kept, so that a damaged one has one
before it; of older ones the first in every so many steps, for replaying a journal whose beginning
was pruned.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SNAPSHOT_SCHEMA: Final = """
CREATE TABLE snapshots (
    step INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    tick_100us INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    state BLOB NOT NULL
);
"""
NEWEST_KEPT: Final = 4
STEPS_PER_OLD_ONE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tracking state at a step boundary.

    Attributes
    ----------
    step : int
        The first step that is not in it.
    run : int
        The run that took it.
    tick_100us : int
        Unwrapped PLC time, 0 when unknown.
    state : bytes or None
        ``State.to_bytes()``; None when what the file holds does not fit its check sum.
    """

    step: int
    run: int
    tick_100us: int
    state: bytes | None


def put_snapshot(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    """Write a snapshot within the caller's transaction, and thin out older ones."""
    state = snapshot.state or b""
    cells = (snapshot.step, snapshot.run, snapshot.tick_100us, zlib.crc32(state), state)
    connection.execute("INSERT OR REPLACE INTO snapshots VALUES (?,?,?,?,?)", cells)
    connection.execute(
        "DELETE FROM snapshots WHERE"
        " step < (SELECT min(step) FROM (SELECT step FROM snapshots ORDER BY step DESC LIMIT ?1))"
        " AND step NOT IN (SELECT min(step) FROM snapshots GROUP BY step / ?2)",
        (NEWEST_KEPT, STEPS_PER_OLD_ONE),
    )


def read_snapshots(connection: sqlite3.Connection, run: int) -> Iterator[Snapshot]:
    """Yield the snapshots of a run, newest first; damaged ones without their state."""
    query = (
        "SELECT step, run, tick_100us, crc32, state FROM snapshots WHERE run = ? ORDER BY step DESC"
    )
    for step, of_run, tick_100us, check, state in connection.execute(query, (run,)):
        sound = isinstance(state, bytes) and zlib.crc32(state) == check
        dated = type(tick_100us) is int  # SQLite would keep text there, too
        yield Snapshot(step, of_run, tick_100us if dated else 0, state if sound and dated else None)
