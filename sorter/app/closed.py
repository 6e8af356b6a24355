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
from sorter.config.load import LoadedLine
from sorter.core.state import State
from sorter.host.generate import FeedRow, feed_row, generate_returns
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.columns import LineField
from sorter.ports import Clock, FieldBus
from sorter.runtime.journal import DEFAULT_COMMIT_STEPS, InlineJournal
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.reconcile import TruthRow, reconcile_rows
from sorter.runtime.scan_loop import LoopTiming

__all__ = ["FeedRow", "announce_returns", "run_on"]

UNHURRIED_PERIOD_NS = 100_000_000
"""Longest wait on a bus that reports all news at once; 5 ms, the live value, is for polled ones."""
PATIENCE_LAPS = 2.0
STALL_PATIENCES = 20
"""A line on which no parcel comes or goes for so many times the patience will not move again."""
ASKS_PER_LOOK = 16
ASKS_PER_PROGRESS = 4096


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
    rings = loaded.line_file.io.mailbox
    # The PLC keeps what is not committed: long before a ring is full, it must be.
    commit_steps = min(DEFAULT_COMMIT_STEPS, rings.scan_slots // 2, rings.event_slots // 16)
    journal = InlineJournal(journal_path, run_info(loaded, notes), commit_steps)
    controller = assemble(
        loaded,
        clock=clock,
        bus=bus,
        host=RegistryHost(registry, loaded.policy),
        journal=journal,
        controller_epoch=1,
        timing=LoopTiming(period_ns=UNHURRIED_PERIOD_NS),
        generator=np.random.default_rng(0),
    )
    until = _Until(drained, clock, controller.state, loaded, journal, progress)
    with _no_collections():
        asyncio.run(controller.loop.run(until))
    wall_s = time.perf_counter() - started_s
    found = reconcile_rows(until.parcels, loaded.layout.chute_names, truth())
    return summary_of(controller, journal, loaded, "in_process", wall_s, found)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Do without the cyclic garbage collector: the loop leaves no cycles, and looking costs."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Until:
    """Ends a closed run: drained, and every parcel closed or given up."""

    def __init__(
        self,
        drained: Callable[[], bool],
        clock: Clock,
        state: State,
        loaded: LoadedLine,
        journal: InlineJournal,
        progress: Callable[[int], None],
    ) -> None:
        layout = loaded.layout
        self._drained = drained
        self._clock = clock
        self._state = state
        self._journal = journal
        self._progress = progress
        lap_ms = layout.counts_to_ms(float(layout.line[LineField.LENGTH_COUNTS]))
        self._patience_ns = int(lap_ms * 1e6 * PATIENCE_LAPS)
        self._give_up_ns = -1
        self._moved_ns = 0
        self._last_seen = (0, 0)
        self._asked = 0
        self._over = False
        self.parcels: list[ParcelRow] = []

    def __call__(self) -> bool:
        self._asked += 1
        if self._asked % ASKS_PER_LOOK and not self._over:
            return False  # a few idle steps at the end cost less than looking in every step
        if self._asked % ASKS_PER_PROGRESS == 0:
            self._progress(self._state.next_parcel_id - 1)
        now_ns = self._clock.now_ns()
        tracked = self._state.tracked_count()
        if not self._drained():
            return self._stalled(now_ns, tracked)
        if self._give_up_ns < 0:
            self._give_up_ns = now_ns + self._patience_ns
        if tracked and now_ns < self._give_up_ns:
            return False
        return self._end()

    def _stalled(self, now_ns: int, tracked: int) -> bool:
        """End a run in which nothing has come or gone for many laps: it never would."""
        seen = (self._state.next_parcel_id, tracked)
        if seen != self._last_seen:
            self._last_seen = seen
            self._moved_ns = now_ns
        if now_ns - self._moved_ns < STALL_PATIENCES * self._patience_ns:
            return False
        return self._end()

    def _end(self) -> bool:
        # The loop closes the journal next; its parcels are asked for while it is open.
        self.parcels = self._journal.parcels()
        self._over = True
        return True
