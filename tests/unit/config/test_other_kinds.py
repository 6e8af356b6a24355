"""Files are told apart by their kind; other packages bring kinds of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sorter.config.check import check_files
from sorter.config.kinds import kind_names, model_of


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_kinds_of_installed_packages_are_known() -> None:
    assert kind_names()[:3] == ("line", "sort_plan", "returns_policy")
    assert "scenario" in kind_names()
    assert model_of("no such kind") is None
    scenario = model_of("scenario")
    assert scenario is not None
    assert "line" in scenario.model_fields


def test_a_line_file_need_not_say_its_kind(config: Path) -> None:
    path = config / "line.yaml"
    path.write_text(path.read_text("utf-8").replace("kind: line\n", ""), "utf-8")
    assert check_files([path]) == []


@pytest.mark.parametrize(
    ("text", "line", "problem", "remedy"),
    [
        ("name: x\n", 1, "does not say what it is", "kind: sort_plan"),
        ("a: 1\nkind: 7\n", 2, "does not say what it is", "kind: line"),
        ("a: 1\nkind: sort-plan\n", 2, "'sort-plan' is unknown", "did you mean 'sort_plan'?"),
        ("kind: scenario\nname: x\nbelt: {wet: 1}\n", 3, "unknown key", "known: "),
        ("kind: scenario\nname: x\nline: none.yaml\n", 3, "there is no file", "it counts from"),
        ("kind: scenario\nname: x\nfaults: [{kind: jamm, at_s: 1}]\n", 3, "'jamm'", "'jam'"),
        ("kind: scenario\nname: x\nfaults: [{at_s: 1}]\n", 3, "does not say its kind", "add"),
    ],
)
def test_kind_problems(config: Path, text: str, line: int, problem: str, remedy: str) -> None:
    if "faults" in text:
        text += "line: line.yaml\n"
    path = write(config / "other.yaml", text)
    problems = [found for found in check_files([path]) if problem in found.problem]
    assert len(problems) == 1
    assert problems[0].line == line
    assert remedy in problems[0].remedy


def test_the_line_of_a_scenario_is_checked(config: Path) -> None:
    scenario = write(config / "s.yaml", "kind: scenario\nname: x\nline: small_line.yaml\n")
    assert check_files([scenario]) == []
    line = config / "small_line.yaml"
    line.write_text(line.read_text("utf-8").replace("max_laps: 1", "max_laps: 0"), "utf-8")
    problems = check_files([scenario])
    assert [(problem.file, problem.key_path) for problem in problems] == [
        (str(line), "line.max_laps")
    ]


def test_a_plan_and_a_policy_alone_are_checked_alone(config: Path) -> None:
    plan = config / "sort_plan.yaml"
    plan.write_text(plan.read_text("utf-8").replace("repair: inspect", "repair: repair"), "utf-8")
    policy = config / "returns_policy.yaml"
    policy.write_text(
        policy.read_text("utf-8").replace("[A], categories: [beauty]", "[A], categories: [x]"),
        "utf-8",
    )
    found = [problem.key_path for problem in check_files([plan, policy])]
    assert found == ["overflow.repair", "rules[1].categories"]


def test_names_in_a_scenario_are_compared_with_its_line(config: Path) -> None:
    text = """\
kind: scenario
name: x
line: line.yaml
faults:
  - {kind: jam, at_s: 1, zone: sort_A9}
  - {kind: e_stop, at_s: 1, for_s: 2}
  - {kind: failed_divert, chute: A99}
  - kind: chute_jam
    chute: Z9
    at_s: 1
    for_s: 5
  - {kind: jam, at_s: 1, zone: sort_A1}
inductions:
  - {eye: induct_A, process: saturated}
  - {eye: verify_A, process: saturated}
"""
    scenario = write(config / "s.yaml", text)
    problems = check_files([scenario])
    assert [(found.file, found.line, found.key_path, found.problem) for found in problems] == [
        (str(scenario), 5, "faults[0].zone", "the line has no zone sort_A9"),
        (str(scenario), 7, "faults[2].chute", "the line has no chute A99"),
        (str(scenario), 9, "faults[3].chute", "the line has no chute Z9"),
        (str(scenario), 15, "inductions[1].eye", "the line has no inducting eye verify_A"),
    ]
    assert problems[0].remedy.startswith("did you mean 'sort_A")
    assert problems[3].remedy.endswith("known: induct_A, induct_B")
    line = config / "line.yaml"
    line.write_text(line.read_text("utf-8").replace("port: 5020", "port: 0"), "utf-8")
    assert len(check_files([scenario])) == 5  # the broken section io hides none of them
