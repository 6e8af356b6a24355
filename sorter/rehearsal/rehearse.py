"""One rehearsal: simulator and controller sort together, then are reconciled with the truth."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sorter.errors import SorterError
from sorter.files import write_text
from sorter.rehearsal.processes import ChildFailed, Event, JsonLineProcess
from sorter.rehearsal.snapshot import LineSnapshot, scrape
from sorter.runtime.reconcile import reconcile

Protocol = Literal["modbus", "opcua"]

START_TIMEOUT_S = 300.0
"""Long, because a first start compiles the kernels."""
STOP_TIMEOUT_S = 20.0
CONFIRM_TIMEOUT_S = 10.0
VIEW_PERIOD_S = 0.25
DRAIN_ALLOWANCE_S = 600.0


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """What to rehearse.

    Attributes
    ----------
    protocol : str
    scenario, line : Path
        Simulator scenario and line configuration.
    feed, registry : Path
        Parcels to put on the line, and the return records they belong to.
    parcels : int
    rate_parcels_per_h, speed : float
    seed : int
    work_dir : Path
        Gets journal, truth ledger, summary and both processes' stderr.
    certs : Path or None
        Folder that ``sorter certs init`` made: both processes encrypt with it.
    """

    protocol: Protocol
    scenario: Path
    line: Path
    feed: Path
    registry: Path
    parcels: int
    rate_parcels_per_h: float
    speed: float
    seed: int
    work_dir: Path
    certs: Path | None = None

    @property
    def journal(self) -> Path:
        """The controller's journal."""
        return self.work_dir / "journal.sqlite"

    @property
    def truth(self) -> Path:
        """The simulator's truth ledger."""
        return self.work_dir / "truth.jsonl"

    @property
    def summary(self) -> Path:
        """The controller's own summary."""
        return self.work_dir / "summary.json"


@dataclass(slots=True)
class RehearsalProgress:
    """What is known while it runs, for the live view."""

    plan: RehearsalPlan
    phase: str = "starting"
    released: int = 0
    ended: int = 0
    on_line: int = 0
    controller_pid: int = 0
    line: LineSnapshot = field(default_factory=LineSnapshot)


async def rehearse(
    plan: RehearsalPlan, show: Callable[[RehearsalProgress], None]
) -> dict[str, Any]:
    """Run one rehearsal to its end.

    Parameters
    ----------
    plan : RehearsalPlan
    show : callable
        Called about four times a second with the state of things.

    Returns
    -------
    dict
        The controller's summary with ``unaccounted``, ``truth_mismatches`` and ``details`` from
        the reconciliation and ``exit_codes`` of both processes.

    Raises
    ------
    ChildFailed
        When a process does not start, dies, or does not finish in time.
    """
    _clear(plan)
    progress = RehearsalProgress(plan)
    simulator = JsonLineProcess(
        "plc_sim",
        _simulator_arguments(plan),
        plan.work_dir / "plc_sim.log",
        lambda event: _note(progress, event),
    )
    controller: JsonLineProcess | None = None
    exit_codes: dict[str, int] = {}
    started_s = time.perf_counter()
    try:
        await simulator.start()
        listening = await _shown(simulator, "listening", progress, show)
        controller = JsonLineProcess(
            "sorter run", _controller_arguments(plan, listening), plan.work_dir / "sorter.log"
        )
        await controller.start()
        progress.controller_pid = controller.pid
        ready = await _shown(controller, "ready", progress, show, beside=simulator)
        progress.phase = "sorting"
        await _watch(simulator, controller, int(ready["metrics_port"]), progress, show)
    finally:
        if controller is not None:
            exit_codes["sorter run"] = await controller.stop(STOP_TIMEOUT_S)
        exit_codes["plc_sim"] = await simulator.stop(STOP_TIMEOUT_S)
    return _conclude(plan, exit_codes, time.perf_counter() - started_s)


def _clear(plan: RehearsalPlan) -> None:
    plan.work_dir.mkdir(parents=True, exist_ok=True)
    for path in (plan.journal, plan.truth, plan.summary):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _certs_arguments(plan: RehearsalPlan) -> list[str]:
    return [] if plan.certs is None else ["--certs", str(plan.certs)]


def _simulator_arguments(plan: RehearsalPlan) -> list[str]:
    port_option = "--modbus-port" if plan.protocol == "modbus" else "--opcua-port"
    return [
        *(sys.executable, "-m", "plc_sim", "--config", str(plan.scenario)),
        *(port_option, "0", "--feed", str(plan.feed), "--truth", str(plan.truth)),
        *("--parcels", str(plan.parcels), "--rate", str(plan.rate_parcels_per_h)),
        *("--speed", str(plan.speed), "--seed", str(plan.seed), "--wait-for-controller"),
        *_certs_arguments(plan),
    ]


def _controller_arguments(plan: RehearsalPlan, listening: Event) -> list[str]:
    if plan.protocol == "modbus":
        peer = f"127.0.0.1:{listening['modbus_port']}"
    else:
        peer = f"opc.tcp://127.0.0.1:{listening['opcua_port']}/parcel-sorter/"
    return [
        *(sys.executable, "-m", "sorter", "run", "--config", str(plan.line)),
        *("--protocol", plan.protocol, "--peer", peer, "--registry", str(plan.registry)),
        *("--journal", str(plan.journal), "--summary", str(plan.summary)),
        *("--metrics-port", "0", *_certs_arguments(plan)),
    ]


async def _shown(
    process: JsonLineProcess,
    event_name: str,
    progress: RehearsalProgress,
    show: Callable[[RehearsalProgress], None],
    beside: JsonLineProcess | None = None,
) -> Event:
    """Wait for a child's report; when the other child dies meanwhile, that is the news."""
    progress.phase = f"starting {process.name}"
    show(progress)
    waits: list[asyncio.Task[Any]] = [
        asyncio.create_task(process.wait_for(event_name, START_TIMEOUT_S))
    ]
    if beside is not None:
        when = f"while {process.name} was starting"
        waits.append(asyncio.create_task(beside.raise_when_ended(when)))
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in done if task.exception() is not None]
        event: Event = (failed or list(done))[0].result()
        return event
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _watch(
    simulator: JsonLineProcess,
    controller: JsonLineProcess,
    metrics_port: int,
    progress: RehearsalProgress,
    show: Callable[[RehearsalProgress], None],
) -> None:
    """Show the line until the simulator is empty and the controller knows it."""
    plan = progress.plan
    allowance_s = plan.parcels * 3600 / plan.rate_parcels_per_h / plan.speed + DRAIN_ALLOWANCE_S
    drained = asyncio.create_task(simulator.wait_for("drained", allowance_s))
    try:
        while not drained.done():
            await _look(controller, metrics_port, progress, show)
            await asyncio.wait([drained], timeout=VIEW_PERIOD_S)
        await drained
    finally:
        drained.cancel()
        await asyncio.gather(drained, return_exceptions=True)
    progress.phase = "confirming"
    deadline_s = time.perf_counter() + CONFIRM_TIMEOUT_S
    while time.perf_counter() < deadline_s:
        await _look(controller, metrics_port, progress, show)
        if progress.line.value("sorter_parcels_on_line") == 0:
            return
        await asyncio.sleep(VIEW_PERIOD_S)


async def _look(
    controller: JsonLineProcess,
    metrics_port: int,
    progress: RehearsalProgress,
    show: Callable[[RehearsalProgress], None],
) -> None:
    if not controller.running:
        raise ChildFailed(
            f"sorter run ended while the line was running; its last words:\n"
            f"{controller.stderr_tail()}"
        )
    progress.line = await scrape(metrics_port) or progress.line
    show(progress)


def _note(progress: RehearsalProgress, event: Event) -> None:
    if event["event"] == "progress":
        progress.released = int(event["released"])
        progress.ended = int(event["ended"])
        progress.on_line = int(event["on_line"])


def _conclude(plan: RehearsalPlan, exit_codes: dict[str, int], wall_s: float) -> dict[str, Any]:
    try:
        summary: dict[str, Any] = json.loads(plan.summary.read_text())
    except (OSError, ValueError) as error:
        raise SorterError(f"{plan.summary}: the controller left no summary: {error}") from error
    reconciliation = reconcile(plan.journal, plan.truth)
    summary["unaccounted"] = reconciliation.unaccounted
    summary["truth_mismatches"] = reconciliation.truth_mismatches
    summary["details"] = list(reconciliation.details)
    summary["rehearsal_wall_s"] = round(wall_s, 3)
    summary["exit_codes"] = exit_codes
    summary["journal"] = str(plan.journal)
    write_text(plan.summary, json.dumps(summary, indent=1) + "\n")
    return summary
