"""A control loop that hangs is silent, whatever the other threads of its process do."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from commands import ROOT

CHILD = Path(__file__).with_name("hung_loop.py")
START_S = 200
STOP_S = 60
WATCHDOG_S = 0.6
FED = "WATCHDOG=1"
WITNESS = "STATUS=witness"


def messages(heard: socket.socket, child: subprocess.Popen[bytes]) -> Iterator[list[str]]:
    """Yield the lines of each message, for as long as the child lives."""
    heard.settimeout(1.0)
    silent_s = 0
    while child.poll() is None and silent_s < START_S:
        try:
            yield heard.recv(4096).decode().split("\n")
            silent_s = 0
        except TimeoutError:
            silent_s += 1
    raise AssertionError("the controller ended or fell silent for good")


def test_a_loop_that_hangs_is_silent_while_other_threads_run(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        "PYTHONPATH": str(ROOT),
    }
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
        (tmp_path / "child.log").open("wb") as log,
    ):
        heard.bind(address)
        with subprocess.Popen(
            [sys.executable, str(CHILD), str(tmp_path)], env=environment, stdout=log, stderr=log
        ) as child:
            try:
                said = messages(heard, child)
                before = list(itertools.takewhile(lambda lines: lines != ["LOOP=hangs"], said))
                meanwhile = list(itertools.takewhile(lambda lines: lines != ["LOOP=goes on"], said))
                next(lines for lines in said if FED in lines)  # fed again, as soon as it goes on
                child.terminate()
                code = child.wait(STOP_S)
            finally:
                child.kill()
    assert code == 0, (tmp_path / "child.log").read_text()
    assert sum("READY=1" in lines for lines in before) == 1
    assert sum(FED in lines for lines in before) > 3, "an idle belt, and it is fed all the same"
    by_witness = [lines for lines in meanwhile if WITNESS in lines]
    assert len(by_witness) > 3, "another thread ran, and was heard"
    assert [lines for lines in meanwhile if lines not in by_witness] == []
