"""What is forgotten is in none of the registry's files, wherever SQLite had put it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from sorter.host import erasing
from sorter.host.customers import CustomerHash
from sorter.host.erasing import Erased
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord

CUSTOMERS = CustomerHash(b"5a" * 32)


def announced(number: int, customer: str) -> AnnouncedReturn:
    text = f"RMA{number:06}"
    record = ReturnRecord(
        identity=text,
        label=text,
        grade=Grade.A,
        category="shoes",
        reason=ReturnReason.DEFECT,
        hazmat=False,
        value_cents=1200,
        country="PL",
        days_held=4,
    )
    return AnnouncedReturn(record, customer=CUSTOMERS.of(customer) if customer else b"")


def content(registry: Path) -> bytes:
    """Everything on disk: file, log and shared memory."""
    return b"".join(path.read_bytes() for path in registry.parent.glob(registry.name + "*"))


def test_rows_that_were_moved_from_page_to_page_leave_no_copies(tmp_path: Path) -> None:
    """No deletion reaches those in the gaps of pages; with this seed there are some."""
    draw = np.random.default_rng(9)
    path = tmp_path / "returns.sqlite"
    forgotten: set[str] = set()
    for _ in range(5):
        with Registry.create(path) as registry:
            numbers = draw.permutation(4000)[: int(draw.integers(1, 4000))].tolist()
            names = [f"K-{draw.integers(400)}" if draw.random() < 0.67 else "" for _ in numbers]
            registry.import_many(map(announced, numbers, names), CUSTOMERS)
            forgotten -= set(names)
            for name in draw.permutation(sorted(set(names) - {""}))[:20].tolist():
                assert registry.erase_customer(CUSTOMERS.of(name)).traceless
                forgotten.add(name)
            kept = content(path)
        assert [name for name in forgotten if CUSTOMERS.of(name) in kept] == []


def test_a_file_that_cannot_be_written_anew_is_not_without_a_trace_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "returns.sqlite"
    with Registry.create(path) as registry:
        registry.import_many([announced(1, "K-1"), announced(2, "K-2")], CUSTOMERS)
        with monkeypatch.context() as full:
            full.setattr(erasing, "_ANEW", "SELECT no_such_function()")
            assert registry.erase_customer(CUSTOMERS.of("K-1")) == Erased(1, traceless=False)
            assert registry.erase_imported_before(0) == Erased(0, traceless=False)
        assert registry.erase_imported_before(0) == Erased(0, traceless=True)
        assert registry.count() == 1


def test_an_import_that_was_broken_off_leaves_nothing_of_whom_is_forgotten(tmp_path: Path) -> None:
    def broken_off() -> Iterator[AnnouncedReturn]:
        for number in range(30_000):  # more than SQLite keeps in memory before it commits
            yield announced(number, f"NEW-{number}")
        raise KeyboardInterrupt

    path = tmp_path / "returns.sqlite"
    hashed = CUSTOMERS.of("NEW-7")
    with Registry.create(path) as registry, closing(sqlite3.connect(path)) as controller:
        controller.execute("SELECT count(*) FROM returns").fetchone()
        with pytest.raises(KeyboardInterrupt):
            registry.import_many(broken_off(), CUSTOMERS)
        assert hashed in content(path)
        assert registry.erase_customer(hashed) == Erased(0, traceless=True)
        assert hashed not in content(path)
