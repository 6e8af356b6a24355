"""``sorter run`` under a service manager: a real notification socket, a real process and PLC."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import LINE, SCENARIO

from sorter.rehearsal.processes import JsonLineProcess
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.service_manager import ServiceManager

START_S = 200.0
HEAR_S = 20.0
WATCHDOG_S = 0.9


class Manager:
    """What systemd hears."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    async def hear(self, wanted: str, within_s: float = HEAR_S) -> list[str]:
        """Return the lines of the next message that has a line which begins so."""
        async with asyncio.timeout(within_s):
            while True:
                message = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
                lines = message.decode().split("\n")
                if any(line.startswith(wanted) for line in lines):
                    return lines

    def forget(self) -> None:
        """Drop what came and was not asked for."""
        try:
            while self._socket.recv(4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}/notify"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    listening = Manager(address)
    yield listening
    listening.close()


def plc(tmp_path: Path) -> JsonLineProcess:
    program = [sys.executable, "-m", "plc_sim", "--config", str(SCENARIO)]
    return JsonLineProcess("plc_sim", [*program, "--modbus-port", "0"], tmp_path / "plc_sim.log")


def controller(tmp_path: Path, port: int, address: str) -> JsonLineProcess:
    return JsonLineProcess(
        "sorter run",
        [
            *("env", f"NOTIFY_SOCKET={address}", f"WATCHDOG_USEC={int(WATCHDOG_S * 1e6)}"),
            *(sys.executable, "-m", "sorter", "run", "--config", str(LINE)),
            *("--peer", f"127.0.0.1:{port}", "--metrics-port", "0"),
            *("--journal", str(tmp_path / "journal.sqlite")),
            *("--registry", str(tmp_path / "returns.sqlite")),
        ],
        tmp_path / "sorter.log",
    )


async def test_the_watchdog_hears_the_loop_and_nothing_else(
    tmp_path: Path, address: str, manager: Manager
) -> None:
    simulator = plc(tmp_path)
    await simulator.start()
    process = None
    try:
        listening = await simulator.wait_for("listening", START_S)
        process = controller(tmp_path, int(listening["modbus_port"]), address)
        await process.start()
        ready = await manager.hear("READY=1", START_S)
        assert "STATUS=sorting: 0 parcels on the line, 0 ended" in ready
        # An idle belt: nothing happens, and the loop still goes round.
        for _ in range(4):
            await manager.hear("WATCHDOG=1", WATCHDOG_S * 5)
        # A process that stands still is silent for longer than the watchdog waits ...
        os.kill(process.pid, signal.SIGSTOP)
        manager.forget()
        with pytest.raises(TimeoutError):
            await manager.hear("WATCHDOG=1", WATCHDOG_S * 1.5)
        os.kill(process.pid, signal.SIGCONT)
        await manager.hear("WATCHDOG=1")
        # ... and one without a PLC is not: a restart would not bring the PLC back.
        await simulator.stop(HEAR_S)
        await manager.hear("STATUS=no link to the PLC")
        for _ in range(4):
            assert "WATCHDOG=1" in await manager.hear("STATUS=no link to the PLC", WATCHDOG_S * 10)
        os.kill(process.pid, signal.SIGTERM)
        await manager.hear("STOPPING=1")
    finally:
        await simulator.stop(HEAR_S)
        code = await process.stop(HEAR_S) if process is not None else -1
    assert code == 0


def test_a_watchdog_meant_for_another_process_is_not_fed(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(address)
    heard.settimeout(5)
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}
    service = ServiceManager.from_environment(environment, MonotonicClock())
    assert environment == {}
    service.alive()
    assert heard.recv(4096) == b"STATUS="
    service.close()
    heard.close()


def test_a_manager_that_does_not_listen_holds_nothing_up(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(address)
    service = ServiceManager(address, 3, MonotonicClock())
    for _ in range(2000):  # many more than its queue takes
        service.ready()
    deaf.setblocking(False)
    heard = [deaf.recv(1024)]
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(deaf.recv(1024))
    assert set(heard) == {b"READY=1\nSTATUS="}
    assert len(heard) < 2000, "what its queue did not take was dropped, not waited for"
    service.stopping()
    assert deaf.recv(1024).startswith(b"STOPPING=1"), "and who listens again hears again"
    deaf.close()
    service.alive()
    service.close()
    nobody = ServiceManager(str(tmp_path / "nobody"), 1, MonotonicClock())
    nobody.ready()
    nobody.close()
    assert not (tmp_path / "nobody").exists()
