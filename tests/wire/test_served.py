from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from secured import made_folder
from typer.testing import CliRunner

from plc_sim.command import main
from plc_sim.served import new_boot_id
from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.models import Mailbox, ModbusLink, OpcUaLink
from sorter.errors import LinkError
from sorter.host.generate import FeedRow, write_feed
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import (
    COMMAND_BOOT_ID,
    COMMAND_EPOCH,
    COMMAND_HEARTBEAT,
    COMMAND_WORDS,
    LAYOUT_VERSION,
    STATUS_BOOT_ID,
    STATUS_CONTROLLER_EPOCH,
    STATUS_EVENT_HEAD,
    STATUS_VERSION,
)
from sorter.ports import FieldBus
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.truth_file import read_truth

pytestmark = pytest.mark.timeout(90)
ROOT = Path(__file__).parents[2]
CLOCK = MonotonicClock()
DEADLINE_S = 60.0
PARCELS = 3


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    line = ROOT / "config" / "small_line.yaml"
    path.write_text(f"kind: scenario\nname: small\nline: {line}\n")
    return path


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "feed.csv"
    write_feed(path, [FeedRow(f"RMA{number}", 320, 240, 120, 800) for number in range(9)])
    return path


class Simulator:
    """``python -m plc_sim`` as somebody's child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    async def event(self, name: str) -> dict[str, Any]:
        """Return the next event of that name."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == name:
                    return self.events[-1]
        assert self.process.stderr is not None
        raise AssertionError((await self.process.stderr.read()).decode())

    async def ended(self) -> tuple[int, str]:
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()


@contextlib.asynccontextmanager
async def simulator(*arguments: object) -> AsyncIterator[Simulator]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "plc_sim",
        *map(str, arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Simulator(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def connected_as(served: Simulator, bus: FieldBus, epoch: int) -> list[int]:
    """Be a controller until the simulator has noticed; return the last status block."""
    await bus.connect()
    block = np.zeros(COMMAND_WORDS, np.uint16)
    block[COMMAND_EPOCH + 1] = epoch
    status = (await bus.exchange(block)).tolist()
    block[COMMAND_BOOT_ID : COMMAND_BOOT_ID + 2] = status[STATUS_BOOT_ID : STATUS_BOOT_ID + 2]
    noticed = asyncio.create_task(served.event("controller_connected"))
    while not noticed.done() or status[STATUS_CONTROLLER_EPOCH + 1] != epoch:
        block[COMMAND_HEARTBEAT] += 1
        status = (await bus.exchange(block)).tolist()
        await bus.wait(CLOCK.now_ns() + 5_000_000)
    assert noticed.result()["epoch"] == epoch
    await bus.close()
    return status


async def test_parcels_come_when_a_controller_does_and_the_truth_is_written(
    scenario: Path, feed: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    options = ("--feed", feed, "--truth", truth, "--parcels", PARCELS, "--speed", 20)
    ports = ("--modbus-port", 0, "--opcua-port", 0)
    async with simulator("--config", scenario, *ports, *options) as served:
        listening = await served.event("listening")
        modbus = ModbusBus(
            ModbusLink(tls=PLAIN_TEXT, port=listening["modbus_port"]), Mailbox(), CLOCK
        )
        endpoint = f"opc.tcp://127.0.0.1:{listening['opcua_port']}/parcel-sorter/"
        opcua = OpcUaBus(
            OpcUaLink(security=NONE_AND_ANONYMOUS, endpoint=endpoint), Mailbox(), CLOCK
        )
        await served.event("progress")
        assert served.events[-1]["released"] == 0
        first = await connected_as(served, modbus, epoch=7)
        assert first[STATUS_VERSION] == LAYOUT_VERSION
        assert first[STATUS_BOOT_ID] or first[STATUS_BOOT_ID + 1]
        drained = await served.event("drained")
        assert (drained["released"], drained["ended"], drained["on_line"]) == (PARCELS, PARCELS, 0)
        second = await connected_as(served, opcua, epoch=8)
        assert second[: STATUS_BOOT_ID + 2] == first[: STATUS_BOOT_ID + 2]
        assert second[STATUS_EVENT_HEAD + 1] > first[STATUS_EVENT_HEAD + 1]
        served.process.send_signal(signal.SIGTERM)
        stopped = await served.event("stopped")
        assert stopped["drained"]
        assert stopped["scans"] >= stopped["late_scans"] >= 0
        assert await served.ended() == (0, "")
    rows = read_truth(truth)
    assert [row["label"] for row in rows] == ["RMA0", "RMA1", "RMA2"]
    assert all(row["end"] != "on_line" for row in rows)


async def test_a_killed_line_goes_on_with_its_truth(
    scenario: Path, feed: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    options = ("--config", scenario, "--modbus-port", 0, "--feed", feed, "--truth", truth)
    async with simulator(*options, "--rate", 3600, "--auto-start", "--speed", 2) as served:
        while (await served.event("progress"))["released"] < 3:
            pass
        served.process.kill()
        await served.process.wait()
    killed = read_truth(truth)
    assert 3 <= len(killed) < 9
    on_belt = {row["physical_id"] for row in killed if row["end"] == "on_line"}
    assert on_belt
    async with simulator(*options, "--rate", 20_000, "--auto-start", "--speed", 50) as served:
        assert (await served.event("drained"))["released"] == 9 - len(killed)
        served.process.send_signal(signal.SIGTERM)
        assert (await served.event("stopped"))["drained"]
        assert await served.ended() == (0, "")
    rows = read_truth(truth)
    assert [row["label"] for row in rows] == [f"RMA{number}" for number in range(9)]
    assert {row["physical_id"] for row in rows if row["end"] == "removed"} == on_belt
    assert all(row["end"] != "on_line" for row in rows)
    boots = {boot for row in rows for _, _, boot in row["sightings"]}
    assert len(boots) == 2


async def test_auto_start_needs_nobody_and_an_interrupt_ends_it(scenario: Path, feed: Path) -> None:
    options = ("--modbus-port", 0, "--feed", feed, "--auto-start", "--speed", 50, "--no-fc23")
    async with simulator("--config", scenario, *options) as served:
        listening = await served.event("listening")
        assert "opcua_port" not in listening
        bus = ModbusBus(ModbusLink(tls=PLAIN_TEXT, port=listening["modbus_port"]), Mailbox(), CLOCK)
        await bus.connect()
        assert not bus.uses_fc23
        await bus.close()
        assert (await served.event("drained"))["ended"] == 9
        served.process.send_signal(signal.SIGINT)
        assert (await served.event("stopped"))["drained"]
        assert await served.ended() == (0, "")


async def test_without_a_feed_an_empty_belt_is_served(scenario: Path) -> None:
    async with simulator("--config", scenario, "--modbus-port", 0, "--opcua-port", 0) as served:
        listening = await served.event("listening")
        bus = ModbusBus(ModbusLink(tls=PLAIN_TEXT, port=listening["modbus_port"]), Mailbox(), CLOCK)
        status = await connected_as(served, bus, epoch=3)
        assert status[STATUS_VERSION] == LAYOUT_VERSION
        assert listening["opcua_port"] > 0
        drained = await served.event("drained")
        assert (drained["released"], drained["on_line"]) == (0, 0)
        served.process.send_signal(signal.SIGTERM)
        await served.event("stopped")
        assert await served.ended() == (0, "")


async def test_who_is_refused_over_modbus_is_said_and_counted(scenario: Path) -> None:
    options = ("--config", scenario, "--modbus-port", 0, "--certs", made_folder())
    async with simulator(*options) as served:
        port = (await served.event("listening"))["modbus_port"]
        with pytest.raises(LinkError):
            await ModbusBus(ModbusLink(tls=PLAIN_TEXT, port=port), Mailbox(), CLOCK).connect()
        assert (await served.event("refused"))["who"] == "a Modbus connection"
        served.process.send_signal(signal.SIGTERM)
        assert (await served.event("stopped"))["refused_log_ins"] == 1
        assert await served.ended() == (0, "")


async def test_taken_port_is_said_and_exits_2(scenario: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = ("--config", scenario, "--modbus-port", port)
        async with simulator(*options) as served:
            code, errors = await served.ended()
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--config", "small.yaml"], "nothing to serve"),
        (["--config", "small.yaml", "--modbus-port", "0", "--parcels", "5"], "--feed FILE"),
        (["--config", "missing.yaml", "--modbus-port", "0"], "missing.yaml"),
        (["--config", "small.yaml", "--modbus-port", "0", "--feed", "no.csv"], "no.csv"),
    ],
)
def test_what_cannot_start_says_why_and_exits_2(
    scenario: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(scenario.parent)
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_boot_ids_are_never_zero_and_differ() -> None:
    ids = {new_boot_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(0 < boot_id <= 0xFFFFFFFF for boot_id in ids)
