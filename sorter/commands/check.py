"""``sorter check``: every problem of some configuration files, in one go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sorter.config.check import check_files
from sorter.errors import Problem
from sorter.security.wall_clock import utc_now


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check")(check)


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="Files of any kind, in any order.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Report all problems of configuration files and of the files they refer to.

    Each with file, line, key, what is wrong and what would be right. Exit code 0: clean,
    2: problems.
    """
    problems = check_files(files, utc_now())
    console = Console()
    if as_json:
        listing = [asdict(problem) for problem in problems]
        typer.echo(json.dumps({"files": [str(path) for path in files], "problems": listing}))
    elif not problems:
        typer.echo(f"no problems in {', '.join(str(path) for path in files)}")
    elif console.is_terminal:
        _show_table(console, problems)
    else:
        for problem in problems:
            typer.echo(str(problem))
    if problems:
        raise typer.Exit(2)


def _show_table(console: Console, problems: Sequence[Problem]) -> None:
    for file in dict.fromkeys(problem.file for problem in problems):
        table = Table(title=file, title_justify="left", show_lines=True)
        table.add_column("line", justify="right")
        for heading in ("key", "problem", "remedy"):
            table.add_column(heading, overflow="fold")
        for problem in problems:
            if problem.file == file:
                # Text, not markup: a key like [red] in the file is shown, not obeyed.
                cells = (problem.key_path, problem.problem, problem.remedy)
                table.add_row(str(problem.line or "-"), *(Text(cell) for cell in cells))
        console.print(table)
    count = len(problems)
    console.print(f"{count} problem{'s' if count != 1 else ''}", highlight=False)
