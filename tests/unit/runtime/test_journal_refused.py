"""A journal that cannot be begun just now, or not under that name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from journal_samples import INFO, parcel_life

from sorter.errors import JournalError, JournalRefused
from sorter.runtime import journal_schema
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_files import DiskReserve
from sorter.runtime.journal_retention import Limits
from sorter.runtime.journal_writer import JournalWriter

RESERVE_BYTES = 100_000


def test_a_journal_that_another_program_holds_keeps_its_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    journal = InlineJournal(path, INFO)
    for step in parcel_life(1, 1, b"RMA-1"):
        journal.append(*step)
    journal.close()
    reserve = DiskReserve(path, RESERVE_BYTES)
    assert reserve.keep()
    monkeypatch.setattr(journal_schema, "BUSY_TIMEOUT_S", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalRefused, match="database is locked"):
            JournalWriter(path, INFO, "FULL", Limits(reserve_bytes=RESERVE_BYTES))
    assert reserve.kept


def test_a_name_that_no_file_can_have_is_an_error_of_the_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot be opened as a journal .*File name too long"):
        journal_schema.connect_writable(str(tmp_path / ("x" * 300)), "FULL")
