"""Structured logs: one JSON object a line, floods thinned out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from sorter.runtime.clock import MonotonicClock
from sorter.runtime.logs import configure_logs


class HandClock:
    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_json_lines_with_level_and_fields() -> None:
    stream = io.StringIO()
    configure_logs(HandClock(), "info", stream)
    log = structlog.get_logger("sorter")
    log.debug("not_shown")
    log.warning("link_down", link="plc", problem="cut")
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["link"]) == ("link_down", "warning", "plc")
    assert "timestamp" in entry


def test_repeated_messages_are_thinned_out_and_counted() -> None:
    stream, clock = io.StringIO(), HandClock()
    configure_logs(clock, "info", stream, interval_s=1.0)
    log = structlog.get_logger()
    for number in range(100):
        clock.ns = number * 30_000_000
        log.warning("link_down", number=number)
        log.info("other", number=number)
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    down = [entry for entry in entries if entry["event"] == "link_down"]
    assert [entry["number"] for entry in down] == [0, 34, 68]
    assert [entry.get("suppressed", 0) for entry in down] == [0, 33, 33]
    assert len(entries) == 6


def test_a_terminal_gets_readable_lines() -> None:
    stream = Terminal()
    configure_logs(HandClock(), "info", stream)
    structlog.get_logger().info("ready", port=5020)
    assert "ready" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_exceptions_are_told() -> None:
    stream = io.StringIO()
    configure_logs(HandClock(), "info", stream)
    try:
        raise RuntimeError("broken belt")
    except RuntimeError:
        structlog.get_logger().exception("stopped")
    assert "broken belt" in json.loads(stream.getvalue())["exception"]


def test_monotonic_clock_never_goes_back() -> None:
    clock = MonotonicClock()
    times = [clock.now_ns() for _ in range(1000)]
    assert times == sorted(times)
