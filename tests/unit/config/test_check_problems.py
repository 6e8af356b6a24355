"""Break the shipped configuration in one place each; exactly that must be reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from breakages.chutes import CHUTES
from breakages.form import FORM
from breakages.form_of_a_break import LINE, PLAN, POLICY, SMALL, Break
from breakages.geometry import GEOMETRY
from breakages.io import IO
from breakages.plans import PLANS
from breakages.policies import POLICIES
from breakages.service import SERVICE

from sorter.config.check import check_files
from sorter.errors import Problem

ALL = {**GEOMETRY, **CHUTES, **IO, **PLANS, **POLICIES, **SERVICE, **FORM}


def expected_line(text: str, at: str) -> int:
    """Return the line of the only place that holds `at`."""
    assert text.count(at) == 1, f"{at!r} occurs {text.count(at)} times"
    return text[: text.index(at)].count("\n") + 1


def describe(problems: list[Problem]) -> str:
    return "\n" + "\n".join(str(problem) for problem in problems)


@pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())
def test_one_mistake_is_reported_where_it_is(config: Path, case: Break) -> None:
    broken = config / case.file
    text = broken.read_text("utf-8")
    assert text.count(case.old) == 1, f"{case.old!r} occurs {text.count(case.old)} times"
    broken.write_text(text.replace(case.old, case.new), "utf-8")
    line_file = config / (SMALL if case.file.startswith("small") else LINE)
    problems = check_files([line_file])

    reported_in = config / (case.reported_in or case.file)
    line = expected_line(reported_in.read_text("utf-8"), case.at)
    hits = [
        problem
        for problem in problems
        if (problem.file, problem.key_path, problem.line) == (str(reported_in), case.key, line)
        and case.problem in problem.problem
        and case.remedy in problem.remedy
    ]
    assert hits, f"expected {case.key!r} in line {line}, got:{describe(problems)}"
    left = [problem for problem in problems if problem is not hits[0]]
    for other in case.others:
        found = next((problem for problem in left if other in problem.problem), None)
        assert found is not None, f"expected also {other!r}, got:{describe(problems)}"
        left.remove(found)
    assert not left, f"more than was broken:{describe(left)}"


MISPLACED = {"line.yaml": 120_000, "small_line.yaml": 28_001}


@pytest.mark.parametrize("file", MISPLACED)
@pytest.mark.parametrize("beyond_mm", [0, 300, 1000, 7400, 40_000, 10**6])
def test_what_stands_beyond_the_line_accuses_no_neighbour(
    config: Path, file: str, beyond_mm: int
) -> None:
    """Everything with a place in turn; a bit beyond a loop's end is near something else again."""
    text = (config / file).read_text("utf-8")
    placed = re.findall(r"- (\{name: (\w+), position_mm: )(\d+)", text)
    assert len(placed) > 20
    for start, name, position_mm in placed[:: 7 if file == LINE else 5]:
        moved = f"{start}{MISPLACED[file] + beyond_mm}"
        (config / file).write_text(text.replace(f"{start}{position_mm}", moved), "utf-8")
        problems = check_files([config / file])
        assert len(problems) == 1, describe(problems)
        assert f"{name} at {MISPLACED[file] + beyond_mm:g} mm is beyond" in problems[0].problem


def test_all_problems_of_all_files_come_at_once(config: Path) -> None:
    for file, old, new in (
        (LINE, "  max_laps: 3", "  max_laps: 0"),
        (PLAN, "repair: inspect", "repair: repair"),
        (POLICY, "grades: [B], categories: [beauty]", "grades: [B], categories: [pets]"),
    ):
        path = config / file
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    problems = check_files([config / LINE, config / PLAN, config / POLICY])
    assert [(Path(problem.file).name, problem.key_path) for problem in problems] == [
        (LINE, "line.max_laps"),
        (PLAN, "routes[11].grades"),  # nothing overflows to inspect any more
        (PLAN, "overflow.repair"),
        (POLICY, "rules[6].categories"),
    ]


def test_on_a_loop_the_first_eye_confirms_the_chutes_behind_the_last(config: Path) -> None:
    path = config / LINE
    last_chute = "{name: B17, position_mm: 111800, side: left"
    moved = "{name: B17, position_mm: 119500, side: left, entry_distance_mm: 500"
    text = path.read_text("utf-8").replace(last_chute, moved)
    path.write_text(text, "utf-8")
    assert check_files([path]) == []
    near = text.replace("{name: induct_A, position_mm: 500", "{name: induct_A, position_mm: 50")
    path.write_text(near, "utf-8")
    (problem,) = check_files([path])
    assert problem.key_path == "line.chutes[33].position_mm"
    assert "nobody can confirm chute B17: induct_A stands 550 mm behind it" in problem.problem


def test_a_chute_name_used_twice_hides_no_other_unknown_name(config: Path) -> None:
    line, plan = config / LINE, config / PLAN
    line.write_text(line.read_text("utf-8").replace("{name: A02,", "{name: A01,"), "utf-8")
    assert [problem.key_path for problem in check_files([line])] == ["line.chutes[1].name"]
    plan.write_text(plan.read_text("utf-8").replace("no_data: A08", "no_data: A80"), "utf-8")
    problems = {problem.key_path: problem for problem in check_files([line])}
    assert set(problems) == {"line.chutes[1].name", "exceptions.no_read", "exceptions.no_data"}
    assert "known: A01, A03, A04" in problems["exceptions.no_read"].remedy
