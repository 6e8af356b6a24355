"""A journal that somebody removes, replaces or empties while it is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from journal_samples import INFO, parcel_life

from sorter.errors import JournalError
from sorter.runtime.journal import ThreadedJournal

LIFE = parcel_life(1, 1, b"RMA-1")


def go_on(journal: ThreadedJournal, appended: list[tuple[object, ...]]) -> None:
    for step in appended:
        journal.append(*step)
    journal.close()


@pytest.mark.parametrize("what", ["removed", "replaced", "emptied"])
@pytest.mark.parametrize("more", [LIFE[1:], []], ids=["goes_on", "idle"])
def test_it_ends_the_run(tmp_path: Path, what: str, more: list[tuple[object, ...]]) -> None:
    """SQLite goes on writing into a file that nobody will find again."""
    path = tmp_path / "journal.sqlite"
    journal = ThreadedJournal(path, INFO)
    journal.append(*LIFE[0])
    if what == "emptied":
        os.truncate(path, 0)
    else:
        path.unlink()
    if what == "replaced":
        path.write_bytes(b"of somebody else")
    with pytest.raises(JournalError, match="removed, replaced or emptied the journal"):
        go_on(journal, more)
