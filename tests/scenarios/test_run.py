"""``sorter run`` as a service manager sees it: ready line, signals, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from commands import LINE, ROOT, SCENARIO, sorter
from typer.testing import CliRunner

from sorter.cli import build
from sorter.errors import SorterError
from sorter.host.registry import Registry
from sorter.rehearsal.processes import ChildFailed, JsonLineProcess

START_S = 200.0
STOP_S = 20.0


@pytest_asyncio.fixture
async def modbus_port(tmp_path: Path) -> AsyncIterator[int]:
    """An idle simulated PLC."""
    simulator = JsonLineProcess(
        "plc_sim",
        [
            *(sys.executable, "-m", "plc_sim", "--config", str(SCENARIO)),
            *("--modbus-port", "0"),
        ],
        tmp_path / "plc_sim.log",
    )
    await simulator.start()
    try:
        listening = await simulator.wait_for("listening", START_S)
        yield int(listening["modbus_port"])
    finally:
        assert await simulator.stop(STOP_S) == 0, simulator.stderr_tail()


def controller(tmp_path: Path, port: int) -> JsonLineProcess:
    return JsonLineProcess(
        "sorter run",
        [
            *(sys.executable, "-m", "sorter", "run", "--config", str(LINE)),
            *("--peer", f"127.0.0.1:{port}", "--metrics-port", "0"),
            *("--journal", str(tmp_path / "journal.sqlite")),
            *("--registry", str(tmp_path / "returns.sqlite")),
            *("--summary", str(tmp_path / "summary.json")),
        ],
        tmp_path / "sorter.log",
    )


async def scrape(port: int) -> str:
    def fetch() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            body: bytes = answer.read()
        return body.decode()

    return await asyncio.wait_for(asyncio.to_thread(fetch), 10)


async def until_scraped(port: int, line: str) -> None:
    """Scrape until a line is among the metrics; fail at the deadline."""
    async with asyncio.timeout(STOP_S):
        while f"{line}\n" not in await scrape(port):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly(
    number: signal.Signals, modbus_port: int, tmp_path: Path
) -> None:
    process = controller(tmp_path, modbus_port)
    await process.start()
    try:
        ready = await process.wait_for("ready", START_S)
        text = await scrape(ready["metrics_port"])
        assert "sorter_ready 1.0" in text
        assert 'sorter_link_up{link="modbus tcp' in text
        os.kill(process.pid, number)
        await process.wait_for("stopped", STOP_S)
    finally:
        code = await process.stop(STOP_S)
    assert code == 0, process.stderr_tail()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["parcels"] == 0
    assert summary["journal_sha256"]


@pytest.mark.parametrize(
    ("number", "hangs_up"),
    [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)],
)
async def test_a_signal_stops_it_while_no_plc_answers(
    number: signal.Signals, hangs_up: bool, tmp_path: Path
) -> None:
    """The peer accepts connections and says nothing, or hangs up each time."""
    called = asyncio.Event()
    open_ends: list[asyncio.StreamWriter] = []

    def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if hangs_up:
            writer.close()
        else:
            open_ends.append(writer)
        called.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    process = controller(tmp_path, server.sockets[0].getsockname()[1])
    await process.start()
    try:
        await asyncio.wait_for(called.wait(), START_S)
        os.kill(process.pid, number)
        await process.wait_for("stopped", STOP_S)
    finally:
        code = await process.stop(STOP_S)
        server.close()
        for writer in open_ends:
            writer.close()
    assert code == 0, process.stderr_tail()
    assert "stopped_while_connecting" in process.stderr_tail()
    assert "Traceback" not in process.stderr_tail()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["parcels"], summary["decisions"]) == (0, 0)
    assert summary["journal_sha256"]


@pytest.mark.parametrize("why", ["being written", "damaged"])
async def test_a_registry_that_cannot_be_used_keeps_no_line_from_starting(
    why: str, modbus_port: int, tmp_path: Path
) -> None:
    registry = tmp_path / "returns.sqlite"
    Registry.create(registry).close()
    if why == "damaged":
        registry.write_bytes(bytes(1000) + registry.read_bytes()[1000:])
    process = controller(tmp_path, modbus_port)
    with closing(sqlite3.connect(registry, isolation_level=None)) as other:
        if why == "being written":
            other.execute("BEGIN IMMEDIATE")
        await process.start()
        try:
            ready = await process.wait_for("ready", START_S)
            reachable = float(why == "being written")  # others may read meanwhile
            await until_scraped(ready["metrics_port"], f"sorter_host_up {reachable}")
        finally:
            code = await process.stop(STOP_S)
    assert code == 0, process.stderr_tail()


async def test_a_second_start_continues_the_same_journal(modbus_port: int, tmp_path: Path) -> None:
    for _ in range(2):
        process = controller(tmp_path, modbus_port)
        await process.start()
        try:
            await process.wait_for("ready", START_S)
        finally:
            assert await process.stop(STOP_S) == 0, process.stderr_tail()
    replayed = await asyncio.to_thread(sorter, "replay", str(tmp_path / "journal.sqlite"))
    assert replayed.returncode == 0, replayed.stdout


async def test_a_second_controller_at_the_same_plc_does_not_start(
    modbus_port: int, tmp_path: Path
) -> None:
    """Until the first one is dead: what that has left in the command block holds nobody up."""
    first, second = controller(tmp_path, modbus_port), controller(tmp_path / "two", modbus_port)
    await first.start()
    try:
        await first.wait_for("ready", START_S)
        await second.start()
        words = rf"exit code 3.*\n.*127\.0\.0\.1:{modbus_port}: another controller"
        with pytest.raises(ChildFailed, match=f"(?s){words}"):
            await second.wait_for("ready", START_S)
        assert await second.stop(STOP_S) == 3
        assert "Traceback" not in second.stderr_tail()
    finally:
        await first.kill()
    second = controller(tmp_path / "two", modbus_port)
    await second.start()
    try:
        await second.wait_for("ready", START_S)
    finally:
        assert await second.stop(STOP_S) == 0, second.stderr_tail()


async def test_a_child_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = "import sys; sys.stderr.write('no coffee\\n'); sys.exit(3)"
    child = JsonLineProcess("child", [sys.executable, "-c", program], tmp_path / "child.log")
    await child.start()
    with pytest.raises(ChildFailed, match=r"exit code 3.*\n.*no coffee"):
        await child.wait_for("ready", 30)
    assert await child.stop(5) == 3


def test_no_plc_is_one_message_and_exit_code_two(tmp_path: Path) -> None:
    done = sorter(
        *("run", "--config", str(LINE), "--peer", "127.0.0.1:9", "--metrics-port", "0"),
        *("--journal", str(tmp_path / "j.sqlite"), "--registry", str(tmp_path / "r.sqlite")),
    )
    assert done.returncode == 2
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "j.sqlite.reserve").exists()


@pytest.mark.parametrize("peer", ["nonsense", "host:", ":502", "host:99999"])
def test_a_peer_that_is_none_is_said_at_once(peer: str, tmp_path: Path) -> None:
    done = sorter(
        *("run", "--config", str(LINE), "--peer", peer, "--metrics-port", "0"),
        *("--journal", str(tmp_path / "j.sqlite"), "--registry", str(tmp_path / "r.sqlite")),
    )
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr


@pytest.mark.parametrize("option", ["--journal", "--registry", "--summary"])
def test_no_folder_is_made_of_a_mistyped_name(option: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(build("run"), ["run", option, str(tmp_path / "a" / "b.sqlite")])
    assert isinstance(result.exception, SorterError)
    assert f"there is no folder {tmp_path / 'a'}" in str(result.exception)
    assert option in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_line_file_with_a_problem_says_where_and_what_would_be_right(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(
        (ROOT / "config" / "line.yaml").read_text().replace("max_laps: 3", "max_lap: 3")
    )
    done = sorter("run", "--config", str(path))
    assert done.returncode == 2
    assert "line.yaml:16" in done.stderr
    assert "max_laps" in done.stderr
