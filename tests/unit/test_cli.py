"""The command line itself: what there is, and how errors are told."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from sorter import cli
from sorter.errors import SorterError

COMMANDS = {
    *("run", "demo", "simulate", "check", "schema", "returns", "barcode", "explain", "replay"),
}


def test_help_lists_every_command_also_those_of_installed_packages() -> None:
    result = CliRunner().invoke(cli.build(), ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f" {name} " in result.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_tells_its_exit_codes(name: str) -> None:
    arguments = [name, "import"] if name == "returns" else [name]
    result = CliRunner().invoke(cli.build(name), [*arguments, "--help"])
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "xit code" in text or "xit 0" in text


def test_our_errors_are_one_message_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_: str) -> typer.Typer:
        app = typer.Typer()

        @app.command()
        def broken() -> None:
            raise SorterError("the belt is gone: look under the table")

        return app

    monkeypatch.setattr(cli, "build", build)
    monkeypatch.setattr(sys, "argv", ["sorter"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "sorter: the belt is gone: look under the table\n"


def test_help_loads_no_kernel() -> None:
    program = (
        "import sys; from sorter.cli import build; build('run');"
        "print('numba' in sys.modules, 'asyncua' in sys.modules, 'pymodbus' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["False", "False", "False"]
