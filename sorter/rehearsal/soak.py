"""A soak of the real processes: `sorter run` against a served line, looked at through /proc."""

from __future__ import annotations

import time
from typing import Any, Final

from sorter.rehearsal.rehearse import RehearsalPlan, RehearsalProgress, rehearse
from sorter.runtime.soak_report import TENTHS, Latency, SampleLog, look_at, report

SAMPLE_EVERY_S: Final = 1.0
RECENT: Final = "sorter_decision_latency_recent_seconds"


class _Watch:
    """Takes samples of the controller's process while a rehearsal runs."""

    def __init__(self, plan: RehearsalPlan) -> None:
        self._plan = plan
        self._started_s = 0.0
        self._due_s = 0.0
        self._tenth: list[tuple[float, float]] = []
        self.samples = SampleLog()
        self.latencies: list[Latency] = []

    def __call__(self, progress: RehearsalProgress) -> None:
        """Look, at most once a second; the form of a rehearsal's `show`."""
        now_s = time.perf_counter()
        if progress.phase != "sorting" or now_s < self._due_s or not progress.controller_pid:
            return
        self._due_s = now_s + SAMPLE_EVERY_S
        self._started_s = self._started_s or now_s
        line = progress.line
        opened = int(line.value("sorter_parcels_opened_total"))
        if not opened:
            return
        try:
            sample = look_at(
                progress.controller_pid,
                opened,
                now_s - self._started_s,
                int(line.value("sorter_tasks")),
                self._plan.journal,
            )
        except OSError:
            return  # it has just ended; the rehearsal finds out why
        self.samples.add(sample)
        recent = line.labelled(RECENT, "quantile")
        self._tenth.append((recent.get("0.5", 0.0), recent.get("0.99", 0.0)))
        if opened * TENTHS >= self._plan.parcels * (len(self.latencies) + 1):
            self.end_tenth()

    def end_tenth(self) -> None:
        """Put what was seen of the latency since the last tenth together: medians of the looks."""
        if not self._tenth or len(self.latencies) == TENTHS:
            return
        p50, p99 = (sorted(column)[len(column) // 2] for column in zip(*self._tenth, strict=True))
        looks = len(self._tenth)
        self.latencies.append(Latency(round(p50 * 1e6, 2), round(p99 * 1e6, 2), looks))
        self._tenth = []


async def soak_served(plan: RehearsalPlan) -> dict[str, Any]:
    """Run a rehearsal and report what became of the controller's process.

    Parameters
    ----------
    plan : RehearsalPlan

    Returns
    -------
    dict
        See :func:`~sorter.runtime.soak_report.report`; the percentiles of a tenth are medians of
        those over the newest steps at each look, and ``steps`` counts the looks.
    """
    watch = _Watch(plan)
    summary = await rehearse(plan, watch)
    watch.end_tenth()
    return report(
        watch.samples.samples(),
        watch.latencies,
        {
            "protocol": plan.protocol,
            "wall_s": summary["rehearsal_wall_s"],
            "speed": plan.speed,
            "unaccounted": summary["unaccounted"],
            "truth_mismatches": summary["truth_mismatches"],
            "details": summary["details"],
        },
    )
