"""Puts a story on stage: simulator, bad network and ``sorter run``, each as it is in production."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from plc_sim.chaos.link_proxy import LinkProxy
from plc_sim.chaos.making import LINK_FAULTS, LinkFaults, limit_disk, locked_registry
from plc_sim.chaos.stepped_clock import write_step
from plc_sim.chaos.story import Story
from plc_sim.runner_faults import (
    ClockStepFault,
    DiskFullFault,
    HostDownFault,
    KillControllerFault,
    KillPlcFault,
    RunnerFault,
)
from sorter.errors import SorterError
from sorter.rehearsal.parcels import prepare_parcels
from sorter.rehearsal.processes import ChildFailed, JsonLineProcess
from sorter.rehearsal.snapshot import LineSnapshot, scrape

FIRST_START_TIMEOUT_S: Final = 300.0
"""Long, because a first start compiles the kernels."""
START_TIMEOUT_S: Final = 60.0
"""Of a start after a kill: the kernels are there."""
STOP_TIMEOUT_S: Final = 20.0
DRAIN_LAPS: Final = 8
DRAIN_ALLOWANCE_S: Final = 60.0
LOOK_PERIOD_S: Final = 0.25
NO_PORT: Final = 1
"""Where nobody listens, until the simulator does."""
HINDERS_NO_START: Final = (HostDownFault, ClockStepFault)
RESTART_PAUSE_S: Final = 0.2
"""As systemd has it: a controller that cannot start is started again."""


class CannotPerform(SorterError):
    """A story could not begin; that says nothing about the controller under its faults."""


@dataclass(slots=True)
class Performance:
    """What was seen while a story ran, before anybody compares ledgers.

    Attributes
    ----------
    work_dir : Path
        Holds scenario, journal, truth ledger and all logs.
    exit_codes : dict
        Of both processes at the end; absent when the run did not come so far.
    failures : list of str
        What went wrong with the processes themselves.
    drained : bool
        Every parcel came to its end in time.
    line : LineSnapshot
        The controller's metrics when it had nothing more to do.
    timeline : list of (float, LineSnapshot)
        All that was seen of the metrics, by wall time since parcels began to come.
    restarts : dict
        Starts of each process after its first.
    """

    work_dir: Path
    exit_codes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    drained: bool = False
    line: LineSnapshot = field(default_factory=LineSnapshot)
    timeline: list[tuple[float, LineSnapshot]] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """The controller's journal."""
        return self.work_dir / "journal.sqlite"

    @property
    def truth(self) -> Path:
        """The simulator's truth ledger."""
        return self.work_dir / "truth.jsonl"

    @property
    def registry(self) -> Path:
        """The return registry that the controller asked."""
        return self.work_dir / "returns.sqlite"

    def logs(self) -> list[Path]:
        """Return what both processes wrote to stderr, in order of their starts."""
        return sorted(self.work_dir.glob("*.log"))


class Stage:
    """Runs one story.

    Parameters
    ----------
    story : Story
    line : Path
        Line file.
    work_dir : Path
        An empty or missing folder.
    """

    def __init__(self, story: Story, line: Path, work_dir: Path) -> None:
        self._story = story
        self._line = line.resolve()
        self._seen = Performance(work_dir)
        self._feed = self._registry = work_dir
        self._simulator: JsonLineProcess | None = None
        self._controller: JsonLineProcess | None = None
        self._metrics_port = 0
        self._controller_busy = asyncio.Lock()
        self._simulator_busy = asyncio.Lock()
        self._full_disks = 0
        self._clock_step_s = 0.0
        self._began_s = 0.0
        self._proxy = LinkProxy(NO_PORT, np.random.default_rng((0x11CC, story.seed)))
        self._link = LinkFaults(self._proxy)

    async def perform(self) -> Performance:
        """Run the story to its end; whatever happens, both processes are gone afterwards.

        Raises
        ------
        CannotPerform
            Before the first parcel came, and with it the first fault.
        """
        seen = self._seen
        self._prepare()
        try:
            await self._begin()
            await self._make_faults()
            seen.drained = await self._drain()
            await self._settle()
        except ChildFailed as error:
            seen.failures.append(str(error))
        finally:
            await self._end()
        return seen

    async def _begin(self) -> None:
        """Start everything; parcels come from now on."""
        try:
            await self._proxy.start()
            # One after the other: where kernels are compiled first, that takes both cores.
            await self._start_simulator()
            await self._start_controller()
            assert self._simulator is not None
            await self._simulator.wait_for("controller_connected", FIRST_START_TIMEOUT_S)
        except (ChildFailed, OSError) as error:
            raise CannotPerform(
                f"the rig of seed {self._story.seed} could not start, so the run has no result: "
                f"{error}; its logs are in {self._seen.work_dir}"
            ) from error
        self._began_s = asyncio.get_running_loop().time()

    def _start_timeout_s(self) -> float:
        return START_TIMEOUT_S if self._began_s else FIRST_START_TIMEOUT_S

    def _prepare(self) -> None:
        story, work_dir = self._story, self._seen.work_dir
        self._feed, self._registry, _, _ = prepare_parcels(
            work_dir, story.parcels, story.rate_parcels_per_h, story.seed, None
        )
        story.write(work_dir / "story.yaml", self._line)

    # --- the two sides ----------------------------------------------------------------------------
    async def _start_simulator(self) -> None:
        story, seen = self._story, self._seen
        scenario = self._simulator_scenario()
        starts = seen.restarts.get("plc_sim", -1) + 1
        seen.restarts["plc_sim"] = starts
        port_option = "--modbus-port" if story.protocol == "modbus" else "--opcua-port"
        arguments = [
            *(sys.executable, "-m", "plc_sim", "--config", str(scenario)),
            *(port_option, "0", "--feed", str(self._feed), "--truth", str(seen.truth)),
            *("--parcels", str(story.parcels), "--speed", str(story.speed)),
            *("--seed", str(story.seed), "--wait-for-controller"),
        ]
        log = seen.work_dir / f"plc_sim-{starts}.log"
        self._simulator = JsonLineProcess("plc_sim", arguments, log)
        await self._simulator.start()
        listening = await self._simulator.wait_for("listening", self._start_timeout_s())
        self._proxy.point_at(int(listening[f"{story.protocol}_port"]))

    def _simulator_scenario(self) -> Path:
        """Write the scenario without what the simulator cannot make; it knows how far it was."""
        work_dir = self._seen.work_dir
        scenario = self._story.scenario(work_dir.resolve(), self._line)
        scenario["faults"] = [
            fault.model_dump(exclude_unset=True)
            for fault in self._story.faults
            if not isinstance(fault, RunnerFault)
        ]
        path = work_dir / "plant.yaml"
        path.write_text(yaml.safe_dump(scenario, sort_keys=False))
        return path

    async def _start_controller(self) -> None:
        """Start the controller; again and again while a fault keeps it from starting."""
        while True:
            hindered = self._hindered()
            try:
                await self._try_controller()
            except ChildFailed:
                if not hindered:
                    raise
                assert self._controller is not None
                await self._controller.kill()
                await asyncio.sleep(RESTART_PAUSE_S)
            else:
                return

    def _hindered(self) -> bool:
        """Return whether a controller may have nobody to connect to, or no disk to write to."""
        return self._began_s > 0 and any(
            _until_s(fault) >= self._simulated_s() - DRAIN_ALLOWANCE_S
            for fault in self._story.faults
            if isinstance(fault, RunnerFault) and not isinstance(fault, HINDERS_NO_START)
        )

    async def _try_controller(self) -> None:
        story, seen = self._story, self._seen
        starts = seen.restarts.get("sorter run", -1) + 1
        seen.restarts["sorter run"] = starts
        peer = f"127.0.0.1:{self._proxy.port}"
        if story.protocol == "opcua":
            peer = f"opc.tcp://{peer}/parcel-sorter/"
        arguments = [
            *self._sorter_command(),
            *("run", "--config", str(self._line)),
            *("--protocol", story.protocol, "--peer", peer),
            *("--registry", str(self._registry), "--journal", str(seen.journal)),
            *("--metrics-port", "0"),
        ]
        log = seen.work_dir / f"sorter-{starts}.log"
        self._controller = JsonLineProcess("sorter run", arguments, log)
        await self._controller.start()
        if self._full_disks:
            limit_disk(self._controller.pid, full=True)
        ready = await self._controller.wait_for("ready", self._start_timeout_s())
        self._metrics_port = int(ready["metrics_port"])

    def _sorter_command(self) -> list[str]:
        """Return how to start ``sorter``: on a clock that can be set, if the story sets it."""
        if not any(isinstance(fault, ClockStepFault) for fault in self._story.faults):
            return [sys.executable, "-m", "sorter"]
        step_file = self._seen.work_dir / "clock_step"
        write_step(step_file, self._clock_step_s)
        return [sys.executable, "-m", "plc_sim.chaos.stepped_clock", str(step_file)]

    # --- faults -----------------------------------------------------------------------------------
    def _simulated_s(self) -> float:
        return (asyncio.get_running_loop().time() - self._began_s) * self._story.speed

    async def _reach(self, simulated_s: float) -> None:
        await asyncio.sleep(max(0.0, simulated_s - self._simulated_s()) / self._story.speed)

    async def _make_faults(self) -> None:
        """Make every fault at its time; return when all are over."""
        faults = [fault for fault in self._story.faults if isinstance(fault, RunnerFault)]
        watch = asyncio.create_task(self._watch())
        try:
            results = await asyncio.gather(
                *(self._make(fault) for fault in faults), return_exceptions=True
            )
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _make(self, fault: RunnerFault) -> None:
        await self._reach(fault.at_s)
        if isinstance(fault, KillControllerFault):
            await self._kill_controller(fault.down_s)
        elif isinstance(fault, KillPlcFault):
            await self._kill_simulator(fault.down_s)
        elif isinstance(fault, LINK_FAULTS):
            self._link.begin(fault)
            await self._reach(fault.at_s + fault.for_s)
            self._link.end(fault)
        elif isinstance(fault, HostDownFault):
            with locked_registry(self._registry):
                await self._reach(fault.at_s + fault.for_s)
        elif isinstance(fault, ClockStepFault):
            self._clock_step_s += fault.step_s
            write_step(self._seen.work_dir / "clock_step", self._clock_step_s)
        else:
            await self._fill_disk(fault)

    async def _fill_disk(self, fault: DiskFullFault) -> None:
        self._full_disks += 1
        self._limit()
        await self._reach(fault.at_s + fault.for_s)
        self._full_disks -= 1
        self._limit()

    def _limit(self) -> None:
        controller = self._controller
        if controller is not None and controller.running:
            limit_disk(controller.pid, full=self._full_disks > 0)

    async def _kill_controller(self, down_s: float) -> None:
        async with self._controller_busy:
            assert self._controller is not None
            await self._controller.kill()
            await asyncio.sleep(down_s / self._story.speed)
            await self._start_controller()

    async def _kill_simulator(self, down_s: float) -> None:
        async with self._simulator_busy:
            assert self._simulator is not None
            await self._simulator.kill()
            await asyncio.sleep(down_s / self._story.speed)
            await self._start_simulator()

    async def _watch(self) -> None:
        """Look at the controller's metrics all the time."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_PERIOD_S)

    async def _look(self) -> None:
        if self._controller is None or not self._controller.running:
            return
        line = await scrape(self._metrics_port)
        if line is None:
            return
        self._seen.line = line
        now_s = asyncio.get_running_loop().time() - self._began_s
        self._seen.timeline.append((now_s, line))

    # --- the end ----------------------------------------------------------------------------------
    async def _drain(self) -> bool:
        """Wait until every parcel has come to its end."""
        story = self._story
        last_s = max([story.arrivals_s, *(_until_s(fault) for fault in story.faults)])
        allowance_s = (last_s + DRAIN_LAPS * 60) / story.speed + DRAIN_ALLOWANCE_S
        assert self._simulator is not None
        assert self._controller is not None
        drained = asyncio.create_task(self._simulator.wait_for("drained", allowance_s))
        try:
            while not drained.done():
                await self._look()
                if not self._controller.running:
                    await self._controller.raise_when_ended("while the line was running")
                await asyncio.wait([drained], timeout=LOOK_PERIOD_S)
            await drained
        except ChildFailed as error:
            self._seen.failures.append(str(error))
            return False
        finally:
            drained.cancel()
            await asyncio.gather(drained, return_exceptions=True)
        return True

    async def _settle(self) -> None:
        """Give the controller the time to close what it still tracks."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + DRAIN_LAPS * 60 / self._story.speed
        while loop.time() < deadline_s:
            await self._look()
            line = self._seen.line
            if line.value("sorter_link_up") and line.value("sorter_parcels_on_line") == 0:
                # Once more: an exposition is put together while the line goes on, so its first
                # lines may be of the moment before the last parcel ended.
                await self._look()
                return
            await asyncio.sleep(LOOK_PERIOD_S)

    async def _end(self) -> None:
        for name, process in (("sorter run", self._controller), ("plc_sim", self._simulator)):
            if process is not None:
                self._seen.exit_codes[name] = await process.stop(STOP_TIMEOUT_S)
        await self._proxy.close()


def _until_s(fault: Any) -> float:
    """Return when a fault is over, in simulated time; 0 for those that go by parcels."""
    lasts = [getattr(fault, name, 0.0) for name in ("for_s", "down_s", "clear_after_s")]
    return float(getattr(fault, "at_s", 0.0)) + sum(lasts)
