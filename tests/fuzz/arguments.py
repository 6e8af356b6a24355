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

from .documents import CSV, FILES, TRUTH
from .journals import recorded
from .target import Broken, Run, Target, kind_of

SEPARATOR = b"\x1f"
"""Between two arguments."""
COMMANDS = (
    "check", "barcode", "returns show", "returns import", "explain", "replay", "schema",
    "returns", "--help", "run", "simulate",
)  # fmt: skip
_ENDLESS = {"run": "--config", "simulate": ""}
"""Sub-commands that would go on: they are given a line file that is none."""


def _cli(folder: Path) -> Run:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "returns.csv").write_bytes(CSV)
    (folder / "truth.jsonl").write_bytes(TRUTH)
    (folder / "journal.sqlite").write_bytes(recorded())
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    # Once a process, as they are outside of a fuzzer: it is half of the work.
    built, got = cache(cli.build), cache(typer.main.get_command)

    def run(data: bytes) -> str:
        command = COMMANDS[data[0] % len(COMMANDS)] if data else "check"
        parts = data[1:].replace(b"\0", b"?").replace(b"/", b"_").split(SEPARATOR)[:12]
        arguments = [os.fsdecode(part) for part in parts]
        if command in _ENDLESS:
            arguments = [*_ENDLESS[command].split(), "truth.jsonl", *arguments]
            arguments = [one for one in arguments if not one.startswith("--config=")]
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
        here = Path.cwd()
        os.chdir(folder)
        code: object = 0
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                patch.object(sys, "argv", ["sorter", *command.split(), *arguments]),
                patch.object(cli, "build", built),
                patch.object(typer.main, "get_command", got),
            ):
                cli.main()
        except SystemExit as ended:
            code = ended.code
        finally:
            os.chdir(here)
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
        return f"{command}: {code or 0} {kind_of(line[0])[:40] if line else ''}"

    return run


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
         b"~", b"--registry", b"99999999999999999999", b"-1", b"nan", b"\\"),
        limit_bytes=600, budget_s=5.0,
    ),
)  # fmt: skip
