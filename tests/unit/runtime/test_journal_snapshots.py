"""Snapshots in the journal: which are kept, and which are believed."""

from __future__ import annotations

import dataclasses
import sqlite3

import pytest
from journal_samples import INFO, parcel_life

from sorter.runtime.journal import InlineJournal, ThreadedJournal
from sorter.runtime.journal_snapshots import (
    NEWEST_KEPT,
    SNAPSHOT_SCHEMA,
    STEPS_PER_OLD_ONE,
    Snapshot,
    put_snapshot,
    read_snapshots,
)
from sorter.runtime.journal_store import JournalReader


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SNAPSHOT_SCHEMA)
    yield connection
    connection.close()


def test_old_ones_are_thinned_out(database) -> None:
    every = STEPS_PER_OLD_ONE // 8
    last = 30
    for number in range(last + 1):
        put_snapshot(database, Snapshot(number * every, 1, 0, b"state"))
    kept = [found.step // every for found in read_snapshots(database, 1)]
    newest = list(range(last, last - NEWEST_KEPT, -1))
    assert kept == [*newest, 24, 16, 8, 0]


def test_what_does_not_fit_its_check_sum_has_no_state(database) -> None:
    put_snapshot(database, Snapshot(8, 1, 5, b"older"))
    put_snapshot(database, Snapshot(9, 1, 6, b"newer"))
    database.execute("UPDATE snapshots SET state = x'00' WHERE step = 9")
    found = list(read_snapshots(database, 1))
    assert found == [Snapshot(9, 1, 6, None), Snapshot(8, 1, 5, b"older")]
    assert list(read_snapshots(database, 2)) == []


@pytest.mark.parametrize("kind", [InlineJournal, ThreadedJournal])
def test_a_snapshot_lies_behind_the_steps_that_came_before_it(kind, tmp_path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = kind(path, INFO)
    for step in parcel_life(1, 1):
        journal.append(*step)
    journal.snapshot(77, b"one parcel")
    for step in parcel_life(2, 5):
        journal.append(*step)
    journal.snapshot(99, b"two parcels")
    journal.close()
    lives = len(parcel_life(1, 1))
    with JournalReader(path) as reader:
        found = list(reader.snapshots(reader.last_run()))
    assert [(one.step, one.tick_100us, one.state) for one in found] == [
        (1 + 2 * lives, 99, b"two parcels"),
        (1 + lives, 77, b"one parcel"),
    ]


def test_a_run_that_goes_on_begins_with_a_snapshot(tmp_path) -> None:
    path = tmp_path / "journal.sqlite"
    info = dataclasses.replace(INFO, initial_state=b"known", initial_tick_100us=3)
    InlineJournal(path, lambda _: info).close()
    with JournalReader(path) as reader:
        assert list(reader.snapshots(reader.last_run())) == [Snapshot(1, 1, 3, b"known")]
