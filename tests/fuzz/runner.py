"""Feeds mutated inputs to a target, counts what became of them, and makes findings small."""

from __future__ import annotations

import faulthandler
import hashlib
import mmap
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251  seeded; a draw takes a tenth of numpy's

from .coverage import LineCoverage
from .mutate import mutated
from .plain_kernels import PlainKernels
from .target import Run, Target

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Inputs that are files need no disk."""
TEXT_SHARE = 0.95
POOL_LIMIT = 2000
KINDS_LIMIT = 400
HANGS_AFTER_S = 60.0
"""Then the process prints where it is and ends: a kernel cannot be interrupted."""
SMALLER_TRIES = 1500
FINDINGS_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which an entry point broke.

    Attributes
    ----------
    what : str
        Exception and place, or how slow.
    data : bytes
        The smallest input found that does it.
    trace : str
    """

    what: str
    data: bytes
    trace: str


@dataclass(slots=True)
class Report:
    """What became of the inputs of one target.

    Attributes
    ----------
    reached : dict of str to set of int
        Lines of the product that traced inputs ran, by file.
    """

    target: str
    seed: int
    inputs: int = 0
    wall_s: float = 0.0
    reached: dict[str, set[int]] = field(default_factory=dict)
    slowest_ms: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    stalls: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """How many lines of the product were reached."""
        return sum(map(len, self.reached.values()))

    def add(self, other: Report) -> None:
        """Take in what another process found."""
        self.inputs += other.inputs
        self.wall_s = max(self.wall_s, other.wall_s)
        for path, lines in other.reached.items():
            self.reached.setdefault(path, set()).update(lines)
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        self.kinds.update(other.kinds)
        self.crashes += other.crashes
        self.stalls += other.stalls
        self.findings.update(other.findings)


def fuzz(
    target: Target,
    inputs: int,
    seed: int,
    *,
    seconds: float = float("inf"),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Run a target on so many inputs, the same ones for the same seed.

    Parameters
    ----------
    target : Target
    inputs : int
    seed : int
    seconds : float
        Stop earlier when the time is up.
    progress : callable, optional
        Called now and then with the inputs done.
    """
    report = Report(target.name, seed)
    with (
        tempfile.TemporaryDirectory(prefix=f"fuzz-{target.name}-", dir=MEMORY) as folder,
        _current_input(Path(folder), target) as current,
    ):
        draw = Random(f"{target.name} {seed}")
        hunt = _Hunt(target, target.build(Path(folder)), report, draw, current)
        began = time.perf_counter()
        try:
            for number in range(inputs):
                if number % 256 == 0:
                    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
                    if time.perf_counter() - began > seconds:
                        break
                    if progress is not None:
                        progress(number)
                hunt.one(number)
        finally:
            faulthandler.cancel_dump_traceback_later()
        report.wall_s = time.perf_counter() - began
        report.reached = hunt.coverage.lines
    return report


@contextmanager
def _current_input(folder: Path, target: Target) -> Iterator[mmap.mmap]:
    """Map a file that holds length and bytes of the present input.

    A kernel that hangs or ends the process leaves no traceback, but this file and its folder.
    """
    with (folder / "current.bin").open("w+b") as file:
        file.truncate(max([target.limit_bytes, *map(len, target.seeds())]) + 8)
        with mmap.mmap(file.fileno(), 0) as current:
            yield current


class _Hunt:
    """One run of one target."""

    def __init__(
        self, target: Target, run: Run, report: Report, draw: Random, current: mmap.mmap
    ) -> None:
        self._target = target
        self._run = run
        self._report = report
        self._draw = draw
        self._pool = list(target.seeds())
        self._seeds = list(self._pool)
        self.coverage = LineCoverage()
        self._kernels = PlainKernels()
        self._current = current

    def one(self, number: int) -> None:
        """Feed one input: the seeds as they are, then what is made of them."""
        report, target = self._report, self._target
        if number < len(self._seeds):
            data = self._seeds[number]
        else:
            data = mutated(self._draw, self._pool, target.tokens, target.limit_bytes)
            if target.text and self._draw.random() < TEXT_SHARE:
                data = data.decode("utf-8", "ignore").encode()
        report.inputs += 1
        self._current[: len(data) + 8] = len(data).to_bytes(8, "little") + data
        new = False
        traced = number % target.traced_every == 0 or number < len(self._seeds)
        began = time.perf_counter()
        try:
            if number < len(self._seeds):  # loads and compiles what the traced run needs
                self._run(data)
            if traced:
                kind, new = self._traced(data)
            else:
                kind = self._run(data)
        except Exception as error:  # noqa: BLE001, RUF100  any at all is what is looked for
            report.crashes += 1
            self._found(_place(error), data, traceback.format_exc())
            return
        took_s = time.perf_counter() - began
        if not traced:
            report.slowest_ms = max(report.slowest_ms, 1000 * took_s)
            if took_s > target.budget_s:
                self._slow(data)
        if kind not in report.kinds and len(report.kinds) < KINDS_LIMIT:
            new = True
        report.kinds[kind if new or kind in report.kinds else "others"] += 1
        if new and len(self._pool) < POOL_LIMIT:
            self._pool.append(data)

    def _traced(self, data: bytes) -> tuple[str, bool]:
        with self._kernels.swapped_in():
            return self.coverage.run(self._run, data)

    def _slow(self, data: bytes) -> None:
        """Note a stall, unless it was the machine that was busy."""
        for _ in range(2):
            began = time.thread_time()
            self._run(data)
            if time.thread_time() - began <= self._target.budget_s:
                return
        self._report.stalls += 1
        self._found(f"takes longer than {self._target.budget_s} s", data, "")

    def _found(self, what: str, data: bytes, trace: str) -> None:
        findings = self._report.findings
        if what in findings or len(findings) >= FINDINGS_LIMIT:
            return
        small = data
        if trace:
            # What only a traced input finds, e.g. an index out of bounds, is looked for as it was.
            compiled = self._breaks(data) == what
            with nullcontext() if compiled else self._kernels.swapped_in():
                small = self._smaller(what, data)
            trace += "" if compiled else "(only with kernels as plain Python)\n"
        findings[what] = Finding(what, small, trace)
        sys.stderr.write(f"{self._target.name}: {what}: {small[:200]!r}\n")

    def _smaller(self, what: str, data: bytes) -> bytes:
        """Return a part of the input that still breaks it in the same place."""
        tries = SMALLER_TRIES
        size = max(1, len(data) // 2)
        while size and tries > 0:
            at = 0
            while at < len(data) and tries > 0:
                tries -= 1
                shorter = data[:at] + data[at + size :]
                if self._breaks(shorter) == what:
                    data = shorter
                else:
                    at += size
            size //= 2
        return data

    def _breaks(self, data: bytes) -> str:
        try:
            self._run(data)
        except Exception as error:  # noqa: BLE001, RUF100
            return _place(error)
        return ""


def _place(error: Exception) -> str:
    """Return the exception's class and the line it came from, the innermost of the product."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/sorter/" in f.filename or "/plc_sim/" in f.filename]
    where = (ours or frames)[-1]
    return f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno} {where.name}"


def save(report: Report, folder: Path) -> list[Path]:
    """Write the inputs of the findings into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for finding in report.findings.values():
        digest = hashlib.sha256(finding.data).hexdigest()[:10]
        path = folder / f"{report.target}-{digest}.bin"
        path.write_bytes(finding.data)
        path.with_suffix(".txt").write_text(f"{finding.what}\n{finding.trace}")
        paths.append(path)
    return paths
