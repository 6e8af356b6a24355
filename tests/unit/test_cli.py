"""The command line itself: what there is, and how errors are told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sorter import cli
from sorter.errors import SorterError

ROOT = Path(__file__).parents[2]
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


def readme_exit_codes() -> list[tuple[str, str]]:
    """Return command and meaning of exit code 2 of each row of the README's table."""
    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `sorter ([a-z ]+)[^`]*` \|.*\|[^|]*\b2 ([^|]+) \|$", text, re.MULTILINE)
    return [(command.strip(), meaning) for command, meaning in rows]


def test_the_readme_lists_all_commands() -> None:
    assert {command.split()[0] for command, _ in readme_exit_codes()} >= COMMANDS
    assert len(readme_exit_codes()) >= 15


@pytest.mark.parametrize(("command", "meaning"), readme_exit_codes())
def test_exit_code_2_means_the_same_in_readme_and_help(command: str, meaning: str) -> None:
    found = typer.main.get_command(cli.build())
    for name in command.split():
        found = found.commands[name]  # type: ignore[attr-defined]
    told = " ".join((found.help or "").split())
    assert re.search(rf"\b2:? {re.escape(meaning)}\b", told), told


@pytest.mark.parametrize("module", ["sorter", "plc_sim"])
def test_the_version_is_that_of_the_package(module: str) -> None:
    program = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == f"parcel-sorter {version('parcel-sorter')}\n"


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


@pytest.mark.parametrize("loading", [True, False])
def test_an_interrupt_is_one_message_and_exit_code_130(
    loading: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_: str) -> typer.Typer:
        app = typer.Typer()

        @app.command()
        def interrupted() -> None:
            raise KeyboardInterrupt

        if loading:
            interrupted()
        return app

    monkeypatch.setattr(cli, "build", build)
    monkeypatch.setattr(sys, "argv", ["sorter"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "sorter: interrupted before it was done\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
@pytest.mark.parametrize("module", ["sorter", "plc_sim"])
def test_an_interrupt_while_modules_are_loaded_is_one_message(module: str, tmp_path: Path) -> None:
    # A module that everything needs, and that is interrupted while it is being loaded.
    (tmp_path / "typer.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    [0] * 9\n"
        "except KeyboardInterrupt:\n    raise ImportError('half loaded') from None\n"
    )
    program = (
        "import runpy, signal\n"
        # The tests may run in the background of a shell, which lets all below it ignore SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert done.stderr == f"{module}: interrupted before it was done\n"
    assert done.returncode == 130


def test_help_loads_no_kernel() -> None:
    program = (
        "import sys; from sorter.cli import build; build('run');"
        "print('numba' in sys.modules, 'asyncua' in sys.modules, 'pymodbus' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["False", "False", "False"]
