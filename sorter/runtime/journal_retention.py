"""Takes the oldest steps and parcels out of a journal, a small slice at a time.

What a restart or an open parcel's story needs is never taken: steps from the newest snapshots on,
and from the step on in which the oldest parcel on the line was opened. Each slice is a transaction
of its own, so that it never holds up a commit for long, also when another process prunes.

The table ``step_times`` says now and then when steps were written; steps themselves know no
calendar.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from sorter.files import DATABASE_ERRORS
from sorter.runtime.journal_snapshots import NEWEST_KEPT

RETENTION_SCHEMA: Final = """
CREATE TABLE step_times (step INTEGER PRIMARY KEY, written_s INTEGER NOT NULL);
"""
PRUNED_TO: Final = "pruned_to_step"
"""Key in the table ``meta``: the oldest step that was left."""
NOTE_EVERY_S: Final = 60
SLICE_GROUPS: Final = 64
SLICE_STEPS: Final = 4096
PARCELS_LOOKED_AT: Final = 4096
VACUUM_PAGES: Final = 256

_FLOOR: Final = """
SELECT min(
    (SELECT open_from_step FROM runs ORDER BY run DESC LIMIT 1),
    coalesce(
        (SELECT min(step) FROM (SELECT step FROM snapshots ORDER BY step DESC LIMIT ?)),
        (SELECT first_step FROM runs ORDER BY run DESC LIMIT 1)
    )
)
"""
_DROP_RUNS: Final = """
DELETE FROM runs WHERE run < (SELECT max(run) FROM runs)
    AND (next_step = first_step OR next_step <= ?)
    AND NOT EXISTS (
        SELECT 1 FROM parcels WHERE parcel BETWEEN runs.first_parcel AND runs.last_parcel
    )
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the past a journal keeps.

    Attributes
    ----------
    max_age_s : float or None
        Steps older than this go.
    max_bytes : int or None
        Size of the file above which the oldest steps go.
    reserve_bytes : int
        Space on the disk kept for the day it is full; see ``journal_files``.
    """

    max_age_s: float | None = None
    max_bytes: int | None = None
    reserve_bytes: int = 0


@dataclass(slots=True)
class Pruned:
    """What was taken out."""

    steps: int = 0
    parcels: int = 0


class Retention:
    """Prunes one journal over a connection that may write.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode, with no transaction open.
    limits : Limits

    Attributes
    ----------
    pruned : Pruned
        Taken out so far.
    """

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self.limits = limits
        self.pruned = Pruned()
        self._noted_s: float | None = None
        self._page_bytes = self._pragma("page_size")

    def note_time(self, now_s: float) -> None:
        """Write down, once a minute, which steps are older than now."""
        if self._noted_s is not None and 0 <= now_s - self._noted_s < NOTE_EVERY_S:
            return
        with self._transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO step_times SELECT max(next_step), ? FROM runs",
                (int(now_s),),
            )
        self._noted_s = now_s

    def size_bytes(self) -> int:
        """Return the size of the file, the write-ahead log not counted."""
        return self._pragma("page_count") * self._page_bytes

    def free_bytes(self) -> int:
        """Return how much of the file is free for what comes."""
        return self._pragma("freelist_count") * self._page_bytes

    def prune_slice(self, now_s: float) -> bool:
        """Take a slice out if the limits ask for it; return whether there was anything to do."""
        over = self._over_size()
        cut = None if over else self._too_old(now_s)
        if not over and cut is None:
            return self._shrink()
        return self._take_slice(cut) or self._shrink()

    def free_slice(self) -> bool:
        """Take a slice out, whatever the limits say; return whether there was one."""
        return self._take_slice(None)

    def empty_log(self) -> None:
        """Bring what is in the write-ahead log into the file, and write the log from its beginning.

        Otherwise that happens when the log has 1,000 pages, which it never has on a full disk.
        """
        self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def drop_empty_runs(self) -> None:
        """Take out starts of the controller that came to nothing, and runs that are pruned.

        A controller that is restarted again and again, because its PLC is off, would fill the
        journal with them.
        """
        with self._transaction():
            execute = self._connection.execute
            execute(_DROP_RUNS, (self._pruned_to(),))
            execute(
                "UPDATE runs SET initial_state = NULL WHERE next_step <= ?", (self._pruned_to(),)
            )
            execute("DELETE FROM run_files WHERE run NOT IN (SELECT run FROM runs)")
            execute(
                "DELETE FROM more_codes WHERE parcel <"
                " (SELECT coalesce(min(parcel), 0) FROM parcels)"
            )

    def _over_size(self) -> bool:
        limit = self.limits.max_bytes
        return limit is not None and self.size_bytes() - self.free_bytes() > limit

    def _too_old(self, now_s: float) -> int | None:
        """Return the step before which all are too old; None when none is."""
        age_s = self.limits.max_age_s
        if age_s is None:
            return None
        query = "SELECT max(step) FROM step_times WHERE written_s < ?"
        (step,) = self._connection.execute(query, (int(now_s - age_s),)).fetchone()
        if step is None or step <= self._pruned_to():
            return None
        return int(step)

    def _shrink(self) -> bool:
        """Give free pages back to the file system while the file is larger than it may be."""
        limit = self.limits.max_bytes
        if limit is None or self.size_bytes() <= limit or not self.free_bytes():
            return False
        return self.give_back()

    def give_back(self) -> bool:
        """Give some free pages back to the file system; return whether the file got smaller."""
        before = self._pragma("page_count")
        self._connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        return self._pragma("page_count") < before

    def _take_slice(self, before_step: int | None) -> bool:
        """Take the oldest groups out, none that ends behind `before_step`."""
        execute = self._connection.execute
        with self._transaction():
            (floor,) = execute(_FLOOR, (NEWEST_KEPT,)).fetchone()
            if floor is None:
                return False
            limit = floor if before_step is None else min(floor, before_step)
            cut = steps = 0
            query = "SELECT step, step_count FROM steps ORDER BY step LIMIT ?"
            for step, step_count in execute(query, (SLICE_GROUPS,)):
                if step + step_count > limit or (steps and steps + step_count > SLICE_STEPS):
                    break
                cut = step + step_count
                steps += step_count
            if not cut:
                return False
            execute("DELETE FROM steps WHERE step < ?", (cut,))
            execute("DELETE FROM snapshots WHERE step < ?", (cut,))
            execute("DELETE FROM step_times WHERE step < ?", (cut,))
            # Parcels end not long after they came, so those that may go are among the first ones.
            parcels = execute(
                "DELETE FROM parcels WHERE parcel IN (SELECT parcel FROM (SELECT parcel,"
                " closed_step FROM parcels ORDER BY parcel LIMIT ?)"
                " WHERE closed_step BETWEEN 0 AND ?)",
                (PARCELS_LOOKED_AT, cut - 1),
            ).rowcount
            execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (PRUNED_TO, str(cut)))
        self.pruned.steps += steps
        self.pruned.parcels += parcels
        return True

    def _pruned_to(self) -> int:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE key = ?", (PRUNED_TO,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(*DATABASE_ERRORS):
                self._connection.execute("ROLLBACK")
            raise
