"""Keeps a journal within its bounds while it is written, and going when its disk is full.

Called by the thread that writes, between commits. Three states, see docs/decisions/0011:

``ROOMY``
    The reserve is kept; only what retention asks for is pruned.
``TIGHT``
    Too little is free on the disk to keep the reserve, or it had to be used: the oldest steps go
    earlier than retention says, so that the journal has room in its own file.
``REFUSED``
    The disk takes nothing, and nothing more may go: steps wait in memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from sorter.files import DATABASE_ERRORS
from sorter.runtime.journal_files import DiskReserve
from sorter.runtime.journal_retention import Limits, Pruned, Retention

RESERVE_EVERY_S: Final = 10.0
EMPTY_RUNS_EVERY_S: Final = 3600.0
ROOM_BYTES: Final = 1 << 20
"""Kept free in the file while the disk is tight: some seconds of a busy line."""

KEPT_BYTES: Final = 16 << 20
"""So much of the newest past is not pruned ahead of time: taking out all there is of a young
journal would lose the account of what was just sorted, and win next to nothing."""


class StorageState(IntEnum):
    """How the journal's disk is."""

    ROOMY = 0
    TIGHT = 1
    REFUSED = 2


class JournalStorage:
    """Looks after one journal's file.

    Parameters
    ----------
    connection : sqlite3.Connection
        The writer's, in autocommit mode.
    reserve : DiskReserve
    limits : Limits
    calendar_s : callable
        Wall time in s; whatever it says, nothing is pruned that is needed.

    Attributes
    ----------
    state : StorageState
    size_bytes : int
        Of the file, at the last look.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        reserve: DiskReserve,
        limits: Limits,
        calendar_s: Callable[[], float],
    ) -> None:
        self._retention = Retention(connection, limits)
        self._reserve = reserve
        self._calendar_s = calendar_s
        self._reserve_due_s = 0.0
        self._empty_runs_due_s = 0.0
        self.state = StorageState.ROOMY
        self.size_bytes = 0

    @property
    def pruned(self) -> Pruned:
        """Taken out so far."""
        return self._retention.pruned

    def tidy(self) -> bool:
        """Do a little of what is due; return whether there is more.

        Raises
        ------
        sqlite3.Error
            The file cannot be written now.
        """
        now_s = self._calendar_s()
        retention = self._retention
        self.size_bytes = retention.size_bytes()
        retention.note_time(now_s)
        if abs(now_s - self._empty_runs_due_s) > EMPTY_RUNS_EVERY_S:
            self._empty_runs_due_s = now_s
            retention.drop_empty_runs()
        if abs(now_s - self._reserve_due_s) > RESERVE_EVERY_S:
            self._reserve_due_s = now_s
            self.state = StorageState.ROOMY if self._reserve.keep() else StorageState.TIGHT
        if self.state != StorageState.ROOMY and retention.free_bytes() < ROOM_BYTES:
            return self._prune_ahead()
        return retention.prune_slice(now_s)

    def make_room(self) -> None:
        """Use the reserve and prune ahead of time, because the disk refused a commit.

        Raises
        ------
        sqlite3.Error
            It takes nothing at all.
        """
        self.state = StorageState.REFUSED
        self._reserve.release()
        self._reserve_due_s = self._calendar_s()
        # First, since pruning writes to the log as well; and last, so that the log holds nothing
        # and the commit finds room in it even if somebody else has taken what the reserve gave.
        with contextlib.suppress(*DATABASE_ERRORS):
            self._retention.empty_log()
        while self._retention.free_bytes() < ROOM_BYTES and self._prune_ahead():
            pass
        self._retention.empty_log()

    def _prune_ahead(self) -> bool:
        """Take a slice out of a journal that has much; return whether it did."""
        retention = self._retention
        if retention.size_bytes() - retention.free_bytes() <= KEPT_BYTES:
            return False
        return retention.free_slice()

    def note_written(self) -> None:
        """Take note that the disk takes commits."""
        if self.state == StorageState.REFUSED:
            self.state = StorageState.TIGHT
