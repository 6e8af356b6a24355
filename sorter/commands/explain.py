"""``sorter explain``: one parcel's whole story."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sorter.errors import JournalError
from sorter.runtime.explain import Moment, Story, explain
from sorter.runtime.parcel_search import UnknownParcel

UNKNOWN = 1
UNREADABLE = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="explain")(explain_command)


def explain_command(
    journal: Annotated[Path, typer.Argument(help="Journal file of a run.")],
    parcel: Annotated[str, typer.Argument(help="Parcel number, or a code as scanned.")],
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Tell a parcel's story: eyes, scans, decisions with every candidate, commands, entry.

    Exit code 0: told. 1: no such parcel. 2: the journal cannot be read.
    """
    try:
        stories = explain(journal, parcel)
    except JournalError as error:
        if as_json:
            typer.echo(json.dumps({"error": str(error)}))
        else:
            typer.echo(f"sorter: {error}", err=True)
        code = UNKNOWN if isinstance(error, UnknownParcel) else UNREADABLE
        raise typer.Exit(code) from error
    if as_json:
        typer.echo(json.dumps([story.as_json() for story in stories], indent=2))
        return
    for story in stories:
        _show(story)


def _show(story: Story) -> None:
    code = "no code" if story.code is None else repr(story.code)
    title = f"parcel {story.parcel}, {code}: {story.ending}"
    if not sys.stdout.isatty():
        typer.echo(title)
        for moment in story.moments:
            typer.echo("  ".join(_cells(moment)))
        return
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE)
    table.add_column("time", justify="right")
    table.add_column("way", justify="right")
    table.add_column("what")
    table.add_column("", overflow="fold")
    for moment in story.moments:
        table.add_row(*map(escape, _cells(moment)))
    Console().print(table)


def _cells(moment: Moment) -> tuple[str, str, str, str]:
    return (
        f"{moment.time_s:9.3f} s",
        f"{moment.position_mm:9.0f} mm",
        f"{moment.what:<10}",
        moment.text,
    )
