"""Wiring one controller, and the summary of what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sorter.app.recovery import STATE_CAPACITY, TakenOver, fresh_state
from sorter.config.load import LoadedLine
from sorter.config.models import Retention
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.ports import Clock, FieldBus, HostLink
from sorter.runtime.catch_up import CatchUp
from sorter.runtime.clock import Pause
from sorter.runtime.contest import Contest
from sorter.runtime.journal import InlineJournal, RunInfo, ThreadedJournal
from sorter.runtime.journal_retention import Limits
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metrics import LineMetrics
from sorter.runtime.reconcile import Reconciliation
from sorter.runtime.scan_loop import LoopTiming, ScanLoop
from sorter.runtime.summary import summarize
from sorter.runtime.supervisor import LinkSupervisor


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller ready to run, with the parts that reports are made from."""

    loop: ScanLoop[State]
    client: MailboxClient
    supervisor: LinkSupervisor
    metrics: LineMetrics
    state: State


def run_info(loaded: LoadedLine, notes: dict[str, str]) -> RunInfo:
    """Return what a journal keeps about a run of this line."""
    return RunInfo(loaded.layout, loaded.plan, loaded.files, notes, STATE_CAPACITY)


SECONDS_PER_DAY = 86_400
BYTES_PER_MB = 1_000_000


def limits_of(retention: Retention) -> Limits:
    """Return how much of the past a journal keeps, as the line file says."""
    return Limits(
        retention.max_age_days * SECONDS_PER_DAY,
        int(retention.max_mb * BYTES_PER_MB),
        int(retention.reserve_mb * BYTES_PER_MB),
    )


def assemble(
    loaded: LoadedLine,
    *,
    clock: Clock,
    bus: FieldBus,
    host: HostLink,
    journal: InlineJournal | ThreadedJournal,
    controller_epoch: int,
    timing: LoopTiming,
    generator: np.random.Generator,
    taken_over: TakenOver | None = None,
    on_ready: Callable[[], None] | None = None,
    alive: Callable[[], None] | None = None,
    pause: Pause = asyncio.sleep,
) -> Controller:
    """Wire one controller.

    Parameters
    ----------
    loaded : LoadedLine
    clock, bus, host, journal
        The four ports; with them it is decided whether the line is real.
    controller_epoch : int
        Another one for each start, so that the PLC can tell two controllers apart.
    timing : LoopTiming
    generator : numpy Generator
        For the jitter of reconnections.
    taken_over : TakenOver, optional
        From the run before; None begins with an empty line.
    on_ready : callable, optional
        Called once when the line sorts.
    alive : callable, optional
        Called from the loop while it goes round.
    pause : callable
        Waits for so many seconds of the clock, between attempts to connect and looks at it.
    """
    mailbox = loaded.line_file.io.mailbox
    client = MailboxClient(bus, mailbox, controller_epoch)
    state, catch_up = _where_to_begin(loaded, client, journal, taken_over)
    epoch_before = taken_over.epoch_before if taken_over else 0
    contest = Contest(client, bus, mailbox.word_order == "low_first", pause, epoch_before)
    supervisor = LinkSupervisor(bus, clock, generator, pause=pause, contest=contest)
    metrics = LineMetrics(loaded.layout)
    loop = ScanLoop(
        client=client,
        bus=bus,
        supervisor=supervisor,
        clock=clock,
        host=host,
        journal=journal,
        state=state,
        decide=decide,
        metrics=metrics,
        timing=timing,
        catch_up=catch_up,
        on_ready=on_ready,
        alive=alive,
    )
    return Controller(loop, client, supervisor, metrics, state)


def _where_to_begin(
    loaded: LoadedLine,
    client: MailboxClient,
    journal: InlineJournal | ThreadedJournal,
    taken_over: TakenOver | None,
) -> tuple[State, CatchUp | None]:
    """Return the state to begin with, and who sees to what the PLC did meanwhile.

    The client is told how far the journal had come, so that it reads the rings from there.
    """
    if taken_over is None:
        state = fresh_state(loaded)
        client.resume(journal.last_acknowledged)
    else:
        state = taken_over.state
        client.resume(journal.last_acknowledged, taken_over.encoder_count, taken_over.tick_100us)
        if taken_over.resumed:
            return state, CatchUp(loaded.layout, state)
    state.next_parcel_id = journal.first_parcel_id
    return state, None


def summary_of(
    controller: Controller,
    journal: InlineJournal | ThreadedJournal,
    loaded: LoadedLine,
    protocol: str,
    wall_s: float,
    reconciliation: Reconciliation | None = None,
) -> dict[str, Any]:
    """Return the summary of a run that has ended, its journal closed."""
    summary = summarize(
        journal.tally,
        chute_names=loaded.layout.chute_names,
        decision_latency_ns=controller.metrics.latency_ns(),
        slack_ms=controller.metrics.slack_ms(),
        protocol=protocol,
        wall_s=wall_s,
        journal_sha256=journal.sha256_hex(),
        reconciliation=reconciliation,
    )
    summary["alarms"] = controller.metrics.alarm_counts()
    client = controller.client
    summary["anomalies"] = {
        **controller.state.anomalies(),
        "mailbox_corrupt": client.corrupt_records,
        "mailbox_overflow": client.event_overflow + client.scan_overflow,
    }
    return summary
