"""``sorter simulate``: contributed to the ``sorter`` command through an entry point."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sorter.options import SeedOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate_command)


def simulate_command(
    scenario: Annotated[Path, typer.Argument(help="Scenario file.")] = Path(
        "config/scenarios/default.yaml"
    ),
    parcels: Annotated[int, typer.Option(min=1, max=50_000_000)] = 10_000,
    seed: SeedOption = 1,
    journal: Annotated[Path | None, typer.Option(help="Keep the journal here.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Keep the truth ledger here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Sort on a simulated line in one process, on virtual time, as fast as it goes.

    Exit codes: 0 every parcel is accounted for and every count agrees with the truth, 1 something
    does not, 2 could not run.
    """
    # Imported late: they load the kernels, which --help need not wait for.
    from plc_sim.closed_loop import simulate  # noqa: PLC0415
    from sorter.rehearsal.view import is_clean, summary_view  # noqa: PLC0415

    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("sorting", total=parcels)
        summary = simulate(
            scenario,
            parcels=parcels,
            seed=seed,
            journal_path=journal,
            truth_path=truth,
            progress=lambda done: bar.update(task, completed=done),
        )
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    else:
        Console().print(summary_view(summary))
    raise SystemExit(0 if is_clean(summary) else 1)
