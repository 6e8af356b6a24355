"""``sorter chaos``: contributed to the ``sorter`` command through an entry point."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from sorter.config.check import check_files
from sorter.errors import ConfigError
from sorter.files import write_text
from sorter.options import MOST_SEED, a_number

if TYPE_CHECKING:
    from plc_sim.chaos.running import RunResult
    from plc_sim.chaos.story import Protocol, Story

DEFAULT_RUNS = 10
SEEDS = 1_000_000_000
MOST_RUNS = 1_000_000

MinutesOption = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=366 * 24 * 60, callback=a_number, help="Begin no further run after so long."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chaos")(chaos_command)


def chaos_command(
    runs: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_RUNS, help="So many; 10, or as many as --minutes allow."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_SEED, help="Of the first run; a fresh one unless given."),
    ] = None,
    minutes: MinutesOption = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Runs at the same time; a core each, at most.")
    ] = 1,
    protocol: Annotated[
        str | None, typer.Option(help="modbus or opcua; drawn unless given.")
    ] = None,
    parcels: Annotated[int, typer.Option(min=1, max=10_000, help="In each run.")] = 80,
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=20, callback=a_number, help="Belt time per wall time."),
    ] = 4.0,
    config: Annotated[Path, typer.Option(help="Line file.")] = Path("config/line.yaml"),
    story: Annotated[
        Path | None, typer.Option(help="Run this story (a scenario file) instead of drawn ones.")
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option(help="Run every kind of fault once by itself and write the table here."),
    ] = None,
    keep: Annotated[Path, typer.Option(help="Folder for what failed.")] = Path("var/chaos"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Let everything go wrong at random on a served rig, and check that nothing is lost.

    Each run draws faults and kills from its seed (the next run has the next seed), sorts over real
    sockets, and compares the journal with the simulator's truth ledger, and where parcels lie with
    the chutes that policy and plan name for their labels. A run that fails is shortened to the
    faults it needs; its seed, the story as YAML, and the folder with journal, truth and logs are
    printed.

    Exit codes: 0 everything held in every run, 1 a run failed, 2 could not run.
    """
    _require_usable(protocol, jobs, config, story)
    first = secrets.randbelow(SEEDS) if seed is None else seed
    limit = runs or (None if minutes else DEFAULT_RUNS if story is None else 1)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    console.print(f"seed {first}")
    stories = _stories(first, story, config, parcels, speed, cast("Protocol | None", protocol))
    if document is not None:
        holds, text = asyncio.run(_document(next(stories), config, keep, console))
        write_text(document, text)
        raise SystemExit(0 if holds else 1)
    results: list[RunResult] = []
    try:
        asyncio.run(_run_all(stories, limit, minutes, jobs, config, keep, console, results))
    finally:
        # Also when a run could not start: what was found before is worth the same.
        _report(first, results, console, as_json=as_json)
    raise SystemExit(0 if all(result.verdict.holds for result in results) else 1)


def _require_usable(protocol: str | None, jobs: int, config: Path, story: Path | None) -> None:
    """Check what the types of the options do not tell."""
    if protocol not in (None, "modbus", "opcua"):
        raise typer.BadParameter(f"'{protocol}' is neither modbus nor opcua")
    if story is not None and jobs > 1:
        raise typer.BadParameter("one story is run one time after the other: leave --jobs out")
    problems = check_files([config, *([] if story is None else [story])])
    if problems:
        raise ConfigError.of(problems)


def _stories(
    seed: int,
    file: Path | None,
    line: Path,
    parcels: int,
    speed: float,
    protocol: Protocol | None,
) -> Iterator[Story]:
    # Imported late, as below: --help need not wait for the models.
    from plc_sim.chaos.story import draw_story, read_story  # noqa: PLC0415

    for number in itertools.count(seed):
        if file is None:
            yield draw_story(number, line, parcels=parcels, speed=speed, protocol=protocol)
        else:
            yield read_story(
                file, seed, parcels=parcels, speed=speed, protocol=protocol or "modbus"
            )


async def _document(story: Story, line: Path, keep: Path, console: Console) -> tuple[bool, str]:
    from plc_sim.chaos.document import measured_document  # noqa: PLC0415
    from plc_sim.chaos.running import Theatre  # noqa: PLC0415

    def say(text: str) -> None:
        console.print(text, markup=False)

    return await measured_document(line, Theatre(line, keep, say), story, say)


async def _run_all(
    stories: Iterator[Story],
    limit: int | None,
    minutes: float | None,
    jobs: int,
    line: Path,
    keep: Path,
    console: Console,
    results: list[RunResult],
) -> None:
    from plc_sim.chaos.running import Theatre, failure_text, success_text  # noqa: PLC0415

    until_s = float("inf") if minutes is None else time.perf_counter() + minutes * 60
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    left = itertools.islice(stories, limit)
    with bar:
        task = bar.add_task("runs", total=limit)
        theatre = Theatre(line, keep, lambda text: console.print(text, markup=False))

        async def run_what_is_left() -> None:
            for story in left:
                result = await theatre.run(story)
                results.append(result)
                bar.advance(task)
                if result.verdict.holds:
                    console.print(success_text(result), markup=False)
                else:
                    for text in failure_text(result):
                        console.print(text, markup=False)
                if time.perf_counter() >= until_s:
                    return

        lanes = [asyncio.create_task(run_what_is_left()) for _ in range(jobs)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                if not lane.cancelling():  # a second time would cut its cleaning up short
                    lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)


def _report(seed: int, results: list[RunResult], console: Console, *, as_json: bool) -> None:
    from plc_sim.chaos.running import Totals  # noqa: PLC0415

    totals = Totals()
    for result in results:
        totals.add(result.verdict)
    if as_json:
        whole = {"seed": seed, **asdict(totals), "results": [run.as_json() for run in results]}
        sys.stdout.write(json.dumps(whole, indent=1) + "\n")
        return
    console.print(
        f"{totals.runs} runs from seed {seed}, {totals.parcels:,} parcels: {totals.lost} lost, "
        f"{totals.double_counted} double-counted, {totals.wrong_chute} wrong chute without a "
        f"recorded cause; {totals.failed} runs failed"
    )
