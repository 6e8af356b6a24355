"""The rig against wall time, served to controllers in other processes.

Simulated time runs `speed` times as fast as wall time; ticks and encoder with it. The controller
does not know. PLC scans lie on the rig's grid of simulated time; when this process was late for
some, they are made up for in order and counted.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from plc_sim.continuation import read_continuation
from plc_sim.feed import FeedParcel
from plc_sim.log_ins import LogIns
from plc_sim.modbus_server import ModbusMailboxServer
from plc_sim.rig import Rig
from plc_sim.scenario import ScenarioFile
from plc_sim.truth_log import TruthLog
from plc_sim.words import get_u32
from sorter.config.models import LineFile
from sorter.model.frames import Words
from sorter.model.mailbox import (
    COMMAND_EPOCH,
    COMMAND_HEARTBEAT,
    STATUS_BOOT_ID,
    STATUS_CONTROLLER_EPOCH,
    STATUS_ENCODER,
    STATUS_EVENT_ACK,
    STATUS_HEARTBEAT,
    STATUS_LINE_STATE,
)
from sorter.security.layout import member_of

if TYPE_CHECKING:
    from plc_sim.opcua_server import OpcUaMailboxServer

Report = Callable[[str, dict[str, Any]], None]
"""Takes the name of an event and what belongs to it."""

_SHORTEST_TICK_S: Final = 0.001
_PROGRESS_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve a rig.

    Attributes
    ----------
    host : str
    modbus_port, opcua_port : int or None
        0 takes a free port; None does not serve that protocol.
    speed : float
        Simulated seconds a second.
    fc23 : bool
        Offer FC23 on Modbus.
    auto_start : bool
        Let parcels come at once; otherwise when a controller is connected.
    truth_path : Path or None
        Where the truth ledger is written as things happen; one that is there already is gone on
        with, see :mod:`plc_sim.continuation`.
    certs : Path or None
        Folder that ``sorter certs init`` made: encrypted links and log-in. None serves plain text
        to anybody.
    """

    host: str = "127.0.0.1"
    modbus_port: int | None = None
    opcua_port: int | None = None
    speed: float = 1.0
    fc23: bool = True
    auto_start: bool = False
    truth_path: Path | None = None
    certs: Path | None = None


class ServedRig:
    """One simulated line in wall time with its protocol servers.

    Parameters
    ----------
    scenario : ScenarioFile
    line_file : LineFile
    feed : sequence of FeedParcel
    seed : int
    options : ServeOptions
    report : callable
        Gets ``listening``, ``controller_connected``, ``refused``, ``progress``, ``drained`` and
        ``stopped``.

    Attributes
    ----------
    late_scans : int
        PLC scans that ran more than one scan period after they were due.
    """

    def __init__(
        self,
        scenario: ScenarioFile,
        line_file: LineFile,
        feed: Sequence[FeedParcel],
        *,
        seed: int,
        options: ServeOptions,
        report: Report,
    ) -> None:
        earlier = read_continuation(options.truth_path)
        scenario, feed = earlier.rest_of_scenario(scenario), earlier.rest_of_feed(feed)
        plc = scenario.plc.model_copy(update={"boot_id": new_boot_id()})
        self.rig = Rig(scenario.model_copy(update={"plc": plc}), line_file, feed, seed)
        self._truth_log: TruthLog | None = None
        if options.truth_path is not None:
            truth_log = TruthLog(options.truth_path, self.rig.truth, earlier.elapsed_s)
            truth_log.go_on(earlier.on_belt, earlier.lately_ended)
            self._truth_log = truth_log
        self.late_scans = 0
        self._options = options
        self._report = report
        self._stopping = asyncio.Event()
        self._scans_done = 0
        self._started = False
        self._drained = False
        self._low_first = int(self.rig.image.low_word_first)
        self._epoch = 0
        self._candidate = (0, 0)
        self._news = b""
        self._log_ins = LogIns(lambda refusal: report("refused", refusal))
        on_command = self._on_command
        self._modbus: ModbusMailboxServer | None = None
        self._opcua: OpcUaMailboxServer | None = None
        if options.modbus_port is not None:
            self._modbus = ModbusMailboxServer(
                self.rig.image,
                line_file.io.modbus,
                options.host,
                options.modbus_port,
                fc23=options.fc23,
                on_command=on_command,
                certificates=None if options.certs is None else member_of(options.certs, "plc"),
                log_ins=self._log_ins,
            )
        if options.opcua_port is not None:
            # asyncua takes most of a second to load; who speaks Modbus need not wait for it.
            from plc_sim.opcua_access import OpcUaAccess  # noqa: PLC0415
            from plc_sim.opcua_server import OpcUaMailboxServer  # noqa: PLC0415

            self._opcua = OpcUaMailboxServer(
                self.rig.image,
                line_file.io.opcua.tags,
                options.host,
                options.opcua_port,
                on_command=on_command,
                access=None if options.certs is None else OpcUaAccess.load(options.certs),
                utc_now=_utc_now,
                log_ins=self._log_ins,
            )

    def stop(self) -> None:
        """Let :meth:`run` come to its end."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until :meth:`stop`, SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            ports = await self._listen()
            # What exists now lives as long as the process: never look at it again. A full
            # collection in an asyncua server is a pause of 160 ms and more.
            gc.collect()
            gc.freeze()
            self._report("listening", ports)
            if self._options.auto_start:
                self._start_arrivals()
            await self._run_scans(loop)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            await self._close()
            if self._truth_log is not None:
                self._truth_log.close()
        self._report("stopped", self._counts() | {"drained": self._drained})

    async def _listen(self) -> dict[str, Any]:
        """Start the servers; return what ``listening`` reports."""
        ports: dict[str, Any] = {}
        if self._modbus is not None:
            await self._modbus.start()
            ports["modbus_port"] = self._modbus.port
        if self._opcua is not None:
            await self._opcua.start()
            ports["opcua_port"] = self._opcua.port
        return ports | {"host": self._options.host, "pid": os.getpid()}

    async def _close(self) -> None:
        if self._modbus is not None:
            await self._modbus.stop()
        if self._opcua is not None:
            await self._opcua.stop()

    async def _run_scans(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the scans that are due, tick by tick, until told to stop."""
        scan_s = self.rig.scan_ns / 1e9 / self._options.speed
        scans_a_tick = max(1, math.ceil(_SHORTEST_TICK_S / scan_s))
        start_s = loop.time() - self._scans_done * scan_s
        next_progress_s = loop.time() + _PROGRESS_S
        while not self._stopping.is_set():
            now_s = loop.time()
            due = int((now_s - start_s) / scan_s)
            if due > self._scans_done:
                self.late_scans += max(0, due - self._scans_done - scans_a_tick)
                self._scans_done = due
                self.rig.advance(due * self.rig.scan_ns)
                if self._truth_log is not None:
                    self._truth_log.update()
                await self._after_scans()
            if now_s >= next_progress_s:
                next_progress_s += _PROGRESS_S
                self._report("progress", self._counts())
            wake_s = start_s + (self._scans_done + scans_a_tick) * scan_s
            await self._pause(wake_s - loop.time())

    async def _pause(self, seconds: float) -> None:
        """Let the servers work until the next tick, or until told to stop."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _after_scans(self) -> None:
        if self._opcua is not None:
            self._opcua.scanned()
            news = _news_of(self.rig.image.status)
            if news != self._news:
                self._news = news
                await self._opcua.publish()
        if self._started and not self._drained and self.rig.finished:
            self._drained = True
            self._report("progress", self._counts())
            self._report("drained", self._counts())

    def _on_command(self) -> None:
        """Take note of a write into the command block, and of who writes."""
        self.rig.command_written()
        command = self.rig.image.command
        epoch = int(get_u32(command, COMMAND_EPOCH, self._low_first))
        heartbeat = int(command[COMMAND_HEARTBEAT])
        if epoch in (0, self._epoch):
            return
        if self._candidate[0] != epoch:
            self._candidate = (epoch, heartbeat)
        elif self._candidate[1] != heartbeat:
            self._epoch = epoch
            self._report("controller_connected", {"epoch": epoch})
            if not self._started:
                self._start_arrivals()

    def _start_arrivals(self) -> None:
        self._started = True
        self.rig.start_arrivals()

    def _counts(self) -> dict[str, Any]:
        rig = self.rig
        return {
            "released": rig.released,
            "on_line": rig.parcels_on_line,
            "ended": rig.ended,
            "waiting": rig.parcels_waiting,
            "simulated_s": round(rig.now_ns / 1e9, 3),
            "scans": self._scans_done,
            "late_scans": self.late_scans,
            "refused_log_ins": self._log_ins.refused,
        }


def _utc_now() -> datetime:
    """Return the time of day: a served rig lives in it, as a PLC does."""
    return datetime.now(UTC)  # noqa: TID251


def new_boot_id() -> int:
    """Return a number for this PLC start, 1 to 2^32 - 1, that the last one did not have."""
    return int.from_bytes(os.urandom(4), "big") % 0xFFFFFFFF + 1


def _news_of(status: Words) -> bytes:
    """Return the part of the status header in which a change is worth waking somebody for.

    Heartbeat, encoder and tick change with every scan; new events show in the event head.
    """
    return (
        status[STATUS_BOOT_ID:STATUS_HEARTBEAT].tobytes()
        + status[STATUS_LINE_STATE:STATUS_ENCODER].tobytes()
        + status[STATUS_EVENT_ACK : STATUS_CONTROLLER_EPOCH + 2].tobytes()
    )
