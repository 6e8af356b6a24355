"""``sorter demo``: a served simulator and a real controller, watched and reconciled."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.live import Live

from sorter.config.check import check_files
from sorter.errors import ConfigError
from sorter.options import RateOption, SeedOption, a_number
from sorter.rehearsal.parcels import prepare_parcels
from sorter.rehearsal.rehearse import Protocol, RehearsalPlan, RehearsalProgress, rehearse
from sorter.rehearsal.view import is_clean, live_view, plain_line, summary_view
from sorter.security.wall_clock import utc_now

PLAIN_PERIOD_S = 5.0
SHORT_PARCELS = 500
SHORT_SPEED = 6.0

SpeedOption = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=100,
        callback=a_number,
        help="Belt time per wall time; 6 for up to 500 parcels.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    protocol: Annotated[str, typer.Option(help="modbus, opcua, or both in turn.")] = "modbus",
    parcels: Annotated[int, typer.Option(min=1, max=1_000_000, help="Parcels to sort.")] = 300,
    rate: RateOption = 20_000,
    speed: SpeedOption = None,
    seed: SeedOption = 1,
    returns: Annotated[
        Path | None, typer.Option(help="Real return lines (UCI Online Retail form).")
    ] = None,
    config: Annotated[Path, typer.Option(help="Line file.")] = Path("config/line.yaml"),
    scenario: Annotated[Path, typer.Option(help="Simulator scenario.")] = Path(
        "config/scenarios/default.yaml"
    ),
    keep: Annotated[Path, typer.Option(help="Folder for journal, truth and logs.")] = Path(
        "var/demo"
    ),
    secure: Annotated[
        bool, typer.Option("--secure", help="Encrypt the links, with certificates made for it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Watch a return-centre line sort, over real sockets, and check it against the truth.

    Journal, truth ledger, summary and logs stay in the folder named by --keep. With --json and
    --protocol both the summaries are a list under "runs".

    Exit codes: 0 every parcel is accounted for and every count agrees with the truth ledger,
    1 something does not, 2 could not run.
    """
    protocols = _protocols(protocol)
    if problems := check_files([config, scenario]):
        raise ConfigError.of(problems)
    console = Console(stderr=as_json)
    certs = _fresh_certificates(keep) if secure else None
    summaries = []
    for name in protocols:
        work_dir = keep / name
        feed, registry, count, notes = prepare_parcels(work_dir, parcels, rate, seed, returns)
        for note in notes:
            console.print(note, highlight=False)
        plan = RehearsalPlan(
            protocol=name,
            scenario=scenario,
            line=config,
            feed=feed,
            registry=registry,
            parcels=count,
            rate_parcels_per_h=rate,
            speed=_speed(speed, parcels),
            seed=seed,
            work_dir=work_dir,
            certs=certs,
        )
        summaries.append(_rehearsed(plan, console, quiet=as_json))
    if as_json:
        _write_json(summaries)
    raise SystemExit(0 if all(is_clean(summary) for summary in summaries) else 1)


def _protocols(wanted: str) -> tuple[Protocol, ...]:
    """Return the protocols to rehearse over, one after the other."""
    if wanted == "both":
        return ("modbus", "opcua")
    if wanted in ("modbus", "opcua"):
        return (cast("Protocol", wanted),)
    raise typer.BadParameter(f"'{wanted}' is none of modbus, opcua, both")


def _write_json(summaries: list[dict[str, Any]]) -> None:
    whole: Any = summaries[0] if len(summaries) == 1 else {"runs": summaries}
    sys.stdout.write(json.dumps(whole, indent=1) + "\n")


def _fresh_certificates(keep: Path) -> Path:
    """Make certificates that are good for a day; those of the last demo are replaced."""
    # Imported late: cryptography takes a fifth of a second to load.
    from sorter.security.folder import CertsPlan, make_folder  # noqa: PLC0415

    folder = keep / "certs"
    make_folder(folder, CertsPlan(days=1), utc_now(), force=True)
    return folder


def _rehearsed(plan: RehearsalPlan, console: Console, *, quiet: bool) -> dict[str, Any]:
    """Return the summary of one rehearsal, shown unless `quiet`."""
    summary = asyncio.run(_watched(plan, console))
    if not quiet:
        console.print(summary_view(summary))
        console.print(f"look closer: sorter explain {summary['journal']} 1", highlight=False)
    return summary


def _speed(speed: float | None, parcels: int) -> float:
    """Return the given speed; short demos run faster than life unless told otherwise."""
    if speed is not None:
        return speed
    return SHORT_SPEED if parcels <= SHORT_PARCELS else 1.0


async def _watched(plan: RehearsalPlan, console: Console) -> dict[str, Any]:
    if not console.is_terminal:
        return await rehearse(plan, _plain_printer(console))
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        return await rehearse(plan, lambda progress: live.update(live_view(progress)))


def _plain_printer(console: Console) -> Callable[[RehearsalProgress], None]:
    """Return a printer that says something when the phase changes and every few seconds."""
    last_s = float("-inf")
    last_phase = ""

    def show(progress: RehearsalProgress) -> None:
        nonlocal last_s, last_phase
        now_s = time.perf_counter()
        if progress.phase != last_phase or now_s - last_s >= PLAIN_PERIOD_S:
            last_s, last_phase = now_s, progress.phase
            console.print(plain_line(progress), highlight=False, soft_wrap=True)

    return show
