"""The oldest steps go; what a restart or an open parcel needs stays."""

import json
import sqlite3
import subprocess
import sys
import threading

import pytest
from journal_samples import INFO, parcel_life

from sorter.commands.journal import prune_command
from sorter.errors import JournalError
from sorter.runtime import journal_storage
from sorter.runtime.journal import InlineJournal, ThreadedJournal
from sorter.runtime.journal_files import DiskReserve
from sorter.runtime.journal_retention import Limits
from sorter.runtime.journal_snapshots import NEWEST_KEPT
from sorter.runtime.journal_storage import StorageState
from sorter.runtime.journal_store import JournalReader

DAY_S = 86_400.0
STATE = b"what the line looked like"
DEADLINE_S = 30.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def sort(journal, first, last, snapshot_every=10, closed=True):
    for parcel in range(first, last + 1):
        for step in parcel_life(parcel, 4 * parcel - 3, b"RMA-%d" % parcel, closed=closed):
            journal.append(*step)
        if parcel % snapshot_every == 0:
            journal.snapshot(0, STATE)


def kept(path):
    with JournalReader(path) as reader:
        run = reader.last_run()
        steps = [step.step for step in reader.steps(1, run.next_step)]
        parcels = [row.parcel for row in reader.parcels()]
        snapshots = [snapshot.step for snapshot in reader.snapshots(run)]
        return run, steps, parcels, snapshots


def sound(path):
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_journal_stays_within_its_size(path):
    journal = InlineJournal(path, INFO, commit_steps=4, limits=Limits(max_bytes=300_000))
    sizes = []
    for round_ in range(10):
        sort(journal, round_ * 200 + 1, round_ * 200 + 200)
        sizes.append(path.stat().st_size)
    journal.close()
    # Full after a few rounds, and then no longer growing.
    assert max(sizes) < 400_000
    assert journal.storage.pruned.steps > 4_000
    run, steps, parcels, snapshots = kept(path)
    # Without a gap up to the end, and nothing before its first steps.
    assert steps == list(range(steps[0], run.next_step))
    assert steps[0] > 4_000
    # Parcels whose end is kept are kept; the journal says itself how far it was pruned.
    assert parcels == list(range(parcels[0], 2001))
    assert (parcels[0] - 1) * 4 < steps[0] + 4
    assert min(snapshots) >= steps[0]
    with JournalReader(path) as reader:
        assert reader.pruned_to_step() == steps[0]
        assert run.sha256 is not None
        assert reader.sha256_hex(run) is None  # pruned, which is not damaged
    sound(path)


def test_what_a_restart_needs_stays_however_small_the_limit(path):
    journal = InlineJournal(path, INFO, commit_steps=4, limits=Limits(max_bytes=1))
    sort(journal, 1, 205)
    journal.close()
    _, steps, _, snapshots = kept(path)
    assert len(snapshots) == NEWEST_KEPT
    assert steps[0] == min(snapshots) == 170 * 4 + 1


def test_an_open_parcels_steps_stay(path):
    journal = InlineJournal(path, INFO, commit_steps=4, limits=Limits(max_bytes=1))
    sort(journal, 1, 50)
    sort(journal, 51, 51, closed=False)
    sort(journal, 52, 300)
    journal.close()
    _, steps, _, _ = kept(path)
    assert steps[0] == 50 * 4 + 1


def test_without_a_snapshot_the_whole_run_stays(path):
    first = InlineJournal(path, INFO, commit_steps=4)
    sort(first, 1, 20, snapshot_every=1000)
    first.close()
    second = InlineJournal(path, INFO, commit_steps=4, limits=Limits(max_bytes=1))
    sort(second, 21, 40, snapshot_every=1000)
    second.close()
    run, steps, parcels, _ = kept(path)
    assert steps[0] == run.first_step == 81
    assert parcels[0] == 21


def test_old_steps_go_by_age(path):
    now_s = [100 * DAY_S]
    journal = ThreadedJournal(
        path, INFO, 0.001, limits=Limits(max_age_s=2 * DAY_S), calendar_s=lambda: now_s[0]
    )
    for day in range(5):
        sort(journal, day * 100 + 1, day * 100 + 100)
        until(lambda day=day: journal.acknowledged().event_seq == 400 * (day + 1))
        now_s[0] += DAY_S
    sort(journal, 501, 510)
    until(lambda: journal.storage.pruned.steps >= 800)
    journal.close()
    _, steps, parcels, _ = kept(path)
    # Days four and five and what came since; the day on the border may stay a while.
    assert 800 < steps[0] <= 1201
    assert parcels[-1] == 510


def until(condition):
    pause = threading.Event()
    for _ in range(int(DEADLINE_S / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError(f"not within {DEADLINE_S} s")


def test_starts_that_came_to_nothing_do_not_fill_the_journal(path):
    for _ in range(20):
        ThreadedJournal(path, INFO, 0.001, calendar_s=lambda: 50 * DAY_S).close()
    journal = ThreadedJournal(path, INFO, 0.001, calendar_s=lambda: 50 * DAY_S)
    sort(journal, 1, 1)
    until(lambda: journal.acknowledged().event_seq == 4)
    journal.close()
    with JournalReader(path) as reader:
        assert [run.next_step - run.first_step for run in reader.runs()] == [4]
        assert reader.files(reader.runs()[0].run) == dict(INFO.files)


def test_a_controller_that_never_gets_to_work_leaves_one_start_behind(path):
    """Its PLC is off, or another controller commands it: nothing is tidied up, for days."""
    sizes = []
    for _ in range(20):
        ThreadedJournal(path, INFO, 0.001).close()
        sizes.append(path.stat().st_size)
    assert sizes[-1] == sizes[2]
    with JournalReader(path) as reader:
        assert [run.run for run in reader.runs()] == [20]
        assert reader.files(20) == dict(INFO.files)


def test_a_run_without_a_step_takes_no_reserve(path):
    limits = Limits(reserve_bytes=100_000)
    ThreadedJournal(path, INFO, 0.001, limits=limits, calendar_s=lambda: 50 * DAY_S).close()
    assert path.exists()
    assert not DiskReserve(path, 100_000).kept


def test_the_reserve_is_kept_and_a_disk_without_room_for_it_is_tight(path):
    limits = Limits(reserve_bytes=100_000)
    journal = ThreadedJournal(path, INFO, 0.001, limits=limits, calendar_s=lambda: 50 * DAY_S)
    sort(journal, 1, 1)
    until(lambda: DiskReserve(path, 100_000).kept)
    assert journal.storage.state == StorageState.ROOMY
    journal.close()
    other = path.with_name("other.sqlite")
    limits = Limits(reserve_bytes=1 << 60)
    journal = ThreadedJournal(other, INFO, 0.001, limits=limits, calendar_s=lambda: 50 * DAY_S)
    sort(journal, 1, 1)
    until(lambda: journal.storage.state == StorageState.TIGHT)
    journal.close()


def test_a_full_disk_costs_a_large_journal_its_oldest_parcels_and_a_young_one_none(
    path, monkeypatch
):
    journal = InlineJournal(path, INFO, commit_steps=4)
    sort(journal, 1, 400)
    journal.storage.make_room()
    assert journal.storage.state == StorageState.REFUSED
    assert journal.storage.pruned.parcels == 0
    monkeypatch.setattr(journal_storage, "KEPT_BYTES", path.stat().st_size // 2)
    journal.storage.make_room()
    assert 0 < journal.storage.pruned.parcels < 400
    journal.close()
    _, _, parcels, _ = kept(path)
    assert parcels == list(range(journal.storage.pruned.parcels + 1, 401))


def prune(path, *options):
    return subprocess.run(
        [sys.executable, "-m", "sorter", "journal", "prune", str(path), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prunes_and_the_file_gets_smaller_beside_a_running_controller(path):
    journal = ThreadedJournal(path, INFO, 0.001, calendar_s=lambda: 50 * DAY_S)
    for last in range(100, 1001, 100):  # committed bit by bit: a group goes as a whole
        sort(journal, last - 99, last)
        until(lambda last=last: journal.acknowledged().event_seq == 4 * last)
    done = prune(path, "--max-mb", "0.2", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["pruned_steps"] > 2000
    assert told["bytes_after"] < told["bytes_before"] // 2
    sort(journal, 1001, 1010)
    journal.close()
    assert path.stat().st_size < told["bytes_before"]
    run, steps, _, _ = kept(path)
    assert steps == list(range(told["pruned_steps"] + 1, run.next_step))
    sound(path)


def test_the_command_speaks_of_one_step_as_of_one(path, monkeypatch, capsys):
    done = {"pruned_steps": 1, "pruned_parcels": 1, "bytes_before": 1, "bytes_after": 1}
    done["within_limits"] = True
    monkeypatch.setattr("sorter.commands.journal.prune_journal", lambda *_: done)
    prune_command(path)
    assert capsys.readouterr().out.startswith("1 step and 1 parcel pruned; ")


def test_the_command_says_what_is_no_journal(path):
    missing = prune(path)
    assert missing.returncode == 2
    assert "there is no such journal" in missing.stderr
    assert not path.exists()


def test_a_pruned_journal_is_refused_by_nobody(path):
    journal = InlineJournal(path, INFO, commit_steps=4, limits=Limits(max_bytes=1))
    sort(journal, 1, 100)
    journal.close()
    again = InlineJournal(path, INFO)
    assert again.first_parcel_id == 101
    again.close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE steps SET crc32 = crc32 + 1")
    other.close()
    # What is pruned is not damaged, and what is damaged is not called pruned.
    with JournalReader(path) as reader, pytest.raises(JournalError, match="damaged"):
        list(reader.steps(1, 10_000))
