"""What a long run does to a process: memory, files, threads and latency over time.

A leak is a slope that does not end, so everything is judged behind a warm-up: the first tenth of
the run, in which caches fill and pools reach their size. Who looks must not grow either: samples
are kept in memory that is taken once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

TENTHS: Final = 10
WARM_UP_SHARE: Final = 1 / TENTHS
"""Part of the run that slopes leave out."""
MILLION: Final = 1_000_000
BYTES_PER_MB: Final = 1_000_000
MEMORY_LIMIT_MB: Final = 1.0
"""Largest slope of memory, per million parcels."""
LATENCY_LIMIT: Final = 0.10
"""Largest part by which the 99th percentile may grow from the first tenth to the last."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process.

    Attributes
    ----------
    parcels : int
        Sorted so far.
    wall_s : float
        Since the first parcel.
    rss_bytes, files, threads : int
        Resident memory, open file descriptors, threads.
    tasks : int
        asyncio tasks.
    journal_bytes : int
        On the disk: file, write-ahead log and reserve.
    preemptions : int
        Times the kernel took the core away from the main thread: what else runs on the machine
        shows in the latency as well.
    """

    parcels: int
    wall_s: float
    rss_bytes: int
    files: int
    threads: int
    tasks: int
    journal_bytes: int
    preemptions: int = 0


class SampleLog:
    """Samples of a run of any length, evenly spread over it, in memory that is taken once.

    When it is full, every second sample goes, and from then on only every second one is taken.

    Parameters
    ----------
    capacity : int
        Even.
    """

    def __init__(self, capacity: int = 512) -> None:
        self._cells = np.zeros((capacity, len(fields(Sample))))
        self._kept = 0
        self._stride = 1
        self._offered = 0
        self._newest: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Take a sample, or leave it out."""
        self._newest = sample
        taken = self._offered % self._stride == 0
        self._offered += 1
        if not taken:
            return
        if self._kept == len(self._cells):
            half = self._kept // 2
            self._cells[:half] = self._cells[::2]
            self._kept = half
            self._stride *= 2
            if (self._offered - 1) % self._stride:
                return
        self._cells[self._kept] = astuple(sample)
        self._kept += 1

    def samples(self) -> list[Sample]:
        """Return the samples in order of time; the newest is always one of them."""
        kept = [
            Sample(int(parcels), wall_s, *map(int, others))
            for parcels, wall_s, *others in self._cells[: self._kept].tolist()
        ]
        if self._newest is not None and kept[-1] != self._newest:
            kept.append(self._newest)
        return kept


@dataclass(frozen=True, slots=True)
class Latency:
    """Time from a frame's arrival to its commands, in one tenth of the run."""

    p50_us: float
    p99_us: float
    steps: int

    @classmethod
    def of(cls, latencies_ns: Sequence[int] | np.ndarray[Any, Any]) -> Latency:
        """Return the percentiles of some latencies."""
        if not len(latencies_ns):
            return cls(0.0, 0.0, 0)
        p50, p99 = np.percentile(np.asarray(latencies_ns), (50, 99)) / 1000.0
        return cls(round(float(p50), 2), round(float(p99), 2), len(latencies_ns))


def look_at(pid: int, parcels: int, wall_s: float, tasks: int, journal: Path) -> Sample:
    """Return a sample of a running process; Linux only.

    Raises
    ------
    OSError
        There is no such process, or it is somebody else's.
    """
    process = Path("/proc") / str(pid)
    pages = int((process / "statm").read_text().split()[1])
    return Sample(
        parcels,
        round(wall_s, 3),
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(os.listdir(process / "fd")),
        len(os.listdir(process / "task")),
        tasks,
        _bytes_of(journal),
        _preemptions(process),
    )


def _preemptions(process: Path) -> int:
    for line in (process / "status").read_text().splitlines():
        if line.startswith("nonvoluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0


def _bytes_of(journal: Path) -> int:
    total = 0
    for path in journal.parent.glob(journal.name + "*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def slope_per_million(parcels: Sequence[float], values: Sequence[float]) -> float:
    """Return how much a value grows in a million parcels: the line of least squares."""
    if len(set(parcels)) < 2:
        return 0.0
    return float(np.polyfit(np.asarray(parcels), np.asarray(values), 1)[0] * MILLION)


def report(
    samples: Sequence[Sample], latencies: Sequence[Latency], facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the report of a run that has ended.

    Parameters
    ----------
    samples : sequence of Sample
        In order of time.
    latencies : sequence of Latency
        Of each tenth.
    facts : dict
        What else is to be in it.
    """
    total = samples[-1].parcels if samples else 0
    warm = total * WARM_UP_SHARE
    settled = [sample for sample in samples if sample.parcels >= warm] or list(samples)
    parcels = [float(sample.parcels) for sample in settled]
    memory_mb = slope_per_million(parcels, [sample.rss_bytes / BYTES_PER_MB for sample in settled])
    steps = [latency for latency in latencies if latency.steps]
    growth = steps[-1].p99_us / steps[0].p99_us - 1.0 if steps and steps[0].p99_us else 0.0
    return {
        **facts,
        "parcels": total,
        "warm_up_share": WARM_UP_SHARE,
        "memory_slope_mb_per_million": round(memory_mb, 3),
        "files_slope_per_million": round(
            slope_per_million(parcels, [float(sample.files) for sample in settled]), 2
        ),
        "threads_slope_per_million": round(
            slope_per_million(parcels, [float(sample.threads) for sample in settled]), 2
        ),
        "tasks_slope_per_million": round(
            slope_per_million(parcels, [float(sample.tasks) for sample in settled]), 2
        ),
        "latency_p99_growth": round(growth, 4),
        "journal_largest_bytes": max((sample.journal_bytes for sample in samples), default=0),
        "memory_holds": memory_mb < MEMORY_LIMIT_MB,
        "latency_holds": growth <= LATENCY_LIMIT,
        "tenths": [asdict(latency) for latency in latencies],
        "samples": [asdict(sample) for sample in samples],
    }
