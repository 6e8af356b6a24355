"""Nothing that a file may hold gives anything but problems, each with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sorter.config.check import check_files
from sorter.config.load import LINE, RETURNS_POLICY, SORT_PLAN, load_line, load_line_from_texts
from sorter.errors import ConfigError, Problem

SHIPPED = Path(__file__).parents[3] / "config"
FILES = {
    LINE: "small_line.yaml",
    SORT_PLAN: "small_sort_plan.yaml",
    RETURNS_POLICY: "returns_policy.yaml",
}
GOOD = {key: yaml.safe_load((SHIPPED / name).read_text("utf-8")) for key, name in FILES.items()}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["A", "line", "loop", "end", "S1", "X9", "END", "inspect", "beauty", 0, 1e300]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def assert_only_problems(folder: Path, file: str) -> None:
    """Check and load; each problem is complete, and the loader refuses what the check refuses."""
    path = folder / file
    problems = check_files([path])
    for problem in problems:
        assert isinstance(problem, Problem)
        assert problem.problem
        assert problem.remedy
        assert problem.line >= 0
        assert "\n" not in problem.problem
    if problems:
        with pytest.raises(ConfigError, match="in the configuration"):
            load_line(path)
    else:
        load_line(path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(folder: Path, content: bytes) -> None:
    (folder / "line.yaml").write_bytes(content)
    assert_only_problems(folder, "line.yaml")
    with pytest.raises(ConfigError):
        load_line(folder / "line.yaml")


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="kind: line[]{}&*!|>'\"%@`,#?-\n\t 01", max_size=60))
def test_any_yaml_like_text(folder: Path, content: str) -> None:
    (folder / "line.yaml").write_text(content, "utf-8")
    assert_only_problems(folder, "line.yaml")
    with pytest.raises(ConfigError):
        load_line_from_texts({LINE: content, SORT_PLAN: content, RETURNS_POLICY: content})


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["kind", "line", "routes", "rules", "x"]), values))
def test_any_mapping(folder: Path, content: dict[str, Any]) -> None:
    (folder / "line.yaml").write_text(as_yaml(content), "utf-8")
    assert_only_problems(folder, "line.yaml")


def as_yaml(content: object) -> str:
    """Return JSON, which is YAML, with infinities spelled the YAML way."""
    text = json.dumps(content)
    for json_name, yaml_name in (("-Infinity", "-.inf"), ("Infinity", ".inf"), ("NaN", ".nan")):
        text = text.replace(json_name, yaml_name)
    return text


def places(content: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the paths of everything in `content`."""
    items: list[tuple[Any, Any]] = []
    if isinstance(content, dict):
        items = list(content.items())
    elif isinstance(content, list):
        items = list(enumerate(content))
    return [path] * bool(path) + [found for k, v in items for found in places(v, (*path, k))]


def changed(content: Any, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of `content` after `change(parent, key)` at `path`."""
    copy = json.loads(json.dumps(content))
    parent = copy
    for part in path[:-1]:
        parent = parent[part]
    change(parent, path[-1])
    return copy


PLACES = [(key, path) for key, content in GOOD.items() for path in places(content)]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), values | st.just("(remove)")), max_size=3))
def test_a_good_line_with_anything_in_some_places(
    folder: Path, edits: list[tuple[tuple[str, tuple[str | int, ...]], Any]]
) -> None:
    contents = dict(GOOD)
    for (key, path), value in edits:

        def change(parent: Any, last: Any, value: Any = value) -> None:
            if value == "(remove)":
                del parent[last]
            else:
                parent[last] = value

        try:
            contents[key] = changed(contents[key], path, change)
        except (LookupError, TypeError):
            continue  # an earlier edit took the place away
    for key, name in FILES.items():
        (folder / name).write_text(as_yaml(contents[key]), "utf-8")
    assert_only_problems(folder, FILES[LINE])
    with suppress(ConfigError):  # and nothing else
        load_line_from_texts({key: as_yaml(content) for key, content in contents.items()})
    if not edits:
        assert check_files([folder / FILES[LINE]]) == []


FILE_NAMES = {
    "service": ("sort_plan", "returns_policy", "registry", "journal"),
    "service.logs": ("file",),
    "service.metrics": ("certificate", "private_key"),
    "io.certificates": ("certificate", "private_key", "trusted", "revoked"),
    "io.opcua.security": ("password_file", "user_certificate", "user_private_key"),
}


@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\x7f", "\x85"])
def test_a_control_character_in_a_file_name_is_refused_and_not_printed(
    folder: Path, character: str
) -> None:
    line = json.loads(json.dumps(GOOD[LINE]))
    for section, keys in FILE_NAMES.items():
        place = line
        for part in section.split("."):
            place = place.setdefault(part, {})
        place.update((key, f"a{character}b") for key in keys)
    path = folder / "line.yaml"
    path.write_text(json.dumps(line), "utf-8")
    problems = check_files([path])
    refused = {one.key_path for one in problems if "without control characters" in one.remedy}
    assert refused == {f"{section}.{key}" for section, keys in FILE_NAMES.items() for key in keys}
    assert all(str(problem).isprintable() for problem in problems)
