"""``sorter schema``: write the JSON Schemas of the configuration files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sorter.config.kinds import kind_names
from sorter.config.schema import write_schemas


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("schema")(schema)


def schema(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the .json files go.")] = Path(
        "config/schema"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Write a JSON Schema for every kind of configuration file, for editors to complete keys.

    Exit code 0: the files are current now; 2: they cannot be written.
    """
    changed = [str(path) for path in write_schemas(folder)]
    if as_json:
        typer.echo(json.dumps({"kinds": list(kind_names()), "changed": changed}))
        return
    for path in changed:
        typer.echo(f"wrote {path}")
    if not changed:
        typer.echo(f"all {len(kind_names())} schemas in {folder} are current")
