"""How long does ``sorter run`` take from its start until it sorts, with warm caches?"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bytecode import warm_bytecode
from sorter.rehearsal.processes import JsonLineProcess

SCENARIO = Path("config/scenarios/default.yaml")
TIMEOUT_S = 300.0


def measure(quick: bool) -> dict[str, float]:
    """Return seconds from process start to the ``ready`` report, median and worst."""
    warm_bytecode()
    rounds = 2 if quick else 5
    seconds = asyncio.run(_starts(rounds + 1))[1:]  # the first one warms the cache
    return {"ready_s_median": statistics.median(seconds), "ready_s_worst": max(seconds)}


async def _starts(rounds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulator = JsonLineProcess(
            "plc_sim",
            [
                *(sys.executable, "-m", "plc_sim", "--config", str(SCENARIO)),
                *("--modbus-port", "0"),
            ],
            folder / "plc_sim.log",
        )
        await simulator.start()
        try:
            listening = await simulator.wait_for("listening", TIMEOUT_S)
            peer = f"127.0.0.1:{listening['modbus_port']}"
            return [await _start(folder, peer, index) for index in range(rounds)]
        finally:
            await simulator.stop(10)


async def _start(folder: Path, peer: str, index: int) -> float:
    controller = JsonLineProcess(
        "sorter run",
        [
            *(sys.executable, "-m", "sorter", "run", "--protocol", "modbus", "--peer", peer),
            *("--journal", str(folder / f"journal-{index}.sqlite"), "--metrics-port", "0"),
            *("--registry", str(folder / "returns.sqlite")),
        ],
        folder / f"sorter-{index}.log",
    )
    started_s = time.perf_counter()
    await controller.start()
    try:
        await controller.wait_for("ready", TIMEOUT_S)
        return time.perf_counter() - started_s
    finally:
        await controller.stop(10)
