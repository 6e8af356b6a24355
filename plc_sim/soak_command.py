"""``sorter soak``: contributed to the ``sorter`` command through an entry point."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sorter.options import RateOption, SeedOption, a_number


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("soak")(soak_command)


def soak_command(
    parcels: Annotated[int, typer.Option(min=100, max=100_000_000)] = 1_000_000,
    protocol: Annotated[
        str, typer.Option(help="in-process (virtual time), modbus or opcua (real processes).")
    ] = "in-process",
    speed: Annotated[
        float,
        typer.Option(
            min=0.1, max=100, callback=a_number, help="Of the served line; in-process has none."
        ),
    ] = 10.0,
    rate: RateOption = 20_000,
    seed: SeedOption = 1,
    config: Annotated[Path, typer.Option(help="Line file, where processes are real.")] = Path(
        "config/line.yaml"
    ),
    scenario: Annotated[Path, typer.Option(help="Simulator scenario.")] = Path(
        "config/scenarios/default.yaml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Sort for very long and report memory, files, threads, tasks and latency over time.

    Exit codes: 0 memory grows by less than 1 MB per million parcels, the 99th percentile of the
    latency in the last tenth is at most a tenth above that in the first, and every parcel is
    accounted for; 1 something does not hold; 2 could not run.

    Below some 200,000 parcels the process is still growing to its size: the slope says nothing.
    """
    if protocol not in ("in-process", "modbus", "opcua"):
        raise typer.BadParameter(f"'{protocol}' is none of in-process, modbus, opcua")
    with tempfile.TemporaryDirectory(prefix="sorter-soak-") as folder:
        if protocol == "in-process":
            result = _in_process(scenario, parcels, seed, Path(folder))
        else:
            result = _served(
                Path(folder),
                {"protocol": protocol, "scenario": scenario, "line": config, "seed": seed},
                parcels,
                rate,
                speed,
            )
    if as_json:
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
    else:
        Console().print(soak_view(result))
    accounted = not result["unaccounted"] and not result["truth_mismatches"]
    holds = result["memory_holds"] and result["latency_holds"] and accounted
    raise SystemExit(0 if holds else 1)


def _compile_kernels() -> None:
    """Have the kernels compiled by another process, unless they are.

    A compiler leaves 300 MB behind that are neither the controller's nor the simulator's.
    """
    subprocess.run([sys.executable, "-c", "import plc_sim.closed_loop"], check=True)


def _in_process(scenario: Path, parcels: int, seed: int, folder: Path) -> dict[str, Any]:
    _compile_kernels()
    # Imported late: it loads the kernels, which --help need not wait for.
    from plc_sim.closed_loop import soak  # noqa: PLC0415

    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("sorting", total=parcels)
        return soak(
            scenario,
            parcels=parcels,
            seed=seed,
            journal_path=folder / "journal.sqlite",
            progress=lambda done: bar.update(task, completed=done),
        )


def _served(
    folder: Path, what: dict[str, Any], parcels: int, rate: float, speed: float
) -> dict[str, Any]:
    from sorter.rehearsal.parcels import prepare_parcels  # noqa: PLC0415
    from sorter.rehearsal.rehearse import RehearsalPlan  # noqa: PLC0415
    from sorter.rehearsal.soak import soak_served  # noqa: PLC0415

    feed, registry, count, _ = prepare_parcels(folder, parcels, rate, what["seed"], None)
    plan = RehearsalPlan(
        **what,
        feed=feed,
        registry=registry,
        parcels=count,
        rate_parcels_per_h=rate,
        speed=speed,
        work_dir=folder,
    )
    return asyncio.run(soak_served(plan))


def _alarms(result: dict[str, Any]) -> str:
    counts = {name: count for name, count in result.get("alarms", {}).items() if count}
    return "".join(f", {name.replace('_', ' ')} {count:,}" for name, count in counts.items())


def soak_view(result: dict[str, Any]) -> Table:
    """Return the report for people: a line a tenth, and what it comes to."""
    samples = result["samples"]
    total = max(result["parcels"], 1)
    table = Table(
        title=f"{result['parcels']:,} parcels, {result['protocol']}, {result['wall_s']:,.0f} s",
        caption=(
            f"memory {result['memory_slope_mb_per_million']:+.2f} MB per million parcels behind a"
            f" warm-up of {result['warm_up_share']:.0%}"
            f" ({'holds' if result['memory_holds'] else 'TOO MUCH'}); p99"
            f" {result['latency_p99_growth']:+.1%} from first to last tenth"
            f" ({'holds' if result['latency_holds'] else 'TOO MUCH'}); unaccounted"
            f" {result['unaccounted']}, mismatches {result['truth_mismatches']}{_alarms(result)};"
            " journal at most"
            f" {result['journal_largest_bytes'] / 1e6:,.0f} MB"
        ),
    )
    headings = (
        "parcels",
        "memory MB",
        "files",
        "threads",
        "tasks",
        "p50 us",
        "p99 us",
        "preempted",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    preempted = samples[0]["preemptions"] if samples else 0
    for tenth, latency in enumerate(result["tenths"], 1):
        upto = [sample for sample in samples if sample["parcels"] * 10 <= total * tenth]
        last = upto[-1] if upto else samples[0]
        table.add_row(
            f"{last['parcels']:,}",
            f"{last['rss_bytes'] / 1e6:,.1f}",
            str(last["files"]),
            str(last["threads"]),
            str(last["tasks"]),
            f"{latency['p50_us']:.1f}" if latency["steps"] else "-",
            f"{latency['p99_us']:.1f}" if latency["steps"] else "-",
            f"{last['preemptions'] - preempted:,}",
        )
        preempted = last["preemptions"]
    return table
