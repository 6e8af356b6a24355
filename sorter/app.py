"""The composition root: the only place that knows which parts make a running controller.

A live line, a rehearsal and a simulation differ in the arguments of :func:`assemble` and in
nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import uvloop

from sorter.config.load import LoadedLine
from sorter.config.models import Io
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.errors import ConfigError
from sorter.host.generate import FeedRow, feed_row, generate_returns
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.columns import LineField
from sorter.ports import Clock, FieldBus, HostLink
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.exposition import LineCollector, MetricsServer
from sorter.runtime.journal import (
    DEFAULT_COMMIT_STEPS,
    InlineJournal,
    RunInfo,
    ThreadedJournal,
)
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metrics import LineMetrics
from sorter.runtime.reconcile import Reconciliation, TruthRow, reconcile_rows
from sorter.runtime.scan_loop import LoopTiming, ScanLoop
from sorter.runtime.summary import summarize
from sorter.runtime.supervisor import LinkSupervisor

Protocol = Literal["modbus", "opcua"]

STATE_CAPACITY = 2048
UNHURRIED_PERIOD_NS = 100_000_000
"""Longest wait on a bus that reports all news at once; 5 ms, the live value, is for polled ones."""
PATIENCE_LAPS = 2.0
STALL_PATIENCES = 20
"""A line on which no parcel comes or goes for so many times the patience will not move again."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ASKS_PER_LOOK = 16
ASKS_PER_PROGRESS = 4096


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller ready to run, with the parts that reports are made from."""

    loop: ScanLoop[State]
    client: MailboxClient
    supervisor: LinkSupervisor
    metrics: LineMetrics
    state: State


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a command line may say differently from the line file.

    Attributes
    ----------
    protocol : str or None
    peer : str or None
        ``HOST:PORT`` for Modbus, an endpoint URL for OPC UA.
    registry, journal : Path or None
    metrics_port : int or None
    """

    protocol: Protocol | None = None
    peer: str | None = None
    registry: Path | None = None
    journal: Path | None = None
    metrics_port: int | None = None


def run_info(loaded: LoadedLine, notes: dict[str, str]) -> RunInfo:
    """Return what a journal keeps about a run of this line."""
    return RunInfo(loaded.layout, loaded.plan, loaded.files, notes, STATE_CAPACITY)


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
    on_ready: Callable[[], None] | None = None,
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
    on_ready : callable, optional
        Called once when the line sorts.
    """
    state = State.create(loaded.layout, loaded.plan, loaded.policy, STATE_CAPACITY)
    state.next_parcel_id = journal.first_parcel_id
    client = MailboxClient(bus, loaded.line_file.io.mailbox, controller_epoch)
    client.resume(journal.last_acknowledged)
    supervisor = LinkSupervisor(bus, clock, generator)
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
        on_ready=on_ready,
    )
    return Controller(loop, client, supervisor, metrics, state)


def run_live(
    loaded: LoadedLine, options: LiveOptions, report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Run the controller until SIGTERM or SIGINT.

    Parameters
    ----------
    loaded : LoadedLine
    options : LiveOptions
    report : callable
        Gets ``{"event": "ready", ...}`` when the line sorts.

    Returns
    -------
    dict
        The summary of the run.

    Raises
    ------
    LinkError
        When the PLC cannot be reached at start.
    JournalError
        When a step cannot be kept.
    """
    return uvloop.run(_run_live(loaded, options, report))


async def _run_live(
    loaded: LoadedLine, options: LiveOptions, report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    started_s = time.perf_counter()
    clock = MonotonicClock()
    protocol = options.protocol or loaded.line_file.io.protocol
    bus = _field_bus(protocol, options.peer, loaded.line_file.io, clock)
    service = loaded.line_file.service
    with Registry.create(options.registry or loaded.registry_path) as registry:
        journal = ThreadedJournal(
            options.journal or loaded.journal_path, run_info(loaded, {"protocol": protocol})
        )
        metrics_port = (
            service.metrics.port if options.metrics_port is None else options.metrics_port
        )
        ready: dict[str, Any] = {"event": "ready", "protocol": protocol, "link": bus.name}

        def on_ready() -> None:
            report({**ready, "startup_s": round(time.perf_counter() - started_s, 3)})

        controller = assemble(
            loaded,
            clock=clock,
            bus=bus,
            host=RegistryHost(registry, loaded.policy),
            journal=journal,
            controller_epoch=secrets.randbelow(0xFFFFFFFE) + 1,
            timing=LoopTiming(),
            generator=np.random.default_rng(),
            on_ready=on_ready,
        )
        collector = LineCollector(controller.metrics, controller.client, [controller.supervisor])
        server = MetricsServer(service.metrics.host, metrics_port, collector)
        ready["metrics_port"] = server.port
        # What exists now lives as long as the process: never look at it again.
        gc.collect()
        gc.freeze()
        try:
            await controller.loop.run(_stop_on_signal())
        finally:
            _ignore_stop_signals()
            server.close()
    return _summary(controller, journal, loaded, protocol, time.perf_counter() - started_s)


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
    truth: Callable[[], list[TruthRow]],
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
    commit_steps = min(DEFAULT_COMMIT_STEPS, rings.scan_slots, rings.event_slots // 8)
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
    return _summary(controller, journal, loaded, "in_process", wall_s, found)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Do without the cyclic garbage collector: the loop leaves no cycles, and looking costs."""
    was_on = gc.isenabled()
    gc.collect()
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


def _summary(
    controller: Controller,
    journal: InlineJournal | ThreadedJournal,
    loaded: LoadedLine,
    protocol: str,
    wall_s: float,
    reconciliation: Reconciliation | None = None,
) -> dict[str, Any]:
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
    client = controller.client
    summary["anomalies"] = {
        **controller.state.anomalies(),
        "mailbox_corrupt": client.corrupt_records,
        "mailbox_overflow": client.event_overflow + client.scan_overflow,
    }
    return summary


def _stop_on_signal() -> Callable[[], bool]:
    """Return a flag that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop.is_set


def _ignore_stop_signals() -> None:
    """Let a second signal not turn a clean stop into a killed one.

    Python puts its own handlers back to the default when it ends; ignored signals stay ignored.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _field_bus(protocol: Protocol, peer: str | None, io: Io, clock: Clock) -> FieldBus:
    """Return the bus; each protocol library takes half a second to import, so only that one is."""
    if protocol == "opcua":
        from sorter.io.opcua import OpcUaBus  # noqa: PLC0415

        opcua = io.opcua if peer is None else io.opcua.model_copy(update={"endpoint": peer})
        return OpcUaBus(opcua, io.mailbox, clock)
    modbus = io.modbus
    if peer is not None:
        host, _, port = peer.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(f"peer '{peer}' is not HOST:PORT, e.g. 192.168.0.10:502")
        modbus = modbus.model_copy(update={"host": host, "port": int(port)})
    from sorter.io.modbus import ModbusBus  # noqa: PLC0415

    return ModbusBus(modbus, io.mailbox, clock)
