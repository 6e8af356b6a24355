"""`sorter journal prune` tells a damaged file from one in which there is nothing to do."""

import re
import sqlite3

import pytest
from journal_samples import INFO, parcel_life
from typer.testing import CliRunner

from sorter import cli
from sorter.errors import JournalError
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_retention import Limits


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def sort(journal, first, last):
    for parcel in range(first, last + 1):
        for step in parcel_life(parcel, 4 * parcel - 3, b"RMA-%d" % parcel, closed=True):
            journal.append(*step)
        if parcel % 10 == 0:
            journal.snapshot(0, b"what the line looked like")


def invoke(path, *options):
    return CliRunner().invoke(cli.build("journal"), ["journal", "prune", str(path), *options])


@pytest.mark.parametrize("sound_pages", [2, 30, 60, 120])
def test_the_command_refuses_a_rotten_file_and_says_where_it_is(path, sound_pages):
    journal = InlineJournal(path, INFO, commit_steps=4)
    sort(journal, 1, 600)
    journal.close()
    content = path.read_bytes()
    rotten = content[: sound_pages * 4096].ljust(len(content), b"\xa5")
    path.write_bytes(rotten)
    for options in ([], ["--max-mb", "0.1"]):
        result = invoke(path, *options)
        assert isinstance(result.exception, JournalError), result.output
        told = str(result.exception)
        assert told.startswith(f"{path}: "), told
        assert re.search(r"the table \w+ is damaged \(.+\)", told), told
        assert "restore the journal from a copy" in told
    assert path.read_bytes() == rotten


@pytest.mark.parametrize(
    ("table", "column"),
    [("runs", "open_from_step"), ("steps", "step_count")],
)
def test_the_command_refuses_a_number_that_is_none(path, table, column):
    journal = InlineJournal(path, INFO, commit_steps=4, limits=Limits(max_bytes=100_000))
    sort(journal, 1, 200)
    journal.close()
    with sqlite3.connect(path) as other:
        other.execute(f"UPDATE {table} SET {column} = 'rotten'")
    other.close()
    result = invoke(path, "--max-mb", "0")
    assert isinstance(result.exception, JournalError), result.exception
    assert "damaged" in str(result.exception)
