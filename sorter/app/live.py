"""The controller on the machine's clock and a real field bus, until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from sorter.app.assembly import Controller, assemble, limits_of, summary_of
from sorter.app.expiry import CertificateWatch, ExpiredReturns
from sorter.app.field_bus import LinkOptions, field_bus, link_of
from sorter.app.memory import fill_numpy_cache
from sorter.app.metrics_files import MetricsFiles, metrics_of
from sorter.app.recovery import EPOCH_NOTE, Recovery
from sorter.config.load import LoadedLine
from sorter.config.models import Io
from sorter.errors import ConfigError, RegistryUnusable
from sorter.host.late import LateAsker
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.ports import Clock
from sorter.runtime.clock import Calendar, MonotonicClock
from sorter.runtime.exposition import LineCollector
from sorter.runtime.journal import ThreadedJournal
from sorter.runtime.log_file import BYTES_PER_MB, RotatingLog
from sorter.runtime.logs import configure_logs
from sorter.runtime.metrics_server import MetricsServer
from sorter.runtime.scan_loop import LoopTiming
from sorter.runtime.service_manager import ServiceManager
from sorter.security.wall_clock import utc_now

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a command line may say differently from the line file.

    Attributes
    ----------
    link : LinkOptions
    registry, journal : Path or None
    metrics_port : int or None
    """

    link: LinkOptions = field(default_factory=LinkOptions)
    registry: Path | None = None
    journal: Path | None = None
    metrics_port: int | None = None


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
    _set_up_logs(loaded, clock)
    manager = ServiceManager.from_environment(os.environ, clock)
    asked_to_stop = _stop_on_signal(manager)
    io = link_of(loaded, options.link)
    metrics_files = metrics_of(loaded)  # what is refused leaves no trace in the journal
    bus = field_bus(io, clock)
    service = loaded.line_file.service
    registry_path = options.registry or loaded.registry_path
    calendar_s = Calendar().now_s
    _make_registry(registry_path)
    expired = ExpiredReturns(registry_path, service.registry_retention_days, calendar_s)
    with LateAsker(registry_path) as asker, expired:
        host = RegistryHost(asker, loaded.policy)
        epoch = secrets.randbelow(0xFFFFFFFE) + 1
        recovery = Recovery(loaded, {"protocol": io.protocol, EPOCH_NOTE: str(epoch)})
        journal = ThreadedJournal(
            options.journal or loaded.journal_path,
            recovery.begin_run,
            limits=limits_of(service.retention),
            calendar_s=calendar_s,
        )
        ready: dict[str, Any] = {"event": "ready", "protocol": io.protocol, "link": bus.name}
        ready["resumed"] = recovery.found.resumed
        ready["parcels_taken_over"] = recovery.found.state.tracked_count()

        def on_ready() -> None:
            manager.ready()
            report({**ready, "startup_s": round(time.perf_counter() - started_s, 3)})

        controller = assemble(
            loaded,
            clock=clock,
            bus=bus,
            host=host,
            journal=journal,
            controller_epoch=epoch,
            timing=LoopTiming(),
            generator=np.random.default_rng(),
            taken_over=recovery.found,
            on_ready=on_ready,
            alive=manager.alive,
        )
        manager.status_from(lambda: _status(controller))
        collector = LineCollector(
            controller.metrics, controller.client, [controller.supervisor], host, journal
        )
        server = _serve_metrics(loaded, io, metrics_files, options.metrics_port, collector)
        ready["metrics_port"] = server.port
        _settle_memory()
        try:
            await controller.loop.run(asked_to_stop)
        finally:
            _ignore_stop_signals()
            manager.close()
            server.close()
    return summary_of(controller, journal, loaded, io.protocol, time.perf_counter() - started_s)


def _make_registry(path: Path) -> None:
    """Make an empty registry where there is none; one that cannot be made is a host that is down.

    Raises
    ------
    ReturnsFileError
        Something else lies there.
    """
    if not path.is_file():
        with contextlib.suppress(RegistryUnusable):  # the alarm host_down says why
            Registry.create(path).close()


def _serve_metrics(
    loaded: LoadedLine, io: Io, files: MetricsFiles, port: int | None, collector: LineCollector
) -> MetricsServer:
    """Answer scrapes, and warn of certificates that expire soon."""
    metrics = loaded.line_file.service.metrics
    certificates = CertificateWatch(io, files.certificates)
    certificates.warn(utc_now())
    port = metrics.port if port is None else port
    return MetricsServer(metrics.host, port, collector, certificates, tls=files.context())


def _settle_memory() -> None:
    """Let the collector never look again at what lives as long as the process."""
    fill_numpy_cache()
    gc.collect()
    gc.freeze()
    gc.enable()


def _set_up_logs(loaded: LoadedLine, clock: Clock) -> None:
    """Log as the line file says; until now lines went to standard error only."""
    logs = loaded.line_file.service.logs
    try:
        log_file = (
            RotatingLog(loaded.log_path, int(logs.max_mb * BYTES_PER_MB), logs.files)
            if loaded.log_path is not None
            else None
        )
    except OSError as error:
        raise ConfigError(
            f"{loaded.log_path}: the log file cannot be written ({error.strerror}); correct "
            "service.logs.file in the line file"
        ) from error
    configure_logs(clock, logs.level, log_file=log_file)


def _status(controller: Controller) -> str:
    """Return in one line what the controller is doing, for `systemctl status`."""
    supervisor, metrics = controller.supervisor, controller.metrics
    if not supervisor.up:
        return f"no link to the PLC: {supervisor.last_problem or 'connecting'}"
    ended = int(metrics.closed.sum())
    return f"sorting: {metrics.parcels_on_line} parcels on the line, {ended} ended"


def _stop_on_signal(manager: ServiceManager) -> Callable[[], bool]:
    """Return a flag that SIGTERM or SIGINT sets."""
    stop = threading.Event()

    def asked_to_stop(_number: int, _frame: object) -> None:
        manager.stopping()
        stop.set()

    for number in STOP_SIGNALS:
        signal.signal(number, asked_to_stop)
    return stop.is_set


def _ignore_stop_signals() -> None:
    """Let a second signal not turn a clean stop into a killed one.

    Python puts its own handlers back to the default when it ends; ignored signals stay ignored.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
