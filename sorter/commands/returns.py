"""``sorter returns``: import, generate and show return records."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sorter.config.models import Service
from sorter.errors import RegistryUnusable, ReturnsFileError
from sorter.files import require_folder
from sorter.host.barcode import read_payload
from sorter.host.customers import CustomerHash
from sorter.host.erasing import Erased
from sorter.host.generate import escape_label, generate_returns, unescape_label
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.host.returns_file import import_csv, import_online_retail, write_csv
from sorter.host.returns_lines import ImportReport
from sorter.options import MOST_SEED, most
from sorter.security.wall_clock import utc_now
from sorter.words import counted

DEFAULT_REGISTRY = Path("var/returns.sqlite")
DEFAULT_REFERENCE_KEY = Path("var/certs/controller/reference_key")
PROGRESS_AFTER_S = 2.0
REJECTS_SHOWN = 20
OTHER_KEY_REMEDY = (
    "name the file of that key with --reference-key; if it is lost, returns can only be erased by "
    "their labels (--label), or when their retention ends"
)
_NOT_TRACELESS = (
    "another process is using it, or its disk has no room for a copy of it, so its files may still "
    "hold what was erased"
)

RegistryOption = Annotated[
    Path, typer.Option("--registry", metavar="PATH", help="Return registry (SQLite file).")
]
ReferenceKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--reference-key",
        metavar="FILE",
        help=f"Secret key of the customer references; {DEFAULT_REFERENCE_KEY} if it is there.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


class FileFormat(StrEnum):
    """Known formats of return files."""

    CSV = "csv"
    ONLINE_RETAIL = "online-retail"


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(help="Import, generate and show return records.", no_args_is_help=True)
    group.command("import")(import_file)
    group.command("generate")(generate)
    group.command("show")(show)
    group.command("forget")(forget)
    app.add_typer(group, name="returns")


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Return file.")],
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="Own CSV format, or UCI Online Retail.")
    ] = FileFormat.CSV,
    registry: RegistryOption = DEFAULT_REGISTRY,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, max=MOST_SEED, help="For what online-retail does not hold."),
    ] = 0,
    reference_key: ReferenceKeyOption = None,
    keep_days: Annotated[
        int,
        typer.Option(
            "--keep-days",
            min=1,
            max=most(Service, "registry_retention_days"),
            help="Erase what was imported before that.",
        ),
    ] = Service.model_fields["registry_retention_days"].default,
    as_json: JsonOption = False,
) -> None:
    """Import a return file into the registry; every line is accounted for.

    Names and addresses are not read, and of a customer reference only a keyed hash is kept.

    Exit code 0: all lines accepted, 1: some lines rejected (each with line number and cause; the
    others are imported), or none below the header: nothing to import, 2: file or registry cannot
    be used, or the registry's customer references are stored under another key, nothing is
    imported. Without an accepted line no new registry is made.
    """
    if registry != DEFAULT_REGISTRY:
        require_folder(registry, "--registry")
    customers = _customers(reference_key, needed=False)
    with _progress(f"importing {file.name}") as advance:
        if file_format is FileFormat.CSV:
            report = import_csv(file, registry, advance, customers)
        else:
            report = import_online_retail(file, registry, seed, advance, customers)
    if registry.is_file():
        report.remarks.extend(_erase_expired(registry, keep_days))
    total = _records_in(registry)
    if as_json:
        typer.echo(json.dumps(_report_json(report, registry, total)))
    else:
        _print_report(report, registry, total)
    if report.rejected or not report.accepted:
        raise typer.Exit(1)


def _erase_expired(registry: Path, keep_days: int) -> Iterator[str]:
    """Erase what was imported too long ago; yield what people should know about it."""
    try:
        with Registry.open(registry) as opened:
            expired = opened.erase_imported_before(today() - keep_days)
    except RegistryUnusable as error:  # what is imported is imported, and wants its report
        yield f"{error}; what is older than {keep_days} days is not erased"
        return
    if expired.returns:
        erased = counted(expired.returns, "return")
        yield f"{erased} imported more than {keep_days} days ago: erased"
    if not expired.traceless:  # also of an earlier import, or of the controller
        yield (
            f"{registry}: {_NOT_TRACELESS}; import again when that is over, or run a controller, "
            "which tries it every hour"
        )


def generate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file to write.")],
    count: Annotated[int, typer.Option("--count", min=0, max=90_000_000, help="Lines.")] = 500,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=MOST_SEED, help="Same seed, same file.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write generated returns in the project's own CSV format.

    Exit code 0: written, 2: the file cannot be written.
    """
    with _progress(f"generating {file.name}") as advance:

        def announced() -> Iterator[AnnouncedReturn]:
            for index, generated in enumerate(generate_returns(count, seed, 0.0)):
                if index % 256 == 0:
                    advance(index, count)
                yield generated.announced

        written = write_csv(file, announced())
    if as_json:
        typer.echo(json.dumps({"file": str(file), "lines": written, "seed": seed}))
    else:
        typer.echo(f"{file}: {counted(written, 'generated return')}, seed {seed}")


def show(
    label: Annotated[
        str, typer.Argument(metavar="LABEL", help="Label or identity; may hold \\x1d escapes.")
    ],
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Show the return record of a label.

    Exit code 0: found, 1: the registry has no such return, 2: no registry.
    """
    text = unescape_label(label)
    with Registry.open(registry) as opened:
        found = find(opened, text)
    if as_json:
        typer.echo(json.dumps(None if found is None else announced_json(found)))
    elif found is None:
        typer.echo(f"{registry}: no return with the label {escape_label(text)}")
    else:
        for name, value in announced_json(found).items():
            typer.echo(f"{name:<13} {value}")
    if found is None:
        raise typer.Exit(1)


def forget(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="Customer reference; - reads it from stdin.")
    ],
    registry: RegistryOption = DEFAULT_REGISTRY,
    reference_key: ReferenceKeyOption = None,
    label: Annotated[
        bool, typer.Option("--label", help="REF is the label of one return instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase all returns of a customer, from the registry file and from its log.

    The reference is neither printed nor kept. Exit codes: 0 erased, 1 there was nothing to erase
    (any more, and nothing of it is left), 2 not erased, or not yet without a trace: there is
    no registry or no key, the key is not the one that references are stored under, or another
    process kept the log from being emptied (run it again when that has ended).
    """
    text = sys.stdin.readline().rstrip("\r\n") if reference == "-" else reference
    if not text.strip():
        raise typer.BadParameter("an empty reference is nobody's")
    problem = ""
    with Registry.open(registry) as opened:
        if label:
            text = unescape_label(text)
            found = find(opened, text)
            # Also what is not found: the files may still hold what an earlier call has erased.
            erased = opened.erase_label(text if found is None else found.record.identity)
        else:
            customers = _customers(reference_key, needed=True)
            assert customers is not None
            erased = opened.erase_customer(customers.of(text))
            problem = opened.problem_of_key(customers)  # afterwards: others may be importing
    _report_erased(erased, registry, problem, as_json=as_json)


def _report_erased(erased: Erased, registry: Path, key_problem: str, *, as_json: bool) -> None:
    """Print what was erased, and end the command with its exit code.

    What a key finds was stored under it, and is erased even though another one is in use since:
    older versions did not refuse a second key.
    """
    if key_problem and not erased.returns:
        raise ReturnsFileError(
            f"{registry}: {key_problem}, so nobody can say whether this customer is in it; "
            f"{OTHER_KEY_REMEDY}"
        )
    if as_json:
        typer.echo(json.dumps({"registry": str(registry), **asdict(erased)}))
    else:
        gone = "; nothing that was erased before is left in its files"
        told = gone if erased.traceless and not erased.returns else ""
        typer.echo(f"{registry}: {counted(erased.returns, 'return')} erased{told}")
    if not erased.traceless:
        raise ReturnsFileError(f"{registry}: {_NOT_TRACELESS}; run this again when that is over")
    if key_problem:
        raise ReturnsFileError(
            f"{registry}: what was stored under this key is erased, but {key_problem}; "
            f"{OTHER_KEY_REMEDY}"
        )
    if not erased.returns:
        raise typer.Exit(1)


def today() -> int:
    """Return the day, counted from 1970-01-01."""
    return int(utc_now().timestamp()) // 86_400


def _customers(key: Path | None, *, needed: bool) -> CustomerHash | None:
    """Return the hash of the given key, of the usual one, or None when that is not there."""
    if key is None and not DEFAULT_REFERENCE_KEY.is_file() and not needed:
        return None
    return CustomerHash.load(key or DEFAULT_REFERENCE_KEY)


def find(registry: Registry, text: str) -> AnnouncedReturn | None:
    """Return the record of a label, as printed or in another notation of the same identity."""
    found = registry.lookup(text)
    if found is None:
        reading = read_payload(text.encode("utf-8", "surrogatepass"))
        for key in (reading.text, reading.key):
            if found is None and reading.legible:
                found = registry.lookup(key)
    return found


def announced_json(announced: AnnouncedReturn) -> dict[str, Any]:
    """Return a record as JSON values: codes by name, unknown values as null."""
    record = announced.record
    return {
        "label": escape_label(record.label),
        "identity": record.identity,
        "grade": record.grade.name,
        "category": record.category,
        "reason": record.reason.name.lower(),
        "hazmat": record.hazmat,
        "value_cents": record.value_cents,
        "country": record.country,
        "days_held": record.days_held if record.days_held >= 0 else None,
        "units": announced.units,
        "length_mm": announced.length_mm or None,
        "width_mm": announced.width_mm or None,
        "height_mm": announced.height_mm or None,
        "weight_g": announced.weight_g or None,
        "announced_at": announced.announced_at or None,
    }


def _records_in(registry: Path) -> int:
    if not registry.is_file():
        return 0
    with Registry.open(registry) as opened:
        return opened.count()


def _report_json(report: ImportReport, registry: Path, total: int) -> dict[str, Any]:
    return {
        "file": report.file,
        "format": report.format,
        "registry": str(registry),
        "lines": report.lines,
        "accepted": report.accepted,
        "inserted": report.inserted,
        "updated": report.updated,
        "blank": report.blank,
        "continued": report.continued,
        "rejected": [asdict(one) for one in report.rejected],
        "rejected_by_cause": report.causes(),
        "counts": report.counts,
        "notes": report.notes(),
        "records_in_registry": total,
    }


def _print_report(report: ImportReport, registry: Path, total: int) -> None:
    for one in report.rejected[:REJECTS_SHOWN]:
        typer.echo(f"{report.file}:{one.line}: rejected: {one.cause}")
    more = len(report.rejected) - REJECTS_SHOWN
    if more > 0:
        shown = f"{more:,} more rejected {'line' if more == 1 else 'lines'}"
        typer.echo(f"... and {shown} (all of them with --json); by cause:")
        for cause, lines in report.causes().items():
            typer.echo(f"  {lines:>7,} {cause}")
    for note in report.notes():
        typer.echo(f"note: {note}")
    blank = f", {report.blank:,} blank" if report.blank else ""
    blank += f", {report.continued:,} continued" if report.continued else ""
    holds = f"{registry} holds {counted(total, 'return')}"
    if not registry.is_file():
        holds = f"{registry} was not made"
    if report.lines == report.blank:
        typer.echo(f"{report.file}: nothing to import: no line below the header{blank}; {holds}")
        return
    typer.echo(
        f"{report.file}: {counted(report.lines, 'line')}: {report.accepted:,} accepted"
        f" ({report.inserted:,} new, {report.updated:,} updated),"
        f" {len(report.rejected):,} rejected{blank}; {holds}"
    )


class _LateBar:
    """A progress bar that appears only when the work takes long; none outside a terminal."""

    def __init__(self, title: str) -> None:
        console = Console(stderr=True)
        self._shown = False
        self._usable = console.is_terminal
        self._started_s = time.perf_counter()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=None)

    def __call__(self, done: int, total: int) -> None:
        if not self._usable:
            return
        if not self._shown and time.perf_counter() - self._started_s > PROGRESS_AFTER_S:
            self._shown = True
            self._bar.start()
        if self._shown:
            self._bar.update(self._task, completed=done, total=total)

    def close(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._bar.stop()


@contextmanager
def _progress(title: str) -> Iterator[_LateBar]:
    bar = _LateBar(title)
    try:
        yield bar
    finally:
        bar.close()
