"""What Prometheus is told: families built from plain counters when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sorter.model.codes import (
    Cause,
    ChuteBit,
    FinalDisposition,
    LineState,
    MissCause,
    ModeReason,
    PassResult,
    ScanVerdict,
)
from sorter.model.columns import ChuteColumn, ChuteStateColumn
from sorter.ports import HostLink
from sorter.runtime.journal import ThreadedJournal
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metric_families import build_info, counter, gauge, histogram
from sorter.runtime.metrics import FAILED_PASSES, LATENCY_BOUNDS_S, SLACK_BOUNDS_S, LineMetrics
from sorter.runtime.supervisor import LinkSupervisor

NO_CAUSE: Final = "none"


class LineCollector(Collector):
    """Turns one line's counters into metric families.

    Parameters
    ----------
    metrics : LineMetrics
    client : MailboxClient
    links : sequence of LinkSupervisor
    host : HostLink
    journal : ThreadedJournal, optional
        Whose disk is looked at.
    """

    def __init__(
        self,
        metrics: LineMetrics,
        client: MailboxClient,
        links: Sequence[LinkSupervisor],
        host: HostLink,
        journal: ThreadedJournal | None = None,
    ) -> None:
        self._metrics = metrics
        self._client = client
        self._links = tuple(links)
        self._host = host
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        """Yield every family; called by the registry at each scrape."""
        yield from self._parcels()
        yield from self._decisions()
        yield from self._chutes()
        yield from self._line()
        yield from self._mailbox()
        yield from self._registry()
        yield from self._storage()
        yield build_info()

    def _storage(self) -> Iterator[Metric]:
        journal = self._journal
        if journal is None:
            return
        storage = journal.storage
        yield gauge(
            "sorter_journal_storage_state",
            "0: there is room; 1: little on the disk, old steps go early; 2: the disk refuses.",
            storage.state,
        )
        yield counter("sorter_journal_refusals", "Commits the disk refused.", journal.refusals)
        yield gauge("sorter_journal_bytes", "Size of the journal's file.", storage.size_bytes)
        yield counter(
            "sorter_journal_pruned_steps", "Steps pruned since the start.", storage.pruned.steps
        )

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a registry need not collect to learn the names."""
        return ()

    def _parcels(self) -> Iterator[Metric]:
        metrics = self._metrics
        closed = CounterMetricFamily(
            "sorter_parcels",
            "Parcels by final disposition and cause.",
            labels=("disposition", "cause"),
        )
        causes = [cause.name.lower() for cause in Cause] + [NO_CAUSE]
        for disposition in FinalDisposition:
            for cause, count in zip(causes, metrics.closed[disposition].tolist(), strict=True):
                if count or cause == NO_CAUSE:
                    closed.add_metric((disposition.name.lower(), cause), count)
        yield closed
        yield counter("sorter_parcels_opened", "Parcels that came onto the line.", metrics.opened)
        yield counter("sorter_recirculations", "Laps completed.", metrics.recirculations)
        verdicts = metrics.verdicts
        yield counter("sorter_scans", "Scanner results joined to a parcel.", int(verdicts.sum()))
        yield counter(
            "sorter_no_reads", "Scanner results without a code.", verdicts[ScanVerdict.NO_READ]
        )
        yield counter(
            "sorter_read_conflicts",
            "Scanner results with two identities.",
            verdicts[ScanVerdict.CONFLICT],
        )
        passes = CounterMetricFamily(
            "sorter_passes", "Passes of parcels by their chute, by result.", labels=("result",)
        )
        for result in PassResult:
            passes.add_metric((result.name.lower(),), int(metrics.passes[result]))
        yield passes
        eyes = CounterMetricFamily(
            "sorter_eyes_missed", "Parcels that an eye should have seen.", labels=("eye",)
        )
        for name, count in zip(metrics.layout.eye_names, metrics.missed_eyes, strict=True):
            eyes.add_metric((name,), int(count))
        yield eyes
        unexpected = CounterMetricFamily(
            "sorter_parcels_unexpected",
            "Parcels that no tracked one explains, by the eye or chute that met them.",
            labels=("at",),
        )
        for names, counts in (
            (metrics.layout.eye_names, metrics.unexpected_at_eyes),
            (metrics.layout.chute_names, metrics.unexpected_at_chutes),
        ):
            for name, count in zip(names, counts.tolist(), strict=True):
                unexpected.add_metric((name,), count)
        yield unexpected

    def _decisions(self) -> Iterator[Metric]:
        metrics = self._metrics
        missed = CounterMetricFamily(
            "sorter_missed_deadlines",
            "Parcels without an accepted command at their commit point.",
            labels=("cause",),
        )
        for cause in MissCause:
            missed.add_metric((cause.name.lower(),), int(metrics.missed_deadlines[cause]))
        yield missed
        yield histogram(
            "sorter_decision_latency_seconds",
            "From a frame's arrival to its commands.",
            LATENCY_BOUNDS_S,
            metrics.latency,
            metrics.latency.total / 1e9,
        )
        yield histogram(
            "sorter_command_slack_seconds",
            "Belt time left when the PLC accepted a command that fired.",
            SLACK_BOUNDS_S,
            metrics.slack,
            metrics.slack_total_s,
        )
        recent = GaugeMetricFamily(
            "sorter_decision_latency_recent_seconds",
            "The same over the newest steps, by quantile.",
            labels=("quantile",),
        )
        newest_ns = metrics.recent_ns
        if len(newest_ns):
            for quantile in (0.5, 0.99):
                value = float(np.quantile(newest_ns, quantile)) / 1e9
                recent.add_metric((str(quantile),), value)
        yield recent
        yield counter("sorter_loop_steps", "Exchanges with the PLC.", metrics.loops)
        yield counter(
            "sorter_loop_overruns", "Steps that took longer than the period.", metrics.overruns
        )
        yield gauge("sorter_tasks", "asyncio tasks; more and more of them leak.", metrics.tasks)
        yield gauge(
            "sorter_journal_lag_events",
            "Events delivered and not yet safe on disk.",
            metrics.journal_lag_events,
        )

    def _chutes(self) -> Iterator[Metric]:
        metrics = self._metrics
        fill = GaugeMetricFamily(
            "sorter_chute_fill_ratio",
            "Used part of a chute's capacity, with parcels on their way.",
            labels=("chute",),
        )
        parcels = GaugeMetricFamily(
            "sorter_chute_parcels",
            "Parcels in a chute, or on their way to it.",
            labels=("chute", "place"),
        )
        state = GaugeMetricFamily(
            "sorter_chute_state", "1 while the state holds.", labels=("chute", "state")
        )
        entered = CounterMetricFamily(
            "sorter_chute_entered",
            "Parcels that ended in a chute, by final disposition.",
            labels=("chute", "disposition"),
        )
        chutes = metrics.chutes
        for index, name in enumerate(metrics.layout.chute_names):
            fill.add_metric((name,), self._fill_ratio(index))
            parcels.add_metric((name, "inside"), int(chutes[ChuteStateColumn.PARCELS, index]))
            parcels.add_metric((name, "reserved"), int(chutes[ChuteStateColumn.RESERVED, index]))
            bits = int(chutes[ChuteStateColumn.BITS, index])
            for bit in ChuteBit:
                state.add_metric((name, str(bit.name).lower()), float(bool(bits & bit)))
            closed_at = metrics.closed_at[index].tolist()
            for disposition in FinalDisposition:
                # Sorted ones are there from the start, so that a rate can be taken of them.
                if closed_at[disposition] or disposition == FinalDisposition.SORTED:
                    entered.add_metric((name, disposition.name.lower()), closed_at[disposition])
        yield from (fill, parcels, state, entered)
        yield from self._chute_alarms()

    def _chute_alarms(self) -> Iterator[Metric]:
        metrics = self._metrics
        failed = CounterMetricFamily(
            "sorter_chute_failed_passes",
            "Parcels that went by the chute they were commanded to, by result.",
            labels=("chute", "result"),
        )
        unreported = GaugeMetricFamily(
            "sorter_chute_full_unreported",
            "1 while a chute is full by count and its sensor does not say so.",
            labels=("chute",),
        )
        silent = metrics.full_unreported()
        for index, name in enumerate(metrics.layout.chute_names):
            for row, result in enumerate(FAILED_PASSES):
                count = int(metrics.failed_passes[row, index])
                failed.add_metric((name, result.name.lower()), count)
            unreported.add_metric((name,), float(silent[index]))
        yield from (failed, unreported)

    def _fill_ratio(self, chute: int) -> float:
        """Return the larger of the used parts by count and by length; 0 when not limited."""
        built, now = self._metrics.layout.chutes, self._metrics.chutes
        ratio = 0.0
        for capacity, used, reserved in (
            (ChuteColumn.CAPACITY, ChuteStateColumn.PARCELS, ChuteStateColumn.RESERVED),
            (
                ChuteColumn.CAPACITY_LENGTH,
                ChuteStateColumn.LENGTH,
                ChuteStateColumn.RESERVED_LENGTH,
            ),
        ):
            limit = int(built[capacity, chute])
            if limit:
                ratio = max(ratio, int(now[used, chute] + now[reserved, chute]) / limit)
        return ratio

    def _line(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield gauge("sorter_ready", "1: kernels warm and link up.", metrics.ready)
        yield gauge("sorter_line_state", "PackML state number.", metrics.line_state)
        state, reason = metrics.mode
        if not metrics.ready:
            state, reason = LineState.UNDEFINED, ModeReason.LINK_DOWN
        mode = GaugeMetricFamily(
            "sorter_line_mode",
            "PackML state number of the line, all things considered, and the reason.",
            labels=("state", "reason"),
        )
        mode.add_metric((state.name.lower(), reason.name.lower()), int(state))
        yield mode
        blocked = GaugeMetricFamily(
            "sorter_eye_blocked",
            "1 while a photo-eye stays dark and sees nothing.",
            labels=("eye",),
        )
        silent = GaugeMetricFamily(
            "sorter_eye_silent",
            "1 while a photo-eye misses one parcel after the other.",
            labels=("eye",),
        )
        for name, dark, misses in zip(
            metrics.layout.eye_names, metrics.blocked_eyes, metrics.silent_eyes(), strict=True
        ):
            blocked.add_metric((name,), float(dark))
            silent.add_metric((name,), float(misses))
        yield from (blocked, silent)
        yield gauge("sorter_encoder_count", "Unwrapped encoder count.", metrics.encoder_count)
        yield gauge("sorter_parcels_on_line", "Tracked parcels.", metrics.parcels_on_line)
        zones = GaugeMetricFamily(
            "sorter_zone_parcels", "Tracked parcels by zone.", labels=("zone",)
        )
        counts = metrics.zone_parcels.tolist()
        for name, count in zip(metrics.layout.zone_names, counts, strict=True):
            zones.add_metric((name,), count)
        yield zones

    def _mailbox(self) -> Iterator[Metric]:
        client, metrics = self._client, self._metrics
        up = GaugeMetricFamily(
            "sorter_link_up", "1 while the PLC answers and its heartbeat moves.", labels=("link",)
        )
        reconnects = CounterMetricFamily(
            "sorter_link_reconnects", "Connections opened after the first.", labels=("link",)
        )
        failures = CounterMetricFamily(
            "sorter_link_connect_failures", "Attempts to connect that failed.", labels=("link",)
        )
        contested = GaugeMetricFamily(
            "sorter_link_contested",
            "1 while another controller commands the PLC and this one does not.",
            labels=("link",),
        )
        contests = CounterMetricFamily(
            "sorter_link_contests", "How often another controller was found.", labels=("link",)
        )
        for link in self._links:
            up.add_metric((link.name,), float(link.up))
            reconnects.add_metric((link.name,), link.reconnects)
            failures.add_metric((link.name,), link.failures)
            contested.add_metric((link.name,), float(link.contested))
            contests.add_metric((link.name,), link.contests)
        yield from (up, reconnects, failures, contested, contests)
        yield counter(
            "sorter_link_stale_answers",
            "Answers not decided on: the PLC's heartbeat stood still.",
            metrics.stale_frames,
        )
        yield counter(
            "sorter_mailbox_corrupt",
            "Ring records given up: damaged or overwritten.",
            client.corrupt_records,
        )
        yield counter(
            "sorter_mailbox_torn_reads", "Ring slots caught half-written.", client.torn_reads
        )
        overflow = CounterMetricFamily(
            "sorter_mailbox_overflow", "Records that found no place.", labels=("ring",)
        )
        overflow.add_metric(("events",), metrics.event_overflow)
        overflow.add_metric(("scans",), metrics.scan_overflow)
        overflow.add_metric(("commands",), client.window.overflow)
        yield overflow
        yield gauge(
            "sorter_commands_waiting",
            "Commands without a free slot in the window.",
            client.window.waiting,
        )
        yield counter(
            "sorter_plc_starts", "PLC starts seen, the first included.", client.boots_seen
        )
        anomalies = CounterMetricFamily(
            "sorter_anomalies", "Reports that fit nothing known, by kind.", labels=("kind",)
        )
        for kind, count in metrics.anomalies.items():
            anomalies.add_metric((kind,), count)
        yield anomalies

    def _registry(self) -> Iterator[Metric]:
        figures = self._host.figures()
        yield gauge("sorter_host_up", "1 while the return registry answers.", self._host.reachable)
        yield counter(
            "sorter_host_lookup_errors",
            "Look-ups that failed; the parcels went by the local plan.",
            figures["lookup_errors"],
        )
        yield gauge(
            "sorter_host_waiting", "Parcels that the host is asked about again.", figures["waiting"]
        )
        answers = CounterMetricFamily(
            "sorter_host_late_answers",
            "Parcels not known when scanned: answered later, or given up.",
            labels=("result",),
        )
        answers.add_metric(("answered",), figures["answered_late"])
        answers.add_metric(("given_up",), figures["given_up"])
        yield answers
