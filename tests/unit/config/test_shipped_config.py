"""The shipped files are clean, and their schemas are current."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from sorter.config.check import check_files
from sorter.config.kinds import kind_names
from sorter.config.load import LoadedLine, load_line
from sorter.config.schema import schema_text, write_schemas
from sorter.errors import ConfigError
from sorter.model.codes import EXCEPTION_CAUSES, Cause, Grade
from sorter.model.columns import ChuteColumn, EyeColumn, RuleColumn

SHIPPED = Path(__file__).parents[3] / "config"
FILES = sorted(path for path in SHIPPED.rglob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SHIPPED)))
def test_shipped_file_is_clean(path: Path) -> None:
    assert [str(problem) for problem in check_files([path])] == []


def test_all_shipped_files_are_clean_together() -> None:
    assert len(FILES) >= 5
    assert check_files(FILES) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SHIPPED)))
def test_shipped_file_names_its_schema(path: Path) -> None:
    first, *_ = path.read_text("utf-8").splitlines()
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    schema = path.parent / first.removeprefix(prefix)
    assert schema.resolve().parent == (SHIPPED / "schema").resolve()
    assert "properties" in json.loads(schema.read_text("utf-8"))


@pytest.mark.parametrize("kind", kind_names())
def test_schema_is_current(kind: str) -> None:
    kept = (SHIPPED / "schema" / f"{kind}.json").read_text("utf-8")
    assert kept == schema_text(kind), "run: make schema"


def test_no_schema_is_left_over() -> None:
    kept = {path.stem for path in (SHIPPED / "schema").glob("*.json")}
    assert kept == set(kind_names())
    assert {"line", "sort_plan", "returns_policy", "scenario"} <= kept


def test_schema_forbids_unknown_keys_everywhere() -> None:
    schema = json.loads(schema_text("line"))
    sections = [schema, *schema["$defs"].values()]
    assert all(section["additionalProperties"] is False for section in sections)


def test_schemas_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "schema"
    assert len(write_schemas(folder)) == len(kind_names())
    assert write_schemas(folder) == []
    (folder / "line.json").write_text("{}", "utf-8")
    assert write_schemas(folder) == [folder / "line.json"]


def test_schema_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="known are: line, sort_plan"):
        schema_text("lines")


def test_schema_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "schema").write_text("", "utf-8")
    with pytest.raises(ConfigError, match="cannot write schemas"):
        write_schemas(tmp_path / "schema")


@pytest.fixture(scope="module")
def default_line() -> LoadedLine:
    return load_line(SHIPPED / "line.yaml")


def test_default_line_is_what_it_says(default_line: LoadedLine) -> None:
    line, layout = default_line.line_file.line, default_line.layout
    assert line.topology == "loop"
    assert line.belt_speed_mm_s == 2500
    assert line.design_rate_parcels_per_h == 20_000
    assert layout.eyes[EyeColumn.INDUCTS].sum() == 2
    assert len(layout.chute_names) == 34
    positions = sorted(layout.chutes[ChuteColumn.POSITION])
    assert min(b - a for a, b in pairwise(positions)) >= 2400
    takeaway = [chute for chute in line.chutes if chute.emptied_by == "takeaway"]
    assert len(takeaway) == 6


def test_default_plan_gives_over_90_percent_to_restock(default_line: LoadedLine) -> None:
    routes = default_line.sort_plan_file.routes
    restock = sum(r.expected_share for r in routes if r.stream.startswith("restock"))
    assert 0.89 < restock < sum(route.expected_share for route in routes) < 1
    outlets = {*default_line.plan.exception_chutes.tolist(), default_line.plan.fallback_chute}
    assert len(outlets) == len(EXCEPTION_CAUSES) + 1
    assert not outlets & set(default_line.plan.group_chutes.tolist())
    oversize = default_line.plan.exception_chutes[Cause.OVER_SIZE]
    limit = default_line.layout.chutes[ChuteColumn.MAX_LENGTH, oversize]
    assert limit > default_line.line_file.line.limits.length_mm


def test_every_grade_has_a_last_rule_for_harmless_articles(default_line: LoadedLine) -> None:
    rules = default_line.policy.rules
    catch_all = rules[:, (rules[RuleColumn.CATEGORIES] == -1) & (rules[RuleColumn.REASONS] == -1)]
    covered = 0
    for mask in catch_all[RuleColumn.GRADES]:
        covered |= int(mask)
    assert covered == sum(1 << grade for grade in Grade if grade is not Grade.U)
