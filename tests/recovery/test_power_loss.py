"""The line PC loses power: of the write-ahead log only what had reached the disk is left."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killed_line import Kill, KilledLine
from test_kills import CONFIG, scenario

from plc_sim.scenario import ScenarioFile
from sorter.config.load import load_line
from sorter.model.codes import Cause, FinalDisposition
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.replay import replay

PARCELS = 6
SETTINGS = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KILL = st.builds(Kill, st.integers(50, 700), st.booleans(), st.sampled_from([0, 300, 1500]))
LOADED = load_line(CONFIG / "small_line.yaml")
DAY: ScenarioFile = scenario()


def new_line(folder, commit_steps: int = 3) -> KilledLine:
    return KilledLine(LOADED, DAY, folder / "journal.sqlite", PARCELS, commit_steps=commit_steps)


@SETTINGS
@given(kill=KILL, part=st.floats(0, 1), commit_steps=st.integers(1, 6), again=st.booleans())
def test_what_had_not_reached_the_disk_is_read_from_the_plc_again(
    tmp_path_factory, kill, part, commit_steps, again
) -> None:
    """The PLC was told only of what is on the disk, so whatever else is cut off is still there."""
    with new_line(tmp_path_factory.mktemp("power"), commit_steps) as line:
        for _ in range(1 + again):
            line.run(kill, wal_cut=lambda safe, size: safe + int(part * (size - safe)))
        line.run()
        assert line.problems() == []


@SETTINGS
@given(kill=KILL, part=st.floats(0, 1))
def test_a_disk_that_lied_about_what_it_had_is_no_reason_to_stop(
    tmp_path_factory, kill, part
) -> None:
    """What the PLC was told is gone then; the line sorts on, and the journal stays sound."""
    with new_line(tmp_path_factory.mktemp("liar"), 1) as line:
        line.run(kill, wal_cut=lambda _, size: int(part * size))
        line.run()
        assert replay(line.journal_path).identical
        found = line.reconcile()
        with JournalReader(line.journal_path) as reader:
            rows = list(reader.parcels())
        assert all(row.disposition for row in rows)
        assert found.unaccounted <= PARCELS


def test_power_loss_and_a_restart_of_the_plc_at_once(tmp_path) -> None:
    with new_line(tmp_path) as line:
        line.run(Kill(400, True, 0), wal_cut=lambda safe, _: safe)
        line.restart_plc()
        line.run()
        with JournalReader(line.journal_path) as reader:
            rows = {row.parcel: row for row in reader.parcels()}
        lost = [row for row in rows.values() if row.disposition == FinalDisposition.LOST]
        assert lost
        assert {row.cause for row in lost} == {Cause.PLC_RESTARTED}
        # Behind the restart all is as on a line that has just been switched on.
        assert len(rows) == len(lost) + PARCELS
        assert line.found.resumed
        assert replay(line.journal_path).identical


def spoil(path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        assert database.execute(statement).rowcount > 0
    database.close()


NEWEST = "(SELECT max(step) FROM snapshots)"


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE snapshots SET state = zeroblob(80) WHERE step = {NEWEST}",
        f"UPDATE snapshots SET crc32 = crc32 + 1 WHERE step = {NEWEST}",
        f"UPDATE snapshots SET state = 'text' WHERE step = {NEWEST}",
    ],
)
def test_a_damaged_snapshot_has_one_before_it(tmp_path, statement, monkeypatch) -> None:
    monkeypatch.setattr("sorter.runtime.scan_loop.SNAPSHOT_STEPS", 8)
    with new_line(tmp_path, 1) as line:
        line.run(Kill(700, True, 100))
        with JournalReader(line.journal_path) as reader:
            steps = [snapshot.step for snapshot in reader.snapshots(reader.last_run())]
        assert len(steps) >= 2
        spoil(line.journal_path, statement)
        line.run()
        assert line.found.resumed
        assert f"from the state at step {steps[1]} " in line.found.story
        assert line.problems() == []


def test_another_software_gives_parcels_up_and_says_so(tmp_path) -> None:
    """What is recorded is not what this software decides: nothing known may be relied on."""
    with new_line(tmp_path, 1) as line:
        line.run(Kill(500, True, 100))
        spoil(line.journal_path, "UPDATE runs SET first_parcel = first_parcel + 1")
        line.run()
        assert not line.found.resumed
        assert "decides otherwise" in line.found.story
        with JournalReader(line.journal_path) as reader:
            given_up = [row for row in reader.parcels() if row.cause == Cause.STATE_LOST]
        assert given_up
        found = line.reconcile()
        assert (found.unaccounted, found.truth_mismatches) == (0, 0), found.details
        assert found.found_again == len(given_up)
