"""Loading a line: all or nothing, and again from the kept texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sorter.config.load import (
    LINE,
    RETURNS_POLICY,
    SORT_PLAN,
    load_line,
    load_line_from_texts,
    load_yaml_model,
)
from sorter.config.models import ReturnsPolicyFile
from sorter.errors import ConfigError


def test_load_line_resolves_paths_against_the_line_file(config: Path) -> None:
    loaded = load_line(config / "line.yaml")
    assert loaded.sort_plan_path == config / "sort_plan.yaml"
    assert loaded.returns_policy_path == config / "returns_policy.yaml"
    assert loaded.registry_path == config.parent / "var" / "returns.sqlite"
    assert loaded.journal_path == config.parent / "var" / "journal.sqlite"
    assert loaded.layout.name == "returns-1"


def test_load_line_takes_a_text_path(config: Path) -> None:
    assert load_line(str(config / "small_line.yaml")).layout.name == "small-1"


def test_kept_texts_rebuild_the_same_tables(config: Path) -> None:
    loaded = load_line(config / "line.yaml")
    assert set(loaded.files) == {LINE, SORT_PLAN, RETURNS_POLICY}
    for file in config.glob("*.yaml"):
        file.unlink()
    again = load_line_from_texts(dict(loaded.files), config / "line.yaml")
    assert again.line_file == loaded.line_file
    assert again.journal_path == loaded.journal_path
    for part in ("layout", "plan", "policy"):
        one, other = getattr(loaded, part), getattr(again, part)
        for name in type(one).__slots__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_kept_texts_of_a_stricter_time_still_load(config: Path) -> None:
    loaded = load_line(config / "line.yaml")
    files = dict(loaded.files)
    files[SORT_PLAN] = files[SORT_PLAN].replace("repair: inspect", "repair: repair")
    plan = load_line_from_texts(files).plan
    repair = plan.stream_names.index("repair")
    assert plan.overflow[repair] == repair


def test_kept_texts_that_are_incomplete_or_damaged(config: Path) -> None:
    files = dict(load_line(config / "line.yaml").files)
    with pytest.raises(ConfigError, match="lacks the text of: sort_plan"):
        load_line_from_texts({key: text for key, text in files.items() if key != SORT_PLAN})
    with pytest.raises(ConfigError, match=r"line:1: the file is empty"):
        load_line_from_texts(files | {LINE: ""})
    with pytest.raises(ConfigError, match=r"unknown chute 'A01'"):
        load_line_from_texts(files | {LINE: files[LINE].replace("{name: A01", "{name: Z01")})
    fine = files[LINE].replace("mm_per_count: 1.0", "mm_per_count: 1.0e-300")
    with pytest.raises(ConfigError, match="too large for an encoder"):
        load_line_from_texts(files | {LINE: fine})


def test_load_line_lists_every_problem(config: Path) -> None:
    for name, old, new in (
        ("line.yaml", "  max_laps: 3", "  max_laps: 0\n  tipo: 1"),
        ("sort_plan.yaml", "choose: balance", "choose: balanced"),
    ):
        path = config / name
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_line(config / "line.yaml")
    message = str(caught.value)
    assert message.startswith("3 problems in the configuration:")
    assert "line.max_laps: 0 is less than 1; expected a whole number" in message
    assert "line.tipo: unknown key; " in message
    assert "choose: 'balanced' is not allowed here; did you mean 'balance'?" in message
    assert len(caught.value.problems) == 3


def test_load_yaml_model(config: Path) -> None:
    policy = load_yaml_model(config / "returns_policy.yaml", ReturnsPolicyFile)
    assert policy.window_days["NO"] == 14
    with pytest.raises(ConfigError, match="there is no such file"):
        load_yaml_model(config / "none.yaml", ReturnsPolicyFile)
    with pytest.raises(ConfigError, match="'line' is not allowed here"):
        load_yaml_model(str(config / "line.yaml"), ReturnsPolicyFile)
