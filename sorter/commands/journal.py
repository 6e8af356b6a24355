"""``sorter journal``: look after a journal file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sorter.config.models import Retention
from sorter.options import a_number, most
from sorter.runtime.clock import Calendar
from sorter.runtime.journal_prune import prune_journal
from sorter.runtime.journal_retention import Limits
from sorter.words import counted

SECONDS_PER_DAY = 86_400
BYTES_PER_MB = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    journal = typer.Typer(help="Look after a journal file.", no_args_is_help=True)
    journal.command(name="prune")(prune_command)
    app.add_typer(journal, name="journal")


def prune_command(
    journal: Annotated[Path, typer.Argument(help="Journal file; it may be in use.")],
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=most(Retention, "max_age_days"),
            callback=a_number,
            help="Days; steps written before go, to the minute.",
        ),
    ] = None,
    max_mb: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=most(Retention, "max_mb"),
            callback=a_number,
            help="The oldest steps go until the file is smaller.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Take the oldest steps and parcels out of a journal and make the file smaller.

    What a restart or a parcel on the line needs stays, whatever is asked for. Without options the
    limits are those of a line file that says nothing. A running controller prunes by itself, by
    service.retention of its line file, and may go on meanwhile.

    Exit codes: 0 done, 2 the journal cannot be read or written.
    """
    if older_than is None and max_mb is None:
        usual = Retention()
        older_than, max_mb = usual.max_age_days, usual.max_mb
    limits = Limits(
        None if older_than is None else older_than * SECONDS_PER_DAY,
        None if max_mb is None else int(max_mb * BYTES_PER_MB),
    )
    done = prune_journal(journal, limits, Calendar().now_s())
    if as_json:
        typer.echo(json.dumps(done))
        return
    typer.echo(
        f"{counted(done['pruned_steps'], 'step')} and {counted(done['pruned_parcels'], 'parcel')} "
        f"pruned; the file had {done['bytes_before'] / 1e6:,.1f} MB and has "
        f"{done['bytes_after'] / 1e6:,.1f} MB"
    )
    if not done["within_limits"]:
        typer.echo("it is larger than asked for: the rest is needed for a restart", err=True)
