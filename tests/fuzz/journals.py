"""Journals that were damaged: groups of steps, and whole files with changed cells and pages."""

from __future__ import annotations

import sqlite3
import tempfile
import zlib
from functools import cache
from pathlib import Path

from plc_sim.closed_loop import simulate
from sorter.config.load import load_line
from sorter.errors import JournalError
from sorter.files import DATABASE_ERRORS
from sorter.runtime.explain import explain
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_codec import decode_group, encode_group, group_check, open_group
from sorter.runtime.journal_group import StepHash
from sorter.runtime.journal_info import RunInfo
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.parcel_search import UnknownParcel
from sorter.runtime.replay import replay

from .coverage import ROOT
from .target import Broken, Run, Taker, Target, kind_of

PARCELS = 4
SCENARIO = """
kind: scenario
name: recorded
line: {line}
arrivals: {{process: poisson, rate_parcels_per_h: 3000}}
diverters: {{fail_rate: 0.2}}
"""


@cache
def recorded() -> bytes:
    """Return the journal of a few parcels on the small line, as the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "scenario.yaml"
        scenario.write_text(SCENARIO.format(line=ROOT / "config" / "small_line.yaml"))
        journal = Path(folder) / "journal.sqlite"
        simulate(scenario, parcels=PARCELS, seed=3, journal_path=journal)
        return journal.read_bytes()


@cache
def groups() -> list[bytes]:
    """Return the payloads of the recorded groups."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        path.write_bytes(recorded())
        database = sqlite3.connect(path)
        rows = database.execute("SELECT payload FROM steps ORDER BY step").fetchall()
        database.close()
    return [bytes((1,)) + row[0] for row in rows[:6]]


def _group(_folder: Path) -> Run:
    def run(data: bytes) -> str:
        payload = data[1:]
        check = group_check(payload) if data[:1] != b"\0" else 0
        try:
            group = open_group(7, payload, check)
            StepHash().update(group)
            if encode_group(group) != payload:
                raise Broken("a group read and written again is another one")
            steps = list(decode_group(7, payload, check))
        except JournalError as error:
            if "step" not in str(error):
                raise Broken(f"an error that names no step: {error}") from error
            return f"rejected: {kind_of(str(error))}"
        if [step.step for step in steps] != list(range(7, 7 + len(group))):
            raise Broken("steps are missing")
        return f"accepted: {min(len(steps), 4)}"

    return run


_TABLES = {
    "runs": 16, "run_files": 3, "steps": 4, "parcels": 16, "more_codes": 2, "meta": 2,
}  # fmt: skip
_ODD_CELLS = (
    None, "", "abc", "\x00", b"\xff\xfe", -1, 0, 1, 2**31, 2**63 - 1, -(2**63), 1.5, float("inf"),
    "[]", "{}", "null", "[" * 3000, '{"mm_per_count": 0}', "kind: line\nline: {}", 9**15,
)  # fmt: skip


def _damage(path: Path, take: Taker) -> None:
    """Change bytes of the file, cells of its tables, or steps with a check that fits."""
    while take.more:
        what = take.number(1) % 4
        if what == 0:
            _change_bytes(path, take)
        elif what == 1:
            _change_cell(path, take)
        elif what == 2:
            _change_step(path, take)
        else:
            with path.open("r+b") as file:
                file.truncate(take.number(3) % (len(recorded()) + 1))


def _change_bytes(path: Path, take: Taker) -> None:
    with path.open("r+b") as file:
        file.seek(take.number(3) % len(recorded()))
        file.write(take.bytes(1 + take.number(1) % 8))


def _change_cell(path: Path, take: Taker) -> None:
    table = list(_TABLES)[take.number(1) % len(_TABLES)]
    value = _ODD_CELLS[take.number(1) % len(_ODD_CELLS)]
    _write(path, f"PRAGMA table_info({table})", take.number(1), table, value, take.number(1))


def _write(path: Path, info: str, column: int, table: str, value: object, row: int) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        names = [found[1] for found in database.execute(info)]
        if names:
            name = names[column % len(names)]
            key = names[0]
            database.execute(
                f"UPDATE OR IGNORE {table} SET {name} = ? WHERE {key} ="
                f" (SELECT {key} FROM {table} LIMIT 1 OFFSET ?)",
                (value, row % 5),
            )
    except DATABASE_ERRORS:
        pass  # already too damaged to be damaged further
    finally:
        database.close()


def _change_step(path: Path, take: Taker) -> None:
    row, at, change = take.number(1) % 8, take.number(2), take.bytes(1 + take.number(1) % 8)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        query = "SELECT step, payload FROM steps ORDER BY step LIMIT 1 OFFSET ?"
        for step, payload in database.execute(query, (row,)).fetchall():
            at %= max(1, len(payload))
            changed = payload[:at] + change + payload[at + len(change) :]
            cells = (changed, zlib.crc32(changed), step)
            database.execute("UPDATE steps SET payload = ?, crc32 = ? WHERE step = ?", cells)
    except (*DATABASE_ERRORS, TypeError):
        pass
    finally:
        database.close()


def _file(folder: Path) -> Run:
    path = folder / "journal.sqlite"
    line = load_line(ROOT / "config" / "small_line.yaml")
    info = RunInfo(line.layout, line.plan, line.files)

    def run(data: bytes) -> str:
        for old in folder.glob("journal.sqlite*"):
            old.unlink()
        path.write_bytes(recorded())
        how = data[0] if data else 0
        _damage(path, Taker(data[1:]))
        try:
            return _use(path, how, info)
        except UnknownParcel:
            return "rejected: unknown parcel"
        except JournalError as error:
            return f"rejected: {kind_of(str(error).replace(str(folder), ''))}"

    return run


def _use(path: Path, how: int, info: RunInfo) -> str:
    """Use the journal in one of the ways there are."""
    if how % 16 == 0:  # takes far longer: it rebuilds the configuration
        result = replay(path)
        return f"replayed: {'identical' if result.identical else 'different'}"
    if how % 4 == 1:
        InlineJournal(path, info).close()
        return "continued"
    if how % 4 == 2:
        with JournalReader(path) as reader:
            runs = reader.runs()
            for run in runs:
                reader.sha256_hex(run)
                reader.open_parcels(run)
                reader.files(run.run)
            count = sum(1 for _ in reader.parcels())
            reader.line_name()
        return f"read: {len(runs)} runs, {min(count, 9)} parcels"
    stories = explain(path, str(1 + how % 5))
    for story in stories:
        story.as_json()
    return f"explained: {min(len(stories), 3)}"


def _file_seeds() -> list[bytes]:
    seeds = [bytes((how,)) for how in (0, 1, 2, 3, 7)]
    for table in range(len(_TABLES)):
        for column in range(list(_TABLES.values())[table]):
            seeds.append(bytes((3 + column % 2 * 3, 1, table, column, column, 0)))
            seeds.append(bytes((2, 1, table, column, column + 3, 0)))
            seeds.append(bytes((1, 1, table, column, column + 7, 0)))
    seeds += [bytes((how, 0, 100, how, 0, 4)) + b"\xff" * 4 for how in range(8)]
    return seeds


TARGETS = (
    Target(
        "journal_group", "runtime.journal_codec.open_group, decode_group", groups, _group,
        limit_bytes=20_000,
    ),
    Target(
        "journal_file", "runtime.journal_store, explain, replay, journal", _file_seeds, _file,
        limit_bytes=60, budget_s=3.0,
    ),
)  # fmt: skip
