"""Structured logs: one JSON object a line, floods thinned out."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sorter.runtime.clock import MonotonicClock
from sorter.runtime.log_file import LogSinks, RotatingLog
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
    assert [entry["number"] for entry in down] == [0, 34]
    assert [entry.get("suppressed", 0) for entry in down] == [0, 33]
    assert len(entries) == 4


def test_a_link_that_flaps_for_a_day_leaves_few_lines() -> None:
    stream, clock = io.StringIO(), HandClock()
    configure_logs(clock, "info", stream, interval_s=1.0)
    log = structlog.get_logger()
    for second in range(0, 86_400, 2):
        clock.ns = second * 1_000_000_000
        log.warning("link_down", second=second)
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert 1440 <= len(entries) <= 1450
    # Nothing is hidden: what is not written is counted.
    assert sum(1 + entry.get("suppressed", 0) for entry in entries) > 43_000
    # Calm for a while, it is news again at once.
    clock.ns += 600_000_000_000
    log.warning("link_down", second="later")
    assert json.loads(stream.getvalue().splitlines()[-1])["second"] == "later"


def test_a_log_file_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    stream = io.StringIO()
    log_file = RotatingLog(tmp_path / "logs" / "sorter.log", max_bytes=2_000, files=3)
    configure_logs(HandClock(), "info", stream, log_file=log_file)
    log = structlog.get_logger()
    for number in range(300):
        log.info(f"message_{number}")
    log_file.close()
    written = sorted(log_file_path.name for log_file_path in (tmp_path / "logs").iterdir())
    assert written == ["sorter.log", "sorter.log.1", "sorter.log.2"]
    texts = [(tmp_path / "logs" / name).read_text() for name in reversed(written)]
    assert all(0 < len(text) <= 2_000 for text in texts)
    numbers = [
        int(json.loads(line)["event"].removeprefix("message_"))
        for line in "".join(texts).splitlines()
    ]
    assert numbers == list(range(numbers[0], 300))
    assert len(stream.getvalue().splitlines()) == 300


def test_a_log_file_goes_on_after_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        log_file = RotatingLog(tmp_path / "sorter.log", max_bytes=2_000, files=1)
        log_file.write(f"start {number}\n")
        log_file.close()
    assert (tmp_path / "sorter.log").read_text() == "start 0\nstart 1\n"


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open("/dev/full", "w") as full, os.fdopen(write_end, "w") as nobody_reads:
        kept = io.StringIO()
        sinks = LogSinks(full, nobody_reads, kept)
        sinks.write("belt jammed\n")
        assert sinks.failures == 2
        assert kept.getvalue() == "belt jammed\n"
        # What their buffers still hold cannot be written at their end either.
        for stream in (full, nobody_reads):
            with contextlib.suppress(OSError):
                stream.close()


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
