"""``sorter replay``: feed a journal to ``decide`` again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from sorter.errors import SorterError
from sorter.words import counted

if TYPE_CHECKING:
    from sorter.runtime.replay import ReplayResult

UNREADABLE = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="replay")(replay_command)


def replay_command(
    journal: Annotated[Path, typer.Argument(help="Journal file of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Feed the recorded events to decide again and compare every command, decision and outcome.

    Exit code 0: all identical. 1: not identical, the first difference is shown. 2: the journal
    cannot be read or replayed.
    """
    try:
        result = _replay_shown(journal, quiet=as_json)
    except SorterError as error:
        if as_json:
            typer.echo(json.dumps({"identical": None, "error": str(error)}))
        else:
            typer.echo(f"sorter: {error}", err=True)
        raise typer.Exit(UNREADABLE) from error
    if as_json:
        typer.echo(json.dumps(asdict(result)))
    elif result.identical:
        typer.echo(
            f"identical: {counted(result.steps, 'step')} of {counted(result.runs, 'run')}"
            + _left_out(result)
        )
    else:
        typer.echo(f"different after {result.steps:,} steps\n{result.first_difference}")
    if not result.identical:
        raise typer.Exit(1)


def _left_out(result: ReplayResult) -> str:
    """Say which steps nothing is said of, and why."""
    told = ""
    if result.pruned_steps:
        told += f"; {counted(result.pruned_steps, 'step')} pruned"
    if result.skipped_steps:
        told += (
            f"; {counted(result.skipped_steps, 'step')} kept, but before the oldest snapshot that "
            "pruning left, so not replayed"
        )
    return told


def _replay_shown(journal: Path, *, quiet: bool) -> ReplayResult:
    # Imported late: it loads the kernels, for which `sorter --help` need not wait.
    from sorter.runtime.replay import replay  # noqa: PLC0415

    if quiet or not sys.stderr.isatty():
        return replay(journal)
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replaying", total=None)
        return replay(
            journal, lambda done, total: progress.update(task, completed=done, total=total)
        )
