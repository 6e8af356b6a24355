"""The controller on somebody else's clock and bus, until the line is empty on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sorter.app.assembly import Controller, assemble, run_info, summary_of
from sorter.app.drained import UntilDrained
from sorter.config.load import LoadedLine
from sorter.host.generate import FeedRow, feed_row, generate_returns
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.ports import Clock, FieldBus
from sorter.runtime.clock import Pause
from sorter.runtime.journal import DEFAULT_COMMIT_STEPS, InlineJournal, ThreadedJournal
from sorter.runtime.journal_retention import Limits
from sorter.runtime.logs import warnings_counted
from sorter.runtime.reconcile import reconcile_rows
from sorter.runtime.scan_loop import LoopTiming
from sorter.runtime.truth_file import TruthRow

__all__ = ["ClosedLine", "FeedRow", "announce_returns", "run_on"]

UNHURRIED_PERIOD_NS = 100_000_000
"""Longest wait on a bus that reports all news at once; 5 ms, the live value, is for polled ones."""


def announce_returns(count: int, seed: int) -> tuple[Registry, list[FeedRow]]:
    """Return a registry in memory with generated returns, and the parcels that will arrive."""
    registry = Registry.create(":memory:")
    returns = list(generate_returns(count, seed))
    registry.import_many(item.announced for item in returns if item.registered)
    return registry, [feed_row(item) for item in returns]


@dataclass(frozen=True, slots=True)
class ClosedLine:
    """A line whose time passes only when its bus lets it: for example a simulator's.

    Attributes
    ----------
    loaded : LoadedLine
    clock, bus
    registry : Registry
    notes : dict of str to str
        Kept in the journal.
    """

    loaded: LoadedLine
    clock: Clock
    bus: FieldBus
    registry: Registry
    notes: dict[str, str]

    def journal(self, path: Path | None, limits: Limits | None = None) -> InlineJournal:
        """Begin a journal; without a path it keeps counts and hash only."""
        loaded = self.loaded
        return InlineJournal(path, run_info(loaded, self.notes), commit_steps_for(loaded), limits)

    def controller(self, journal: InlineJournal | ThreadedJournal) -> Controller:
        """Wire a controller that waits on the line's time, also while the link is broken."""
        return assemble(
            self.loaded,
            clock=self.clock,
            bus=self.bus,
            host=RegistryHost(self.registry, self.loaded.policy),
            journal=journal,
            controller_epoch=1,
            timing=LoopTiming(period_ns=UNHURRIED_PERIOD_NS),
            generator=np.random.default_rng(0),
            pause=pause_on(self.clock, self.bus),
        )

    def run(
        self,
        controller: Controller,
        drained: Callable[[], bool],
        ended: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> float:
        """Run a controller to the end; see :class:`~sorter.app.drained.UntilDrained`.

        Returns
        -------
        float
            Wall time that it took, in s.
        """
        until = UntilDrained(
            drained, self.clock, controller.state, self.loaded.layout, ended, progress
        )
        started_s = time.perf_counter()
        with no_collections():
            asyncio.run(controller.loop.run(until))
        return time.perf_counter() - started_s


def run_on(
    line: ClosedLine,
    *,
    journal_path: Path | None,
    drained: Callable[[], bool],
    truth: Callable[[], Sequence[TruthRow]],
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Run the controller until the line is empty on both sides.

    Parameters
    ----------
    line : ClosedLine
    journal_path : Path or None
        None keeps counts and hash only.
    drained : callable
        Whether no parcel will come and none is on the belt any more.
    truth : callable
        Where every parcel physically went, asked for at the end.
    progress : callable
        Gets the number of parcels opened, now and then.

    Returns
    -------
    dict
        The summary of the run, reconciled with the truth.
    """
    started_s = time.perf_counter()
    journal = line.journal(journal_path)
    controller = line.controller(journal)
    # Minutes of virtual time pass in a second: a warning is no news then, but their count is.
    with warnings_counted() as warnings:
        line.run(controller, drained, lambda: True, progress)
    wall_s = time.perf_counter() - started_s
    found = reconcile_rows(journal.parcels(), line.loaded.layout.chute_names, truth())
    summary = summary_of(controller, journal, line.loaded, "in_process", wall_s, found)
    summary["alarms"] = {**warnings, **summary["alarms"]}
    return summary


def pause_on(clock: Clock, bus: FieldBus) -> Pause:
    """Return a pause that lets the time of a clock pass that only its bus moves."""

    async def pause(seconds: float) -> None:
        until_ns = clock.now_ns() + int(seconds * 1e9)
        while clock.now_ns() < until_ns:
            await bus.wait(until_ns)

    return pause


def commit_steps_for(loaded: LoadedLine) -> int:
    """Return after how many steps to commit.

    The PLC keeps what is not committed: long before a ring is full, it must be.
    """
    rings = loaded.line_file.io.mailbox
    return min(DEFAULT_COMMIT_STEPS, rings.scan_slots // 2, rings.event_slots // 16)


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Do without the cyclic garbage collector: the loop leaves no cycles, and looking costs."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
