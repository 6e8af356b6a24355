"""A journal that somebody removes, replaces or empties while it is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from journal_samples import INFO, parcel_life

from sorter.errors import JournalError
from sorter.runtime.journal import ThreadedJournal
from sorter.runtime.journal_files import FileWatch

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


def test_the_plc_keeps_what_nobody_would_find_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = ThreadedJournal(path, INFO)
    before = journal.acknowledged()
    path.unlink()
    with pytest.raises(JournalError, match="removed, replaced or emptied the journal"):
        go_on(journal, LIFE)
    assert journal.acknowledged() == before


def test_a_disk_that_does_not_answer_has_removed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"whole")
    watch = FileWatch(str(path))

    def no_answer(name: str) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error", name)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", no_answer)
        watch.check()
    path.unlink()
    with pytest.raises(JournalError, match="removed"):
        watch.check()
