"""Snapshots of another version: what was known is given up and said so, and the line goes on."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from killed_line import Kill, KilledLine
from test_kills import CONFIG, scenario

from sorter.config.load import load_line
from sorter.errors import ReplayError
from sorter.model.codes import Cause, FinalDisposition
from sorter.model.tracking import REGISTERS, Register
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.replay import replay

PARCELS = 6
LOADED = load_line(CONFIG / "small_line.yaml")
AT_REGISTERS = 2
"""Words before the registers: which cells there are, and the encoder count."""


def fewer_registers(blob: bytes) -> bytes:
    """As it was before three registers were added."""
    last = AT_REGISTERS + len(Register)
    return np.delete(np.frombuffer(blob, np.int64), range(last - 3, last)).tobytes()


def more_registers(blob: bytes) -> bytes:
    return np.insert(np.frombuffer(blob, np.int64), AT_REGISTERS + REGISTERS, [0, 0, 0]).tobytes()


def no_format(blob: bytes) -> bytes:
    """As it was before a snapshot said which cells it has."""
    return blob[8:]


def same_size_other_cells(blob: bytes) -> bytes:
    words = np.frombuffer(blob, np.int64).copy()
    words[0] ^= 1
    return words.tobytes()


def garbage(blob: bytes) -> bytes:
    return np.random.default_rng(1).bytes(len(blob))


def garbage_in_cells(blob: bytes) -> bytes:
    return blob[:8] + np.random.default_rng(2).bytes(len(blob) - 8)


def half_a_word_more(blob: bytes) -> bytes:
    return blob + b"\0\0\0\0"


def nothing(_blob: bytes) -> bytes:
    return b""


Other = Callable[[bytes], bytes]
OTHERS: list[Other] = [
    *(fewer_registers, more_registers, no_format, same_size_other_cells),
    *(garbage, garbage_in_cells, half_a_word_more),
]


def rewrite(line: KilledLine, other: Other) -> int:
    """Make another one of each state kept of the newest run, its check sum right.

    Returns how many snapshots there are. Nothing: the state it began with stays.
    """
    database = sqlite3.connect(line.journal_path)
    with database:
        (run,) = database.execute("SELECT max(run) FROM runs").fetchone()
        kept = database.execute(
            "SELECT step, state FROM snapshots WHERE run = ?", (run,)
        ).fetchall()
        for step, state in kept:
            blob = other(state)
            database.execute(
                "UPDATE snapshots SET state = ?, crc32 = ? WHERE step = ?",
                (blob, zlib.crc32(blob), step),
            )
        if other is not nothing:
            query = "SELECT initial_state FROM runs WHERE run = ?"
            (initial,) = database.execute(query, (run,)).fetchone()
            query = "UPDATE runs SET initial_state = ? WHERE run = ?"
            database.execute(query, (other(initial), run))
    database.close()
    return len(kept)


@pytest.fixture
def line(tmp_path, monkeypatch: pytest.MonkeyPatch) -> KilledLine:
    """A line with parcels on it whose controller was killed, and whose run had begun with some."""
    monkeypatch.setattr("sorter.runtime.scan_loop.SNAPSHOT_STEPS", 8)
    path = tmp_path / "journal.sqlite"
    line = KilledLine(LOADED, scenario(), path, PARCELS, commit_steps=1)
    line.run(Kill(350, True, 100))
    line.run(Kill(350, True, 100))
    assert line.found.resumed
    return line


@pytest.mark.parametrize("other", OTHERS)
def test_the_state_is_lost_with_a_cause_and_sorting_goes_on(line: KilledLine, other: Other) -> None:
    with line:
        assert rewrite(line, other) > 1
        with JournalReader(line.journal_path) as reader:
            on_line = reader.open_parcels(reader.last_run())
        assert on_line
        line.run()
        assert not line.found.resumed
        assert "(state_lost)" in line.found.story
        with JournalReader(line.journal_path) as reader:
            rows = {row.parcel: row for row in reader.parcels()}
        for parcel in on_line:
            assert (rows[parcel].disposition, rows[parcel].cause) == (
                FinalDisposition.LOST,
                Cause.STATE_LOST,
            )
        found = line.reconcile()
        assert (found.unaccounted, found.truth_mismatches) == (0, 0), found.details
        assert found.found_again == len(on_line)
        assert len(rows) > len(on_line), "parcels that came later were sorted"


def test_a_journal_of_other_snapshots_is_no_journal_to_replay_but_says_why(
    line: KilledLine,
) -> None:
    with line:
        rewrite(line, fewer_registers)
        with pytest.raises(ReplayError, match=r"began with a state that version .* cannot restore"):
            replay(line.journal_path)


def test_an_empty_snapshot_is_no_empty_line(line: KilledLine) -> None:
    with line:
        rewrite(line, nothing)
        with JournalReader(line.journal_path) as reader:
            first_step = reader.last_run().first_step
        line.run()
        assert line.found.resumed
        assert f"from the state at step {first_step} " in line.found.story
        assert line.problems() == []


def test_a_state_too_far_back_is_not_waited_for(
    line: KilledLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days of steps would be decided again while parcels pass and the PLC's rings run over."""
    with line:
        rewrite(line, nothing)  # only the state at the beginning of the run is left
        with JournalReader(line.journal_path) as reader:
            run = reader.last_run()
            on_line = reader.open_parcels(run)
        monkeypatch.setattr(
            "sorter.app.recovery.FARTHEST_STEPS", run.next_step - run.first_step - 1
        )
        line.run()
        assert not line.found.resumed
        assert f"step {run.first_step} is too many steps back" in line.found.story
        found = line.reconcile()
        assert (found.unaccounted, found.truth_mismatches) == (0, 0), found.details
        assert found.found_again == len(on_line)
