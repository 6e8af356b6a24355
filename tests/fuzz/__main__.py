"""``python -m tests.fuzz [TARGET...]``: look for inputs that break an entry point.

Kernels run with every index checked (``NUMBA_BOUNDSCHECK=1``), so the first run compiles them
anew. Exit code 0: nothing found, 1: findings, each with its smallest input under ``--save``.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("NUMBA_BOUNDSCHECK", "1")  # before anything imports numba

import typer
from rich.console import Console
from rich.table import Table

from .runner import Report, fuzz, save
from .targets import TARGETS, target_of


def main(
    targets: Annotated[
        list[str] | None, typer.Argument(help=f"All unless named: {', '.join(TARGETS)}")
    ] = None,
    inputs: Annotated[int, typer.Option(min=1, help="Per target.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same inputs.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Share the inputs of a target.")] = 1,
    minutes: Annotated[float, typer.Option(help="Per target, at most.")] = float("inf"),
    folder: Annotated[Path, typer.Option("--save", help="Where findings are kept.")] = Path(
        "var/fuzz"
    ),
    kinds: Annotated[int, typer.Option(min=0, help="Show so many kinds of answers.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    atheris: Annotated[
        bool, typer.Option("--atheris", help="One target under libFuzzer; pip install atheris.")
    ] = False,
) -> None:
    """Feed mutated inputs to entry points and count what becomes of them."""
    names = targets or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: no such target; known: {[*TARGETS]}")
    if atheris:
        from .with_atheris import run_atheris

        if len(names) != 1:
            raise typer.BadParameter("--atheris takes one target: libFuzzer ends the process")
        run_atheris(names[0], inputs, seed, minutes, folder)
        return
    reports = []
    for name in names:
        report = _shared(name, inputs, seed, processes, 60 * minutes)
        reports.append(report)
        if report.findings:
            for path in save(report, folder):
                sys.stderr.write(f"{name}: {path}\n")
        sys.stderr.write(f"{json.dumps(_row(report, 0))}\n")
    if as_json:
        sys.stdout.write(json.dumps([_row(report, kinds) for report in reports], indent=1) + "\n")
    else:
        _show(reports, kinds)
    raise SystemExit(1 if any(report.findings for report in reports) else 0)


def _shared(name: str, inputs: int, seed: int, processes: int, seconds: float) -> Report:
    if processes == 1:
        return fuzz(target_of(name), inputs, seed, seconds=seconds)
    with ProcessPoolExecutor(processes) as pool:
        parts = [
            pool.submit(_part, name, inputs // processes, seed * 1000 + part, seconds)
            for part in range(processes)
        ]
        whole = Report(name, seed)
        for part in parts:
            whole.add(part.result())
    return whole


def _part(name: str, inputs: int, seed: int, seconds: float) -> Report:
    return fuzz(target_of(name), inputs, seed, seconds=seconds)


def _row(report: Report, kinds: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "target": report.target,
        "seed": report.seed,
        "inputs": report.inputs,
        "crashes": report.crashes,
        "stalls": report.stalls,
        "wall_s": round(report.wall_s, 1),
        "per_s": round(report.inputs / report.wall_s) if report.wall_s else 0,
        "slowest_ms": round(report.slowest_ms, 1),
        "lines": report.lines,
        "kinds": len(report.kinds),
        "findings": [finding.what for finding in report.findings.values()],
    }
    if kinds:
        row["answers"] = dict(report.kinds.most_common(kinds))
    return row


def _show(reports: list[Report], kinds: int) -> None:
    columns = ("target", "inputs", "crashes", "stalls", "per_s", "slowest_ms", "lines", "kinds")
    table = Table(*columns)
    for report in reports:
        row = _row(report, 0)
        table.add_row(*(str(row[column]) for column in columns))
    console = Console()
    console.print(table)
    for report in reports:
        for kind, count in report.kinds.most_common(kinds):
            console.print(f"{report.target:<12} {count:>9,}  {kind}", markup=False, highlight=False)
        for finding in report.findings.values():
            console.print(f"{report.target}: {finding.what}", markup=False, style="red")


if __name__ == "__main__":
    typer.run(main)
