"""The ``sorter`` command: wires the command modules together and prints errors for people."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points

import typer

from sorter.errors import SorterError

COMMAND_MODULES = (
    "run",
    "demo",
    "check",
    "schema",
    "returns",
    "barcode",
    "explain",
    "replay",
)
"""Modules of ``sorter.commands``; installed packages add more through ``sorter.commands``."""


def build() -> typer.Typer:
    """Return the command with all sub-commands, those of installed packages included."""
    app = typer.Typer(
        name="sorter",
        help="Parcel-sorting controller for return centres.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in COMMAND_MODULES:
        import_module(f"sorter.commands.{name}").register(app)
    for entry in entry_points(group="sorter.commands"):
        entry.load()(app)
    return app


def main() -> None:
    """Run the command; an error of ours is one message on stderr and exit code 2."""
    try:
        build()()
    except SorterError as error:
        sys.stderr.write(f"sorter: {error}\n")
        raise SystemExit(2) from error
