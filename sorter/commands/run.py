"""``sorter run``: the control loop on the PLC that the line file names."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sorter.config.load import load_line
from sorter.files import require_folder, write_text
from sorter.options import LAST_PORT


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    config: Annotated[Path, typer.Option(help="Line file.")] = Path("config/line.yaml"),
    protocol: Annotated[
        str | None, typer.Option(help="modbus or opcua, instead of the line file's.")
    ] = None,
    peer: Annotated[
        str | None, typer.Option(help="HOST:PORT (modbus) or endpoint URL (opcua) of the PLC.")
    ] = None,
    certs: Annotated[
        Path | None, typer.Option(help="Folder of `sorter certs init`: encrypt with its files.")
    ] = None,
    registry: Annotated[Path | None, typer.Option(help="Return registry.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Journal file.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write the run's summary here.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=LAST_PORT, help="Prometheus port; 0 takes a free one.")
    ] = None,
) -> None:
    """Sort until SIGTERM or SIGINT.

    Prints one JSON line when the line is ready and one when it has stopped. Exit codes: 0 stopped
    cleanly, 2 could not start or could not go on, 3 another controller commands the PLC.
    """
    if protocol not in (None, "modbus", "opcua"):
        raise typer.BadParameter(f"'{protocol}' is neither modbus nor opcua")
    for path, option in ((registry, "--registry"), (journal, "--journal"), (summary, "--summary")):
        if path is not None:
            require_folder(path, option)
    gc.disable()  # until the loop runs: what is made while starting stays, and looking costs
    loaded = load_line(config)
    # Imported late: it compiles or loads every kernel, and a wrong line file should say so at once.
    from sorter.app.field_bus import LinkOptions  # noqa: PLC0415
    from sorter.app.live import LiveOptions, run_live  # noqa: PLC0415

    options = LiveOptions(
        link=LinkOptions(protocol, peer, certs),  # type: ignore[arg-type]
        registry=registry,
        journal=journal,
        metrics_port=metrics_port,
    )
    result = run_live(loaded, options, _say)
    if summary is not None:
        write_text(summary, json.dumps(result, indent=1) + "\n")
    _say({"event": "stopped", "parcels": result["parcels"], "wall_s": result["wall_s"]})


def _say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
