"""Counters, samples, and what a scrape over HTTP says."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from plc_bench import Bench, BenchState, bench_layout
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from plc_sim.chaos.document import ALARMS
from sorter.config.load import load_line
from sorter.errors import LinkContested, SorterError
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.codes import (
    NONE,
    Cause,
    ChuteBit,
    FinalDisposition,
    MissCause,
    OutcomeKind,
    PassResult,
    ScanVerdict,
)
from sorter.model.columns import EVENT_WIDTH, ChuteStateColumn, RuleColumn
from sorter.model.frames import Frame, no_rows
from sorter.model.plan import ReturnsPolicy
from sorter.runtime.contest import Contest
from sorter.runtime.exposition import LineCollector
from sorter.runtime.journal import RunInfo, ThreadedJournal
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metrics import LineMetrics, SampleStore
from sorter.runtime.metrics_server import MetricsServer
from sorter.runtime.supervisor import LinkSupervisor

CONFIG = Path(__file__).parents[2] / "config"
EMPTY_POLICY = ReturnsPolicy(
    (), (), np.full(1, NONE, np.int64), np.zeros((len(RuleColumn), 0), np.int64)
)
Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def outcomes(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Rows of (kind, value, chute, cause)."""
    return np.array(
        [(9, kind, value, chute, cause, 1000) for kind, value, chute, cause in rows], np.int64
    )


class Served:
    """A metrics endpoint on a free port."""

    def __init__(self, journal: ThreadedJournal | None = None) -> None:
        bench = Bench()
        self.metrics = LineMetrics(bench_layout())
        self.client = MailboxClient(bench, bench.mailbox, 1)
        self.contest = Contest(self.client, bench, low_first=False, pause=asyncio.sleep)
        self.link = LinkSupervisor(bench, bench, np.random.default_rng(1), contest=self.contest)
        self.registry = Registry.create(":memory:")
        host = RegistryHost(self.registry, EMPTY_POLICY)
        self.server = MetricsServer(
            "127.0.0.1", 0, LineCollector(self.metrics, self.client, [self.link], host, journal)
        )

    def close(self) -> None:
        self.server.close()
        self.registry.close()

    def text(self) -> str:
        url = f"http://127.0.0.1:{self.server.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def types(self) -> set[str]:
        """Return the names of all metrics, with samples or without."""
        return {line.split()[2] for line in self.text().splitlines() if line.startswith("# TYPE")}

    def scrape(self) -> Scrape:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }


@pytest.fixture
def served() -> Iterator[Served]:
    endpoint = Served()
    yield endpoint
    endpoint.close()


def test_another_controller_at_the_plc_is_an_alarm(served: Served) -> None:
    link = (("link", "bench"),)
    before = served.scrape()
    served.contest.begin(LinkContested("bench", "another controller commands this PLC"))
    during = served.scrape()
    assert [before["sorter_link_contested", link], during["sorter_link_contested", link]] == [0, 1]
    assert during["sorter_link_contests_total", link] == 1


def test_the_alarms_that_the_fault_document_names_are_metrics(tmp_path: Path) -> None:
    line = load_line(CONFIG / "small_line.yaml")
    info = RunInfo(line.layout, line.plan, line.files, {})
    journal = ThreadedJournal(tmp_path / "journal.sqlite", info)
    served = Served(journal)
    try:
        scraped = served.scrape()
        types = served.types()
    finally:
        served.close()
        journal.close()
    named = {name for alarm in ALARMS.values() for name in alarm.metrics}
    assert len(named) > 10
    assert named <= types
    labels = {f"{name}={value}" for _, pairs in scraped for name, value in pairs}
    assert {"result=missed", "state=jammed", "state=full"} <= labels


def test_scrape_of_an_idle_line(served: Served) -> None:
    scraped = served.scrape()
    assert scraped["sorter_ready", ()] == 0
    assert scraped["sorter_link_up", (("link", "bench"),)] == 0
    assert scraped["sorter_missed_deadlines_total", (("cause", "decided_late"),)] == 0
    assert scraped["sorter_chute_entered_total", (("chute", "c1"), ("disposition", "sorted"))] == 0
    assert scraped["sorter_decision_latency_seconds_count", ()] == 0
    assert any(name == "sorter_build_info" for name, _ in scraped)


def test_scrape_counts_outcomes(served: Served) -> None:
    metrics = served.metrics
    metrics.note_outcomes(
        outcomes(
            (OutcomeKind.OPENED, 0, NONE, NONE),
            (OutcomeKind.SCANNED, ScanVerdict.READ, NONE, NONE),
            (OutcomeKind.SCANNED, ScanVerdict.NO_READ, NONE, NONE),
            (OutcomeKind.RECIRCULATED, 1, NONE, NONE),
            (OutcomeKind.PASSED, PassResult.MISSED, 0, NONE),
            (OutcomeKind.EYE_MISSED, 0, NONE, NONE),
            (OutcomeKind.OPENED, NONE, 1, Cause.TRACKING_LOST),
            (OutcomeKind.DEADLINE_MISSED, 0, 1, MissCause.COMMAND_LATE),
        )
    )
    metrics.note_outcomes(
        outcomes(
            (OutcomeKind.CLOSED, FinalDisposition.SORTED, 1, NONE),
            (OutcomeKind.CLOSED, FinalDisposition.SORTED, 1, NONE),
            (OutcomeKind.CLOSED, FinalDisposition.REJECTED, 2, Cause.NO_READ),
            (OutcomeKind.CLOSED, FinalDisposition.LOST, NONE, Cause.MISTRACKED),
        )
    )
    metrics.flush()
    scraped = served.scrape()
    parcels = {
        (dict(labels)["disposition"], dict(labels)["cause"]): value
        for (name, labels), value in scraped.items()
        if name == "sorter_parcels_total" and value
    }
    assert parcels == {
        ("sorted", "none"): 2,
        ("rejected", "no_read"): 1,
        ("lost", "mistracked"): 1,
    }
    assert scraped["sorter_chute_entered_total", (("chute", "c2"), ("disposition", "sorted"))] == 2
    entered = (("chute", "end"), ("disposition", "rejected"))
    assert scraped["sorter_chute_entered_total", entered] == 1
    assert scraped["sorter_no_reads_total", ()] == 1
    assert scraped["sorter_scans_total", ()] == 2
    assert scraped["sorter_recirculations_total", ()] == 1
    assert scraped["sorter_passes_total", (("result", "missed"),)] == 1
    assert scraped["sorter_eyes_missed_total", (("eye", "in"),)] == 1
    assert scraped["sorter_eye_silent", (("eye", "in"),)] == 0
    failed = "sorter_chute_failed_passes_total"
    assert scraped[failed, (("chute", "c1"), ("result", "missed"))] == 1
    assert scraped[failed, (("chute", "c1"), ("result", "divert_inhibited"))] == 0
    assert scraped["sorter_parcels_unexpected_total", (("at", "in"),)] == 0
    assert scraped["sorter_parcels_unexpected_total", (("at", "c2"),)] == 1
    assert scraped["sorter_chute_full_unreported", (("chute", "c1"),)] == 0
    assert scraped["sorter_missed_deadlines_total", (("cause", "command_late"),)] == 1
    assert metrics.disposition_count(FinalDisposition.SORTED) == 2


def test_scrape_tells_slack_and_latency(served: Served) -> None:
    metrics = served.metrics
    metrics.note_outcomes(outcomes((OutcomeKind.SLACK, 3000, 1, NONE)))  # 1.5 s at 2 m/s
    metrics.latencies_ns.extend([15_000, 40_000, 3_000_000])
    metrics.flush()
    scraped = served.scrape()
    assert scraped["sorter_command_slack_seconds_sum", ()] == pytest.approx(1.5)
    assert scraped["sorter_command_slack_seconds_bucket", (("le", "1.0"),)] == 0
    assert scraped["sorter_command_slack_seconds_bucket", (("le", "2.0"),)] == 1
    latency = "sorter_decision_latency_seconds_bucket"
    assert [scraped[latency, (("le", le),)] for le in ("1e-05", "2e-05", "0.005", "+Inf")] == [
        0, 1, 3, 3,
    ]  # fmt: skip
    assert scraped["sorter_decision_latency_seconds_sum", ()] == pytest.approx(0.003055)
    assert metrics.slack_ms().tolist() == [1500.0]
    assert metrics.latency_ns().tolist() == [15_000, 40_000, 3_000_000]


def test_scrape_shows_the_line(served: Served) -> None:
    state = BenchState()
    state.tracked = 4
    state.chutes[ChuteStateColumn.BITS] = (ChuteBit.OPEN | ChuteBit.JAMMED, ChuteBit.OPEN, 0)
    state.chutes[ChuteStateColumn.PARCELS] = (4, 3, 70)
    state.chutes[ChuteStateColumn.RESERVED] = (2, 0, 0)
    state.chutes[ChuteStateColumn.LENGTH] = (900, 1000, 0)
    served.metrics.note_line(state, Frame(7, 6, 12_345, 0, no_rows(EVENT_WIDTH), (), 0, 3, 1), 5)
    served.link.up = True
    scraped = served.scrape()
    assert scraped["sorter_anomalies_total", (("kind", "stray_scans"),)] == 3
    assert scraped["sorter_line_state", ()] == 6
    assert scraped["sorter_encoder_count", ()] == 12_345
    assert scraped["sorter_parcels_on_line", ()] == 4
    assert scraped["sorter_zone_parcels", (("zone", "all"),)] == 4
    assert scraped["sorter_journal_lag_events", ()] == 5
    assert scraped["sorter_mailbox_overflow_total", (("ring", "events"),)] == 3
    assert scraped["sorter_link_up", (("link", "bench"),)] == 1
    fill = [scraped["sorter_chute_fill_ratio", (("chute", c),)] for c in ("c1", "c2", "end")]
    assert fill == [0.6, 0.25, 0.0]
    assert scraped["sorter_chute_parcels", (("chute", "c1"), ("place", "reserved"))] == 2
    assert scraped["sorter_chute_state", (("chute", "c1"), ("state", "jammed"))] == 1
    assert scraped["sorter_chute_state", (("chute", "c2"), ("state", "jammed"))] == 0


def test_closed_endpoint_refuses_and_its_port_is_free_again() -> None:
    served = Served()
    port = served.server.port
    with pytest.raises(SorterError, match=str(port)):
        MetricsServer("127.0.0.1", port)
    served.server.close()
    with pytest.raises(urllib.error.URLError):
        served.scrape()
    again = MetricsServer("127.0.0.1", port)
    again.close()


class SlowCollector(Collector):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def collect(self) -> Iterator[Metric]:
        self.asked.set()
        assert self.may_answer.wait(30)
        yield GaugeMetricFamily("late", "", value=1.0)

    def describe(self) -> list[Metric]:
        return []


def test_an_endpoint_closes_when_it_has_answered_who_had_asked() -> None:
    collector = SlowCollector()
    server = MetricsServer("127.0.0.1", 0, collector)
    url = f"http://127.0.0.1:{server.port}/metrics"
    with ThreadPoolExecutor(2) as others:
        scrape = others.submit(lambda: urllib.request.urlopen(url, timeout=30).read())
        assert collector.asked.wait(30)
        closing = others.submit(server.close)
        assert not wait([closing], timeout=0.2).done, "somebody is being answered"
        collector.may_answer.set()
        assert b"late 1.0" in scrape.result(30)
        closing.result(30)
    assert not any(thread.is_alive() for thread in server._server.answering)


def test_samples_are_kept_exactly_up_to_the_limit() -> None:
    store = SampleStore((10.0, 100.0), capacity=10_000)
    samples = np.arange(9_999, dtype=np.int64)
    for part in np.array_split(samples, 7):
        store.add(part)
    assert (store.samples() == samples).all()
    assert store.buckets.tolist() == [11, 90, 9898]
    assert store.total == samples.sum()


def test_beyond_the_limit_the_selection_is_fair_and_repeatable() -> None:
    def fill() -> SampleStore:
        store = SampleStore((1.0,), capacity=1000)
        for start in range(0, 50_000, 777):
            store.add(np.arange(start, min(start + 777, 50_000), dtype=np.int64))
        return store

    store = fill()
    kept = store.samples()
    assert len(kept) == 1000
    assert len(set(kept.tolist())) == 1000
    assert store.count == 50_000
    # the mean of 1,000 of 50,000 has a standard error of 456: five of them
    assert abs(kept.mean() - 25_000) < 2_300
    assert (fill().samples() == kept).all()


def test_outcomes_are_counted_at_once_when_there_are_many() -> None:
    metrics = LineMetrics(bench_layout())
    for _ in range(2_100):
        metrics.note_outcomes(outcomes((OutcomeKind.OPENED, 0, NONE, NONE)))
    assert metrics.opened >= 2_048
    metrics.flush()
    assert metrics.opened == 2_100
