"""The controller on somebody else's clock and bus, until the line is empty on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sorter.app.assembly import assemble, run_info, summary_of
from sorter.app.drained import UntilDrained
from sorter.config.load import LoadedLine
from sorter.host.generate import FeedRow, feed_row, generate_returns
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.ports import Clock, FieldBus
from sorter.runtime.journal import DEFAULT_COMMIT_STEPS, InlineJournal
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.reconcile import reconcile_rows
from sorter.runtime.scan_loop import LoopTiming
from sorter.runtime.supervisor import Pause
from sorter.runtime.truth_file import TruthRow

__all__ = ["FeedRow", "announce_returns", "run_on"]

UNHURRIED_PERIOD_NS = 100_000_000
"""Longest wait on a bus that reports all news at once; 5 ms, the live value, is for polled ones."""


def announce_returns(count: int, seed: int) -> tuple[Registry, list[FeedRow]]:
    """Return a registry in memory with generated returns, and the parcels that will arrive."""
    registry = Registry.create(":memory:")
    returns = list(generate_returns(count, seed))
    registry.import_many(item.announced for item in returns if item.registered)
    return registry, [feed_row(item) for item in returns]


def run_on(
    loaded: LoadedLine,
    *,
    clock: Clock,
    bus: FieldBus,
    registry: Registry,
    journal_path: Path | None,
    notes: dict[str, str],
    drained: Callable[[], bool],
    truth: Callable[[], Sequence[TruthRow]],
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Run the controller on a given clock and bus until the line is empty on both sides.

    Parameters
    ----------
    loaded : LoadedLine
    clock, bus
        For example a simulator's.
    registry : Registry
    journal_path : Path or None
        None keeps counts and hash only.
    notes : dict of str to str
        Kept in the journal.
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
    journal = InlineJournal(journal_path, run_info(loaded, notes), commit_steps_for(loaded))
    controller = assemble(
        loaded,
        clock=clock,
        bus=bus,
        host=RegistryHost(registry, loaded.policy),
        journal=journal,
        controller_epoch=1,
        timing=LoopTiming(period_ns=UNHURRIED_PERIOD_NS),
        generator=np.random.default_rng(0),
        pause=pause_on(clock, bus),
    )
    parcels: list[ParcelRow] = []

    def ended() -> bool:
        # The loop closes the journal next; its parcels are asked for while it is open.
        parcels.extend(journal.parcels())
        return True

    until = UntilDrained(drained, clock, controller.state, loaded.layout, ended, progress)
    with no_collections():
        asyncio.run(controller.loop.run(until))
    wall_s = time.perf_counter() - started_s
    found = reconcile_rows(parcels, loaded.layout.chute_names, truth())
    return summary_of(controller, journal, loaded, "in_process", wall_s, found)


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
