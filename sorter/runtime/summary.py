"""What a run amounted to, as plain values for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sorter.model.codes import NONE, Cause, FinalDisposition, MissCause
from sorter.runtime.journal_parcels import Tally
from sorter.runtime.journal_words import name_of, word
from sorter.runtime.reconcile import Reconciliation

Samples = NDArray[np.int64] | NDArray[np.float64]


def summarize(
    tally: Tally,
    *,
    chute_names: Sequence[str],
    decision_latency_ns: Samples,
    slack_ms: Samples,
    protocol: str,
    wall_s: float,
    journal_sha256: str,
    reconciliation: Reconciliation | None = None,
) -> dict[str, Any]:
    """Return the summary of a run.

    Parameters
    ----------
    tally : Tally
        Counts of the run, from its closed journal.
    chute_names : sequence of str
        By chute index.
    decision_latency_ns, slack_ms : array
        All samples; an empty array gives nulls.
    protocol : str
        How the PLC was reached, e.g. ``modbus``.
    wall_s : float
    journal_sha256 : str
    reconciliation : Reconciliation, optional
        Comparison with the truth. Without it ``unaccounted`` counts parcels that have no final
        disposition, and ``truth_mismatches`` is null: nobody has looked.
    """
    by_disposition, by_chute, by_cause = _endings(tally, chute_names)
    unaccounted = tally.opened - tally.closed
    summary: dict[str, Any] = {
        "parcels": tally.opened,
        "sorted": by_disposition["sorted"],
        "missorted": by_disposition["missorted"],
        "rejected": by_disposition["rejected"],
        "lost": by_disposition["lost"],
        "removed": by_disposition["removed"],
        "recirculations": tally.recirculations,
        "unaccounted": unaccounted if reconciliation is None else reconciliation.unaccounted,
        "truth_mismatches": None if reconciliation is None else reconciliation.truth_mismatches,
        "missed_deadlines": tally.missed_deadlines.total(),
        "decisions": tally.decisions,
        "reroutes": tally.reroutes,
        "decision_latency_us": latency_us(decision_latency_ns),
        "slack_ms": slack_figures(slack_ms),
        "protocol": protocol,
        "wall_s": round(wall_s, 3),
        "journal_sha256": journal_sha256,
        "by_disposition": {name: count for name, count in by_disposition.items() if count},
        "by_chute": {name: by_chute[name] for name in chute_names if by_chute[name]},
        "by_cause": dict(by_cause),
        "by_miss_cause": {
            word(MissCause, cause): count for cause, count in sorted(tally.missed_deadlines.items())
        },
    }
    if reconciliation is not None:
        summary["details"] = list(reconciliation.details)
    return summary


def _endings(
    tally: Tally, chute_names: Sequence[str]
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return how many parcels ended in each way, in each chute, for each cause."""
    by_disposition: Counter[str] = Counter()
    by_chute: Counter[str] = Counter()
    by_cause: Counter[str] = Counter()
    for (disposition, cause, chute), count in sorted(tally.endings.items()):
        by_disposition[word(FinalDisposition, disposition)] += count
        if chute != NONE:
            by_chute[name_of(chute_names, chute)] += count
        if cause != NONE:
            by_cause[word(Cause, cause)] += count
    return by_disposition, by_chute, by_cause


def latency_us(samples_ns: Samples) -> dict[str, float | None]:
    """Return percentiles of decision latency; each is a latency that really occurred."""
    return {
        "p50": _percentile(samples_ns, 50, "higher", 1000),
        "p99": _percentile(samples_ns, 99, "higher", 1000),
        "p999": _percentile(samples_ns, 99.9, "higher", 1000),
        "max": _percentile(samples_ns, 100, "higher", 1000),
    }


def slack_figures(samples_ms: Samples) -> dict[str, float | None]:
    """Return the low end of the slack, the side on which a deadline is missed."""
    return {
        "min": _percentile(samples_ms, 0, "lower", 1),
        "p1": _percentile(samples_ms, 1, "lower", 1),
        "p50": _percentile(samples_ms, 50, "lower", 1),
    }


def _percentile(
    samples: Samples, percent: float, method: Any, units_per_result: float
) -> float | None:
    if not len(samples):
        return None
    return round(float(np.percentile(samples, percent, method=method)) / units_per_result, 3)
