"""The live view of a rehearsed line, and the summary at its end."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sorter.rehearsal.rehearse import RehearsalProgress
from sorter.rehearsal.snapshot import LineSnapshot

ZONE_CELLS = 16
ZONES_A_ROW = 3
FILL_CELLS = 10
CHUTES_A_COLUMN = 12
LATENCY_QUANTILE = 0.99
LOSSES = ("dropped_outputs", "mailbox_corrupt", "mailbox_overflow")


def live_view(progress: RehearsalProgress) -> RenderableType:
    """Return the picture of the line as it is now."""
    plan, line = progress.plan, progress.line
    title = f"{plan.protocol} · {plan.rate_parcels_per_h:,.0f} parcels/h · speed {plan.speed:g}"
    return Panel(
        Group(_progress_row(progress), Text(), _belt(line), Text(), _chutes(line), _counters(line)),
        title=f"[bold]returns line[/bold] · {title}",
        subtitle=f"{progress.phase} · line {_mode(line)}",
        box=box.ROUNDED,
    )


def plain_line(progress: RehearsalProgress) -> str:
    """Return the state of things as one line of text, for where there is no terminal."""
    line = progress.line
    return (
        f"{progress.phase}: {progress.released}/{progress.plan.parcels} released, "
        f"{progress.on_line} on the line, "
        f"{line.value('sorter_parcels_total'):.0f} finished, "
        f"{line.value('sorter_recirculations_total'):.0f} recirculated, "
        f"{line.value('sorter_missed_deadlines_total'):.0f} deadlines missed"
    )


def summary_view(summary: dict[str, Any]) -> RenderableType:
    """Return the end-of-run tables of one rehearsal or simulation."""
    return Group(
        Columns([_totals_table(summary), _latency_table(summary)]),
        Columns(
            [
                _count_table("by disposition", summary.get("by_disposition", {})),
                _count_table("by chute", summary.get("by_chute", {})),
                _count_table("by cause", summary.get("by_cause", {})),
            ]
        ),
        _verdict(summary),
    )


def is_clean(summary: dict[str, Any]) -> bool:
    """Return whether every parcel is accounted for and every count agrees with the truth.

    Records that found no place, on the wire or in the controller, are parcels that could not be
    accounted for: with any of them a run is not clean either.
    """
    zeros = [summary["unaccounted"], summary["truth_mismatches"]]
    zeros += [summary["anomalies"][name] for name in LOSSES]
    zeros += summary.get("exit_codes", {}).values()
    return not any(zeros)


def _mode(line: LineSnapshot) -> str:
    """Return the state of the line, with the reason when it is not simply running."""
    for name, labels, _ in line.samples:
        if name == "sorter_line_mode":
            state, reason = labels["state"].title(), labels["reason"].replace("_", " ")
            return state if reason == "running" else f"{state} ({reason})"
    return "Undefined"


def _progress_row(progress: RehearsalProgress) -> RenderableType:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=34)
    row.add_column(ratio=1)
    row.add_row(
        f"{progress.released:>5} of {progress.plan.parcels} inducted, {progress.ended} ended",
        ProgressBar(total=max(progress.plan.parcels, 1), completed=progress.ended),
    )
    return row


def _belt(line: LineSnapshot) -> RenderableType:
    """Return the zones in the direction of travel, each with the parcels in it."""
    cells = []
    for name, parcels in line.labelled("sorter_zone_parcels", "zone").items():
        filled = min(int(parcels), ZONE_CELLS)
        cell = Text(f"{name:>9} ", style="dim")
        cell.append("▪" * filled, style="cyan not dim")
        cell.append("·" * (ZONE_CELLS - filled))
        cell.append(f" {parcels:>3.0f}", style="not dim")
        cells.append(cell)
    belt = Table.grid(padding=(0, 1))
    for start in range(0, len(cells), ZONES_A_ROW):
        belt.add_row(Text("belt →" if start == 0 else ""), *cells[start : start + ZONES_A_ROW])
    return belt


def _chutes(line: LineSnapshot) -> RenderableType:
    fills = line.labelled("sorter_chute_fill_ratio", "chute")
    totals = line.labelled("sorter_chute_entered_total", "chute")
    names = list(fills)
    tables = []
    for start in range(0, len(names), CHUTES_A_COLUMN):
        table = Table.grid(padding=(0, 1))
        for name in names[start : start + CHUTES_A_COLUMN]:
            table.add_row(name, _fill_bar(fills[name]), f"{totals.get(name, 0):>5.0f}")
        tables.append(Panel(table, title="chute · fill · total", box=box.MINIMAL))
    return Columns(tables)


def _fill_bar(ratio: float) -> Text:
    filled = min(math.ceil(ratio * FILL_CELLS), FILL_CELLS)
    style = "green" if ratio < 0.7 else "yellow" if ratio < 1 else "red"
    return Text("█" * filled, style=style) + Text("░" * (FILL_CELLS - filled), style="dim")


def _counters(line: LineSnapshot) -> RenderableType:
    dispositions = line.labelled("sorter_parcels_total", "disposition")
    parts = [f"{name} {count:.0f}" for name, count in dispositions.items() if count]
    parts += [
        f"recirculated {line.value('sorter_recirculations_total'):.0f}",
        f"no-read {line.value('sorter_no_reads_total'):.0f}",
        f"missed deadlines {line.value('sorter_missed_deadlines_total'):.0f}",
        f"decision p99 <= {_quantile_us(line):.0f} us",
    ]
    return Text(" · ".join(parts))


def _quantile_us(line: LineSnapshot) -> float:
    buckets = line.labelled("sorter_decision_latency_seconds_bucket", "le")
    ordered = sorted((float(bound), count) for bound, count in buckets.items())
    if not ordered or ordered[-1][1] == 0:
        return 0.0
    wanted = ordered[-1][1] * LATENCY_QUANTILE
    return next((bound for bound, count in ordered if count >= wanted), 0.0) * 1e6


def _totals_table(summary: dict[str, Any]) -> Table:
    table = Table(title=f"{summary['protocol']}: parcels", box=box.SIMPLE)
    table.add_column("what")
    table.add_column("count", justify="right")
    for key in (
        *("parcels", "sorted", "missorted", "rejected", "lost", "removed", "recirculations"),
        *("missed_deadlines", "unaccounted", "truth_mismatches"),
    ):
        table.add_row(key.replace("_", " "), f"{summary[key]:,}")
    for name, count in summary["alarms"].items():
        if count:
            table.add_row(name.replace("_", " "), f"{count:,}")
    return table


def _latency_table(summary: dict[str, Any]) -> Table:
    table = Table(title="timing", box=box.SIMPLE)
    table.add_column("what")
    table.add_column("value", justify="right")
    for name, value in summary["decision_latency_us"].items():
        table.add_row(f"decision latency {name}", f"{value:,.0f} us")
    for name, value in summary["slack_ms"].items():
        table.add_row(f"command slack {name}", "-" if value is None else f"{value:,.0f} ms")
    table.add_row("wall time", f"{summary['wall_s']:,.1f} s")
    return table


def _count_table(title: str, counts: dict[str, int]) -> Table:
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("name")
    table.add_column("parcels", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def _verdict(summary: dict[str, Any]) -> Text:
    if is_clean(summary):
        return Text(
            "every parcel is accounted for, every count agrees with the truth ledger",
            style="bold green",
        )
    lines = [
        f"NOT CLEAN: {summary['unaccounted']} unaccounted, "
        f"{summary['truth_mismatches']} truth mismatches, "
        f"exit codes {summary.get('exit_codes', {})}, anomalies {summary['anomalies']}",
        *summary.get("details", [])[:10],
    ]
    return Text("\n".join(lines), style="bold red")
