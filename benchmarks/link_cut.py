"""How soon does the line sort again when a link that was down for 5 s is back, and is all there?

The rig is the real one, under load at 20,000 parcels/h: simulated PLC, ``sorter run``, and between
them a relay that resets the connection and each new one (cut), or keeps and accepts connections
and lets nothing pass (half open). Measured is the time from the moment the relay passes bytes
again until the controller reports the PLC's heartbeat moving: that is behind the first exchange,
which reads all of the gap from the rings. Looks are 25 ms apart and cheap: the relay shares this
process, and what it cannot pass on meanwhile would count as the controller's delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np

from plc_sim.chaos.link_proxy import LinkProxy
from sorter.model.columns import EventColumn, ScanColumn
from sorter.rehearsal.parcels import prepare_parcels
from sorter.rehearsal.processes import JsonLineProcess
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.reconcile import reconcile

CONFIG = Path(__file__).parents[1] / "config"
RATE_PARCELS_PER_H = 20_000
DOWN_S = 5.0
BETWEEN_S = 3.0
START_S = 300.0
DRAIN_S = 600.0
NOTICE_S = 30.0
STOP_S = 20.0
LOOK_PERIOD_S = 0.025
LOOK_TIMEOUT_S = 2.0
Look = Callable[[str], Awaitable[float | None]]
"""Returns the sum of a metric over its labels; None while the controller does not answer."""


def measure(quick: bool) -> dict[str, float]:
    """Return recovery times in s, and what must be zero, per protocol."""
    figures: dict[str, float] = {}
    for protocol in ("modbus", "opcua"):
        figures |= asyncio.run(_measure(protocol, 1 if quick else 5))
    return figures


async def _measure(protocol: str, rounds: int) -> dict[str, float]:
    parcels = round(rounds * 2 * (DOWN_S + BETWEEN_S + 2.0) * RATE_PARCELS_PER_H / 3600)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took_s: dict[str, list[float]] = {"cut": [], "half_open": []}
        async with _rig(protocol, parcels, folder) as (simulator, look, proxy):
            for _ in range(rounds):
                for kind, break_link in (("cut", proxy.cut), ("half_open", proxy.half_open)):
                    await asyncio.sleep(BETWEEN_S)
                    break_link()
                    await _until(look, "sorter_link_up", 0.0)
                    await asyncio.sleep(DOWN_S)
                    mended_s = time.perf_counter()
                    proxy.mend()
                    await _until(look, "sorter_link_up", 1.0)
                    took_s[kind].append(time.perf_counter() - mended_s)
            await simulator.wait_for("drained", DRAIN_S)
            await _until(look, "sorter_parcels_on_line", 0.0)
            overflowed = await look("sorter_mailbox_overflow_total")
            assert overflowed is not None
        ledger = reconcile(folder / "journal.sqlite", folder / "truth.jsonl")
        missing, twice = _records(folder / "journal.sqlite")
    figures = {
        "recovered_s_worst": max(took_s["cut"] + took_s["half_open"]),
        "cut_recovered_s_median": float(np.median(took_s["cut"])),
        "half_open_recovered_s_median": float(np.median(took_s["half_open"])),
        "records_missing": missing,
        "records_processed_twice": twice,
        "records_overflowed": overflowed,
        "unaccounted": ledger.unaccounted,
        "truth_mismatches": ledger.truth_mismatches,
    }
    return {f"{protocol}_{key}": round(float(value), 3) for key, value in figures.items()}


@contextlib.asynccontextmanager
async def _rig(
    protocol: str, parcels: int, folder: Path
) -> AsyncIterator[tuple[JsonLineProcess, Look, LinkProxy]]:
    """Start simulator, relay, controller; yields the first, a look at the last, and the relay."""
    feed, registry, _, _ = prepare_parcels(folder, parcels, RATE_PARCELS_PER_H, 0, None)
    scenario = folder / "busy.yaml"
    scenario.write_text(f"kind: scenario\nname: busy\nline: {CONFIG / 'line.yaml'}\n")
    simulator = JsonLineProcess(
        "plc_sim",
        [
            *(
                sys.executable,
                "-m",
                "plc_sim",
                "--config",
                str(scenario),
                f"--{protocol}-port",
                "0",
            ),
            *("--feed", str(feed), "--truth", str(folder / "truth.jsonl")),
            *("--rate", str(RATE_PARCELS_PER_H), "--wait-for-controller"),
        ],
        folder / "plc_sim.log",
    )
    controller: JsonLineProcess | None = None
    proxy: LinkProxy | None = None
    try:
        await simulator.start()
        listening = await simulator.wait_for("listening", START_S)
        proxy = LinkProxy(int(listening[f"{protocol}_port"]), np.random.default_rng(0))
        await proxy.start()
        peer = f"127.0.0.1:{proxy.port}"
        controller = JsonLineProcess(
            "sorter run",
            [
                *(sys.executable, "-m", "sorter", "run", "--config", str(CONFIG / "line.yaml")),
                *("--protocol", protocol, "--registry", str(registry), "--metrics-port", "0"),
                *("--peer", peer if protocol == "modbus" else f"opc.tcp://{peer}/parcel-sorter/"),
                *("--journal", str(folder / "journal.sqlite")),
            ],
            folder / "sorter.log",
        )
        await controller.start()
        port = int((await controller.wait_for("ready", START_S))["metrics_port"])
        yield simulator, lambda metric: asyncio.to_thread(_value, port, metric), proxy
    finally:
        for process in (controller, simulator):
            if process is not None:
                await process.stop(STOP_S)
        if proxy is not None:
            await proxy.close()


async def _until(look: Look, metric: str, wanted: float) -> None:
    async with asyncio.timeout(NOTICE_S):
        while await look(metric) != wanted:  # noqa: ASYNC110 - a scraper can only ask again
            await asyncio.sleep(LOOK_PERIOD_S)


def _value(port: int, metric: str) -> float | None:
    """Return a metric of the controller; only its own lines are parsed."""
    try:
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=LOOK_TIMEOUT_S) as answer:
            lines = answer.read().decode().splitlines()
    except (OSError, urllib.error.URLError):
        return None
    mine = [line for line in lines if line.startswith((f"{metric} ", f"{metric}{{"))]
    return sum(float(line.rpartition(" ")[2]) for line in mine)


def _records(journal: Path) -> tuple[int, int]:
    """Return how many records of the PLC were never decided on, and how many twice."""
    missing = twice = 0
    with JournalReader(journal) as reader:
        run = reader.last_run()
        assert run is not None
        steps = list(reader.steps(run.first_step, run.next_step - 1))
    for rows, column in (
        ([step.inputs.events for step in steps], EventColumn.SEQ),
        ([step.inputs.scans for step in steps], ScanColumn.SEQ),
    ):
        seqs = np.concatenate([part[:, column] for part in rows if len(part)])
        known = np.unique(seqs)
        missing += int(known[-1]) - len(known)
        twice += len(seqs) - len(known)
    return missing, twice
