"""A very long run on somebody else's clock and bus, in bounded memory, looked at from outside.

The same parcels come again and again, in rounds: each is reconciled with the truth when the line
is empty and then forgotten, so that whatever still grows is the controller's (or the simulator's).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sorter.app.assembly import Controller
from sorter.app.closed import ClosedLine
from sorter.app.memory import fill_numpy_cache
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_retention import Limits
from sorter.runtime.logs import warnings_counted
from sorter.runtime.reconcile import reconcile_rows
from sorter.runtime.soak_report import TENTHS, Latency, SampleLog, look_at, report
from sorter.runtime.truth_file import TruthRow

DETAILS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Rounds:
    """The other side of a soak: who lets parcels come.

    Attributes
    ----------
    parcels : int
        In one round.
    count : int
        Rounds in all.
    drained : callable
        Whether the round's parcels have come and gone.
    truth : callable
        Where they physically went.
    begin_next : callable
        Lets the next round come.
    """

    parcels: int
    count: int
    drained: Callable[[], bool]
    truth: Callable[[], Sequence[TruthRow]]
    begin_next: Callable[[], None]


class _Soak:
    """Looks at the process while rounds pass, and reconciles each."""

    def __init__(
        self,
        rounds: Rounds,
        controller: Controller,
        journal: InlineJournal,
        journal_path: Path,
        chute_names: tuple[str, ...],
    ) -> None:
        self._rounds = rounds
        self._controller = controller
        self._journal = journal
        self._journal_path = journal_path
        self._chute_names = chute_names
        self._started_s = time.perf_counter()
        self._done = 0
        self._tenths_done = 0
        self.samples = SampleLog()
        self.latencies: list[Latency] = []
        self.unaccounted = self.mismatches = 0
        self.details: list[str] = []

    def look(self, opened: int) -> None:
        """Take a sample; called now and then while parcels are sorted."""
        wall_s = time.perf_counter() - self._started_s
        # The loop's own task is the only one there should be.
        tasks = len(asyncio.all_tasks())
        self.samples.add(look_at(os.getpid(), opened, wall_s, tasks, self._journal_path))
        total = self._rounds.parcels * self._rounds.count
        if opened * TENTHS >= total * (self._tenths_done + 1):
            self._end_tenth()

    def _end_tenth(self) -> None:
        self._tenths_done += 1
        self.latencies.append(Latency.of(self._controller.metrics.take_latencies()))

    def round_ended(self) -> bool:
        """Reconcile a round and forget it; return whether it was the last."""
        found = reconcile_rows(
            self._journal.take_parcels(), self._chute_names, self._rounds.truth()
        )
        self.unaccounted += found.unaccounted
        self.mismatches += found.truth_mismatches
        self.details += found.details[: DETAILS_KEPT - len(self.details)]
        self._done += 1
        if self._done < self._rounds.count:
            self._rounds.begin_next()
            return False
        self.look(self._controller.state.next_parcel_id - 1)
        if self._tenths_done < TENTHS:
            self._end_tenth()
        return True


def soak_on(
    line: ClosedLine,
    *,
    journal_path: Path,
    journal_bytes: int,
    rounds: Rounds,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Sort round after round and report what became of memory, files, threads and latency.

    Parameters
    ----------
    line : ClosedLine
        Its registry knows the parcels of a round.
    journal_path : Path
        Must not exist.
    journal_bytes : int
        Its oldest steps go when it is larger.
    rounds : Rounds
    progress : callable
        Gets the number of parcels opened, now and then.

    Returns
    -------
    dict
        See :func:`~sorter.runtime.soak_report.report`.
    """
    fill_numpy_cache()
    journal = line.journal(journal_path, Limits(max_bytes=journal_bytes))
    controller = line.controller(journal)
    chute_names = line.loaded.layout.chute_names
    soak = _Soak(rounds, controller, journal, journal_path, chute_names)

    def passed(opened: int) -> None:
        soak.look(opened)
        progress(opened)

    with warnings_counted() as warnings:  # as in ``run_on``
        wall_s = line.run(controller, rounds.drained, soak.round_ended, passed)
    return report(
        soak.samples.samples(),
        soak.latencies,
        {
            "protocol": "in_process",
            "rounds": rounds.count,
            "wall_s": round(wall_s, 1),
            "parcels_per_s": round(journal.tally.opened / wall_s, 1),
            "unaccounted": soak.unaccounted,
            "truth_mismatches": soak.mismatches,
            "details": soak.details,
            "alarms": {**warnings, **controller.metrics.alarm_counts()},
        },
    )
