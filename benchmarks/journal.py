"""What does one decision step cost the hot loop in the journal, and the writer behind it?

``append_us`` is the mean over whole runs, the share of writing and committing included for the
in-line journal and excluded for the threaded one, where the loop does not wait for it.

And for how long does pruning hold up a commit? ``prune_slice_ms``: between two commits of the
journal's own thread. ``commit_ms_beside_prune``: of a commit while ``sorter journal prune`` takes
the past out of the same file; ``commit_ms`` is the same with nobody beside.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from sorter.model.codes import EventKind, FinalDisposition, OutcomeKind
from sorter.model.columns import ChuteColumn, EyeColumn, LineField, StationColumn
from sorter.model.frames import Decisions, Inputs, ScanRead
from sorter.model.layout import LineLayout
from sorter.model.plan import SortPlan
from sorter.ports import Journal
from sorter.runtime.journal import InlineJournal, RunInfo, ThreadedJournal
from sorter.runtime.journal_group import GroupBuilder
from sorter.runtime.journal_prune import prune_journal
from sorter.runtime.journal_retention import Limits, Retention
from sorter.runtime.journal_schema import connect_writable
from sorter.runtime.journal_writer import JournalWriter

Steps = list[tuple[int, Inputs, tuple[ScanRead, ...], Decisions]]
STEPS_PER_PARCEL = 7
COMMIT_STEPS = 16
"""As many as come within a commit's 20 ms on a busy line, and a few."""
NOTHING_OLD = Limits(max_bytes=1)


def line() -> RunInfo:
    """A line with names only: the journal looks at nothing else of it."""
    layout = LineLayout(
        "bench",
        1.0,
        2500.0,
        np.zeros(len(LineField), np.int64),
        np.zeros((len(EyeColumn), 4), np.int64),
        np.zeros((len(StationColumn), 1), np.int64),
        np.zeros((len(StationColumn), 1), np.int64),
        np.zeros((2, 1), np.int64),
        np.zeros((len(ChuteColumn), 34), np.int64),
        tuple(f"e{i}" for i in range(4)),
        ("s0",),
        ("w0",),
        ("z0",),
        tuple(f"c{i}" for i in range(34)),
    )
    empty = np.zeros(1, np.int64)
    return RunInfo(layout, SortPlan(("restock",), empty, empty, empty, empty, empty, 0))


def steps(parcels: int) -> Steps:
    """One parcel after the other: an event a step, one scan, one decision with its command."""
    made: Steps = []
    for parcel in range(1, parcels + 1):
        for stage in range(STEPS_PER_PARCEL):
            made.append(_step(parcel, stage))
    return made


def _step(parcel: int, stage: int) -> tuple[int, Inputs, tuple[ScanRead, ...], Decisions]:
    seq = parcel * STEPS_PER_PARCEL + stage
    encoder = parcel * 1000 + stage * 100
    decided = Decisions()
    inputs = Inputs(7, 6, encoder)
    inputs.events = np.array([[seq, EventKind.PARCEL_PASSED, 1, encoder, seq, 300, 0]], np.int64)
    reads: tuple[ScanRead, ...] = ()
    kind, value = OutcomeKind.SEEN, 1
    if stage == 0:
        kind = OutcomeKind.OPENED
    elif stage == 2:
        kind = OutcomeKind.SCANNED
        reads = (ScanRead(parcel, 0, encoder, seq, (b"RMA%09d" % parcel,)),)
        inputs.scans = np.full((1, 14), parcel, np.int64)
    elif stage == 3:
        decided.decisions = np.full((1, 12), parcel, np.int64)
        decided.candidates = np.zeros((4, 3), np.int64)
        decided.commands = np.full((1, 7), parcel, np.int64)
    elif stage == STEPS_PER_PARCEL - 1:
        kind, value = OutcomeKind.CLOSED, FinalDisposition.SORTED
    decided.outcomes = np.array([[parcel, kind, value, 3, -1, encoder]], np.int64)
    return encoder * 1000, inputs, reads, decided


def append_all(journal: Journal, made: Steps) -> float:
    """Append everything; return us per step."""
    start = time.perf_counter_ns()
    for now_ns, inputs, reads, decided in made:
        journal.append(now_ns, inputs, reads, decided)
    return (time.perf_counter_ns() - start) / len(made) / 1000


def past(path: Path, made: Steps, info: RunInfo) -> JournalWriter:
    """Write a run into a journal and begin the next: all of the first may be pruned."""
    journal = InlineJournal(path, info)
    append_all(journal, made)
    journal.close()
    return JournalWriter(path, info, "FULL")


def slices_ms(path: Path) -> list[float]:
    """Prune all of a journal that may go; return how long each slice took."""
    connection = connect_writable(str(path), "FULL")
    retention = Retention(connection, NOTHING_OLD)
    taken: list[float] = []
    more = True
    while more:
        start = time.perf_counter_ns()
        more = retention.free_slice()
        taken.append((time.perf_counter_ns() - start) / 1e6)
    connection.close()
    return taken


def commits_ms(writer: JournalWriter, made: Steps, commits: int) -> list[float]:
    """Commit small groups of steps, one after the other; return how long each took."""
    taken: list[float] = []
    for commit in range(commits):
        group = GroupBuilder()
        for index in range(COMMIT_STEPS):
            group.add(*made[(commit * COMMIT_STEPS + index) % len(made)])
        start = time.perf_counter_ns()
        writer.write(group)
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken


def hold_up(folder: Path, made: Steps, info: RunInfo) -> dict[str, float]:
    """Return for how long commits wait for pruning, in ms."""
    writer = past(folder / "slices.sqlite", made, info)
    writer.abandon()
    slices = slices_ms(folder / "slices.sqlite")
    path = folder / "beside.sqlite"
    writer = past(path, made, info)
    alone = commits_ms(writer, made, 200)
    outside = threading.Thread(target=prune_journal, args=(path, NOTHING_OLD, 0.0))
    outside.start()
    beside: list[float] = []
    while outside.is_alive():
        beside += commits_ms(writer, made, 1)
    outside.join()
    writer.abandon()
    return {
        "prune_slice_ms_median": float(np.median(slices)),
        "prune_slice_ms_worst": max(slices),
        "commit_ms_p99": float(np.percentile(alone, 99)),
        "commit_ms_beside_prune_p99": float(np.percentile(beside, 99)),
        "commit_ms_beside_prune_worst": max(beside),
    }


def measure(quick: bool) -> dict[str, float]:
    """Return us per step, bytes per parcel, and how long pruning holds up a commit."""
    parcels = 1_000 if quick else 7_000
    made = steps(parcels)
    info = line()
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("warm", "inline"):
            path = Path(folder) / f"{name}.sqlite"
            inline = InlineJournal(path, info)
            results[f"{name}_append_us"] = append_all(inline, made)
            inline.close()
        results["bytes_per_parcel"] = path.stat().st_size / parcels
        memory = InlineJournal(None, info)
        results["hash_only_append_us"] = append_all(memory, made)
        memory.close()
        threaded = ThreadedJournal(Path(folder) / "threaded.sqlite", info)
        start = time.perf_counter_ns()
        results["threaded_append_us"] = append_all(threaded, made)
        threaded.close()
        results["threaded_total_us"] = (time.perf_counter_ns() - start) / len(made) / 1000
        results |= hold_up(Path(folder), made, info)
    del results["warm_append_us"]
    return {key: round(value, 3) for key, value in results.items()}


if __name__ == "__main__":
    print(json.dumps(measure("--quick" in sys.argv), indent=2))
