import dataclasses
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_samples import INFO, assert_same, parcel_life, parcel_step, steps

from sorter.errors import JournalError
from sorter.host.registry import Registry
from sorter.model.codes import FinalDisposition, OutcomeKind
from sorter.model.columns import OutcomeColumn, ScanColumn
from sorter.model.frames import ScanRead
from sorter.ports import Acknowledged
from sorter.runtime.explain import explain
from sorter.runtime.journal import InlineJournal, ThreadedJournal
from sorter.runtime.journal_store import JournalReader

LIVES = parcel_life(1, 1, b"RMA-1") + parcel_life(2, 5, b"RMA-2") + parcel_life(3, 9, closed=False)
DEADLINE_S = 20.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


@pytest.fixture(params=["inline", "threaded"])
def open_journal(request):
    """Both journals must keep the same file."""
    return InlineJournal if request.param == "inline" else ThreadedJournal


def append_all(journal, appended):
    for step in appended:
        journal.append(*step)


def write(path, appended, make=InlineJournal, info=INFO):
    journal = make(path, info)
    append_all(journal, appended)
    journal.close()
    return journal


def test_steps_and_parcels_can_be_read_back(path, open_journal):
    journal = write(path, LIVES, open_journal)
    with JournalReader(path) as reader:
        found = list(reader.steps(1, len(LIVES)))
        for step, appended in zip(found, LIVES, strict=True):
            assert_same(step, appended)
        (run,) = reader.runs()
        rows = list(reader.parcels())
        assert reader.files(1) == dict(INFO.files)
        assert reader.line_name() == "small-1"
        assert reader.parcels_with_code("RMA-2") == [2]
    assert run.ended_cleanly
    assert run.notes == {"seed": "1"}
    assert run.sha256 == journal.sha256_hex()
    assert run.acknowledged == journal.acknowledged() == Acknowledged(7, 11, 10)
    assert [row.parcel for row in rows] == [1, 2, 3]
    assert [row.code for row in rows] == ["RMA-1", "RMA-2", "RMA-1"]
    assert [row.disposition for row in rows] == [FinalDisposition.SORTED] * 2 + [0]
    assert [(row.opened_step, row.closed_step) for row in rows] == [(1, 4), (5, 8), (9, -1)]
    assert journal.tally.opened == 3
    assert journal.tally.closed == 2


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps(), min_size=1, max_size=12), st.integers(1, 5))
def test_any_steps_survive_the_file(tmp_path_factory, appended, commit_steps):
    # Outcomes of made-up kinds belong to no parcel's life; the record must hold them all the same.
    for _, _, _, decided in appended:
        decided.outcomes[:, 1] = OutcomeKind.SEEN
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    journal = InlineJournal(path, INFO, commit_steps)
    append_all(journal, appended)
    journal.close()
    with JournalReader(path) as reader:
        for step, there in zip(reader.steps(1, 99), appended, strict=True):
            assert_same(step, there)


def test_inline_acknowledges_exactly_at_each_commit(path):
    journal = InlineJournal(path, INFO, commit_steps=4)
    seen = []
    for step in LIVES:
        journal.append(*step)
        seen.append(journal.acknowledged().event_seq)
    assert seen == [0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8]
    assert journal.lag_steps == 3
    journal.close()
    assert journal.acknowledged().event_seq == 11


def test_sequences_restart_with_the_plc(path):
    journal = InlineJournal(path, INFO, commit_steps=1)
    append_all(journal, LIVES)
    assert journal.acknowledged() == Acknowledged(7, 11, 10)
    journal.append(*parcel_step(4, OutcomeKind.OPENED, 1, boot_id=8))
    assert journal.acknowledged() == Acknowledged(8, 1, 0)
    journal.close()


def test_the_hash_does_not_depend_on_who_commits_when(path, tmp_path):
    hashes = {
        write(path, LIVES, ThreadedJournal).sha256_hex(),
        write(tmp_path / "inline.sqlite", LIVES).sha256_hex(),
        write(None, LIVES).sha256_hex(),
    }
    one_by_one = InlineJournal(tmp_path / "single.sqlite", INFO, commit_steps=1)
    append_all(one_by_one, LIVES)
    hashes.add(one_by_one.sha256_hex())
    one_by_one.close()
    assert len(hashes) == 1
    assert write(None, LIVES[:-1]).sha256_hex() not in hashes


def test_the_hash_can_be_computed_anew_for_each_run(path, open_journal):
    hashes = [write(path, LIVES, open_journal).sha256_hex()]
    hashes.append(write(path, parcel_life(4, 12), open_journal).sha256_hex())
    with JournalReader(path) as reader:
        runs = reader.runs()
        assert [reader.sha256_hex(run) for run in runs] == hashes
        assert [run.sha256 for run in runs] == hashes
    assert hashes[0] != hashes[1]


def test_without_a_file_parcels_and_counts_are_kept(tmp_path):
    journal = InlineJournal(None, INFO)
    append_all(journal, LIVES)
    journal.close()
    assert journal.acknowledged().event_seq == 11
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_closed_journal_gives_the_parcels_of_its_run_only(in_a_file, tmp_path):
    path = tmp_path / "journal.sqlite" if in_a_file else None
    if path is not None:
        write(path, parcel_life(7, 12))
    on_line = parcel_life(9, 15, closed=False)
    assert [row.parcel for row in write(path, [*LIVES, *on_line]).parcels()] == [1, 2, 3, 9]


def test_a_second_run_goes_on_where_the_first_ended(path, open_journal):
    write(path, LIVES, open_journal)
    journal = open_journal(path, dataclasses.replace(INFO, tracked=frozenset({3})))
    assert journal.first_parcel_id == 4
    assert journal.last_acknowledged == Acknowledged(7, 11, 10)
    append_all(journal, parcel_life(4, 12, b"RMA-4"))
    # A parcel of the first run ends in the second.
    journal.append(*parcel_step(3, OutcomeKind.CLOSED, 16))
    journal.close()
    with JournalReader(path) as reader:
        first, second = reader.runs()
        assert (first.next_step, second.first_step, second.next_step) == (12, 12, 17)
        assert second.first_parcel == 4
        closed = reader.parcel(3)
        assert (closed.run, closed.opened_step, closed.closed_step) == (1, 9, 16)
        assert closed.disposition == FinalDisposition.SORTED


def read_all(path):
    with JournalReader(path) as reader:
        list(reader.steps(1, 1000))
        list(reader.parcels())
        reader.runs()


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from journal_samples import INFO, parcel_life
from sorter.runtime.journal import InlineJournal, ThreadedJournal
journal = ThreadedJournal(sys.argv[1], INFO, commit_interval_s=0.001)
for parcel in range(1, 100_000):
    for step in parcel_life(parcel, parcel * 4 - 3, closed=parcel % 2 == 0):
        journal.append(*step)
    while journal.lag_steps > 5_000:  # as fast as this disk takes them
        os.sched_yield()
    if journal.acknowledged().event_seq > 400:
        print(journal.acknowledged().event_seq, flush=True)
        os.kill(os.getpid(), 9)
"""


def test_what_was_acknowledged_survives_a_kill(path):
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        check=False,
    )
    assert child.returncode == -9, child.stderr
    told = int(child.stdout)
    with JournalReader(path) as reader:
        (run,) = reader.runs()
        newest = max(int(step.inputs.events[-1, 0]) for step in reader.steps(1, run.next_step - 1))
        on_line = reader.open_parcels(run)
    assert not run.ended_cleanly
    assert run.acknowledged.event_seq == newest >= told
    journal = ThreadedJournal(path, dataclasses.replace(INFO, tracked=frozenset(on_line)))
    assert journal.last_acknowledged.event_seq == newest
    assert journal.first_parcel_id == run.last_parcel + 1
    journal.close()
    with JournalReader(path) as reader:
        # Every parcel that was opened has a row now, those on the line included.
        rows = {row.parcel: row for row in reader.parcels()}
        assert reader.last_run().open_from_step == rows[1].opened_step
    assert sorted(rows) == list(range(1, run.last_parcel + 1))
    assert {number for number, row in rows.items() if not row.disposition} == set(on_line)
    assert 1 in on_line
    assert 2 not in on_line


def test_only_one_controller_may_write_a_journal(path, open_journal):
    journal = open_journal(path, INFO)
    with pytest.raises(JournalError, match="another controller is writing this journal"):
        open_journal(path, INFO)
    journal.close()
    open_journal(path, INFO).close()


def test_the_journal_of_another_line_is_refused(path, open_journal):
    write(path, LIVES)
    other = dataclasses.replace(INFO, layout=dataclasses.replace(INFO.layout, name="big-1"))
    with pytest.raises(JournalError, match="is the journal of line 'small-1', not of 'big-1'"):
        open_journal(path, other)
    # The refused attempt must not have kept the lock.
    open_journal(path, INFO).close()


def test_a_file_that_is_no_database_is_refused(path, open_journal):
    path.write_bytes(b"label,grade\n" * 100)
    with pytest.raises(JournalError, match=r"is damaged, or no journal.*put a copy"):
        open_journal(path, INFO)
    with pytest.raises(JournalError, match=r"is damaged, or no journal.*put a copy"):
        JournalReader(path)


def test_another_kind_of_database_is_refused_and_left_alone(path, open_journal):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE returns (label TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal of this software"):
        open_journal(path, INFO)
    with pytest.raises(JournalError, match="not a journal of this software"):
        JournalReader(path)
    assert path.read_bytes() == before


def test_a_registry_named_as_journal_is_called_what_it_is(path, open_journal):
    Registry.create(path).close()
    for opened in (lambda: open_journal(path, INFO), lambda: JournalReader(path)):
        with pytest.raises(JournalError, match=r"is a return registry, not a journal.*--registry"):
            opened()


def test_another_schema_is_refused(path):
    write(path, LIVES)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(JournalError, match="schema 99"):
        InlineJournal(path, INFO)


def test_a_directory_that_cannot_be_made_is_named(tmp_path, open_journal):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"directory cannot be written.*--journal"):
        open_journal(tmp_path / "file" / "sub" / "journal.sqlite", INFO)


def test_a_missing_journal_cannot_be_read(path):
    with pytest.raises(JournalError, match="is a folder, a pipe or a device"):
        JournalReader(path.parent)
    with pytest.raises(JournalError, match="there is no such journal"):
        JournalReader(path)


def test_a_damaged_step_is_named(path):
    journal = InlineJournal(path, INFO, commit_steps=4)
    append_all(journal, LIVES)
    journal.close()
    with sqlite3.connect(path) as other:
        (payload,) = other.execute("SELECT payload FROM steps WHERE step = 5").fetchone()
        damaged = payload[:100] + bytes([payload[100] ^ 1]) + payload[101:]
        other.execute("UPDATE steps SET payload = ? WHERE step = 5", (damaged,))
    other.close()
    with JournalReader(path) as reader:
        assert len(list(reader.steps(1, 4))) == 4
        with pytest.raises(JournalError, match="step 5 is damaged"):
            list(reader.steps(1, 11))


def test_damaged_pages_are_a_journal_error(path):
    write(path, LIVES * 40)
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(bytes(content))
    with pytest.raises(JournalError):
        read_all(path)


def test_an_error_in_the_thread_reaches_the_loop(path):
    journal = ThreadedJournal(path, INFO, commit_interval_s=0.001)
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE steps")
    other.close()
    journal.append(*LIVES[0])
    journal._thread.join(DEADLINE_S)
    with pytest.raises(JournalError, match="cannot be written"):
        journal.append(*LIVES[1])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.close()
    assert journal.acknowledged().event_seq == 0


def test_an_error_while_writing_in_line_is_raised(path):
    journal = InlineJournal(path, INFO, commit_steps=2)
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE steps")
    other.close()
    journal.append(*LIVES[0])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.append(*LIVES[1])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.close()
    assert journal.acknowledged().event_seq == 0
    with JournalReader(path) as reader:
        assert not reader.runs()[-1].ended_cleanly


def test_a_disk_that_falls_behind_is_reported_and_nothing_is_lost(path):
    journal = ThreadedJournal(path, INFO, commit_interval_s=0.001, max_pending_steps=5)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # as good as a disk that does not answer
    append_all(journal, LIVES[:5])
    with pytest.raises(JournalError, match="5 steps wait for the disk"):
        journal.append(*LIVES[5])
    assert journal.lag_steps == 5
    assert journal.acknowledged().event_seq == 0
    other.execute("ROLLBACK")
    other.close()
    journal.close()
    assert journal.acknowledged().event_seq == 5


def test_closing_twice_is_allowed_and_leaves_no_thread(path, open_journal):
    journal = write(path, LIVES, open_journal)
    journal.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "journal"]


def test_a_parcel_with_two_codes_is_found_by_both(path):
    steps_ = parcel_life(1, 1, b"RMA-1")
    steps_.insert(2, parcel_step(1, OutcomeKind.SCANNED, 2, code=b"\xff\x1dB"))
    write(path, steps_)
    with JournalReader(path) as reader:
        assert reader.parcels_with_code("RMA-1") == [1]
        assert reader.parcels_with_code("\\xff\x1dB") == [1]


def test_two_scanners_that_read_at_the_same_count_are_told_apart(path):
    """Two parcels inducted abreast reach their scanners at one count, in one step."""
    now_ns, inputs, _, decided = parcel_step(1, OutcomeKind.SCANNED, 5, code=b"")
    inputs.scans = np.repeat(inputs.scans, 2, axis=0)
    inputs.scans[:, ScanColumn.SEQ] = 5, 6
    inputs.scans[:, ScanColumn.SCANNER] = 0, 1
    decided.outcomes = np.repeat(decided.outcomes, 2, axis=0)
    decided.outcomes[:, OutcomeColumn.PARCEL] = 1, 2
    decided.outcomes[:, OutcomeColumn.CHUTE] = 0, 1  # where a scan's outcome has the scanner
    reads = (ScanRead(5, 0, 500, -1, (b"RMA-1",)), ScanRead(6, 1, 500, -1, (b"RMA-2",)))
    opened = [parcel_step(parcel, OutcomeKind.OPENED, parcel) for parcel in (1, 2)]
    write(path, [*opened, (now_ns, inputs, reads, decided)])
    with JournalReader(path) as reader:
        assert reader.parcels_with_code("RMA-1") == [1]
        assert reader.parcels_with_code("RMA-2") == [2]
    for code in ("RMA-1", "RMA-2"):
        (story,) = explain(path, code)
        (scan,) = [moment for moment in story.moments if moment.what == "scan"]
        assert scan.details["codes"] == [code]
