"""A file that cannot be read costs only the checks that need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sorter.config.check import check_files

LINE, PLAN, POLICY = "line.yaml", "sort_plan.yaml", "returns_policy.yaml"
UNKNOWN_LINE_KEY = (LINE, "  max_laps: 3", "  max_laps: 3\n  colour: red")
UNKNOWN_PLAN_KEY = (PLAN, "choose: balance", "choose: balance\ncolour: red")
UNKNOWN_POLICY_KEY = (POLICY, "default_window_days:", "colour: red\ndefault_window_days:")
CYCLE = (PLAN, "refurbish: inspect", "restock_general: restock_fashion")
SHARED_OUTLET = (PLAN, "no_data: A08", "no_data: A02")
NO_OUTLET = (POLICY, "{grades: [D], disposition: RECYCLE", "{grades: [C, D], disposition: RECYCLE")
UNKNOWN_CATEGORY = (POLICY, "grades: [B], categories: [beauty]", "grades: [B], categories: [pets]")
OVERLAP = (LINE, "{name: A02, position_mm: 9800", "{name: A02, position_mm: 7200")
UNKNOWN_CHUTE = (PLAN, "no_data: A08", "no_data: A80")
SHARED_REGISTERS = (LINE, "event_address: 1000", "event_address: 300")
BAD_PORT = (LINE, "    port: 5020", "    port: 0")
BAD_LINE_VALUE = (LINE, "  max_laps: 3", "  max_laps: 0")
UNKNOWN_SERVICE_KEY = (LINE, "  registry: ../var", "  registy: ../var")


@pytest.mark.parametrize(
    ("changes", "key_paths"),
    [
        (
            (UNKNOWN_LINE_KEY, CYCLE),
            {"line.colour", "overflow.restock_fashion"},
        ),
        (
            (UNKNOWN_LINE_KEY, SHARED_OUTLET, NO_OUTLET, UNKNOWN_CATEGORY),
            {"line.colour", "exceptions.no_data", "rules[17].stream", "rules[6].categories"},
        ),
        (
            (BAD_LINE_VALUE, SHARED_REGISTERS),
            {"line.max_laps", "io.modbus.event_address"},
        ),
        (
            (BAD_PORT, OVERLAP, UNKNOWN_CHUTE),
            {"io.modbus.port", "line.chutes[1].position_mm", "exceptions.no_data"},
        ),
        (
            (UNKNOWN_SERVICE_KEY, SHARED_REGISTERS, OVERLAP, CYCLE),
            {
                "service.registy",
                "io.modbus.event_address",
                "line.chutes[1].position_mm",
                "overflow.restock_fashion",
            },
        ),
        (
            (UNKNOWN_PLAN_KEY, OVERLAP, UNKNOWN_CATEGORY),
            {"colour", "line.chutes[1].position_mm", "rules[6].categories"},
        ),
        (
            (UNKNOWN_POLICY_KEY, CYCLE, UNKNOWN_CHUTE),
            {"colour", "overflow.restock_fashion", "exceptions.no_data"},
        ),
    ],
)
def test_what_can_be_read_is_checked_in_the_same_go(
    config: Path, changes: tuple[tuple[str, str, str], ...], key_paths: set[str]
) -> None:
    for file, old, new in changes:
        path = config / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, old
        path.write_text(text.replace(old, new), "utf-8")
    problems = check_files([config / LINE])
    assert {problem.key_path for problem in problems} == key_paths


def test_files_of_a_misspelt_reference_are_not_guessed(config: Path) -> None:
    path = config / LINE
    text = path.read_text("utf-8")
    text = text.replace("  sort_plan: sort_plan.yaml", "  sort_plam: other_plan.yaml")
    path.write_text(text, "utf-8")
    plan = config / PLAN
    plan.write_text(plan.read_text("utf-8").replace("repair: inspect", "repair: repair"), "utf-8")
    assert [problem.key_path for problem in check_files([path])] == ["service.sort_plam"]


def test_the_line_of_a_broken_scenario_is_checked(config: Path) -> None:
    scenario = config / "scenario.yaml"
    scenario.write_text("kind: scenario\nname: x\nline: line.yaml\nwet: 1\n", "utf-8")
    line = config / LINE
    line.write_text(line.read_text("utf-8").replace("max_laps: 3", "max_laps: 0"), "utf-8")
    assert [problem.key_path for problem in check_files([scenario])] == ["wet", "line.max_laps"]
