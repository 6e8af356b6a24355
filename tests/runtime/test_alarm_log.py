"""What goes wrong on the line is said once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from plc_bench import bench_layout

from sorter.host.late import LateAsker
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.codes import NONE, Cause, ChuteBit, LineState, ModeReason, OutcomeKind, PassResult
from sorter.model.columns import ChuteStateColumn, RuleColumn
from sorter.model.plan import ReturnsPolicy
from sorter.runtime.alarm_log import AlarmLog
from sorter.runtime.metrics import SILENT_AFTER_MISSES, LineMetrics

POLICY = ReturnsPolicy((), (), np.full(1, NONE, np.int64), np.zeros((len(RuleColumn), 0), np.int64))
Said = list[dict[str, Any]]


class Line:
    """Metrics of the bench line, an alarm log, and a registry that can be taken away."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.path = folder / "returns.sqlite"
        self.asker = LateAsker(self.path)
        self.metrics = LineMetrics(bench_layout())
        self.metrics.anomalies = {"encoder_jumps": 2, "stray_scans": 7, "late_reports": 0}
        self.alarms = AlarmLog(self.metrics, RegistryHost(self.asker, POLICY))

    def outcome(self, kind: OutcomeKind, value: int, chute: int = NONE, cause: int = NONE) -> None:
        self.metrics.note_outcomes(np.array([(9, kind, value, chute, cause, 1000)], np.int64))

    def says(self) -> Said:
        self.metrics.flush()
        with structlog.testing.capture_logs() as logs:
            self.alarms.look()
        return [dict(log) for log in logs]

    def names(self) -> list[str]:
        return [log["event"] for log in self.says()]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Registry.create(tmp_path / "returns.sqlite") as registry:
        line = Line(tmp_path, registry)
        assert line.says() == [], "what a restarted controller knows from before is no news"
        yield line
        line.asker._close()


def test_a_divert_that_failed_is_named_by_its_chute(line: Line) -> None:
    line.outcome(OutcomeKind.PASSED, PassResult.MISSED, chute=1)
    line.outcome(OutcomeKind.PASSED, PassResult.MISSED, chute=1)
    line.outcome(OutcomeKind.PASSED, PassResult.DIVERT_INHIBITED, chute=0)
    line.outcome(OutcomeKind.PASSED, PassResult.DIVERTED, chute=2)
    assert line.says() == [
        {"event": "divert_failed", "chutes": {"c2": 2}, "log_level": "warning"},
        {"event": "divert_refused", "chutes": {"c1": 1}, "log_level": "warning"},
    ]
    assert line.says() == []


def test_reports_that_should_not_be_are_counted_by_kind(line: Line) -> None:
    line.outcome(OutcomeKind.OPENED, 0, cause=Cause.TRACKING_LOST)
    line.outcome(OutcomeKind.OPENED, 0)
    line.outcome(OutcomeKind.OPENED, NONE, chute=1, cause=Cause.TRACKING_LOST)
    line.metrics.anomalies = {"encoder_jumps": 3, "stray_scans": 9, "late_reports": 4}
    assert line.says() == [
        {"event": "parcels_unexpected", "eyes": {"in": 1}, "log_level": "warning"},
        {"event": "encoder_jumped", "times": 1, "encoder": 0, "log_level": "error"},
        {"event": "reports_late", "reports": 4, "log_level": "warning"},
        {"event": "reports_rejected", "stray_scans": 2, "log_level": "warning"},
    ]
    assert line.metrics.unexpected_at_chutes.tolist() == [0, 1, 0]
    assert line.says() == []


def test_an_eye_that_misses_one_parcel_after_the_other_is_silent(line: Line) -> None:
    for _ in range(SILENT_AFTER_MISSES - 1):
        line.outcome(OutcomeKind.EYE_MISSED, 0)
    assert line.says() == []
    line.outcome(OutcomeKind.EYE_MISSED, 0)
    assert line.says() == [{"event": "eye_silent", "names": ["in"], "log_level": "warning"}]
    assert line.names() == []
    line.outcome(OutcomeKind.SEEN, 0)
    assert line.names() == ["eye_sees_again"]


def test_a_chute_that_is_full_by_count_only_is_named_while_its_sensor_is_silent(line: Line) -> None:
    chutes = line.metrics.chutes
    chutes[ChuteStateColumn.PARCELS] = (9, 500, 500)
    assert line.names() == [], "two of them are not limited by count"
    chutes[ChuteStateColumn.PARCELS, 0] = 10
    chutes[ChuteStateColumn.LENGTH, 1] = 4000
    assert line.says()[0]["names"] == ["c1", "c2"]
    chutes[ChuteStateColumn.BITS, 0] = ChuteBit.OPEN | ChuteBit.FULL
    chutes[ChuteStateColumn.LENGTH, 1] = 0
    assert line.says() == [
        {"event": "chute_full_settled", "names": ["c1", "c2"], "log_level": "info"}
    ]


def _eye_goes_dark(line: Line) -> None:
    line.metrics.blocked_eyes = [True]


def _eye_clears(line: Line) -> None:
    line.metrics.blocked_eyes = [False]


def _registry_goes(line: Line) -> None:
    for file in line.path.parent.glob("returns.sqlite*"):
        file.rename(file.with_name(f"gone-{file.name}"))
    line.asker.ask()


def _registry_comes_back(line: Line) -> None:
    for file in line.path.parent.glob("gone-*"):
        file.rename(file.with_name(file.name.removeprefix("gone-")))
    line.asker.ask()


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (_eye_goes_dark, _eye_clears, ["eye_blocked", "eye_clear"]),
        (_registry_goes, _registry_comes_back, ["host_down", "host_up"]),
    ],
)
def test_what_lasts_is_said_at_both_ends(
    line: Line, begins: Callable[[Line], None], ends: Callable[[Line], None], said: list[str]
) -> None:
    begins(line)
    first = line.says()
    assert [log["event"] for log in first] == said[:1]
    assert "No such file" in first[0].get("problem", "No such file")
    assert line.says() == []
    ends(line)
    assert line.names() == said[1:]


def test_changes_of_the_lines_mode_are_said(line: Line) -> None:
    line.outcome(OutcomeKind.MODE_CHANGED, LineState.HELD, cause=ModeReason.JAM)
    assert line.says() == [
        {
            "event": "line_mode",
            "state": "held",
            "reason": "jam",
            "encoder": 1000,
            "log_level": "info",
        }
    ]


def test_records_that_found_no_place_in_the_plc_are_counted(line: Line) -> None:
    line.metrics.event_overflow = 12
    said = {"event": "records_dropped_by_plc", "log_level": "error"}
    assert line.says() == [{**said, "events": 12, "scans": 0}]
    line.metrics.scan_overflow = 3
    assert line.says() == [{**said, "events": 0, "scans": 3}]
    assert line.says() == []
