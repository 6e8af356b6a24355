"""Run the benchmarks, compare with the budgets, print a table or JSON."""

from __future__ import annotations

import json
import operator
import platform
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sorter.runtime.clock import MonotonicClock
from sorter.runtime.logs import configure_logs

BUDGETS_PATH = Path(__file__).with_name("budgets.toml")
BOUNDS = {"max": operator.le, "min": operator.ge, "equals": operator.eq}


def load_budgets() -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``{module: {figure: {unit, max | min | equals, why}}}``."""
    return tomllib.loads(BUDGETS_PATH.read_text())


def judge(budget: dict[str, Any], value: float) -> bool:
    """Return whether a measured value keeps its budget."""
    return all(holds(value, budget[name]) for name, holds in BOUNDS.items() if name in budget)


def rows_of(module: str, figures: dict[str, float]) -> list[dict[str, Any]]:
    """Return one row a figure: the measured value, its budget, and whether it holds."""
    budgets = load_budgets().get(module, {})
    rows = []
    for name, value in figures.items():
        budget = budgets.get(name, {})
        bound = next((f"{key} {budget[key]:g}" for key in BOUNDS if key in budget), "")
        rows.append(
            {
                "benchmark": module,
                "figure": name,
                "value": value,
                "unit": budget.get("unit", ""),
                "budget": bound,
                "holds": judge(budget, value) if bound else None,
            }
        )
    return rows


def main(
    only: Annotated[
        list[str] | None, typer.Argument(help="Modules to run; all unless named.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Fewer repetitions.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure; exit 1 when a budget is broken."""
    # What goes wrong on the simulated line on purpose is no news here.
    configure_logs(MonotonicClock(), "error")
    rows: list[dict[str, Any]] = []
    for module in only or list(load_budgets()):
        sys.stderr.write(f"measuring {module} ...\n")
        rows += rows_of(module, import_module(f"benchmarks.{module}").measure(quick))
    if as_json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        print(json.dumps({**machine, "figures": rows}, indent=1))
    else:
        table = Table("benchmark", "figure", "value", "unit", "budget", "holds")
        for row in rows:
            holds = {True: "yes", False: "NO", None: ""}[row["holds"]]
            table.add_row(
                row["benchmark"],
                row["figure"],
                f"{row['value']:,.3f}",
                row["unit"],
                row["budget"],
                holds,
            )
        Console().print(table)
    raise SystemExit(1 if any(row["holds"] is False for row in rows) else 0)


if __name__ == "__main__":
    typer.run(main)
