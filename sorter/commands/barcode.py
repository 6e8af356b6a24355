"""``sorter barcode``: what a scanned payload means and what the line would do with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sorter.commands.returns import announced_json, find
from sorter.config.load import LoadedLine, load_line
from sorter.host.barcode import BarcodeReading, read_payload
from sorter.host.generate import escape_label, unescape_label
from sorter.host.registry import AnnouncedReturn, Registry, identity_hash
from sorter.host.resolver import RegistryHost
from sorter.model.codes import EXCEPTION_CAUSES, Cause, Disposition, Grade, ScanVerdict
from sorter.model.columns import LineField, ScanColumn
from sorter.model.frames import Rows, ScanRead
from sorter.model.plan import SortPlan

DEFAULT_CONFIG = Path("config/line.yaml")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("barcode")(barcode)


@dataclass(frozen=True, slots=True)
class _Line:
    """The line that is asked and its registry, in memory and empty when there is no file."""

    loaded: LoadedLine
    registry: Registry
    host: RegistryHost
    registry_note: str


def barcode(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Payloads; \\x1d, \\u0142, \\n and \\\\ are escapes. Several stand for several"
            " codes on one parcel, too.",
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", help=f"Line file; {DEFAULT_CONFIG} if there is one."),
    ] = None,
    registry: Annotated[
        Path | None, typer.Option("--registry", help="Return registry; the line's by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Say what scanned payloads mean and what the line would do with them.

    Symbology family, identity, verdict on the check digit, GS1 elements, the return record, and
    the disposition, stream and chutes in the order in which they are tried, or the exception
    outlet. Nothing is sent to a line.

    Without a line file there is no disposition, but the record of a registry that is named.

    Exit code 0: each payload identifies a parcel, 1: at least one does not (junk, wrong check
    digit, broken GS1 syntax, a product number alone) and is no label in the registry either, 2:
    configuration or registry cannot be used.
    """
    payloads = [unescape_label(text).encode("utf-8", "surrogatepass") for text in texts]
    readings = [read_payload(payload) for payload in payloads]
    with ExitStack() as stack:
        line = _open_line(stack, config, registry)
        alone = None  # a registry that was named is asked without a line, too
        if line is None and registry is not None:
            alone = stack.enter_context(Registry.open(registry))
        results = [
            _result(text, reading, _fate(line, (payload,)), _known_to(alone, text))
            for text, reading, payload in zip(texts, readings, payloads, strict=True)
        ]
        together = _fate(line, tuple(payloads)) if len(payloads) > 1 else None
    if as_json:
        typer.echo(json.dumps({"codes": results, "together": together}))
    else:
        _print(results, together, registry)
    if any(result["identity"] is None for result in results):
        raise typer.Exit(1)


def _open_line(stack: ExitStack, config: Path | None, registry: Path | None) -> _Line | None:
    if config is None and not DEFAULT_CONFIG.is_file():
        return None
    loaded = load_line(config or DEFAULT_CONFIG)
    note = ""
    if registry is not None:
        opened = stack.enter_context(Registry.open(registry))
    elif loaded.registry_path.is_file():
        opened = stack.enter_context(Registry.open(loaded.registry_path))
    else:
        opened = stack.enter_context(Registry.create(":memory:"))
        note = f"no return registry at {loaded.registry_path}: every return is unknown"
    host = RegistryHost(opened, loaded.policy, preload=0)
    return _Line(loaded, opened, host, note)


def _known_to(registry: Registry | None, text: str) -> dict[str, Any] | None:
    """Return the record of one code; None, too, without a registry to ask."""
    found = None if registry is None else find(registry, unescape_label(text))
    return None if found is None else announced_json(found)


def _fate(line: _Line | None, codes: tuple[bytes, ...]) -> dict[str, Any] | None:
    """Return what the line would do with a parcel that carries these codes."""
    if line is None:
        return None
    # Imported late: it loads the kernels, for which `sorter --help` need not wait.
    from sorter.core.disposition import preview  # noqa: PLC0415

    scan = ScanRead(seq=1, scanner_idx=0, encoder_count=0, tick_100us=0, codes=codes)
    row = line.host.resolve([scan])[0]
    known = int(row[ScanColumn.KNOWN]) == 1
    record = _record_of(line.registry, codes, row) if known else None
    layout = line.loaded.layout
    sizes: dict[str, int] = {}
    if record is not None:
        counts = round(record.length_mm / layout.mm_per_count)
        sizes = {
            "length_counts": counts or -1,
            "width_mm": record.width_mm or -1,
            "height_mm": record.height_mm or -1,
            "weight_g": record.weight_g or -1,
        }
    result = preview(line.loaded.policy, layout, row, **sizes)
    plan = line.loaded.plan
    grade = int(row[ScanColumn.GRADE])
    routed = result.cause < 0
    chutes = (
        _route(plan, grade, result.stream, layout.chute_names)
        if routed
        else [{"stream": None, "chutes": [layout.chute_names[_outlet(plan, result.cause)]]}]
    )
    return {
        "line": layout.name,
        "verdict": ScanVerdict(int(row[ScanColumn.VERDICT])).name.lower(),
        "record": announced_json(record) if record is not None else None,
        "disposition": Disposition(result.disposition).name if result.disposition >= 0 else None,
        "grade": Grade(grade).name if known else None,
        "stream": plan.stream_names[result.stream] if result.stream >= 0 else None,
        "exception": None if routed else Cause(result.cause).name.lower(),
        "groups": chutes,
        "fallback": layout.chute_names[plan.fallback_chute],
        "laps": int(layout.line[LineField.MAX_LAPS]),
        "note": line.registry_note,
    }


def _record_of(registry: Registry, codes: Sequence[bytes], row: Rows) -> AnnouncedReturn | None:
    """Return the record that the resolved row speaks of."""
    for code in codes:
        try:
            found = find(registry, code.decode())
        except UnicodeDecodeError:
            continue
        if found is not None and identity_hash(found.record.identity) == row[ScanColumn.IDENTITY]:
            return found
    return None


def _route(plan: SortPlan, grade: int, stream: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the groups of chutes in the order in which they are tried, overflow included."""
    groups: list[dict[str, Any]] = []
    streams = len(plan.stream_names)
    while stream >= 0:
        cell = grade * streams + stream
        for group in range(plan.cell_groups[cell], plan.cell_groups[cell + 1]):
            members = plan.group_chutes[plan.group_starts[group] : plan.group_starts[group + 1]]
            groups.append(
                {
                    "stream": plan.stream_names[stream],
                    "chutes": [names[chute] for chute in np.asarray(members).tolist()],
                }
            )
        stream = int(plan.overflow[stream])
    return groups


def _outlet(plan: SortPlan, cause: int) -> int:
    if cause < len(EXCEPTION_CAUSES):
        return int(plan.exception_chutes[cause])
    return plan.fallback_chute


def _result(
    text: str,
    reading: BarcodeReading,
    fate: dict[str, Any] | None,
    known: dict[str, Any] | None,
) -> dict[str, Any]:
    record = fate["record"] if fate else known
    identity = record["identity"] if record else reading.identity
    return {
        "input": text,
        "text": escape_label(reading.text),
        "symbology": reading.symbology or None,
        "family": reading.family.value,
        "identity": None if identity is None else escape_label(identity),
        "check": reading.check.value,
        "elements": {ai: escape_label(value) for ai, value in reading.elements.items()},
        "problem": reading.problem,
        "record": record,
        "fate": fate,
    }


def _print(
    results: Sequence[dict[str, Any]], together: dict[str, Any] | None, registry: Path | None
) -> None:
    """Print what is known of each code; `registry` is the one that was named."""
    for result in results:
        typer.echo(escape_label(unescape_label(result["input"])) or "(empty)")
        aim = f" ({result['symbology']})" if result["symbology"] else ""
        _row("family", f"{result['family']}{aim}")
        registered = " (only because the registry knows it)" if result["problem"] else ""
        _row("identity", f"{result['identity']}{registered}" if result["identity"] else "none")
        _row("check digit", result["check"])
        if result["elements"]:
            _row("elements", " ".join(f"({ai}){v}" for ai, v in result["elements"].items()))
        if result["problem"]:
            _row("problem", result["problem"])
        _print_fate(result["fate"])
        if result["fate"] is None:
            _print_record(result["record"], f"none in {registry}" if registry else "")
    if together is not None:
        typer.echo("all of these on one parcel")
        _print_fate(together)


def _print_fate(fate: dict[str, Any] | None) -> None:
    if fate is None:
        _row("line", f"unknown: no {DEFAULT_CONFIG} here, name one with --config")
        return
    _row("line", f"{fate['line']}: {fate['verdict'].replace('_', '-')}")
    if fate["note"]:
        _row("registry", fate["note"])
    _print_record(fate["record"])
    groups = fate["groups"]
    if fate["exception"] is not None:
        _row("exception", f"{fate['exception']} -> chute {groups[0]['chutes'][0]}")
        return
    _row("disposition", f"{fate['disposition']}, grade {fate['grade']}, stream {fate['stream']}")
    for number, group in enumerate(groups, start=1):
        own = group["stream"] == fate["stream"]
        via = "" if own else f" (overflow into {group['stream']})"
        _row(f"choice {number}", f"{', '.join(group['chutes'])}{via}")
    _row("else", f"recirculate, at most {fate['laps']} laps, then chute {fate['fallback']}")


def _print_record(record: dict[str, Any] | None, otherwise: str = "") -> None:
    shown = ("label", "grade", "category", "reason", "hazmat", "value_cents", "country")
    text = ", ".join(f"{name} {record[name]}" for name in shown) if record else otherwise
    if text:
        _row("record", text)


def _row(name: str, value: str) -> None:
    typer.echo(f"  {name:<12} {value}")
