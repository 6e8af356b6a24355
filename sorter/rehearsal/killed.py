"""A rehearsal under load whose controller is killed (``kill -9``) again and again."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sorter.rehearsal.account import replay_difference
from sorter.rehearsal.parcels import prepare_parcels
from sorter.rehearsal.processes import JsonLineProcess
from sorter.rehearsal.snapshot import scrape
from sorter.runtime.reconcile import Reconciliation, reconcile

SCENARIO = Path("config/scenarios/default.yaml")
LINE = Path("config/line.yaml")
RATE_PARCELS_PER_H = 20_000.0
TIMEOUT_S = 300.0
CONFIRM_S = 60.0
LONGEST_LIFE_S = 2.0
CYCLE_S = 4.0
"""Length of a life and a restart together, for which there are parcels unless told."""


@dataclass(frozen=True, slots=True)
class Killed:
    """What came of it.

    Attributes
    ----------
    kills : int
    restarts_s : list of float
        From the kill to the report that the line sorts again; decisions begin before it.
    parcels_taken_over : list of int
        Parcels on the belt at each restart.
    comparison : Reconciliation
    replay_difference : str
        Empty when all runs of the journal decide the same again.
    """

    kills: int
    restarts_s: list[float]
    parcels_taken_over: list[int]
    comparison: Reconciliation
    replay_difference: str


async def sort_and_kill(
    folder: Path, kills: int, seed: int, *, parcels: int | None = None, speed: float = 1.0
) -> Killed:
    """Run the default line at 20,000 parcels/h, kill its controller at random instants, reconcile.

    Parameters
    ----------
    folder : Path
        Gets journal, truth ledger and logs.
    kills : int
    seed : int
        Of the parcels and of the instants.
    parcels : int, optional
        As many as come during so many kills, unless told.
    speed : float
        Simulated seconds a second.

    Raises
    ------
    ChildFailed
        A process does not start, dies by itself, or does not finish in time.
    """
    instants = np.random.default_rng(seed)
    if parcels is None:
        parcels = 200 + int(kills * CYCLE_S * speed * RATE_PARCELS_PER_H / 3600)
    feed, registry, count, _ = prepare_parcels(folder, parcels, RATE_PARCELS_PER_H, seed, None)
    truth, journal = folder / "truth.jsonl", folder / "journal.sqlite"
    simulator = JsonLineProcess(
        "plc_sim",
        [
            *(sys.executable, "-m", "plc_sim", "--config", str(SCENARIO), "--modbus-port", "0"),
            *("--feed", str(feed), "--truth", str(truth), "--parcels", str(count)),
            *("--rate", str(RATE_PARCELS_PER_H), "--seed", str(seed), "--wait-for-controller"),
            *("--speed", str(speed)),
        ],
        folder / "plc_sim.log",
    )
    controller = _MortalController(folder, registry, journal)
    await simulator.start()
    try:
        listening = await simulator.wait_for("listening", TIMEOUT_S)
        controller.peer = f"127.0.0.1:{listening['modbus_port']}"
        await controller.start()
        for _ in range(kills):
            await asyncio.sleep(instants.uniform(0, LONGEST_LIFE_S))
            await controller.kill_and_start()
        await simulator.wait_for("drained", TIMEOUT_S + count * 3600 / RATE_PARCELS_PER_H)
        await _until_confirmed(controller.metrics_port)
    finally:
        await controller.stop()
        await simulator.stop(TIMEOUT_S)
    return Killed(
        kills,
        controller.restarts_s,
        controller.parcels_taken_over,
        reconcile(journal, truth),
        replay_difference(journal),
    )


class _MortalController:
    """A controller process that is killed and started again on the same journal."""

    def __init__(self, folder: Path, registry: Path, journal: Path) -> None:
        self._folder = folder
        self._registry = registry
        self._journal = journal
        self._process: JsonLineProcess | None = None
        self._lives = 0
        self.peer = ""
        self.metrics_port = 0
        self.restarts_s: list[float] = []
        self.parcels_taken_over: list[int] = []

    async def start(self) -> int:
        """Start a process; return how many parcels it took over when it sorts."""
        log = self._folder / f"sorter-{self._lives}.log"
        self._process = JsonLineProcess(
            "sorter run",
            [
                *(sys.executable, "-m", "sorter", "run", "--config", str(LINE)),
                *("--metrics-port", "0", "--protocol", "modbus", "--peer", self.peer),
                *("--registry", str(self._registry), "--journal", str(self._journal)),
            ],
            log,
        )
        self._lives += 1
        await self._process.start()
        ready = await self._process.wait_for("ready", TIMEOUT_S)
        self.metrics_port = int(ready["metrics_port"])
        return int(ready["parcels_taken_over"])

    async def kill_and_start(self) -> None:
        """Kill the process, start another and note how long that took."""
        if self._process is not None:
            await self._process.kill()
        killed_s = time.perf_counter()
        self.parcels_taken_over.append(await self.start())
        self.restarts_s.append(time.perf_counter() - killed_s)

    async def stop(self) -> None:
        """Stop the process cleanly, if there is one."""
        if self._process is not None:
            await self._process.stop(TIMEOUT_S)


async def _until_confirmed(metrics_port: int) -> None:
    """Wait until the controller knows, too, that the belt is empty."""
    give_up_s = time.perf_counter() + CONFIRM_S
    while time.perf_counter() < give_up_s:
        line = await scrape(metrics_port)
        if line is not None and line.value("sorter_parcels_on_line") == 0:
            return
        await asyncio.sleep(0.25)
