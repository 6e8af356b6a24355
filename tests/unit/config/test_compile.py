"""Index tables against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sorter.config.compile import (
    NO_UPPER_LIMIT,
    compile_layout,
    compile_plan,
    compile_policy,
    effective_limits,
)
from sorter.config.load import load_line
from sorter.config.models import Line, ReturnsPolicyFile, SortPlanFile
from sorter.errors import ConfigError
from sorter.model.codes import Cause, Disposition, Grade, ReturnReason
from sorter.model.columns import (
    ChuteColumn,
    EyeColumn,
    LineField,
    RuleColumn,
    StationColumn,
    ZoneColumn,
)

SHIPPED = Path(__file__).parents[3] / "config"

LINE = Line.model_validate(
    {
        "name": "tiny",
        "topology": "line",
        "length_mm": 5000,
        "belt_speed_mm_s": 1001,
        "max_laps": 2,
        "encoder": {"mm_per_count": 0.5, "speed_tolerance_percent": 3},
        "limits": {"length_mm": 500, "width_mm": 400, "height_mm": 300, "weight_g": 9000},
        "tracking": {"window_mm": 80, "length_tolerance_mm": 50, "io_allowance_ms": 10},
        "zones": [{"name": "all", "start_mm": 0, "end_mm": 5000}],
        "photo_eyes": [
            {"name": "late", "position_mm": 4000},
            {"name": "first", "position_mm": 100, "inducts": True},
        ],
        "scanners": [{"name": "scan", "position_mm": 900}],
        "chutes": [
            {"name": "two", "position_mm": 3000, "capacity": {"parcels": 7}},
            {
                "name": "one",
                "position_mm": 2000,
                "actuation_distance_mm": 100,
                "window_mm": 120,
                "entry_distance_mm": 300,
                "limits": {"weight_g": 2000},
                "capacity": {"length_mm": 2500},
            },
            {"name": "end", "position_mm": 5000, "side": "end"},
        ],
    }
)

PLAN = SortPlanFile.model_validate(
    {
        "kind": "sort_plan",
        "name": "p",
        "choose": "first_fit",
        "routes": [
            {"stream": "shelf", "grades": ["A", "B"], "groups": [["one", "two"], ["end"]]},
            {"stream": "bin", "grades": ["B"], "groups": [["two"]]},
        ],
        "overflow": {"shelf": "bin"},
        "exceptions": {
            **dict.fromkeys(
                (
                    "no_read",
                    "multi_read_conflict",
                    "no_data",
                    "ungraded",
                    "over_size",
                    "over_weight",
                    "window_expired",
                    "tracking_lost",
                ),
                "two",
            ),
            "hazmat": "one",
            "fallback": "end",
        },
    }
)

POLICY = ReturnsPolicyFile.model_validate(
    {
        "kind": "returns_policy",
        "name": "r",
        "categories": ["toys", "books"],
        "window_days": {"PL": 14, "GB": 30},
        "rules": [
            {
                "grades": ["B", "D"],
                "categories": ["books"],
                "reasons": ["defect", "other"],
                "value_from_cents": 5,
                "value_to_cents": 10,
                "hazmat": True,
                "disposition": "DONATE",
                "stream": "bin",
            },
            {"disposition": "RESTOCK", "stream": "shelf"},
        ],
    }
)


def test_line_fields() -> None:
    fields = compile_layout(LINE, balance=False).line
    expected = {
        LineField.LOOP_COUNTS: 0,
        LineField.LENGTH_COUNTS: 10_000,
        LineField.MAX_LAPS: 2,
        LineField.WINDOW: 160,
        LineField.LENGTH_TOLERANCE: 100,
        LineField.LOST_AFTER_MISSED_EYES: 2,
        LineField.IO_ALLOWANCE: 21,  # 10.01 mm, rounded up
        LineField.CHOOSE: 0,
        LineField.MAX_LENGTH: 1000,
        LineField.MAX_WIDTH_MM: 400,
        LineField.MAX_HEIGHT_MM: 300,
        LineField.MAX_WEIGHT_G: 9000,
        LineField.STARVED_AFTER: 200_000,
    }
    assert {field: int(fields[field]) for field in LineField} == expected


def test_loop_and_balance() -> None:
    fields = compile_layout(LINE.model_copy(update={"topology": "loop"}), balance=True).line
    assert fields[LineField.LOOP_COUNTS] == 10_000
    assert fields[LineField.CHOOSE] == 1


def test_eyes_are_ordered_by_position() -> None:
    layout = compile_layout(LINE)
    assert layout.belt_speed_tolerance == 0.03
    assert layout.eye_names == ("first", "late")
    assert layout.eyes[EyeColumn.POSITION].tolist() == [200, 8000]
    assert layout.eyes[EyeColumn.INDUCTS].tolist() == [1, 0]


def test_stations_and_zones() -> None:
    layout = compile_layout(LINE)
    assert layout.scanners[StationColumn.POSITION].tolist() == [1800]
    assert layout.scales.shape == (len(StationColumn), 0)
    assert layout.zones[ZoneColumn.END].tolist() == [10_000]


def test_chutes_keep_their_order_and_inherit_limits() -> None:
    layout = compile_layout(LINE)
    assert layout.chute_names == ("two", "one", "end")
    expected = {
        ChuteColumn.POSITION: [6000, 4000, 10_000],
        ChuteColumn.ACTUATION: [300, 200, 0],
        ChuteColumn.HOLD: [320, 240, 0],
        ChuteColumn.ENTRY_DELAY: [800, 600, 800],
        ChuteColumn.MAX_LENGTH: [1000, 1000, 1000],
        ChuteColumn.MAX_WIDTH_MM: [400, 400, 400],
        ChuteColumn.MAX_HEIGHT_MM: [300, 300, 300],
        ChuteColumn.MAX_WEIGHT_G: [9000, 2000, 9000],
        ChuteColumn.CAPACITY: [7, 0, 0],
        ChuteColumn.CAPACITY_LENGTH: [0, 5000, 0],
        ChuteColumn.LINE_END: [0, 0, 1],
    }
    assert {column: layout.chutes[column].tolist() for column in ChuteColumn} == expected
    assert effective_limits(LINE.chutes[1], LINE).height_mm == 300


def test_tables_are_contiguous_int64_that_kernels_can_take() -> None:
    loaded = load_line(SHIPPED / "line.yaml")
    tables = [
        *(getattr(loaded.layout, name) for name in ("line", "eyes", "scanners", "scales")),
        loaded.layout.zones,
        loaded.layout.chutes,
        *(getattr(loaded.plan, name) for name in ("cell_groups", "group_starts", "group_chutes")),
        loaded.plan.overflow,
        loaded.plan.exception_chutes,
        loaded.policy.window_days,
        loaded.policy.rules,
    ]
    for table in tables:
        assert table.dtype == np.int64
        assert table.flags.c_contiguous
        assert table.flags.writeable


def test_plan_cells_lead_to_the_groups_of_their_routes() -> None:
    names = ("two", "one", "end")
    plan = compile_plan(PLAN, names)
    assert plan.stream_names == ("shelf", "bin")

    def chutes(grade: Grade, stream: str) -> list[list[str]]:
        cell = grade * 2 + plan.stream_names.index(stream)
        return [
            [names[c] for c in plan.group_chutes[plan.group_starts[g] : plan.group_starts[g + 1]]]
            for g in range(plan.cell_groups[cell], plan.cell_groups[cell + 1])
        ]

    assert chutes(Grade.A, "shelf") == [["one", "two"], ["end"]]
    assert chutes(Grade.B, "shelf") == [["one", "two"], ["end"]]
    assert chutes(Grade.A, "bin") == []
    assert chutes(Grade.B, "bin") == [["two"]]
    assert all(chutes(grade, "shelf") == [] for grade in (Grade.C, Grade.D, Grade.U))
    assert plan.cell_groups.shape == (len(Grade) * 2 + 1,)
    assert plan.overflow.tolist() == [1, -1]
    assert plan.fallback_chute == 2
    assert plan.exception_chutes[Cause.HAZMAT] == 1
    assert plan.exception_chutes[Cause.NO_READ] == 0


def test_streams_of_the_policy_get_an_index_too() -> None:
    plan = compile_plan(PLAN, ("two", "one", "end"), ["shelf", "press"])
    assert plan.stream_names == ("shelf", "bin", "press")
    assert plan.cell_groups.shape == (len(Grade) * 3 + 1,)


def test_unknown_names_are_errors_of_ours() -> None:
    with pytest.raises(ConfigError, match="unknown chute 'end'; known are: two, one"):
        compile_plan(PLAN, ("two", "one"))
    with pytest.raises(ConfigError, match="unknown stream 'bin'"):
        compile_policy(POLICY, ("shelf",))


def test_policy_rules() -> None:
    policy = compile_policy(POLICY, ("shelf", "bin"))
    assert policy.category_names == ("toys", "books")
    assert policy.country_names == ("PL", "GB")
    assert policy.window_days.tolist() == [14, 30, -1]
    assert {column: policy.rules[column].tolist() for column in RuleColumn} == {
        RuleColumn.GRADES: [0b1010, 0b1111],
        RuleColumn.CATEGORIES: [0b10, -1],
        RuleColumn.REASONS: [(1 << ReturnReason.DEFECT) | (1 << ReturnReason.OTHER), -1],
        RuleColumn.VALUE_FROM: [5, 0],
        RuleColumn.VALUE_TO: [10, NO_UPPER_LIMIT],
        RuleColumn.HAZMAT: [1, 0],
        RuleColumn.DISPOSITION: [Disposition.DONATE, Disposition.RESTOCK],
        RuleColumn.STREAM: [1, 0],
    }


def test_default_window_is_the_last() -> None:
    policy = compile_policy(POLICY.model_copy(update={"default_window_days": 21}), ("shelf", "bin"))
    assert policy.window_days.tolist() == [14, 30, 21]
