"""The record of every decision step, two ways: in the caller's thread, or in one of its own.

Both keep the same file in the same form (``journal_writer``); they differ in who waits for the
disk. An event may be acknowledged to the PLC once :meth:`acknowledged` covers it: then it is
committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from sorter.errors import JournalError, JournalRefused
from sorter.model.frames import Decisions, Inputs, ScanRead
from sorter.ports import Acknowledged
from sorter.runtime.journal_group import GroupBuilder, PendingSnapshot, PendingStep, gather
from sorter.runtime.journal_info import RunInfo
from sorter.runtime.journal_parcels import ParcelRow, Tally
from sorter.runtime.journal_retention import Limits
from sorter.runtime.journal_storage import JournalStorage
from sorter.runtime.journal_writer import BeginRun, JournalWriter

__all__ = ["InlineJournal", "RunInfo", "ThreadedJournal"]

DEFAULT_COMMIT_STEPS: Final = 256
"""Steps per commit when simulating. The PLC keeps their events until then: with rings much smaller
than the default ones, commit more often."""
COMMIT_INTERVAL_S: Final = 0.02
MAX_PENDING_STEPS: Final = 50_000
MAX_BATCH_STEPS: Final = 4_096
CLOSE_DEADLINE_S: Final = 10.0
FIRST_RETRY_S: Final = 0.05
LONGEST_RETRY_S: Final = 1.0


class _OneRun:
    """What both journals tell about the run they write.

    Attributes
    ----------
    first_parcel_id : int
        Number for the first parcel of this run; lower ones are taken.
    last_acknowledged : Acknowledged
        How far the run before came.
    """

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self._error: JournalError | None = None
        self._closed = False
        self.first_parcel_id = writer.first_parcel_id
        self.last_acknowledged = writer.last_acknowledged

    def acknowledged(self) -> Acknowledged:
        """Return what has been committed so far."""
        return self._writer.acknowledged

    @property
    def storage(self) -> JournalStorage:
        """How the file and its disk are."""
        return self._writer.storage

    @property
    def tally(self) -> Tally:
        """Counts over this run, complete after :meth:`close`."""
        return self._writer.tally

    def sha256_hex(self) -> str:
        """Return the hash over everything written in this run; final after :meth:`close`."""
        return self._writer.sha256_hex()


class InlineJournal(_OneRun):
    """Journal that commits every so many steps in the caller's thread: deterministic.

    For simulation: it does not wait for the disk, so a power cut may cost the newest steps, and a
    disk that is full ends the run.

    Parameters
    ----------
    path : path or None
        None keeps parcels, counts and hash only.
    info : RunInfo
    commit_steps : int
        Steps per commit.
    limits : Limits, optional
        How much of the past is kept; all unless given.
    """

    def __init__(
        self,
        path: Path | str | None,
        info: BeginRun,
        commit_steps: int = DEFAULT_COMMIT_STEPS,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(JournalWriter(path, info, synchronous="OFF", limits=limits))
        self._bounded = limits is not None
        self._commit_steps = commit_steps
        self._pending = GroupBuilder()

    def append(
        self, now_ns: int, inputs: Inputs, scans: Sequence[ScanRead], decided: Decisions
    ) -> None:
        """Take over one step; every ``commit_steps`` steps this writes and commits.

        Raises
        ------
        JournalError
            The file cannot be written.
        """
        pending = self._pending
        pending.add(now_ns, inputs, scans, decided)
        if pending.steps >= self._commit_steps:
            self._commit()

    def snapshot(self, tick_100us: int, state: bytes) -> None:
        """Take over the state behind the steps so far; it is written with the next commit."""
        self._pending.snapshots.append((self._pending.steps, PendingSnapshot(tick_100us, state)))

    def _commit(self) -> None:
        if self._error is not None:
            raise self._error
        if not self._pending.steps and not self._pending.snapshots:
            return
        batch, self._pending = self._pending, GroupBuilder()
        try:
            self._writer.write(batch)
            if self._bounded:
                self._writer.tidy()
        except JournalError as error:
            # Steps are missing now: nothing may be written behind the gap.
            self._error = error
            self._writer.abandon()
            raise

    @property
    def lag_steps(self) -> int:
        """Steps taken over and not committed yet."""
        return self._pending.steps

    def sha256_hex(self) -> str:
        """Return the hash over everything decided in this run so far."""
        if not self._closed:
            self._commit()
        return super().sha256_hex()

    def parcels(self) -> list[ParcelRow]:
        """Return the rows of this run's parcels; call it after :meth:`close`."""
        return self._writer.parcels()

    def take_parcels(self) -> list[ParcelRow]:
        """Return the rows of parcels that this has not returned before; those on the line later.

        For runs so long that not all rows can be kept; call it while the line is empty.
        """
        self._commit()
        return self._writer.take_parcels()

    def close(self) -> None:
        """Commit what is pending and close. A second call does nothing.

        Raises
        ------
        JournalError
            The file cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        self._commit()
        self._writer.finish()


class ThreadedJournal(_OneRun):
    """Journal that commits in a thread of its own, a group of steps at a time.

    For the live line: what it acknowledges is on the disk (fsync), also after a power cut. While
    the disk takes nothing, steps wait in memory and are written in order when it does again; see
    docs/decisions/0011.

    Parameters
    ----------
    path : path
    info : RunInfo or callable
        As for :class:`InlineJournal`.
    commit_interval_s : float
        Steps that come within this time are committed together.
    max_pending_steps : int
        Steps that may wait for the disk before :meth:`append` refuses more.
    limits : Limits, optional
        How much of the past is kept; all unless given.
    calendar_s : callable
        Wall time in s, for the age of steps.

    Attributes
    ----------
    refusals : int
        How often the disk did not take a group of steps.
    refused : str
        What it said, while it does so; empty while all is well.
    """

    def __init__(
        self,
        path: Path | str,
        info: BeginRun,
        commit_interval_s: float = COMMIT_INTERVAL_S,
        max_pending_steps: int = MAX_PENDING_STEPS,
        limits: Limits | None = None,
        calendar_s: Callable[[], float] = float,
    ) -> None:
        super().__init__(JournalWriter(path, info, "FULL", limits, calendar_s))
        self._commit_interval_s = commit_interval_s
        self._max_pending_steps = max_pending_steps
        self._pending: deque[PendingStep | PendingSnapshot] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._log = structlog.get_logger("sorter.journal")
        self.refusals = 0
        self.refused = ""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(
        self, now_ns: int, inputs: Inputs, scans: Sequence[ScanRead], decided: Decisions
    ) -> None:
        """Take over one step; never waits for the disk.

        Raises
        ------
        JournalError
            The thread could not write, or the disk has fallen too far behind.
        """
        if self._error is not None:
            raise self._error
        pending = self._pending
        if len(pending) >= self._max_pending_steps:
            raise JournalError(
                f"{self._writer.path}: {len(pending)} steps wait for the disk; "
                "it is too slow, full or stuck: check it, then restart the controller"
            )
        # References only: the thread turns them into bytes.
        pending.append((now_ns, inputs, scans, decided))
        # Set only when clear: setting takes a lock, asking does not.
        if not self._wake.is_set():
            self._wake.set()

    def snapshot(self, tick_100us: int, state: bytes) -> None:
        """Take over the state behind the steps so far; it is written with the next commit."""
        self._pending.append(PendingSnapshot(tick_100us, state))

    @property
    def lag_steps(self) -> int:
        """Steps taken over and not committed yet."""
        return len(self._pending)

    def close(self) -> None:
        """Commit what is pending and close. A second call does nothing.

        Raises
        ------
        JournalError
            The file could not be written, or not within the deadline.
        """
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._wake.set()
        self._thread.join(CLOSE_DEADLINE_S)
        if self._thread.is_alive():
            raise JournalError(
                f"{self._writer.path}: {len(self._pending)} steps could not be written within "
                f"{CLOSE_DEADLINE_S:.0f} s; the disk is stuck"
            )
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not (self._stop.is_set() and not self._pending):
                self._wake.wait()
                self._stop.wait(self._commit_interval_s)
                # Clear before taking: a step that comes in between sets it again.
                self._wake.clear()
                # A run that never met its PLC writes no step: it must not take the reserve, either.
                if self._commit():
                    self._tidy()
            self._writer.finish()
        except JournalError as error:
            self._fail(error)
        except Exception as error:
            # The hot loop must learn of any end of this thread, also of one nobody thought of.
            self._fail(JournalError(f"{self._writer.path}: the journal's thread failed: {error!r}"))

    def _commit(self) -> bool:
        """Commit what is pending; return whether there was anything."""
        pending = self._pending
        found = bool(pending)
        while pending:
            # Looked at first and taken after the commit, so that lag_steps counts it till then.
            count = min(len(pending), MAX_BATCH_STEPS)
            self._write(gather(pending[i] for i in range(count)))
            for _ in range(count):
                pending.popleft()
        return found

    def _tidy(self) -> None:
        """Prune a slice, and more of them while nothing is to be committed."""
        try:
            while self._writer.tidy():
                if self._wake.is_set():
                    break
        except JournalRefused as error:
            self._log.warning("journal_not_pruned", problem=str(error.__cause__))

    def _write(self, steps: GroupBuilder) -> None:
        """Write steps, again and again while the disk does not take them."""
        try:
            self._writer.write(steps)
            return
        except JournalRefused as error:
            refusal = error
        pause_s = FIRST_RETRY_S
        while True:
            self._note_refusal(refusal)
            self._writer.make_room()
            # Told to stop, it tries once more: what stays unwritten was never acknowledged, so
            # the PLC still has it.
            stopping = self._stop.wait(pause_s)
            try:
                self._writer.write_again()
                break
            except JournalRefused as error:
                if stopping:
                    raise
                refusal = error
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)
        self.refused = ""
        self._log.info("journal_writes_again", path=self._writer.path, steps=len(self._pending))

    def _note_refusal(self, refusal: JournalRefused) -> None:
        self.refusals += 1
        self.refused = str(refusal)
        self._log.error(
            "journal_refused", problem=str(refusal.__cause__), waiting_steps=len(self._pending)
        )

    def _fail(self, error: JournalError) -> None:
        self._error = error
        self._writer.abandon()
