"""The ``sorter`` command: wires the command modules together and prints errors for people."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from importlib.metadata import entry_points
from io import TextIOWrapper
from typing import Final, NoReturn

import typer

from sorter.errors import SorterError
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.logs import configure_logs
from sorter.version import VersionOption

COMMAND_MODULES = (
    "run",
    "demo",
    "check",
    "schema",
    "returns",
    "barcode",
    "explain",
    "replay",
    "journal",
    "certs",
)
"""Modules of ``sorter.commands``; installed packages add more through ``sorter.commands``."""
INTERRUPTED: Final = 128 + signal.SIGINT
"""Exit code of a command that Ctrl-C ended, as a shell says it."""


def build(wanted: str = "") -> typer.Typer:
    """Return the command with its sub-commands, those of installed packages included.

    Parameters
    ----------
    wanted : str
        Name of a sub-command: no other is imported, which saves ``sorter run`` half a second.
    """
    app = typer.Typer(
        name="sorter",
        help="Parcel-sorting controller for return centres.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_keep_sub_commands)
    for name in (wanted,) if wanted in COMMAND_MODULES else COMMAND_MODULES:
        import_module(f"sorter.commands.{name}").register(app)
    if wanted not in COMMAND_MODULES:
        for entry in entry_points(group="sorter.commands"):
            entry.load()(app)
    return app


def _keep_sub_commands(*, version: VersionOption = False) -> None:
    """Parcel-sorting controller for return centres."""


def main() -> None:
    """Run the command; an error of ours is one message on stderr and its exit code, mostly 2."""
    configure_logs(MonotonicClock())
    if isinstance(sys.stdout, TextIOWrapper):
        # A file name or code that the terminal's encoding cannot show is shown as an escape.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
    except BrokenPipeError:
        # Whoever read the output has gone, e.g. `sorter explain ... | head`; nothing to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:  # while the command was being loaded
        _end_interrupted()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # what typer makes of it while the command works
            _end_interrupted()
        raise
    except (SorterError, OSError) as error:
        sys.stderr.write(f"sorter: {error}\n")
        raise SystemExit(getattr(error, "exit_code", SorterError.exit_code)) from error


def _end_interrupted() -> NoReturn:
    sys.stderr.write("sorter: interrupted before it was done\n")
    raise SystemExit(INTERRUPTED) from None
