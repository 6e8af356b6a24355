"""How long one exchange with the PLC takes, over each protocol, to another process on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.models import Mailbox, ModbusLink, OpcUaLink
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import COMMAND_EPOCH, COMMAND_WORDS
from sorter.ports import FieldBus
from sorter.runtime.clock import MonotonicClock

LINE = Path(__file__).parents[1] / "config" / "line.yaml"
DEADLINE_S = 60.0
WARM_UP = 50


def measure(quick: bool) -> dict[str, float]:
    """Return p50 and p99 of an exchange in us, for FC23, FC16 + FC3 and OPC UA.

    The command block changes with each exchange, so OPC UA writes it each time.
    """
    figures: dict[str, float] = {}
    exchanges = 500 if quick else 5000
    for fc23 in (True, False):
        figures |= asyncio.run(_measure(exchanges, fc23))
    return figures


async def _measure(exchanges: int, fc23: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "idle.yaml"
        scenario.write_text(f"kind: scenario\nname: idle\nline: {LINE}\n")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "plc_sim", "--config", str(scenario)),
            *("--modbus-port", "0", *(("--opcua-port", "0") if fc23 else ("--no-fc23",))),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                assert process.stdout is not None
                listening = json.loads(await process.stdout.readline())
            return await _measure_buses(listening, exchanges, fc23)
        finally:
            process.terminate()
            await process.wait()


async def _measure_buses(listening: dict[str, int], exchanges: int, fc23: bool) -> dict[str, float]:
    clock = MonotonicClock()
    modbus = ModbusBus(
        ModbusLink(tls=PLAIN_TEXT, port=listening["modbus_port"], timeout_ms=2000), Mailbox(), clock
    )
    name = "modbus_fc23" if fc23 else "modbus_fc16_fc3"
    figures = await _latency(name, modbus, exchanges)
    if fc23:
        endpoint = f"opc.tcp://127.0.0.1:{listening['opcua_port']}/parcel-sorter/"
        link = OpcUaLink(security=NONE_AND_ANONYMOUS, endpoint=endpoint, timeout_ms=2000)
        figures |= await _latency("opcua", OpcUaBus(link, Mailbox(), clock), exchanges)
    return figures


async def _latency(name: str, bus: FieldBus, exchanges: int) -> dict[str, float]:
    await bus.connect()
    block = np.zeros(COMMAND_WORDS, np.uint16)
    took_us = np.empty(exchanges)
    async with asyncio.timeout(DEADLINE_S):
        for number in range(-WARM_UP, exchanges):
            block[COMMAND_EPOCH] = number & 0xFFFF
            started_s = time.perf_counter()
            await bus.exchange(block)
            took_us[max(number, 0)] = (time.perf_counter() - started_s) * 1e6
    await bus.close()
    p50, p99 = np.percentile(took_us, (50, 99))
    return {f"{name}_p50_us": round(float(p50), 1), f"{name}_p99_us": round(float(p99), 1)}
