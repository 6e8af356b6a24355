"""What does one decision step cost the hot loop in the journal, and the writer behind it?

``append_us`` is the mean over whole runs, the share of writing and committing included for the
in-line journal and excluded for the threaded one, where the loop does not wait for it.
"""

from __future__ import annotations

import json
import sys
import tempfile
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

Steps = list[tuple[int, Inputs, tuple[ScanRead, ...], Decisions]]
STEPS_PER_PARCEL = 7


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


def measure(quick: bool) -> dict[str, float]:
    """Return us per step and bytes per parcel."""
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
    del results["warm_append_us"]
    return {key: round(value, 3) for key, value in results.items()}


if __name__ == "__main__":
    print(json.dumps(measure("--quick" in sys.argv), indent=2))
