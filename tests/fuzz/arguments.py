"""Arguments of the ``sorter`` command, for every sub-command that ends by itself."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from functools import cache
from pathlib import Path
from unittest.mock import patch

import typer

from sorter import cli
from sorter.host.generate import generate_returns
from sorter.host.registry import Registry
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.wall_clock import utc_now

from .documents import CSV, FILES, TRUTH
from .journals import recorded
from .target import Broken, Run, Target, kind_of

SEPARATOR = b"\x1f"
"""Between two arguments."""
COMMANDS = (
    "check", "barcode", "returns show", "returns import", "explain", "replay", "schema",
    "returns", "--help", "run", "simulate", "journal prune", "returns forget", "returns generate",
    "certs show", "certs revoke", "certs init", "demo", "chaos",
)  # fmt: skip
_BEFORE = {"simulate": "truth.jsonl", "certs init": "certs", "returns generate": "--count=9"}
_AFTER = {"run": "truth.jsonl", "demo": "truth.jsonl", "chaos": "truth.jsonl"}
"""Sub-commands that would go on, or make keys for seconds, get what ends them early: a line file
that is none, after all other arguments as the last one counts, a folder that is in use, or a small
number, which another may replace."""
MOST_GENERATED = 100


def _cli(folder: Path) -> Run:
    _fill(folder)
    kept = _snapshot(str(folder))
    contents = {path: Path(path).read_bytes() for path in kept}
    # Once a process, as they are outside of a fuzzer: it is half of the work.
    built, got = cache(cli.build), cache(typer.main.get_command)

    def run(data: bytes) -> str:
        command = COMMANDS[data[0] % len(COMMANDS)] if data else "check"
        parts = data[1:].replace(b"\0", b"?").replace(b"/", b"_").split(SEPARATOR)[:12]
        arguments = _bounded(command, [os.fsdecode(part) for part in parts])
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
        here = Path.cwd()
        os.chdir(folder)
        code: object = 0
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                patch.object(sys, "stdin", io.StringIO("RMA\n")),
                patch.object(sys, "argv", ["sorter", *command.split(), *arguments]),
                patch.object(cli, "build", built),
                patch.object(typer.main, "get_command", got),
            ):
                cli.main()
        except SystemExit as ended:
            code = ended.code
        finally:
            os.chdir(here)
            _restore(str(folder), kept, contents)
        out.flush()
        err.flush()
        said = out.buffer.getvalue() + err.buffer.getvalue()  # type: ignore[attr-defined]
        if code not in (0, 1, 2, None):
            raise Broken(f"exit code {code!r}")
        if code == 2 and not said.strip():
            raise Broken("ended with 2 and said nothing")
        if b"Traceback" in said:
            raise Broken("a traceback")
        line = said.decode("utf-8", "replace").strip().splitlines()[-1:] if code == 2 else []
        # Without what is before the last colon, mostly a name that mutations made up.
        return f"{command}: {code or 0} {kind_of(line[0].rpartition(': ')[2])[:40] if line else ''}"

    return run


def _fill(folder: Path) -> None:
    """Make the files that arguments name."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "returns.csv").write_bytes(CSV)
    (folder / "truth.jsonl").write_bytes(TRUTH)
    (folder / "journal.sqlite").write_bytes(recorded())
    (folder / "key").write_text("5a" * 32)
    (folder / "key").chmod(0o600)
    registry = Registry.create(folder / "registry.sqlite")
    registry.import_many(one.announced for one in generate_returns(20, 1, 0.0))
    registry.close()
    make_folder(folder / "certs", CertsPlan(), utc_now())
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")


Snapshot = dict[str, tuple[int, int, int]]


def _snapshot(folder: str) -> Snapshot:
    """Return size, time and inode of every file."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found.update(_snapshot(entry.path))
            # The runner writes the present input beside them.
            elif entry.is_file(follow_symlinks=False) and entry.name != "current.bin":
                status = entry.stat()
                found[entry.path] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found


def _restore(folder: str, kept: Snapshot, contents: dict[str, bytes]) -> None:
    """Undo what a command wrote: no input depends on those before, and files stay few."""
    now = _snapshot(folder)
    if now == kept:
        return
    for path in now.keys() - kept.keys():
        os.unlink(path)
    for path, status in kept.items():
        if now.get(path) != status:
            Path(path).write_bytes(contents[path])
            os.chmod(path, 0o600)  # a secret that others can read is refused
    kept.update(_snapshot(folder))


def _bounded(command: str, arguments: list[str]) -> list[str]:
    """Return the arguments so that the command ends soon."""
    if command == "certs init":
        arguments = [one for one in arguments if not one.startswith("--force")]
    if command == "returns generate":
        arguments = [_fewer(one) for one in arguments]
    before, after = _BEFORE.get(command), _AFTER.get(command)
    return [*([before] if before else []), *arguments, *(["--config", after] if after else [])]


def _fewer(argument: str) -> str:
    """Return a number that is none of too many lines; others are refused by the command itself."""
    head, equals, number = argument.rpartition("=")
    try:
        count = int(number)
    except ValueError:
        return argument
    if MOST_GENERATED < count < 1 << 32:
        return f"{head}{equals}{count % MOST_GENERATED}"
    return argument


def _seeds() -> list[bytes]:
    given = (
        ("check", "good_line.yaml"), ("check", "sort_plan.yaml", "--json"), ("check", "fifo"),
        ("check", "folder"), ("barcode", "]C1010590123412345721SN17", "RMA\\x1d1", "--json"),
        ("barcode", "x", "--config", "good_line.yaml"), ("returns show", "RMA", "--registry", "r"),
        ("returns import", "returns.csv", "--registry", "r.sqlite"),
        ("returns import", "returns.csv", "--format", "online-retail", "--seed", "1"),
        ("explain", "journal.sqlite", "1"), ("explain", "journal.sqlite", "RMA", "--json"),
        ("replay", "journal.sqlite", "--json"), ("schema", "folder"), ("returns",), ("--help",),
        ("run", "--metrics-port", "0"), ("simulate", "--parcels", "1"), ("explain", "fifo", "1"),
        ("returns import", "fifo"), ("barcode", "x", "--registry", "fifo"),
        ("journal prune", "journal.sqlite", "--older-than", "0", "--json"),
        ("journal prune", "journal.sqlite", "--max-mb", "0.01"), ("journal prune", "returns.csv"),
        ("returns forget", "C1", "--registry", "registry.sqlite", "--reference-key", "key"),
        ("returns forget", "-", "--label", "--registry", "registry.sqlite", "--json"),
        ("returns generate", "new.csv", "--count", "3", "--seed", "1", "--json"),
        ("certs show", "certs"), ("certs show", "certs", "--warn-days", "9999", "--json"),
        ("certs revoke", "certs", "controller"), ("certs revoke", "certs", "plc", "--json"),
        ("certs init", "--days", "1", "--key-bits", "4096", "--host", "plc"),
        ("demo", "--parcels", "1", "--protocol", "both", "--keep", "folder"),
        ("chaos", "--story", "returns.csv", "--runs", "1", "--minutes", "0.01", "--speed", "1"),
    )  # fmt: skip
    return [
        bytes((COMMANDS.index(command),)) + SEPARATOR.join(part.encode() for part in parts)
        for command, *parts in given
    ]


TARGETS = (
    Target(
        "cli", "sorter.cli.main", _seeds, _cli,
        (SEPARATOR, b"--json", b"--", b"-", b"--config", b"--seed", b"fifo", b"folder", b"..",
         b"good_line.yaml", b"journal.sqlite", b"returns.csv", b"truth.jsonl", b"[red]", b"\xff",
         b"~", b"--registry", b"99999999999999999999", b"-1", b"nan", b"inf", b"1e308",
         b"\\", b"certs", b"key", b"registry.sqlite", b"--older-than", b"--max-mb", b"--count",
         b"--days", b"--warn-days", b"--keep-days", b"--reference-key", b"--label", b"controller"),
        limit_bytes=600, budget_s=5.0,
    ),
)  # fmt: skip
