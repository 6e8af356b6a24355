"""What encryption costs: the same exchange in plain text and encrypted, in turns, in one run."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.models import Io, Mailbox, ModbusLink, OpcUaLink
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import COMMAND_EPOCH, COMMAND_WORDS
from sorter.ports import FieldBus
from sorter.runtime.clock import MonotonicClock
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.layout import secured
from sorter.security.wall_clock import utc_now

LINE = Path(__file__).parents[1] / "config" / "line.yaml"
DEADLINE_S = 120.0
WARM_UP = 50
TURN = 25
"""Exchanges on one link before the other has its turn: what slows the machine slows both."""


def measure(quick: bool) -> dict[str, float]:
    """Return p50 of a command's exchange, plain and encrypted, in us, and their ratio.

    The command block changes with each exchange, so each one carries a command.
    """
    return asyncio.run(_measure(600 if quick else 4000))


async def _measure(exchanges: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_folder(folder / "certs", CertsPlan(), utc_now())
        scenario = folder / "idle.yaml"
        scenario.write_text(f"kind: scenario\nname: idle\nline: {LINE}\n")
        plain = await _served(stack, scenario)
        encrypted = await _served(stack, scenario, "--certs", str(folder / "certs"))
        figures: dict[str, float] = {}
        for protocol in ("opcua", "modbus"):
            pair = [_bus(protocol, plain, None), _bus(protocol, encrypted, folder / "certs")]
            p50_us, p99_us = await _in_turns(pair, exchanges)
            for name, p50, p99 in zip(("plain", "encrypted"), p50_us, p99_us, strict=True):
                figures[f"{protocol}_{name}_p50_us"] = round(p50, 1)
                figures[f"{protocol}_{name}_p99_us"] = round(p99, 1)
            figures[f"{protocol}_p50_ratio"] = round(p50_us[1] / p50_us[0], 3)
        return figures


async def _served(stack: AsyncExitStack, scenario: Path, *options: str) -> dict[str, int]:
    """Start an idle simulated PLC; return its ports."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "plc_sim", "--config", str(scenario)),
        *("--modbus-port", "0", "--opcua-port", "0", *options),
        stdout=asyncio.subprocess.PIPE,
    )

    async def end() -> None:
        process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    async with asyncio.timeout(DEADLINE_S):
        assert process.stdout is not None
        listening: dict[str, int] = json.loads(await process.stdout.readline())
    return listening


def _bus(protocol: str, listening: dict[str, int], certs: Path | None) -> FieldBus:
    endpoint = f"opc.tcp://127.0.0.1:{listening['opcua_port']}/parcel-sorter/"
    io = Io(
        opcua=OpcUaLink(endpoint=endpoint, timeout_ms=2000, security=NONE_AND_ANONYMOUS),
        modbus=ModbusLink(port=listening["modbus_port"], timeout_ms=2000, tls=PLAIN_TEXT),
    )
    if certs is not None:
        io = secured(io, certs)
    if protocol == "opcua":
        return OpcUaBus(io.opcua, Mailbox(), MonotonicClock(), io.certificates)
    return ModbusBus(io.modbus, Mailbox(), MonotonicClock(), io.certificates)


async def _in_turns(buses: list[FieldBus], exchanges: int) -> tuple[list[float], list[float]]:
    took_us: list[list[float]] = [[] for _ in buses]
    block = np.zeros(COMMAND_WORDS, np.uint16)
    for bus in buses:
        await bus.connect()
    async with asyncio.timeout(DEADLINE_S):
        for first in range(-WARM_UP, exchanges, TURN):
            for bus, times in zip(buses, took_us, strict=True):
                for number in range(first, first + TURN):
                    block[COMMAND_EPOCH] = number & 0xFFFF
                    started_s = time.perf_counter()
                    await bus.exchange(block)
                    if number >= 0:
                        times.append((time.perf_counter() - started_s) * 1e6)
    for bus in buses:
        await bus.close()
    return (
        [float(np.percentile(times, 50)) for times in took_us],
        [float(np.percentile(times, 99)) for times in took_us],
    )
