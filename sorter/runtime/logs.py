"""Structured logs: JSON lines on stderr, readable lines at a terminal, floods thinned out."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal, TextIO, cast

import structlog

from sorter.ports import Clock
from sorter.runtime.log_file import LogSinks, RotatingLog

Level = Literal["debug", "info", "warning", "error"]
_NUMBERS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
NS_PER_S: Final = 1_000_000_000
DEFAULT_INTERVAL_S: Final = 1.0
LONGEST_INTERVAL_S: Final = 60.0
KEPT_MESSAGES: Final = 1024


@contextmanager
def warnings_counted() -> Iterator[Counter[str]]:
    """Write no line below an error meanwhile; yield how many warnings there were of each name."""
    counts: Counter[str] = Counter()

    def count(
        _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if method in ("error", "critical", "exception"):
            return event
        if method == "warning":
            counts[str(event["event"])] += 1
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[count, *before])
    try:
        yield counts
    finally:
        structlog.configure(processors=before)


class RateLimiter:
    """structlog processor that lets the same message through once per interval.

    Messages are the same when level and event name are. The next one let through says in
    ``suppressed`` how many were not. While a message keeps coming its interval doubles, up to a
    minute, so that a link which flaps for a weekend does not fill the disk; when it did not come at
    all for as long, it begins anew.

    Parameters
    ----------
    clock : Clock
    interval_s : float
    """

    def __init__(self, clock: Clock, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        self._clock = clock
        self._first_ns = int(interval_s * NS_PER_S)
        self._longest_ns = max(self._first_ns, int(LONGEST_INTERVAL_S * NS_PER_S))
        self._seen: dict[tuple[str, str], tuple[int, int, int, int]] = {}

    def __call__(
        self, _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Pass the message on, or drop it."""
        key = (method, str(event.get("event", "")))
        now_ns = self._clock.now_ns()
        last_ns, met_ns, interval_ns, suppressed = self._seen.get(key, (None, 0, 0, 0))
        if last_ns is None or now_ns - met_ns > self._longest_ns:
            interval_ns = self._first_ns
        elif now_ns - last_ns < interval_ns:
            self._seen[key] = (last_ns, now_ns, interval_ns, suppressed + 1)
            raise structlog.DropEvent
        else:
            interval_ns = min(2 * interval_ns, self._longest_ns)
        if len(self._seen) >= KEPT_MESSAGES:
            # Event names are fixed texts, so this is a program that makes them up: forget all.
            self._seen.clear()
        self._seen[key] = (now_ns, now_ns, interval_ns, 0)
        if suppressed:
            event["suppressed"] = suppressed
        return event


def configure_logs(
    clock: Clock,
    level: Level = "info",
    stream: TextIO | None = None,
    *,
    interval_s: float = DEFAULT_INTERVAL_S,
    log_file: RotatingLog | None = None,
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
    log_file : RotatingLog, optional
        Gets every line as well.
    """
    target = stream if stream is not None else sys.stderr
    sinks = LogSinks(target) if log_file is None else LogSinks(target, log_file)
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
        # It asks for a text file and uses no more of one than a sink has.
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", sinks)),
        cache_logger_on_first_use=False,
    )
