"""Numeric options take what makes sense, and say so of what does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.__main__ import main as benchmarks_main
from plc_sim.command import main as plc_sim_main
from sorter import cli
from sorter.app.field_bus import LinkOptions, link_of
from sorter.config.load import load_line
from sorter.errors import ConfigError

NONSENSE = ("-1", "nan", "inf", "-inf", "1e308", "99999999999999999999", "")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What colours a message where they are wanted by all means."""
Found = tuple[str, tuple[str, ...], str]


@cache
def programs() -> dict[str, typer.Typer]:
    plc_sim, benchmarks = typer.Typer(), typer.Typer()
    plc_sim.command()(plc_sim_main)
    benchmarks.command()(benchmarks_main)
    return {"sorter": cli.build(), "plc_sim": plc_sim, "benchmarks": benchmarks}


def functions(app: typer.Typer, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command's words and function."""
    for command in app.registered_commands:
        yield (*path, *([command.name] if command.name else [])), command.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from functions(group.typer_instance, (*path, str(group.name)))


def numeric_options() -> Iterator[Found]:
    for program, app in programs().items():
        for path, function in functions(app, ()):
            for name, hint in get_type_hints(function, include_extras=True).items():
                said = get_args(hint)
                kinds = {said[0], *get_args(said[0])} if said else set()
                if kinds & {int, float}:
                    named = said[1].param_decls or (f"--{name.replace('_', '-')}",)
                    yield program, path, named[0]


def test_the_numeric_options_are_found() -> None:
    found = {(program, *path, option) for program, path, option in numeric_options()}
    assert len(found) > 20
    assert ("sorter", "journal", "prune", "--max-mb") in found
    assert ("plc_sim", "--modbus-port") in found


@pytest.mark.parametrize(("program", "path", "option"), list(numeric_options()))
def test_nonsense_is_refused_by_name_before_anything_is_done(
    program: str, path: tuple[str, ...], option: str
) -> None:
    for value in NONSENSE:
        result = CliRunner().invoke(programs()[program], [*path, f"{option}={value}"])
        assert result.exit_code == 2, (value, result.output)
        assert f"Invalid value for '{option}'" in _STYLE.sub("", result.output), value


@pytest.mark.parametrize("port", ["0", "65536", "99999", "-1", "x"])
def test_an_endpoint_has_a_port_that_there_can_be(port: str) -> None:
    loaded = load_line("config/small_line.yaml")
    with pytest.raises(ConfigError, match="is not an OPC UA endpoint"):
        link_of(loaded, LinkOptions("opcua", f"opc.tcp://127.0.0.1:{port}/", None))


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000, "-1", "\u0663", ""])
def test_a_peer_has_a_port_that_there_can_be(port: str) -> None:
    loaded = load_line("config/small_line.yaml")
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        link_of(loaded, LinkOptions("modbus", f"127.0.0.1:{port}", None))
