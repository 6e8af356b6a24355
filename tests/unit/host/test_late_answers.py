"""What the registry did not know, or did not say, when a parcel was scanned."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from sorter.host import late
from sorter.host.late import LateAsker
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.host.resolver import CALLS_BETWEEN_CHECKS, RegistryHost
from sorter.model.codes import Grade, ReturnReason, ScanVerdict
from sorter.model.columns import RuleColumn, ScanColumn
from sorter.model.frames import ScanRead
from sorter.model.plan import ReturnsPolicy
from sorter.model.returns import ReturnRecord

POLICY = ReturnsPolicy(
    ("books",), ("GB",), np.full(2, 14, np.int64), np.zeros((len(RuleColumn), 0), np.int64)
)
LOCKER = """
import sqlite3, sys
holder = sqlite3.connect(sys.argv[1], isolation_level=None)
holder.execute("PRAGMA locking_mode = EXCLUSIVE")
holder.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""
STUCK = """
import sys
from pathlib import Path
from plc_sim.chaos.making import locked_registry
with locked_registry(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""
DEADLINE_S = 30.0


def until(holds):
    """Ask until it holds; what is awaited happens in a thread or another process."""
    pause = threading.Event()
    deadline_s = time.perf_counter() + DEADLINE_S
    while not holds():
        assert time.perf_counter() < deadline_s
        pause.wait(0.005)


def announced(label, identity=None):
    return AnnouncedReturn(
        ReturnRecord(
            identity or f"text:{label}", label, Grade.B, "books", ReturnReason.DEFECT, False, 990,
            "GB", 5,
        )
    )  # fmt: skip


def scan(*codes, seq=1):
    return ScanRead(seq, 0, 300, 400, tuple(codes))


@pytest.fixture
def path(tmp_path):
    Registry.create(tmp_path / "returns.sqlite").close()
    return tmp_path / "returns.sqlite"


@pytest.fixture
def asker(path):
    return LateAsker(path)


@pytest.fixture
def host(path, asker):
    return RegistryHost(asker, POLICY)


def answers_of(host, asker):
    asker.ask()
    return host.resolve(host.late_reads())


def bring_in(path, *returns):
    with Registry.open(path) as other:
        other.import_many(returns)


@pytest.mark.parametrize(
    ("code", "record"),
    [
        (b"RMA1", announced("RMA1")),
        (
            b"]C100340123450000000017",
            announced("(00)340123450000000017", "sscc:340123450000000017"),
        ),
    ],
)
def test_a_record_imported_later_is_an_answer_to_the_same_scan(host, asker, path, code, record):
    assert host.resolve([scan(code, seq=9)])[0, ScanColumn.KNOWN] == 0
    assert len(answers_of(host, asker)) == 0
    bring_in(path, record)
    row = answers_of(host, asker)[0]
    assert row[[ScanColumn.SEQ, ScanColumn.ENCODER, ScanColumn.KNOWN]].tolist() == [9, 300, 1]
    assert row[ScanColumn.GRADE] == Grade.B
    assert len(answers_of(host, asker)) == 0, "answered once"
    assert host.figures() == {
        "lookup_errors": 0, "answered_late": 1, "given_up": 0, "waiting": 0,
    }  # fmt: skip


def test_only_what_identifies_a_parcel_is_asked_about(host, asker):
    host.resolve([scan(), scan(b"A", b"B"), scan(b"\xff\xfe")])
    assert asker.waiting == 0


def test_nothing_is_looked_up_while_nobody_has_written(host, asker, path, monkeypatch):
    looked = []
    find = late.find_record
    monkeypatch.setattr(
        late, "find_record", lambda registry, what: looked.append(what) or find(registry, what)
    )
    host.resolve([scan(b"RMA1")])
    for _ in range(5):
        asker.ask()
    assert len(looked) == 1
    bring_in(path, announced("RMA2"))
    asker.ask()
    assert len(looked) == 2


def test_a_missing_file_is_noticed_and_a_new_one_is_asked(host, asker, path):
    bring_in(path, announced("RMA1"))
    for file in path.parent.glob("returns.sqlite*"):
        file.unlink()
    host.resolve([scan(b"RMA2", seq=5)])
    asker.ask()
    assert not host.reachable
    assert "No such file" in asker.problem
    assert asker.waiting == 1
    with Registry.create(path) as fresh:
        fresh.import_many([announced("RMA2")])
    assert answers_of(host, asker)[0, ScanColumn.SEQ] == 5
    assert host.reachable


def test_a_file_that_is_no_registry_is_a_problem_not_a_crash(asker, path):
    for file in path.parent.glob("returns.sqlite*"):
        file.unlink()
    path.write_bytes(b"not a database" * 100)
    asker.remember(scan(b"RMA1"))
    asker.ask()
    assert not asker.reachable
    assert asker.waiting == 1


@pytest.mark.parametrize("locker", [LOCKER, STUCK], ids=["exclusive", "stuck in a recovery"])
def test_a_locked_file_delays_nothing_and_is_asked_again(path, locker):
    bring_in(path, announced("KNOWN"))
    asker = LateAsker(path)
    host = RegistryHost(asker, POLICY)
    asker._close()  # an open reader would keep the other process from its lock
    with contextlib.ExitStack() as stack:
        holder = subprocess.Popen(
            [sys.executable, "-c", locker, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert holder.stdout.readline() == b"locked\n"
            stack.enter_context(asker)
            until(lambda: not host.reachable)
            began = time.perf_counter()
            for seq in range(1, 21):
                row = host.resolve([scan(b"RMA1", seq=seq)])[0]
                assert row[ScanColumn.VERDICT] == ScanVerdict.READ
                assert row[ScanColumn.KNOWN] == 0
                assert host.resolve([scan(b"KNOWN", seq=100 + seq)])[0, ScanColumn.KNOWN] == 1
            took = time.perf_counter() - began
            assert took < 1.0, "far below the ten seconds that SQLite would take for each"
            assert host.figures()["lookup_errors"] >= 20
        finally:
            holder.communicate(b"done\n", timeout=10)
        until(lambda: host.reachable)
        bring_in(path, announced("RMA1"))
        reads = []
        until(lambda: reads.extend(host.late_reads()) or len(reads) == 20)
        assert host.resolve(reads)[:, ScanColumn.KNOWN].all()
    assert asker.given_up == 0


def test_the_first_look_up_in_a_file_that_locks_up_ends_at_its_deadline(path):
    """The thread has been getting answers until now: nobody knows yet that there are none."""
    with LateAsker(path, period_s=3600) as asker:
        host = RegistryHost(asker, POLICY)
        until(lambda: asker.changes)
        holder = subprocess.Popen(
            [sys.executable, "-c", STUCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert holder.stdout.readline() == b"locked\n"
            assert host.reachable
            with pytest.raises(TimeoutError, match="no answer within"):
                asker.ask_now(Registry.count)
            with pytest.raises(TimeoutError, match="does not answer"):
                asker.ask_now(Registry.count)
            assert host.resolve([scan(b"RMA1")])[0, ScanColumn.KNOWN] == 0
            until(lambda: not host.reachable)
        finally:
            holder.communicate(b"done\n", timeout=10)


def test_a_line_begins_without_its_host(path):
    bring_in(path, announced("KNOWN"))
    holder = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with contextlib.ExitStack() as stack:
        try:
            assert holder.stdout.readline() == b"locked\n"
            asker = stack.enter_context(LateAsker(path))
            began = time.perf_counter()
            host = RegistryHost(asker, POLICY)
            assert time.perf_counter() - began < 5.0, "SQLite would take more than ten seconds"
            assert not host.reachable
            assert "no answer within 500 ms" in host.problem
            assert host.resolve([scan(b"KNOWN")])[0, ScanColumn.KNOWN] == 0
        finally:
            holder.communicate(b"done\n", timeout=10)
        until(lambda: host.reachable)
        assert host.resolve([scan(b"KNOWN", seq=2)])[0, ScanColumn.KNOWN] == 1


def test_what_is_known_at_the_start_is_not_asked_for_again(path):
    bring_in(path, announced("KNOWN"))
    with LateAsker(path) as asker:
        host = RegistryHost(asker, POLICY)
        asker.ask_now = None  # nobody asks
        for seq in range(3 * CALLS_BETWEEN_CHECKS):
            assert host.resolve([scan(b"KNOWN", seq=seq)])[0, ScanColumn.KNOWN] == 1


def test_a_look_up_through_the_thread_gives_what_the_file_says(path):
    with LateAsker(path) as asker:
        host = RegistryHost(asker, POLICY)
        bring_in(path, announced("RMA1"))
        until(lambda: host.resolve([scan(b"RMA1")])[0, ScanColumn.KNOWN] == 1)
        with pytest.raises(sqlite3.Error):
            asker.ask_now(lambda registry: registry._connection.execute("no SQL"))
        assert host.reachable


def test_what_is_remembered_is_bounded_and_ends(asker, path, monkeypatch):
    monkeypatch.setattr(late, "ROUNDS", 3)
    for seq in range(1, late.CAPACITY + 51):
        asker.remember(scan(b"RMA%d" % seq, seq=seq))
    assert asker.waiting == late.CAPACITY
    assert asker.given_up == 50
    for _ in range(4):
        asker.ask()
    assert asker.waiting == 0
    assert asker.given_up == late.CAPACITY + 50
    bring_in(path, announced("RMA60"))
    asker.ask()
    assert not asker.answers()


def test_after_a_plc_restart_nobody_is_asked_for(host, asker, path):
    host.resolve([scan(b"RMA1"), scan(b"RMA2", seq=2)])
    bring_in(path, announced("RMA1"))
    asker.ask()
    host.forget_unknown()
    assert not host.late_reads()
    bring_in(path, announced("RMA2"))
    assert len(answers_of(host, asker)) == 0
    assert asker.waiting == 0


def test_the_thread_asks_by_itself_and_ends(path):
    asker = LateAsker(path, period_s=0.001)
    asker.remember(scan(b"RMA1", seq=7))
    with asker:
        bring_in(path, announced("RMA1"))
        deadline = time.perf_counter() + 20
        found = asker.answers()
        while not found and time.perf_counter() < deadline:
            found = asker.answers()
    assert [read.seq for read, _ in found] == [7]
    assert asker._registry is None, "closed by the thread that opened it"
