"""``python -m plc_sim``: a simulated line and its PLC, served on Modbus/TCP and OPC UA.

Reports in JSON lines on standard output. Exit codes: 0 stopped by a signal, 2 cannot start.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from plc_sim.feed import FeedParcel, read_feed
from plc_sim.runner_faults import split_faults
from plc_sim.scenario import ScenarioFile, line_path, load_scenario
from plc_sim.served import ServedRig, ServeOptions
from sorter.config.link_security import is_loopback
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.errors import SorterError
from sorter.options import (
    LAST_PORT,
    MOST_PARCELS,
    MOST_PARCELS_PER_H,
    MOST_SEED,
    a_number,
)
from sorter.version import VersionOption


class OptionsError(SorterError):
    """Command line options that do not fit each other."""


def main(
    *,
    config: Annotated[Path, typer.Option(help="Scenario file.")],
    modbus_port: Annotated[
        int | None, typer.Option(min=0, max=LAST_PORT, help="Serve Modbus/TCP; 0: free port.")
    ] = None,
    opcua_port: Annotated[
        int | None, typer.Option(min=0, max=LAST_PORT, help="Serve OPC UA; 0: free port.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, callback=a_number, help="Simulated s per s.")
    ] = 1.0,
    parcels: Annotated[
        int | None, typer.Option(min=0, max=MOST_PARCELS, help="Of the feed at most so many.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1, max=MOST_PARCELS_PER_H, callback=a_number, help="Parcels per hour."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of all random numbers.")] = 0,
    feed: Annotated[Path | None, typer.Option(help="CSV of what comes; none: nothing.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write the truth ledger here.")] = None,
    fc23: Annotated[bool, typer.Option("--fc23/--no-fc23", help="Offer FC23 on Modbus.")] = True,
    certs: Annotated[
        Path | None,
        typer.Option(help="Folder of `sorter certs init`: encrypt, and let only its users in."),
    ] = None,
    auto_start: Annotated[
        bool,
        typer.Option("--auto-start/--wait-for-controller", help="When parcels begin to come."),
    ] = False,
    leave_to_runner: Annotated[
        bool,
        typer.Option(help="Faults of link, host, disk and processes are made by somebody else."),
    ] = False,
    version: VersionOption = False,  # noqa: ARG001 - its callback has ended the program
) -> None:
    """Serve a simulated line and its PLC until SIGTERM or SIGINT."""
    options = ServeOptions(
        host=host,
        modbus_port=modbus_port,
        opcua_port=opcua_port,
        speed=speed,
        fc23=fc23,
        auto_start=auto_start,
        truth_path=truth,
        certs=certs,
    )
    try:
        if modbus_port is None and opcua_port is None:
            raise OptionsError("nothing to serve: give --modbus-port, --opcua-port or both")
        scenario, line_file = _load(config, rate)
        if leave_to_runner:
            scenario, _ = split_faults(scenario)
        _check_openness(line_file, options)
        _run(_serve(scenario, line_file, _load_feed(feed, parcels), seed, options))
    except (SorterError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error


def _check_openness(line_file: LineFile, options: ServeOptions) -> None:
    """Refuse to serve plain text unless the line file says so for each protocol served."""
    if options.certs is not None:
        return
    io = line_file.io
    links = (
        (options.modbus_port, io.modbus.tls, "plain_text", "io.modbus.tls"),
        (options.opcua_port, io.opcua.security, "none_and_anonymous", "io.opcua.security"),
    )
    for port, link, open_mode, key in links:
        if port is None:
            continue
        if link.mode != open_mode:
            raise OptionsError(
                f"the line file wants an encrypted link: give --certs DIR (`sorter certs init` "
                f"makes one), or write {{mode: {open_mode}}} at {key}"
            )
        if not is_loopback(options.host) and not link.accept_plain_text_off_loopback:
            raise OptionsError(
                f"--host {options.host} would serve plain text to other machines: give --certs "
                f"DIR, or set {key}.accept_plain_text_off_loopback"
            )


def _load(config: Path, rate: float | None) -> tuple[ScenarioFile, LineFile]:
    """Return the scenario, with another arrival rate if one is given, and its line."""
    scenario = load_scenario(config)
    line_file = load_yaml_model(line_path(config, scenario), LineFile)
    if rate is not None:
        arrivals = scenario.arrivals.model_copy(update={"rate_parcels_per_h": rate})
        scenario = scenario.model_copy(update={"arrivals": arrivals})
    return scenario, line_file


def _load_feed(path: Path | None, parcels: int | None) -> list[FeedParcel]:
    """Return what comes to the line: without a feed nothing, and the belt runs empty."""
    if path is not None:
        return read_feed(path)[:parcels]
    if parcels:
        raise OptionsError(
            f"--parcels {parcels} limits a feed, but none is given: add --feed FILE, or leave "
            "--parcels out to serve an empty belt"
        )
    return []


async def _serve(
    scenario: ScenarioFile,
    line_file: LineFile,
    feed: list[FeedParcel],
    seed: int,
    options: ServeOptions,
) -> None:
    rig = ServedRig(scenario, line_file, feed, seed=seed, options=options, report=_report)
    await rig.run()


def _report(event: str, fields: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"event": event} | fields) + "\n")
    sys.stdout.flush()


def _run(serving: Any) -> None:
    """Run on uvloop where there is one: it answers a poll in two thirds of the time."""
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


def run() -> None:
    """Run the command."""
    # No pretty tracebacks: they show local variables, which may be secrets.
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    app()
