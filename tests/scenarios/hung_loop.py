"""Runs in a child process: the live controller, whose loop hangs while its threads go on.

Argument: a folder for journal and registry. The notification socket is in the environment, as a
service manager sets it. On it, besides what the controller says: ``LOOP=hangs``, what the witness
says while the loop hangs, and ``LOOP=goes on``.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from commands import LINE
from plc_bench import Bench

from sorter.app import live
from sorter.app.field_bus import LinkOptions
from sorter.config.load import load_line
from sorter.model.frames import Words
from sorter.ports import Clock
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.service_manager import ServiceManager

HANGS_AT_EXCHANGE = 300
WITNESS_CALLS = 60
BETWEEN_CALLS_S = 0.05


class Witness:
    """Does what must not be done: it feeds the watchdog from a thread of its own.

    It does so only while the loop hangs and in its own name. That it is heard shows that other
    threads run, and that whoever listens would hear such a thread of the controller, too.
    """

    def __init__(self) -> None:
        address = os.environ["NOTIFY_SOCKET"]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._manager = ServiceManager(address, int(os.environ["WATCHDOG_USEC"]), MonotonicClock())
        self._manager.status_from(lambda: "witness")

    def hang(self) -> None:
        """Hold up whoever calls until a thread has called for long enough."""
        self._socket.send(b"LOOP=hangs")
        called = threading.Event()
        threading.Thread(target=self._call, args=(called,), name="witness").start()
        called.wait()
        self._socket.send(b"LOOP=goes on")

    def _call(self, called: threading.Event) -> None:
        pause = threading.Event()
        for _ in range(WITNESS_CALLS):
            self._manager.alive()
            pause.wait(BETWEEN_CALLS_S)
        called.set()

    def close(self) -> None:
        self._manager.close()
        self._socket.close()


class HangingBus(Bench):
    """A PLC on an idle belt, and a call to it that blocks its whole thread once."""

    def __init__(self, clock: Clock, witness: Witness) -> None:
        super().__init__()
        self._clock = clock
        self._witness = witness

    async def exchange(self, command_block: Words) -> Words:
        if self.exchanges == HANGS_AT_EXCHANGE:
            self._witness.hang()
        return await super().exchange(command_block)

    async def wait(self, until_ns: int) -> None:
        await asyncio.sleep(max(0, until_ns - self._clock.now_ns()) / 1e9)
        await super().wait(until_ns)


def main(folder: Path) -> None:
    witness = Witness()
    live.field_bus = lambda _io, clock: HangingBus(clock, witness)
    options = live.LiveOptions(
        LinkOptions("modbus", "127.0.0.1:1"),
        registry=folder / "returns.sqlite",
        journal=folder / "journal.sqlite",
        metrics_port=0,
    )
    summary = live.run_live(load_line(LINE), options, lambda _event: None)
    witness.close()
    sys.stdout.write(json.dumps(summary))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
