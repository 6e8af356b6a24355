"""Child processes that report in JSON lines on their standard output."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sorter.errors import SorterError

Event = dict[str, Any]

LINE_LIMIT_BYTES = 1 << 20
STDERR_LINES_SHOWN = 15
PR_SET_PDEATHSIG = 1
OUTPUT_DEADLINE_S = 5.0
"""For what a child has written, and for its end, once it was killed."""


class ChildFailed(SorterError):
    """A child process ended, or did not report in time; says what it last wrote to stderr."""


def _end_with_parent() -> None:
    """Let the kernel end a child whose parent was killed; runs in the child, Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class JsonLineProcess:
    """One child process, its events by name, and the end of its stderr.

    Parameters
    ----------
    name : str
        What people call it, for error messages.
    arguments : sequence of str
        Program and arguments.
    stderr_path : Path
        Gets all of the child's stderr.
    on_event : callable, optional
        Called with each event as it arrives.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        stderr_path: Path,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.name = name
        self._arguments = list(arguments)
        self._stderr_path = stderr_path
        self._on_event = on_event
        self._latest: dict[str, Event] = {}
        self._arrived = asyncio.Condition()
        self._output_ended = False
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the child; raises :class:`ChildFailed` when it cannot be started."""
        self._stderr_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._stderr_path.open("wb") as stderr:
                self._process = await asyncio.create_subprocess_exec(
                    *self._arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=stderr,
                    limit=LINE_LIMIT_BYTES,
                    preexec_fn=_end_with_parent,
                )
        except OSError as error:
            raise ChildFailed(f"{self.name} cannot be started: {error}") from error
        self._reader = asyncio.create_task(self._read(), name=f"{self.name} reader")

    @property
    def pid(self) -> int:
        """Process id of the started child."""
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def wait_for(self, event_name: str, timeout_s: float) -> Event:
        """Return the newest event of that name, waiting for it if none came yet.

        Raises
        ------
        ChildFailed
            When the child ends first or `timeout_s` passes.
        """
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                await self._arrived.wait_for(
                    lambda: event_name in self._latest or self._output_ended
                )
        except TimeoutError as error:
            raise ChildFailed(
                f"{self.name} did not report '{event_name}' within {timeout_s:.0f} s"
                f"{self._last_words()}"
            ) from error
        if event_name not in self._latest:
            await self.raise_when_ended(f"before it reported '{event_name}'")
        return self._latest[event_name]

    async def raise_when_ended(self, when: str) -> NoReturn:
        """Wait for the child's end, then raise :class:`ChildFailed` that says how it ended."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._output_ended)
        code = await self._exit_code()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ChildFailed(f"{self.name} ended ({how}) {when}{self._last_words()}")

    async def stop(self, timeout_s: float) -> int:
        """Ask the child to stop (SIGTERM), kill it after `timeout_s`; return its exit code."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), timeout_s)
            except TimeoutError:
                self._process.kill()
        await self._end_of_output()
        return await self._exit_code()

    async def kill(self) -> None:
        """Kill the child (SIGKILL), as a power cut would, and wait for its end."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._end_of_output()
        await self._exit_code()

    def stderr_tail(self) -> str:
        """Return the last lines that the child wrote to stderr."""
        with contextlib.suppress(OSError):
            lines = self._stderr_path.read_text(errors="replace").splitlines()
            return "\n".join(lines[-STDERR_LINES_SHOWN:])
        return ""

    async def _end_of_output(self) -> None:
        """Read what the child has written; a grandchild that holds its output is not waited for."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.wait([reader], timeout=OUTPUT_DEADLINE_S)
            reader.cancel()

    def _last_words(self) -> str:
        words = self.stderr_tail()
        return f"; its last words:\n{words}" if words else "; it left no words"

    async def _exit_code(self) -> int:
        if self._process is None:
            return 0
        async with asyncio.timeout(OUTPUT_DEADLINE_S):
            return await self._process.wait()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and "event" in event:
                        await self._take(event)
        finally:
            async with self._arrived:
                self._output_ended = True
                self._arrived.notify_all()

    async def _take(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
        async with self._arrived:
            self._latest[str(event["event"])] = event
            self._arrived.notify_all()
