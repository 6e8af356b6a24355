"""Faults of link, host, disk and clock really are what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from plc_sim.chaos.link_proxy import LinkProxy, LinkState
from plc_sim.chaos.making import LinkFaults, limit_disk, locked_registry
from plc_sim.chaos.stepped_clock import write_step
from plc_sim.runner_faults import RunnerFault
from sorter.host.registry import Registry

NOBODY = 1
HOUR_S = 3600.0


def fault(**values: object) -> RunnerFault:
    adapter: TypeAdapter[RunnerFault] = TypeAdapter(RunnerFault)
    return adapter.validate_python({"at_s": 0, "for_s": 1, **values})


async def test_the_worst_of_several_link_faults_counts() -> None:
    proxy = LinkProxy(NOBODY, np.random.default_rng(1))
    link = LinkFaults(proxy)
    half_open, cut = fault(kind="link_half_open"), fault(kind="link_cut")
    slow = fault(kind="link_latency", latency_ms=10)
    link.begin(half_open)
    assert proxy.state is LinkState.HALF_OPEN
    link.begin(cut)
    assert proxy.state is LinkState.CUT
    link.end(cut)
    assert proxy.state is LinkState.HALF_OPEN
    link.end(half_open)
    assert proxy.state is LinkState.PASSING
    link.begin(slow)
    link.begin(slow)
    assert proxy.delay_s() == pytest.approx(0.02)
    link.end(slow)
    link.end(slow)
    assert proxy.delay_s() == 0


WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            file.write(bytes(100_000))
            print(file.write(b"x"), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def test_a_full_disk_refuses_a_running_process_and_takes_again(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None

        def write() -> str:
            child.stdin.write("\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        assert write() == "1"
        limit_disk(child.pid, full=True)
        assert write() == "OSError"
        limit_disk(child.pid, full=False)
        assert write() == "1"
        child.stdin.close()


def test_nobody_looks_up_in_a_locked_registry(tmp_path: Path) -> None:
    path = tmp_path / "returns.sqlite"
    Registry.create(path).close()
    look_up = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print('looks', flush=True);"
        "print(c.execute('SELECT count(*) FROM returns').fetchone()[0])"
    )
    arguments = [sys.executable, "-c", look_up, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        with locked_registry(path):
            assert reader.stdout.readline() == "looks\n"
            with pytest.raises(subprocess.TimeoutExpired):
                reader.wait(0.5)
        # Free again, and whoever waited gets an answer.
        assert reader.stdout.read() == "0\n"


CLOCKS = """
import datetime, json, sys, time
from plc_sim.chaos.stepped_clock import install
from pathlib import Path
before_s, monotonic = time.time(), time.monotonic()
install(Path(sys.argv[1]))
from datetime import UTC, datetime as by_name
print(json.dumps({
    "time": time.time() - before_s,
    "time_ns": time.time_ns() / 1e9 - before_s,
    "now": datetime.datetime.now(UTC).timestamp() - before_s,
    "by_name": by_name.now().timestamp() - before_s,
    "utcnow": by_name.utcnow().replace(tzinfo=UTC).timestamp() - before_s,
    "steady": time.monotonic() - monotonic,
    "real": isinstance(datetime.datetime.fromisoformat("2026-01-01"), by_name),
}))
"""


def test_the_wall_clock_steps_and_the_monotonic_one_does_not(tmp_path: Path) -> None:
    step_file = tmp_path / "step"
    write_step(step_file, 0.0)
    write_step(step_file, -HOUR_S)
    done = subprocess.run(
        [sys.executable, "-c", CLOCKS, str(step_file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said.pop("real") is True
    assert said.pop("steady") < 100
    for name, seconds in said.items():
        assert -HOUR_S <= seconds < -HOUR_S + 100, name
