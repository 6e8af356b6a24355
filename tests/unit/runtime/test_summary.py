from collections import Counter

import numpy as np

from sorter.model.codes import Cause, FinalDisposition, MissCause
from sorter.runtime.journal_parcels import Tally
from sorter.runtime.reconcile import Reconciliation
from sorter.runtime.summary import summarize

TALLY = Tally(
    opened=10,
    closed=9,
    endings=Counter(
        {
            (FinalDisposition.SORTED, -1, 1): 4,
            (FinalDisposition.SORTED, -1, 0): 2,
            (FinalDisposition.REJECTED, Cause.NO_READ, 2): 2,
            (FinalDisposition.LOST, Cause.MISTRACKED, -1): 1,
        }
    ),
    recirculations=3,
    missed_deadlines=Counter({MissCause.COMMAND_LATE: 2}),
    decisions=12,
    reroutes=1,
)
LATENCY_NS = np.arange(1, 1001) * 1000
SLACK_MS = np.array([50.0, 10.0, 30.0])


def summary(latency_ns=LATENCY_NS, slack_ms=SLACK_MS, reconciliation=None):
    return summarize(
        TALLY,
        chute_names=("c0", "c1", "c2"),
        decision_latency_ns=latency_ns,
        slack_ms=slack_ms,
        protocol="modbus",
        wall_s=1.23456,
        journal_sha256="ab",
        reconciliation=reconciliation,
    )


def test_counts_by_disposition_chute_and_cause():
    found = summary()
    assert found["parcels"] == 10
    assert [found[k] for k in ("sorted", "missorted", "rejected", "lost", "removed")] == [
        6, 0, 2, 1, 0,
    ]  # fmt: skip
    assert found["by_disposition"] == {"sorted": 6, "rejected": 2, "lost": 1}
    assert list(found["by_chute"].items()) == [("c0", 2), ("c1", 4), ("c2", 2)]
    assert found["by_cause"] == {"no_read": 2, "mistracked": 1}
    assert found["by_miss_cause"] == {"command_late": 2}
    assert (found["recirculations"], found["missed_deadlines"]) == (3, 2)
    assert (found["decisions"], found["reroutes"]) == (12, 1)
    assert (found["protocol"], found["wall_s"], found["journal_sha256"]) == ("modbus", 1.235, "ab")


def test_without_the_truth_nobody_claims_agreement():
    assert summary()["truth_mismatches"] is None
    assert summary()["unaccounted"] == 1


def test_with_the_truth_its_verdict_counts():
    found = summary(reconciliation=Reconciliation(10, 10, 2, 3, 0, {}, ("why",)))
    assert (found["unaccounted"], found["truth_mismatches"]) == (2, 3)
    assert found["details"] == ["why"]


def test_percentiles_are_values_that_occurred():
    found = summary()
    assert found["decision_latency_us"] == {"p50": 501.0, "p99": 991.0, "p999": 1000.0, "max": 1000}
    assert found["slack_ms"] == {"min": 10.0, "p1": 10.0, "p50": 30.0}


def test_no_samples_are_nulls():
    found = summary(np.empty(0, np.int64), np.empty(0))
    assert set(found["decision_latency_us"].values()) == {None}
    assert set(found["slack_ms"].values()) == {None}
