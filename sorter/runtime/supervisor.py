"""Keeps a link to a PLC up: connects, backs off, notices a frozen peer, says what failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from sorter.errors import LinkContested, LinkError, LinkLost, LinkTimeout
from sorter.ports import Clock, FieldBus
from sorter.runtime.clock import Pause
from sorter.runtime.contest import Contest

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
BETWEEN_QUESTIONS_S = 0.05
"""How often an attempt that is under way is interrupted by the question whether to give up."""


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """How patient the supervisor is.

    Attributes
    ----------
    first_delay_s, longest_delay_s : float
        Pause after the first failed attempt, doubled after each further one up to the longest:
        with the deadline of an attempt that was under way, it is what a link that is back waits.
    jitter : float
        Part of the pause that is random, so that several controllers do not knock in step.
    connect_deadline_s : float
        For one attempt, whatever the bus itself does.
    stale_after_ms : float
        Behind a heartbeat that rests for longer nothing is decided on what the PLC answers.
    frozen_after_ms : float
        A PLC whose heartbeat rests for longer is as good as gone.
    """

    first_delay_s: float = 0.05
    longest_delay_s: float = 0.2
    jitter: float = 0.25
    connect_deadline_s: float = 10.0
    stale_after_ms: float = 250.0
    frozen_after_ms: float = 1000.0


class LinkSupervisor:
    """Watches one field bus.

    A link counts as up when the PLC's heartbeat moves, not when the connection opens: the
    server of a PLC can accept connections while its program stands still.

    Parameters
    ----------
    bus : FieldBus
    clock : Clock
    generator : numpy Generator
        For the jitter.
    policy : LinkPolicy
    pause : callable
        Waits for so many seconds; ``asyncio.sleep`` unless a test brings its own.
    contest : Contest, optional
        Asked on each connection before anything is commanded; without it nobody else is there.

    Attributes
    ----------
    up : bool
        What the PLC answers is fresh: on this connection its heartbeat has moved, and lately.
    reconnects : int
        Connections opened after the first one.
    failures : int
        Attempts to connect that failed.
    last_problem : str
        Why the link went down last, or the last attempt failed.
    """

    def __init__(
        self,
        bus: FieldBus,
        clock: Clock,
        generator: np.random.Generator,
        policy: LinkPolicy | None = None,
        pause: Pause = asyncio.sleep,
        contest: Contest | None = None,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._generator = generator
        self._policy = policy or LinkPolicy()
        self._pause = pause
        self._contest = contest
        self._log = structlog.get_logger("sorter.link")
        self._stale_after_ns = int(self._policy.stale_after_ms * NS_PER_MS)
        self._frozen_after_ns = int(self._policy.frozen_after_ms * NS_PER_MS)
        self._connections = 0
        self._attempts_in_vain = 0
        self._heartbeat = -1
        self._moved_ns = 0
        self.up = False
        self.failures = 0
        self.last_problem = ""

    @property
    def name(self) -> str:
        """Link as a person would name it."""
        return self._bus.name

    @property
    def connected(self) -> bool:
        """Whether a connection was opened and not found broken since."""
        return self._connections > 0 and self._heartbeat != LINK_DOWN

    @property
    def reconnects(self) -> int:
        """Connections opened after the first one."""
        return max(0, self._connections - 1)

    @property
    def contested(self) -> bool:
        """Whether another controller commands the PLC, and this one must not."""
        return self._contest is not None and self._contest.contested

    @property
    def contests(self) -> int:
        """How often that has begun."""
        return 0 if self._contest is None else self._contest.times

    async def connect(self, within_s: float, give_up: Callable[[], bool] = bool) -> bool:
        """Open the link for the first time.

        Parameters
        ----------
        within_s : float
        give_up : callable
            Asked between the attempts, and while one is under way.

        Returns
        -------
        bool
            False when given up.

        Raises
        ------
        LinkContested
            At once, when another controller commands the PLC.
        LinkError
            When no attempt succeeded in the given time; lists every different problem met.
        """
        deadline_ns = self._clock.now_ns() + int(within_s * NS_PER_S)
        problems: dict[str, int] = {}
        while not give_up():
            problem = await self._attempt_unless(give_up)
            if problem is None:
                return True
            if give_up():
                return False
            if isinstance(problem, LinkContested):
                raise problem
            problems[problem.problem] = problems.get(problem.problem, 0) + 1
            delay_s = self._next_delay_s()
            if self._clock.now_ns() + delay_s * NS_PER_S > deadline_ns:
                listed = "; ".join(f"{text} ({count} x)" for text, count in problems.items())
                raise LinkLost(self.name, f"not connected within {within_s:g} s: {listed}")
            await self._pause(delay_s)
        return False

    async def reconnect(self, error: LinkError, give_up: Callable[[], bool]) -> bool:
        """Close a broken link and open it again, however long that takes.

        Parameters
        ----------
        error : LinkError
            How the link was found broken.
        give_up : callable
            Asked between the attempts, and while one is under way.

        Returns
        -------
        bool
            False when given up.
        """
        self.up = False
        self._heartbeat = LINK_DOWN
        self.last_problem = error.problem
        if self._contest is not None and isinstance(error, LinkContested):
            self._contest.begin(error)
        await self._close()
        # The first attempt waits as well: a peer that accepts and then fails at once would
        # otherwise be hammered as fast as the machine can.
        while not give_up():
            await self._pause(self._next_delay_s())
            if give_up():
                return False
            problem = await self._attempt_unless(give_up)
            if problem is None:
                return True
            if not isinstance(problem, LinkContested) and not give_up():
                self._log.warning("link_not_connected", link=problem.link, problem=problem.problem)
        return False

    def note_heartbeat(self, heartbeat: int, now_ns: int) -> bool:
        """Take note of the PLC's heartbeat after each exchange.

        Returns
        -------
        bool
            Whether the answer is fresh. A stale one describes a belt that has moved on since.
        """
        if heartbeat != self._heartbeat:
            if self._heartbeat >= 0:
                self.up = True
                self._attempts_in_vain = 0
            self._heartbeat = heartbeat
            self._moved_ns = now_ns
        elif self.up and now_ns - self._moved_ns > self._stale_after_ns:
            self.up = False
            self.last_problem = "the PLC answers, but its heartbeat stands still"
        return self.up

    def raise_when_frozen(self, now_ns: int) -> None:
        """Raise :class:`LinkTimeout` when the heartbeat has been standing still for too long."""
        if now_ns - self._moved_ns > self._frozen_after_ns:
            raise LinkTimeout(
                self.name,
                f"the PLC answers, but its heartbeat has not moved for "
                f"{(now_ns - self._moved_ns) / NS_PER_MS:.0f} ms; is its program running?",
            )

    async def _close(self) -> None:
        """Close the link, however long the bus would take by itself."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._policy.connect_deadline_s):
                await self._bus.close()

    async def _attempt_unless(self, give_up: Callable[[], bool]) -> LinkError | None:
        """Try to connect once, but no longer than until told to give up; return what was wrong.

        A peer that does not answer holds an attempt for seconds: nobody should wait for it who
        wants the controller to stop.
        """
        attempt = asyncio.create_task(self._attempt(), name="attempt to connect")
        try:
            while not attempt.done():
                if give_up():
                    return LinkLost(self.name, "given up while connecting")
                await asyncio.wait([attempt], timeout=BETWEEN_QUESTIONS_S)
        finally:
            attempt.cancel()
            await asyncio.wait([attempt], timeout=self._policy.connect_deadline_s)
        return attempt.result()

    async def _attempt(self) -> LinkError | None:
        """Try to connect once; return what was wrong."""
        try:
            async with asyncio.timeout(self._policy.connect_deadline_s):
                await self._bus.connect()
                if self._contest is not None:
                    await self._contest.admit()
        except LinkError as error:
            problem: LinkError = error
        except TimeoutError:
            problem = LinkTimeout(
                self.name, f"no connection within {self._policy.connect_deadline_s:g} s"
            )
        else:
            self._connections += 1
            self._heartbeat = JUST_CONNECTED
            self._moved_ns = self._clock.now_ns()
            return None
        self.failures += 1
        self.last_problem = problem.problem
        return problem

    def _next_delay_s(self) -> float:
        """Return the pause before the next attempt; it doubles until the link proves itself."""
        policy = self._policy
        full = min(
            policy.first_delay_s * 2.0 ** min(self._attempts_in_vain, 30), policy.longest_delay_s
        )
        self._attempts_in_vain += 1
        return full * (1.0 - policy.jitter * float(self._generator.random()))


JUST_CONNECTED = -1
"""No heartbeat seen yet on this connection."""
LINK_DOWN = -2


async def connect_all(links: Sequence[LinkSupervisor], within_s: float) -> None:
    """Connect several links at the same time.

    Raises
    ------
    LinkError
        One error that names every link that failed.
    """
    results = await asyncio.gather(
        *(link.connect(within_s) for link in links), return_exceptions=True
    )
    failed = [result for result in results if isinstance(result, BaseException)]
    if not failed:
        return
    for failure in failed:
        if not isinstance(failure, LinkError):
            raise failure
    if len(failed) == 1:
        raise failed[0]
    names = ", ".join(link.name for link in links)
    raise LinkLost(names, "\n  ".join(["not all links could be opened:", *map(str, failed)]))
