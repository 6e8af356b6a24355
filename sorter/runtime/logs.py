"""Structured logs: JSON lines on stderr, readable lines at a terminal, floods thinned out."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

from sorter.ports import Clock

Level = Literal["debug", "info", "warning", "error"]
_NUMBERS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
NS_PER_S: Final = 1_000_000_000
DEFAULT_INTERVAL_S: Final = 1.0
KEPT_MESSAGES: Final = 1024


class RateLimiter:
    """structlog processor that lets the same message through once per interval.

    Messages are the same when level and event name are. The next one let through says in
    ``suppressed`` how many were not.

    Parameters
    ----------
    clock : Clock
    interval_s : float
    """

    def __init__(self, clock: Clock, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        self._clock = clock
        self._interval_ns = int(interval_s * NS_PER_S)
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}

    def __call__(
        self, _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Pass the message on, or drop it."""
        key = (method, str(event.get("event", "")))
        now_ns = self._clock.now_ns()
        last_ns, suppressed = self._seen.get(key, (None, 0))
        if last_ns is not None and now_ns - last_ns < self._interval_ns:
            self._seen[key] = (last_ns, suppressed + 1)
            raise structlog.DropEvent
        if len(self._seen) >= KEPT_MESSAGES:
            # Event names are fixed texts, so this is a program that makes them up: forget all.
            self._seen.clear()
        self._seen[key] = (now_ns, 0)
        if suppressed:
            event["suppressed"] = suppressed
        return event


def configure_logs(
    clock: Clock,
    level: Level = "info",
    stream: TextIO | None = None,
    *,
    interval_s: float = DEFAULT_INTERVAL_S,
) -> None:
    """Set structured logging up for this process; call once, before the first message.

    Parameters
    ----------
    clock : Clock
        For the rate limit; time stamps are wall time.
    level : str
    stream : text file, optional
        stderr unless given. Readable lines when it is a terminal, JSON lines otherwise.
    interval_s : float
        The same message is written once in this time.
    """
    target = stream if stream is not None else sys.stderr
    renderer: structlog.typing.Processor
    if target.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            RateLimiter(clock, interval_s),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBERS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
