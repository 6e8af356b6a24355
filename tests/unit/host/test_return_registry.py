"""The registry and the look-up of scans in it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sorter.errors import ReturnsFileError
from sorter.files import JOURNAL_ID
from sorter.host import resolver
from sorter.host.generate import generate_returns
from sorter.host.registry import AnnouncedReturn, Registry, identity_hash
from sorter.host.resolver import RegistryHost
from sorter.model.codes import Grade, ReturnReason, ScanVerdict
from sorter.model.columns import SCAN_WIDTH, RuleColumn, ScanColumn
from sorter.model.frames import ScanRead
from sorter.model.plan import ReturnsPolicy
from sorter.model.returns import ReturnRecord

POLICY = ReturnsPolicy(
    ("fashion", "books"),
    ("PL", "GB"),
    np.full(3, 14, np.int64),
    np.zeros((len(RuleColumn), 0), np.int64),
)
SSCC = "sscc:340123450000000017"


def announced(label="RMA1", identity=None, **changes):
    record = ReturnRecord(
        identity or f"text:{label}",
        label,
        Grade.B,
        "books",
        ReturnReason.DEFECT,
        False,
        990,
        "GB",
        5,
    )
    return AnnouncedReturn(replace(record, **changes))


def scan(*codes, seq=1):
    return ScanRead(seq, 2, 300, 400, tuple(codes))


@pytest.fixture
def registry(tmp_path):
    with Registry.create(tmp_path / "deep" / "returns.sqlite") as opened:
        yield opened


def test_a_record_comes_back_as_it_was(registry):
    stored = replace(
        announced(hazmat=True, days_held=-1),
        units=3,
        length_mm=300,
        announced_at="2011-01-01T10:00:00",
    )
    assert registry.import_many([stored]).inserted == 1
    assert registry.lookup("RMA1") == stored
    assert registry.lookup("text:RMA1") == stored
    assert registry.lookup("RMA2") is None
    assert registry.lookup("\ud800") is None


def test_a_return_announced_again_replaces_the_older_record(registry):
    registry.import_many([announced(), announced("RMA2")])
    count = registry.import_many([announced(value_cents=1), announced("RMA3")])
    assert (count.inserted, count.updated, registry.count()) == (1, 1, 3)
    assert registry.lookup("RMA1").record.value_cents == 1


def test_a_broken_import_leaves_nothing_behind(registry):
    def returns():
        yield announced()
        raise ReturnsFileError("the file ended in the middle")

    with pytest.raises(ReturnsFileError, match="in the middle"):
        registry.import_many(returns())
    assert registry.count() == 0
    assert registry.import_many([announced()]).inserted == 1


def test_records_come_in_order_of_time_then_of_import(registry):
    times = ["2011-03-01T00:00:00", "2011-01-01T00:00:00", "2011-01-01T00:00:00"]
    registry.import_many(
        replace(announced(f"R{index}"), announced_at=time) for index, time in enumerate(times)
    )
    assert [one.record.label for one in registry] == ["R1", "R2", "R0"]


def test_generated_records_survive_the_file(registry):
    generated = [one.announced for one in generate_returns(300, 5)]
    registry.import_many(generated)
    assert list(registry) == generated


def test_the_file_has_no_column_for_a_person(registry):
    with sqlite3.connect(registry.name) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(returns)")}
    connection.close()
    assert not {name for name in columns if "name" in name or "address" in name}
    assert "customer" in columns  # a keyed hash: tests/unit/host/test_customers.py


def test_what_is_no_registry_is_refused(tmp_path):
    with pytest.raises(ReturnsFileError, match="sorter returns import"):
        Registry.open(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database at all, just some text" * 50)
    with pytest.raises(ReturnsFileError, match="cannot be used"):
        Registry.open(tmp_path / "text.sqlite")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    before = (tmp_path / "other.sqlite").read_bytes()
    with pytest.raises(ReturnsFileError, match="not a return registry"):
        Registry.open(tmp_path / "other.sqlite")
    assert (tmp_path / "other.sqlite").read_bytes() == before
    with pytest.raises(ReturnsFileError, match="not a file"):
        Registry.create(tmp_path)


def test_a_journal_named_as_registry_is_called_what_it_is(tmp_path):
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as journal:
        journal.executescript(f"PRAGMA application_id = {JOURNAL_ID}; CREATE TABLE steps (x);")
    journal.close()
    with pytest.raises(ReturnsFileError, match=r"is a journal, not a return registry.*--journal"):
        Registry.open(path)


def test_what_cannot_be_opened_is_said_without_error_numbers(tmp_path):
    for path in (Path("/proc/registry.sqlite"), Path("/proc/none/registry.sqlite")):
        with pytest.raises(ReturnsFileError, match="its folder must be there") as told:
            Registry.create(path)
        assert str(told.value).startswith(f"{path}: the return registry cannot be used (")
        assert "Errno" not in str(told.value)


def test_identity_hash_is_stable_positive_and_63_bit():
    assert identity_hash("text:RMA1") == 8165501477776312766  # in journals: must not change
    assert all(0 < identity_hash(f"text:{number}") < 2**63 for number in range(2000))


def facts(row):
    return {column.name: int(row[column]) for column in ScanColumn}


def test_a_known_label_gives_all_facts(registry):
    registry.import_many([announced(hazmat=True)])
    rows = RegistryHost(registry, POLICY).resolve([scan(b"RMA1", seq=9)])
    assert rows.shape == (1, SCAN_WIDTH)
    assert rows.dtype == np.int64
    assert facts(rows[0]) == {
        "SEQ": 9, "SCANNER": 2, "ENCODER": 300, "TICK": 400, "VERDICT": ScanVerdict.READ,
        "IDENTITY": identity_hash("text:RMA1"), "KNOWN": 1, "GRADE": Grade.B, "CATEGORY": 1,
        "REASON": ReturnReason.DEFECT, "HAZMAT": 1, "VALUE_CENTS": 990, "COUNTRY": 1,
        "DAYS_HELD": 5,
    }  # fmt: skip


def test_names_the_policy_does_not_list_are_unknown(registry):
    registry.import_many([announced(category="garden", country="ZZ")])
    row = facts(RegistryHost(registry, POLICY).resolve([scan(b"RMA1")])[0])
    assert (row["KNOWN"], row["CATEGORY"], row["COUNTRY"]) == (1, -1, -1)


@pytest.mark.parametrize(
    ("codes", "verdict", "identity"),
    [
        ((), ScanVerdict.NO_READ, 0),
        ((b"\xff",), ScanVerdict.NO_READ, 0),
        ((b"RMA9",), ScanVerdict.READ, identity_hash("text:RMA9")),
        ((b"RMA8", b"RMA9"), ScanVerdict.CONFLICT, 0),
        ((b"RMA1", b"RMA2"), ScanVerdict.CONFLICT, 0),
        ((b"RMA1", b"RR473124829PL"), ScanVerdict.CONFLICT, 0),
    ],
)
def test_what_is_not_one_known_return(registry, codes, verdict, identity):
    registry.import_many([announced("RMA1"), announced("RMA2")])
    row = facts(RegistryHost(registry, POLICY).resolve([scan(*codes)])[0])
    assert (row["VERDICT"], row["IDENTITY"], row["KNOWN"]) == (verdict, identity, 0)
    assert {row[name] for name in ("GRADE", "CATEGORY", "HAZMAT", "DAYS_HELD")} == {-1}


@pytest.mark.parametrize("preload", [0, 1000])
@pytest.mark.parametrize(
    "codes",
    [
        (b"]C100340123450000000017",),
        (b"00340123450000000017",),
        (b"https://id.gs1.org/00/340123450000000017",),
        (b"340123450000000017", b"]C100340123450000000017"),
        (b"340123450000000017", b"ROUTE 7", b"5901234123457", b"\xff"),
    ],
)
def test_a_return_is_found_by_any_notation_of_its_identity(registry, preload, codes):
    registry.import_many([announced("]C100340123450000000017", SSCC)])
    host = RegistryHost(registry, POLICY, preload)
    for _ in range(2):
        row = facts(host.resolve([scan(*codes)])[0])
        assert (row["KNOWN"], row["IDENTITY"]) == (1, identity_hash(SSCC))


def test_several_scans_keep_their_order(registry):
    registry.import_many([announced("RMA1")])
    rows = RegistryHost(registry, POLICY).resolve(
        [scan(seq=1), scan(b"RMA1", seq=2), scan(b"RMA7", seq=3)]
    )
    assert rows[:, ScanColumn.SEQ].tolist() == [1, 2, 3]
    assert rows[:, ScanColumn.KNOWN].tolist() == [0, 1, 0]
    assert RegistryHost(registry, POLICY).resolve([]).shape == (0, SCAN_WIDTH)


def test_records_imported_by_somebody_else_are_noticed(registry):
    registry.import_many([announced("RMA1")])
    host = RegistryHost(registry, POLICY)
    assert host.resolve([scan(b"RMA2")])[0, ScanColumn.KNOWN] == 0
    with Registry.open(registry.name) as other:
        other.import_many([announced("RMA2"), announced("RMA1", grade=Grade.D)])
    assert host.resolve([scan(b"RMA2")])[0, ScanColumn.KNOWN] == 1
    grades = [
        int(host.resolve([scan(b"RMA1")])[0, ScanColumn.GRADE])
        for _ in range(resolver.CALLS_BETWEEN_CHECKS + 1)
    ]
    assert grades[-1] == Grade.D


def test_memory_stays_bounded(registry, monkeypatch):
    monkeypatch.setattr(resolver, "REMEMBERED_ALIASES", 3)
    registry.import_many(announced(f"R{number}") for number in range(50))
    host = RegistryHost(registry, POLICY, preload=2)
    for number in [*range(50), *range(50)]:
        row = host.resolve([scan(f"R{number}".encode())])[0]
        assert row[ScanColumn.IDENTITY] == identity_hash(f"text:R{number}")
        assert row[ScanColumn.KNOWN] == 1


def test_a_failing_file_makes_parcels_unknown_and_is_counted(registry):
    registry.import_many([announced("RMA1"), announced("RMA2")])
    host = RegistryHost(registry, POLICY, preload=1)
    registry.close()
    assert host.resolve([scan(b"RMA2")])[0, ScanColumn.KNOWN] == 1  # the newest is in memory
    assert host.resolve([scan(b"RMA1")])[0, ScanColumn.KNOWN] == 0
    assert host.lookup_errors > 0
    assert "closed" in host.last_error
