"""``sorter check`` and ``sorter schema`` as a person or a script sees them."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sorter.commands import check, schema
from sorter.config import checks_machine
from sorter.config.check import check_files
from sorter.config.kinds import kind_names
from sorter.security.wall_clock import utc_now


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    check.register(app)
    schema.register(app)
    return app


def break_laps(config: Path) -> Path:
    path = config / "line.yaml"
    path.write_text(path.read_text("utf-8").replace("max_laps: 3", "max_laps: 0"), "utf-8")
    return path


def test_clean_files_exit_0(app: typer.Typer, config: Path) -> None:
    files = [str(config / name) for name in ("line.yaml", "small_line.yaml")]
    result = CliRunner().invoke(app, ["check", *files])
    assert result.exit_code == 0
    assert result.output == f"no problems in {', '.join(files)}\n"


def test_problems_exit_2_one_line_each(app: typer.Typer, config: Path) -> None:
    path = break_laps(config)
    result = CliRunner().invoke(app, ["check", str(path), str(config / "none.yaml")])
    assert result.exit_code == 2
    first, second = result.output.splitlines()
    line = path.read_text("utf-8").splitlines().index("  max_laps: 0 # then to the fallback outlet")
    assert first == (
        f"{path}:{line + 1}: line.max_laps: 0 is less than 1; "
        "expected a whole number, like 20, at least 1, at most 100"
    )
    assert second.startswith(f"{config / 'none.yaml'}: there is no such file; ")


def test_a_folder_or_device_is_nothing_to_write_to(app: typer.Typer, config: Path) -> None:
    path = config / "line.yaml"
    text = path.read_text("utf-8").replace("journal: ../var/journal.sqlite", "journal: ..")
    path.write_text(text.replace("logs: {level: info}", "logs: {file: /dev/full}"), "utf-8")
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 2
    assert [line.split(": ", 1)[1] for line in result.output.splitlines()] == [
        f"service.journal: {config}/..: is a folder, a pipe or a device, not a file; name a file",
        "service.logs.file: /dev/full: is a folder, a pipe or a device, not a file; name a file",
    ]


@pytest.mark.parametrize(
    ("error", "problems"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), []),
        (OSError(errno.ENAMETOOLONG, "File name too long"), ["cannot be written (File name too "]),
    ],
)
def test_a_folder_that_whoever_checks_cannot_look_into_hides_no_problem(
    config: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, problems: list[str]
) -> None:
    def look(path: Path) -> bool:
        if path.name == "journal.sqlite":
            raise error
        return True

    monkeypatch.setattr(checks_machine, "may_be_database", look)
    found = check_files([config / "line.yaml"], utc_now())
    about = [one.problem for one in found if one.key_path == "service.journal"]
    assert len(about) == len(problems)
    assert all(said in one for said, one in zip(problems, about, strict=True))


def test_a_missing_file_tells_where_to_run(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check", "config/line.yaml"])
    assert result.exit_code == 2
    assert result.output == (
        "config/line.yaml: there is no such file; run the command in the project's folder, or "
        "name the file by its full path\n"
    )


def test_problems_as_json(app: typer.Typer, config: Path) -> None:
    path = break_laps(config)
    result = CliRunner().invoke(app, ["check", "--json", str(path)])
    assert result.exit_code == 2
    report = json.loads(result.output)
    assert report["files"] == [str(path)]
    (problem,) = report["problems"]
    assert problem["file"] == str(path)
    assert problem["key_path"] == "line.max_laps"
    assert set(problem) == {"file", "key_path", "line", "problem", "remedy"}


def test_clean_json(app: typer.Typer, config: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--json", str(config / "line.yaml")])
    assert result.exit_code == 0
    assert json.loads(result.output)["problems"] == []


def test_no_file_is_a_usage_error(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["check"]).exit_code == 2


def test_a_terminal_gets_a_table_and_markup_is_shown_not_obeyed(config: Path) -> None:
    path = config / "line.yaml"
    text = path.read_text("utf-8").replace("max_laps: 3", 'max_laps: 0\n  "[red]x[/red]": 1')
    path.write_text(text, "utf-8")
    program = (
        "import typer\nfrom sorter.commands import check, schema\n"
        "app = typer.Typer()\ncheck.register(app)\nschema.register(app)\napp()\n"
    )
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, "check", path.name],
            stdout=follower,
            cwd=config,
            env={**os.environ, "COLUMNS": "160", "TERM": "xterm"},
            timeout=60,
            check=False,
        )
    finally:
        os.close(follower)
    output = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the terminal is gone: all has been read
            break
        if not chunk:
            break
        output += chunk
    os.close(leader)
    shown = output.decode()
    assert done.returncode == 2
    assert "┃" in shown
    assert "[red]x[/red]" in shown
    assert "2 problems" in shown


def test_schema_command(app: typer.Typer, tmp_path: Path) -> None:
    folder = tmp_path / "schema"
    result = CliRunner().invoke(app, ["schema", str(folder)])
    assert result.exit_code == 0
    assert result.output.splitlines() == [f"wrote {folder / kind}.json" for kind in kind_names()]
    again = CliRunner().invoke(app, ["schema", str(folder)])
    assert again.output == f"all {len(kind_names())} schemas in {folder} are current\n"
    as_json = CliRunner().invoke(app, ["schema", "--json", str(folder)])
    assert json.loads(as_json.output) == {"kinds": list(kind_names()), "changed": []}
