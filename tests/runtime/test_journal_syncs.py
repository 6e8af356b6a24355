"""What the journal of the live line acknowledges is on the disk, also when the power goes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlite_syncs import IOERR_FSYNC, OK, syncs_seen

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "runtime"))

from journal_samples import INFO, parcel_life

from sorter.runtime.journal import InlineJournal, ThreadedJournal

DEADLINE_S = 20.0
LOG = "-wal"
FULL = 2
"""What ``PRAGMA synchronous`` answers when every commit is synced; NORMAL is 1, OFF is 0."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_nothing_is_acknowledged_before_the_log_is_synced(path: Path) -> None:
    """Held in its sync, a commit has been written whole; it counts for nothing yet."""
    armed, syncing, let_go = threading.Event(), threading.Event(), threading.Event()

    def hold() -> int:
        if armed.is_set():
            syncing.set()
            let_go.wait(DEADLINE_S)
        return OK

    with syncs_seen(LOG, hold):
        journal = ThreadedJournal(path, INFO, commit_interval_s=0.001)
        armed.set()
        try:
            for step in parcel_life(1, 1):
                journal.append(*step)
            assert syncing.wait(DEADLINE_S), "a commit syncs the log"
            assert journal.acknowledged().event_seq == 0
            assert journal.lag_steps == 4
        finally:
            let_go.set()
            journal.close()
        assert journal.acknowledged().event_seq == 4


def test_every_commit_is_synced_before_it_is_acknowledged(path: Path) -> None:
    armed = threading.Event()
    seen: list[int] = []

    def note() -> int:
        if armed.is_set():
            seen.append(journal.acknowledged().event_seq)
        return OK

    with syncs_seen(LOG, note):
        journal = ThreadedJournal(path, INFO, commit_interval_s=0.0)
        armed.set()
        for step in parcel_life(1, 1):
            journal.append(*step)
            wait_for(lambda: not journal.lag_steps)
        # More of them than steps: tidying up commits as well.
        assert set(seen) >= {0, 1, 2, 3}, "each commit had a sync, and counted behind it"
        journal.close()


def wait_for(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(DEADLINE_S / 0.001)):
        if holds():
            return
        pause.wait(0.001)
    pytest.fail("not in time")


def test_a_commit_whose_sync_fails_is_not_acknowledged_but_done_again(path: Path) -> None:
    answers = [IOERR_FSYNC]
    armed = threading.Event()
    seen: list[int] = []

    def fail_once() -> int:
        if not armed.is_set():
            return OK
        seen.append(journal.acknowledged().event_seq)
        return answers.pop() if answers else OK

    with syncs_seen(LOG, fail_once):
        journal = ThreadedJournal(path, INFO, commit_interval_s=0.001)
        armed.set()
        for step in parcel_life(1, 1):
            journal.append(*step)
        journal.close()
    assert journal.refusals == 1
    assert len(seen) > 1
    assert set(seen[:2]) == {0}
    assert journal.acknowledged().event_seq == 4


def test_the_journal_of_a_simulation_syncs_nothing(path: Path) -> None:
    """What the tests above see is the live journal's doing, and not SQLite's by itself."""
    synced: list[int] = []

    def note() -> int:
        synced.append(1)
        return OK

    with syncs_seen(LOG, note):
        journal = InlineJournal(path, INFO, commit_steps=1)
        for step in parcel_life(1, 1):
            journal.append(*step)
        assert journal.acknowledged().event_seq == 4
        assert synced == []
        journal.close()


def test_the_live_journals_own_connection_is_set_to_sync_every_commit(path: Path) -> None:
    """Asks SQLite, where its syncs cannot be seen; by itself this tells only what is set."""
    journal = ThreadedJournal(path, INFO)
    for step in parcel_life(1, 1):
        journal.append(*step)
    wait_for(lambda: journal.acknowledged().event_seq == 4)
    execute = journal._writer._connection.execute
    assert execute("PRAGMA synchronous").fetchone() == (FULL,)
    assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()
