"""Which version of the software this is."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer


def software_version() -> str:
    """Return the version of the installed package."""
    return version("parcel-sorter")


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"parcel-sorter {software_version()}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_say_version, is_eager=True, help="Say it and end."),
]
"""For a command that has a version; its value tells nothing."""
