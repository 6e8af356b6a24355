"""The one hot task: exchange, decide, journal, and again. The same for every kind of run.

Nothing here knows whether the line is real. Clock, field bus, host and journal are given, and
with them whether time is the machine's or a simulator's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
import structlog

from sorter.errors import LinkError
from sorter.model.columns import COMMAND_WIDTH, SCAN_WIDTH
from sorter.model.frames import Decisions, Frame, Inputs, Rows, no_rows
from sorter.ports import Clock, FieldBus, HostLink, Journal
from sorter.runtime.alarm_log import AlarmLog
from sorter.runtime.catch_up import CatchUp
from sorter.runtime.encoder_watch import EncoderWatch
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metrics import LineMetrics, LineView
from sorter.runtime.supervisor import LinkSupervisor

NO_COMMANDS: Final = no_rows(COMMAND_WIDTH)
NO_SCANS: Final = no_rows(SCAN_WIDTH)
STEPS_BETWEEN_YIELDS: Final = 256
METRICS_PERIOD_NS: Final = 200_000_000
SNAPSHOT_STEPS: Final = 512
"""Journaled steps between two snapshots: a restart decides at most so many again."""


StateT = TypeVar("StateT", bound=LineView)


@dataclass(frozen=True, slots=True)
class LoopTiming:
    """How often the loop looks.

    Attributes
    ----------
    period_ns : int
        Longest wait between two exchanges when nothing happens.
    startup_s : float
        Time for the first connection.
    """

    period_ns: int = 5_000_000
    startup_s: float = 10.0


class ScanLoop(Generic[StateT]):
    """Control loop of one line.

    Parameters
    ----------
    client : MailboxClient
    bus : FieldBus
        The same that `client` and `supervisor` use.
    supervisor : LinkSupervisor
    clock : Clock
    host : HostLink
    journal : Journal
    state : StateT
        Passed to `decide`; only `decide` writes it.
    decide : callable
        ``decide(state, inputs, now_ns)``; without events and scans it must either yield
        something or leave nothing behind that a later step depends on.
    metrics : LineMetrics
    timing : LoopTiming
    stopwatch : callable
        Wall time in ns for measuring how long decisions take; never an input to them.
    catch_up : CatchUp, optional
        Parts what a restarted controller finds in the rings; None has nothing to catch up with.
    on_ready : callable, optional
        Called once, when the PLC's heartbeat is first seen to move.
    alive : callable, optional
        Called a few times a second from the loop itself, and between attempts to reconnect: a
        link that is down is no loop that hangs.
    """

    def __init__(
        self,
        *,
        client: MailboxClient,
        bus: FieldBus,
        supervisor: LinkSupervisor,
        clock: Clock,
        host: HostLink,
        journal: Journal,
        state: StateT,
        decide: Callable[[StateT, Inputs, int], Decisions],
        metrics: LineMetrics,
        timing: LoopTiming | None = None,
        stopwatch: Callable[[], int] = time.perf_counter_ns,
        catch_up: CatchUp | None = None,
        on_ready: Callable[[], None] | None = None,
        alive: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._bus = bus
        self._supervisor = supervisor
        self._clock = clock
        self._host = host
        self._journal = journal
        self._state = state
        self._decide = decide
        self._metrics = metrics
        self._timing = timing or LoopTiming()
        self._stopwatch = stopwatch
        self._boot_id = 0
        self._line_state = -1
        self._metrics_due_ns = 0
        self._commands = NO_COMMANDS
        self._stale = False
        self._tick_100us = 0
        self._looked_at = (0, 0, 0, 0)
        self._until_snapshot = SNAPSHOT_STEPS
        self._catch_up = catch_up
        self._on_ready = on_ready
        self._alive = alive
        self._encoder_watch = EncoderWatch(metrics.layout)
        self._alarms = AlarmLog(metrics, host)
        self._log = structlog.get_logger("sorter.loop")

    async def run(self, finished: Callable[[], bool]) -> None:
        """Run until `finished` says so, then deliver, commit and close.

        Connects first unless the supervisor already is. `finished` is asked once per step and
        while connecting, also for the first time: nothing has been decided then.

        Raises
        ------
        LinkError
            When the first connection fails. Later failures are mended, not raised.
        JournalError
            When the journal cannot keep a step: without a record the line must not go on.
        """
        try:
            supervisor = self._supervisor
            if not supervisor.connected and not await supervisor.connect(
                self._timing.startup_s, finished
            ):
                self._log.info("stopped_while_connecting", link=supervisor.name)
                return
            self._client.link_restored()
            while not finished():
                try:
                    await self._steps(finished)
                except LinkError as error:
                    if not await self._mend(error, finished):
                        break
            await self._deliver()
            # Not after an error: the state may then be ahead of what the journal has taken. Nor
            # without a step: the journal has the state already, with a time that is known.
            if self._boot_id:
                self._journal.snapshot(self._tick_100us, self._state.to_bytes())
        finally:
            self._metrics.ready = False
            self._metrics.flush()
            try:
                self._journal.close()
            finally:
                await self._bus.close()

    async def _mend(self, error: LinkError, finished: Callable[[], bool]) -> bool:
        """Reconnect after a link error; return False when told to finish meanwhile."""
        self._metrics.ready = False
        self._metrics.flush()
        self._log.warning("link_down", link=error.link, problem=error.problem)

        def give_up() -> bool:
            if self._alive is not None:
                self._alive()
            return finished()

        if not await self._supervisor.reconnect(error, give_up):
            return False
        # The command window has kept what was on its way, and the rings are read again.
        self._client.link_restored()
        self._log.info("link_connected", link=self._supervisor.name)
        return True

    async def _steps(self, finished: Callable[[], bool]) -> None:
        """Run steps until finished or the link breaks."""
        client, bus, clock, journal = self._client, self._bus, self._clock, self._journal
        stopwatch, metrics, supervisor = self._stopwatch, self._metrics, self._supervisor
        period_ns = self._timing.period_ns
        until_yield = STEPS_BETWEEN_YIELDS
        now_ns = clock.now_ns()
        while not finished():
            commands = self._commands
            if not len(commands) and not client.urgent:
                await bus.wait(now_ns + period_ns)
            began_ns = stopwatch()
            self._commands = NO_COMMANDS  # the client keeps them even when the exchange fails
            frame = await client.exchange(journal.acknowledged(), commands)
            answered_ns = stopwatch()
            now_ns = clock.now_ns()
            fresh = supervisor.note_heartbeat(client.heartbeat, now_ns)
            if fresh or len(frame.events) or frame.scans:
                self._commands = self._step(frame, now_ns, answered_ns)
            else:
                # Records are never stale, each has its own count and time. But what a frozen PLC
                # says of the belt is: nothing is decided on it, and the state stays as it is.
                metrics.stale_frames += 1
                supervisor.raise_when_frozen(now_ns)
            metrics.loops += 1
            ended_ns = stopwatch()
            if ended_ns - began_ns > period_ns:
                metrics.overruns += 1
            if ended_ns >= self._metrics_due_ns or metrics.ready is not supervisor.up:
                self._metrics_due_ns = ended_ns + METRICS_PERIOD_NS
                self._update_metrics(frame)
            until_yield -= 1
            if not until_yield:
                # A bus without sockets never suspends; signals must get through all the same.
                until_yield = STEPS_BETWEEN_YIELDS
                await asyncio.sleep(0)

    def _update_metrics(self, frame: Frame) -> None:
        metrics = self._metrics
        if self._alive is not None:
            self._alive()
        metrics.flush()
        metrics.tasks = len(asyncio.all_tasks())
        self._log_freshness()
        metrics.ready = self._supervisor.up
        lag = self._client.delivered_event_seq - self._journal.acknowledged().event_seq
        metrics.note_line(self._state, frame, lag)
        self._alarms.look()
        if metrics.ready and self._on_ready is not None:
            on_ready, self._on_ready = self._on_ready, None
            on_ready()

    def _log_freshness(self) -> None:
        """Log once that the PLC's answers have become stale, and once that they are fresh again."""
        link = self._supervisor
        if self._metrics.ready and not link.up:
            self._stale = True
            self._log.warning("link_stale", link=link.name, problem=link.last_problem)
        elif self._stale and link.up:
            self._stale = False
            self._log.info("link_fresh", link=link.name)

    def _step(self, frame: Frame, now_ns: int, answered_ns: int) -> Rows:
        """Decide on one frame, or on the looks that it stands for; return the commands."""
        looked_at = (frame.boot_id, frame.line_state, frame.tick_100us, frame.encoder_count)
        if looked_at == self._looked_at and not frame.scans and not len(frame.events):
            return NO_COMMANDS  # the same PLC scan once more, on the way of a command
        self._looked_at = looked_at
        # Before a frame is parted: only the whole of it has a count and a tick of one moment.
        frame.events = self._encoder_watch.events(frame)
        catch_up = self._catch_up
        if catch_up is None:
            return self._decide_on(frame, now_ns, answered_ns)
        if not self._client.behind:
            self._catch_up = None
        parts = catch_up.parts(frame)
        return np.concatenate([self._decide_on(part, now_ns, answered_ns) for part in parts])

    def _decide_on(self, frame: Frame, now_ns: int, answered_ns: int) -> Rows:
        """Decide on what one look found and journal it; return the commands.

        A look without news that led to nothing is not journaled: ``decide`` promises that such
        a step changes nothing a later one depends on. Idle belts would fill the disk otherwise.
        """
        events, scans = frame.events, frame.scans
        if frame.boot_id != self._boot_id:
            self._host.forget_unknown()
        elif late := self._host.late_reads():
            scans = (*late, *scans)
        inputs = Inputs(
            frame.boot_id,
            frame.line_state,
            frame.encoder_count,
            events,
            self._host.resolve(scans) if scans else NO_SCANS,
        )
        decided = self._decide(self._state, inputs, now_ns)
        outcomes = decided.outcomes
        if len(events) or scans:
            self._metrics.latencies_ns.append(self._stopwatch() - answered_ns)
        elif not (
            len(outcomes)
            or len(decided.commands)
            or len(decided.decisions)
            or frame.boot_id != self._boot_id
            or frame.line_state != self._line_state
        ):
            return NO_COMMANDS
        self._journal.append(now_ns, inputs, scans, decided)
        self._tick_100us = frame.tick_100us
        self._until_snapshot -= 1
        if not self._until_snapshot:
            self._until_snapshot = SNAPSHOT_STEPS
            self._journal.snapshot(frame.tick_100us, self._state.to_bytes())
        if len(outcomes):
            self._metrics.note_outcomes(outcomes)
        self._boot_id = frame.boot_id
        self._line_state = frame.line_state
        return decided.commands

    async def _deliver(self) -> None:
        """Hand the last commands to the PLC: they still fire when the controller is gone."""
        if not self._supervisor.connected or not (len(self._commands) or self._client.urgent):
            return
        try:
            await self._client.exchange(self._journal.acknowledged(), self._commands)
        except LinkError as error:
            self._log.warning("last_commands_not_sent", link=error.link, problem=error.problem)
