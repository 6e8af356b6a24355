"""Writes batches of steps into the journal's file; shared by both journals."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sorter.errors import JournalError, JournalRefused
from sorter.files import DATABASE_ERRORS
from sorter.ports import Acknowledged
from sorter.runtime.acknowledging import NOTHING, advanced
from sorter.runtime.journal_checks import whole_numbers
from sorter.runtime.journal_codec import encode_group, group_check
from sorter.runtime.journal_files import DiskReserve, FileWatch, lock_journal
from sorter.runtime.journal_group import GroupBuilder, StepHash
from sorter.runtime.journal_info import LineNames, Run, RunInfo
from sorter.runtime.journal_parcels import ParcelBook, ParcelRow, Tally
from sorter.runtime.journal_refusals import may_be_full_disk, writing_failed
from sorter.runtime.journal_retention import Limits
from sorter.runtime.journal_schema import IN_MEMORY, connect_writable
from sorter.runtime.journal_snapshots import Snapshot, put_snapshot
from sorter.runtime.journal_storage import JournalStorage
from sorter.runtime.journal_store import RUNS_TABLE, JournalReader, checked_parcel
from sorter.version import software_version

_PARCEL_CELLS: Final = ",".join("?" * len(ParcelRow.__slots__))
_PUT_STEPS: Final = "INSERT INTO steps VALUES (?,?,?,?)"
# S608: the only thing formatted in is a row of question marks.
_PUT_PARCEL: Final = f"INSERT OR REPLACE INTO parcels VALUES ({_PARCEL_CELLS})"  # noqa: S608
_PUT_CODE: Final = "INSERT OR IGNORE INTO more_codes VALUES (?,?)"
_PUT_RUN: Final = (
    "INSERT INTO runs (software, first_step, next_step, first_parcel, last_parcel, open_from_step,"
    " boot_id, event_seq, scan_seq, state_capacity, initial_state, names, notes)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_UPDATE_RUN: Final = (
    "UPDATE runs SET next_step=?, last_parcel=?, open_from_step=?, boot_id=?, event_seq=?,"
    " scan_seq=? WHERE run=?"
)
BeginRun = RunInfo | Callable[[JournalReader], RunInfo]
"""What is to be kept about a run, or who knows it once the file can be read."""
NUMBERS_LEFT_OUT: Final = 1_000
"""Parcel numbers that a run leaves out when it gives up parcels of the run before: the PLC may
still hold a divert for a number that was given out and never reached the disk."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Steps ready to be stored, if any, and what is to be acknowledged then."""

    steps: tuple[object, ...] | None
    parcels: list[tuple[object, ...]]
    codes: list[tuple[str, int]]
    progress: tuple[int, ...]
    snapshots: list[Snapshot]
    acknowledged: Acknowledged


class JournalWriter:
    """One run's hold on a journal file. Used by one thread at a time.

    Parameters
    ----------
    path : path or None
        None or ``:memory:`` keeps parcels, counts and hash only, and no steps.
    info : RunInfo or callable
    synchronous : str
        SQLite's setting: ``FULL`` when an acknowledgement must survive a power cut.
    limits : Limits, optional
        How much of the past is kept; all unless given.
    calendar_s : callable
        Wall time in s.

    Attributes
    ----------
    last_parcel_id : int
        Highest parcel number the journal has seen; a run goes on above it.
    last_acknowledged : Acknowledged
        How far the run before came; all zero in a new journal.
    acknowledged : Acknowledged
        What is committed.
    """

    def __init__(
        self,
        path: Path | str | None,
        info: BeginRun,
        synchronous: str,
        limits: Limits | None = None,
        calendar_s: Callable[[], float] = float,
    ) -> None:
        self.path = IN_MEMORY if path is None else str(path)
        self._keeps_steps = self.path != IN_MEMORY
        self._ended: dict[int, ParcelRow] = {}  # without a file: the rows it would hold
        self._lock = lock_journal(self.path) if self._keeps_steps else None
        self._hash = StepHash()
        self._batch: _Batch | None = None
        self._taken = 0
        limits = limits or Limits()
        reserve = DiskReserve(self.path, limits.reserve_bytes if self._keeps_steps else 0)
        try:
            try:
                self._open(info, synchronous)
            except JournalRefused as refused:
                # A full disk must not keep the line from starting: that is what the reserve is for.
                if not may_be_full_disk(refused.__cause__):
                    raise
                reserve.release()
                self._open(info, synchronous)
        except BaseException:
            self._unlock()
            raise
        self._watch = FileWatch(self.path)
        self._storage = JournalStorage(self._connection, reserve, limits, calendar_s)

    def _open(self, info: BeginRun, synchronous: str) -> None:
        self._connection = connect_writable(self.path, synchronous)
        try:
            self._begin_run(info)
        except DATABASE_ERRORS as error:
            self._connection.close()
            raise writing_failed(self.path, error) from error
        except BaseException:
            self._connection.close()
            raise

    def _begin_run(self, begin: BeginRun) -> None:
        execute = self._connection.execute
        self.last_parcel_id = 0
        self.last_acknowledged = NOTHING
        info, before, left_over = self._look_back(begin)
        self._check_line(info.layout.name)
        if before is not None:
            newest = execute("SELECT max(last_parcel) FROM runs").fetchone()
            whole_numbers(self.path, RUNS_TABLE, newest)
            self.last_parcel_id = newest[0]
            self.last_acknowledged = before.acknowledged
        self.acknowledged = self.last_acknowledged
        self._next_step = 1 if before is None else before.next_step
        given_up = [row for row in left_over if row.parcel not in info.tracked]
        self.first_parcel_id = self.last_parcel_id + 1
        if given_up:
            self.first_parcel_id += NUMBERS_LEFT_OUT
        with self._transaction():
            cursor = execute(_PUT_RUN, self._run_cells(info))
            self.run = int(cursor.lastrowid or 0)
            self.book = ParcelBook(self.run, self.last_parcel_id, self._parcel)
            for row in given_up:
                self.book.give_up(row, info.given_up_cause)
                row.closed_step = self._next_step - 1
            # Also those that go on: a killed run could not write their rows.
            self._connection.executemany(_PUT_PARCEL, [row.cells() for row in left_over])
            self.book.carry_over(row for row in left_over if row.parcel in info.tracked)
            self._connection.executemany(
                "INSERT INTO run_files VALUES (?,?,?)",
                [(self.run, name, text) for name, text in info.files.items()],
            )
            execute(_UPDATE_RUN, self._progress(self.acknowledged))
            if info.initial_state is not None:
                put_snapshot(
                    self._connection,
                    Snapshot(
                        self._next_step, self.run, info.initial_tick_100us, info.initial_state
                    ),
                )
            if before is not None and before.first_step == before.next_step:
                # A controller that cannot begin is started again every few seconds, for days.
                execute("DELETE FROM runs WHERE run = ?", (before.run,))
                execute("DELETE FROM run_files WHERE run = ?", (before.run,))

    def _look_back(self, begin: BeginRun) -> tuple[RunInfo, Run | None, list[ParcelRow]]:
        """Return what this run says, the run before, and the parcels it left on the line."""
        if not self._keeps_steps:
            if callable(begin):
                raise JournalError("a journal in memory has no run before this one to go on from")
            return begin, None, []
        with JournalReader(self.path) as reader:
            before = reader.last_run()
            info = begin(reader) if callable(begin) else begin
            left_over = {} if before is None else reader.open_parcels(before)
        return info, before, [left_over[number] for number in sorted(left_over)]

    def _run_cells(self, info: RunInfo) -> tuple[object, ...]:
        acknowledged = self.acknowledged
        return (
            software_version(),
            self._next_step,
            self._next_step,
            self.first_parcel_id,
            self.last_parcel_id,
            self._next_step,
            acknowledged.boot_id,
            acknowledged.event_seq,
            acknowledged.scan_seq,
            info.state_capacity,
            info.initial_state,
            LineNames.of(info.layout, info.plan).to_json(),
            json.dumps(dict(info.notes)),
        )

    def _check_line(self, line_name: str) -> None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'line'").fetchone()
        if row is None:
            self._connection.execute("INSERT INTO meta VALUES ('line', ?)", (line_name,))
        elif row[0] != line_name:
            raise JournalError(
                f"{self.path}: is the journal of line {row[0]!r}, not of {line_name!r}; "
                "one journal belongs to one line: name another file"
            )

    def _parcel(self, number: int) -> ParcelRow | None:
        if not self._keeps_steps:
            return self._ended.get(number)
        row = self._connection.execute(
            "SELECT * FROM parcels WHERE parcel = ?", (number,)
        ).fetchone()
        return None if row is None else checked_parcel(self.path, row)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A commit that fails leaves its transaction open, just as any other statement.
            with contextlib.suppress(*DATABASE_ERRORS):
                self._connection.execute("ROLLBACK")
            raise

    @property
    def tally(self) -> Tally:
        """Counts over this run."""
        return self.book.tally

    def sha256_hex(self) -> str:
        """Return the hash over everything written in this run."""
        return self._hash.hexdigest()

    def write(self, steps: GroupBuilder) -> None:
        """Write steps and commit them.

        Raises
        ------
        JournalRefused
            The disk does not take them now; :meth:`write_again` may have more luck. Nothing of
            the steps is in the file until then.
        JournalError
            The file cannot be written, or is not there any more; nothing of the steps is
            acknowledged.
        """
        first_step = self._next_step
        snapshots = [
            Snapshot(first_step + index, self.run, tick_100us, state)
            for index, (tick_100us, state) in steps.snapshots
        ]
        if not steps.steps:
            self._batch = _Batch(
                None, [], [], self._progress(self.acknowledged), snapshots, self.acknowledged
            )
            self.write_again()
            return
        group = steps.group()
        closed = self.book.take(first_step, group, steps.reads)
        self._hash.update(group)
        acknowledged = advanced(self.acknowledged, group)
        self._next_step += len(group)
        codes, self.book.more_codes = self.book.more_codes, []
        if not self._keeps_steps:
            self._ended.update((row.parcel, row) for row in closed)
            self.acknowledged = acknowledged
            return
        payload = encode_group(group)
        self._batch = _Batch(
            (first_step, len(group), group_check(payload), payload),
            [row.cells() for row in closed],
            codes,
            self._progress(acknowledged),
            snapshots,
            acknowledged,
        )
        self.write_again()

    def write_again(self) -> None:
        """Commit the steps that were refused; raises as :meth:`write`."""
        batch = self._batch
        if batch is None:
            return
        execute, executemany = self._connection.execute, self._connection.executemany
        try:
            with self._transaction():
                if batch.steps is not None:
                    execute(_PUT_STEPS, batch.steps)
                if batch.parcels:
                    executemany(_PUT_PARCEL, batch.parcels)
                if batch.codes:
                    executemany(_PUT_CODE, batch.codes)
                execute(_UPDATE_RUN, batch.progress)
                for snapshot in batch.snapshots:
                    put_snapshot(self._connection, snapshot)
        except DATABASE_ERRORS as error:
            raise writing_failed(self.path, error) from error
        self._watch.check()  # before the PLC may forget what nobody would find again
        self.acknowledged = batch.acknowledged
        self._batch = None
        self._storage.note_written()

    @property
    def storage(self) -> JournalStorage:
        """What looks after the file's size and its disk."""
        return self._storage

    def tidy(self) -> bool:
        """Prune a little, if it is due; return whether there is more to do.

        Raises
        ------
        JournalRefused, JournalError
            As for :meth:`write`; nothing of the journal is lost by it.
        """
        if not self._keeps_steps:
            return False
        try:
            return self._storage.tidy()
        except DATABASE_ERRORS as error:
            raise writing_failed(self.path, error) from error

    def make_room(self) -> None:
        """Do what can be done on a full disk: use the reserve, prune ahead of time."""
        with contextlib.suppress(*DATABASE_ERRORS):
            self._storage.make_room()

    def _progress(self, acknowledged: Acknowledged) -> tuple[int, ...]:
        return (
            self._next_step,
            self.book.last_parcel_id,
            self.book.open_from_step(self._next_step),
            acknowledged.boot_id,
            acknowledged.event_seq,
            acknowledged.scan_seq,
            self.run,
        )

    def parcels(self) -> list[ParcelRow]:
        """Return the rows of this run's parcels by number, after :meth:`finish`."""
        if self._keeps_steps:
            with JournalReader(self.path) as reader:
                return list(reader.parcels(self.run))
        found = [*self._ended.values(), *self.book.still_open()]
        return sorted(found, key=lambda row: row.parcel)

    def take_parcels(self) -> list[ParcelRow]:
        """Return the rows of ended parcels with numbers above those returned before."""
        rows = self._connection.execute(
            "SELECT * FROM parcels WHERE run = ? AND parcel > ? ORDER BY parcel",
            (self.run, self._taken),
        ).fetchall()
        found = [ParcelRow(*row) for row in rows] + list(self._ended.values())
        self._ended = {}
        self._taken = max((row.parcel for row in found), default=self._taken)
        return found

    def finish(self) -> None:
        """Write down what is still on the line, mark the run as ended cleanly and close.

        Raises
        ------
        JournalError
            The file cannot be written, or is not there any more.
        """
        try:
            self._watch.check()
            with self._transaction():
                self._connection.executemany(
                    _PUT_PARCEL, [row.cells() for row in self.book.still_open()]
                )
                self._connection.execute(
                    "UPDATE runs SET sha256 = ?, ended_cleanly = 1 WHERE run = ?",
                    (self.sha256_hex(), self.run),
                )
        except DATABASE_ERRORS as error:
            raise writing_failed(self.path, error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file without marking the run as ended cleanly."""
        with contextlib.suppress(*DATABASE_ERRORS):
            self._connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
