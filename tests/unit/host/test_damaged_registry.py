"""What a damaged registry says: what to do about it, and nothing of what is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from sorter.errors import RegistryUnusable
from sorter.files import database_words, is_damage
from sorter.host.late import LateAsker
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.host.resolver import RegistryHost
from sorter.model.codes import Grade, ReturnReason
from sorter.model.columns import RuleColumn, ScanColumn
from sorter.model.frames import ScanRead
from sorter.model.plan import ReturnsPolicy
from sorter.model.returns import ReturnRecord

REMEDY = "name another file, or import the returns into a new one"
SECRET = "SHOE-4711"
POLICY = ReturnsPolicy(
    ("shoes",), ("PL",), np.full(3, 14, np.int64), np.zeros((len(RuleColumn), 0), np.int64)
)


def announced(label: str, identity: str = "") -> AnnouncedReturn:
    record = ReturnRecord(
        identity or f"text:{label}", label, Grade.A, "shoes", ReturnReason.DEFECT, False, 1, "PL", 1
    )
    return AnnouncedReturn(record)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "returns.sqlite"
    with Registry.create(path) as registry:
        registry.import_many([announced("RMA1"), announced("RMA2")])
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(statement)


def damage_a_cell(path: Path) -> None:
    text = (b"\xff" + SECRET.encode()).hex()
    change(path, f"UPDATE returns SET category = CAST(x'{text}' AS TEXT) WHERE label = 'RMA1'")


def damage_the_schema(path: Path) -> None:
    """Python's module cannot decode what SQLite says of it."""
    schema = b"returnsreturns\x02CREATE TABLE returns"
    whole = path.read_bytes()
    assert schema in whole
    path.write_bytes(whole.replace(schema, b"r\xffturnsreturns\x02CREATE STABLE return"))


def rename_a_column(path: Path) -> None:
    change(path, "ALTER TABLE returns RENAME COLUMN country TO countrx")


def empty_a_cell(path: Path, name: str = "grade") -> None:
    """As one damaged bit of a row does it: SQLite looks at NOT NULL when it writes."""
    strict, lax = f"{name} INTEGER NOT NULL", f"{name} INTEGER         "
    for statement in (
        f"UPDATE sqlite_schema SET sql = replace(sql, '{strict}', '{lax}')",
        f"UPDATE returns SET {name} = NULL WHERE label = 'RMA1'",
        f"UPDATE sqlite_schema SET sql = replace(sql, '{lax}', '{strict}')",
    ):
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA writable_schema = ON")
            database.execute(statement)


def empty_another_cell(path: Path) -> None:
    empty_a_cell(path, "length_mm")


def set_a_cell(what: str) -> Callable[[Path], None]:
    return lambda path: change(path, f"UPDATE returns SET {what} WHERE label = 'RMA1'")


IMPOSSIBLE = [
    empty_a_cell,
    *(set_a_cell(f"{name} = {value}") for name in ("grade", "reason") for value in (-1, 5)),
    set_a_cell("hazmat = 2"),
]


@pytest.mark.parametrize("damage", IMPOSSIBLE)
@pytest.mark.parametrize("preload", [0, 10])
def test_a_line_takes_a_parcel_with_an_impossible_record_for_unknown(
    path: Path, damage: Callable[[Path], None], preload: int
) -> None:
    """It ended with a traceback, at each start anew."""
    damage(path)
    host = RegistryHost(LateAsker(path), POLICY, preload)
    rows = host.resolve([ScanRead(n, 2, 300, 400, (f"RMA{n}".encode(),)) for n in (1, 2)])
    assert rows[:, ScanColumn.KNOWN].tolist() == [0, 1]
    assert "a return record holds what none can hold" in host.problem


def test_an_impossible_record_keeps_no_other_parcel_waiting(path: Path) -> None:
    empty_a_cell(path)
    asker = LateAsker(path)
    host = RegistryHost(asker, POLICY, preload=10)
    host.resolve([ScanRead(n, 2, 300, 400, (f"RMA{n}".encode(),)) for n in (1, 2, 3)])
    with Registry.open(path) as registry:
        registry.import_many([announced("RMA3")])
    asker.ask()
    assert [scan.seq for scan in host.late_reads()] == [3]
    assert (host.reachable, host.figures()["given_up"], asker.waiting) == (True, 1, 0)


@pytest.mark.parametrize("damage", [*IMPOSSIBLE, empty_another_cell])
def test_an_impossible_record_is_said_to_be_damage(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    problem = f"a return record holds what none can hold.*{REMEDY}"
    with Registry.open(path) as registry:
        for read in (lambda: registry.lookup("RMA1"), lambda: list(registry)):
            with pytest.raises(RegistryUnusable, match=problem):
                read()
        assert registry.lookup("RMA2") == announced("RMA2")
    with Registry.open(path) as registry:  # importing it again mends it
        registry.import_many([announced("RMA1")])
        assert registry.lookup("RMA1") == announced("RMA1")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_a_cell, "damaged text in the column category"),
        (damage_the_schema, "damaged text"),
        (rename_a_column, "no such column: country"),
    ],
)
def test_the_remedy_for_damage_is_another_file(
    path: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(path)
    with pytest.raises(RegistryUnusable) as refused, Registry.open(path) as registry:
        registry.lookup("RMA1")
    assert str(refused.value) == f"{path}: the return registry cannot be used ({says}); {REMEDY}"


def test_a_label_that_is_there_under_another_identity_is_damage(path: Path) -> None:
    problem = f"UNIQUE constraint failed.*{REMEDY}"
    with Registry.open(path) as registry, pytest.raises(RegistryUnusable, match=problem):
        registry.import_many([announced("RMA1", "text:RMA3")])


def test_what_is_no_damage_has_another_remedy(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as importing:
        importing.execute("BEGIN IMMEDIATE")
        problem = "another process is writing it"
        with Registry.open(path, 0.01) as registry, pytest.raises(RegistryUnusable, match=problem):
            registry.import_many([announced("RMA3")])


@pytest.mark.parametrize("asked_late", [False, True])
def test_the_log_of_a_line_does_not_repeat_what_is_damaged(path: Path, asked_late: bool) -> None:
    damage_a_cell(path)
    with Registry.open(path) as registry:
        host = RegistryHost(LateAsker(path) if asked_late else registry, POLICY, preload=0)
        row = host.resolve([ScanRead(1, 2, 300, 400, (b"RMA1",))])[0]
    assert (row[ScanColumn.KNOWN], host.lookup_errors > 0) == (0, True)
    assert host.problem == "damaged text in the column category"


def test_a_damaged_registry_is_not_taken_for_a_code_that_is_no_text(path: Path) -> None:
    with Registry.open(path) as registry:
        host = RegistryHost(registry, POLICY, preload=0)

        def undecodable(_label: str) -> None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

        registry.facts_of = undecodable  # type: ignore[method-assign]
        host.resolve([ScanRead(1, 2, 300, 400, (b"RMA1",))])
        assert host.lookup_errors > 0
        errors = host.lookup_errors
        host.resolve([ScanRead(1, 2, 300, 400, (b"\xff",))])
        assert host.lookup_errors == errors


def test_words_are_one_line_that_is_not_long() -> None:
    assert database_words(sqlite3.OperationalError("one\ntwo")) == "one"
    assert len(database_words(sqlite3.OperationalError("x" * 1000))) < 130
    ours = RegistryUnusable("x" * 1000)
    assert database_words(ours) == str(ours)
    assert not is_damage(None)
