"""The whole controller on virtual time: clean, deterministic, replayable, explainable."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from commands import LINE, SCENARIO, sorter
from rich.console import Console

from plc_sim.closed_loop import simulate
from sorter.errors import SorterError
from sorter.rehearsal.view import summary_view
from sorter.runtime.reconcile import reconcile
from sorter.runtime.replay import replay


def test_every_parcel_is_accounted_for_and_agrees_with_the_truth() -> None:
    summary = simulate(SCENARIO, parcels=1500, seed=3)
    assert summary["parcels"] == 1500
    assert summary["unaccounted"] == 0
    assert summary["truth_mismatches"] == 0, summary["details"]
    assert summary["missed_deadlines"] == 0
    ended = sum(summary[key] for key in ("sorted", "missorted", "rejected", "lost", "removed"))
    assert ended == 1500
    assert summary["sorted"] > 1400
    # Generated returns hold a few of each exception, and each went to an outlet of its own.
    assert {"no_data", "ungraded", "hazmat", "over_size"} <= set(summary["by_cause"])


def test_one_seed_gives_one_hash_in_two_processes_and_another_seed_another(tmp_path: Path) -> None:
    hashes = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        done = sorter(
            *("simulate", str(SCENARIO), "--parcels", "300", "--seed", str(seed), "--json"),
            *("--journal", str(tmp_path / f"{name}.sqlite")),
        )
        assert done.returncode == 0, done.stderr
        hashes.append(json.loads(done.stdout)["journal_sha256"])
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


@pytest.mark.parametrize("scenario", ["ideal", "default", "busy"])
def test_a_journal_replays_to_the_same_commands(scenario: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    path = SCENARIO.with_name(f"{scenario}.yaml")
    summary = simulate(path, parcels=400, seed=11, journal_path=journal)
    assert summary["unaccounted"] == 0
    assert summary["truth_mismatches"] == 0, summary["details"]
    result = replay(journal)
    assert result.identical, result.first_difference
    assert result.steps > 400


def test_the_simulation_can_be_explained_and_replayed_from_the_command_line(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.sqlite"
    simulate(SCENARIO, parcels=50, seed=1, journal_path=journal)
    replayed = sorter("replay", str(journal), "--json")
    assert replayed.returncode == 0, replayed.stderr
    story = sorter("explain", str(journal), "7")
    assert story.returncode == 0, story.stderr
    for word in ("induct_", "scanner_", "decision", "command", "closed"):
        assert word in story.stdout
    unknown = sorter("explain", str(journal), "99999")
    assert unknown.returncode == 1


def test_another_sort_plan_shows_as_the_first_difference(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    simulate(SCENARIO, parcels=100, seed=1, journal_path=journal)
    with closing(sqlite3.connect(journal)) as connection, connection:
        changed = connection.execute(
            "UPDATE run_files SET content = replace(content, ?, ?) WHERE name = 'sort_plan'",
            ("choose: balance", "choose: first_fit"),
        )
        assert changed.rowcount == 1
    done = sorter("replay", str(journal))
    assert done.returncode == 1, done.stderr
    assert "parcel" in done.stdout


def test_what_goes_wrong_is_counted_and_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        f"kind: scenario\nname: worn\nline: {LINE}\ndiverters: {{fail_rate: 0.05}}\n"
        "faults: [{kind: plc_frozen, at_s: 10, for_s: 3}]\n",
        "utf-8",
    )
    done = sorter("simulate", str(path), "--parcels", "300", "--seed", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["alarms"]["divert_failed"] > 5
    assert summary["alarms"]["link_stale"] == 1
    told = Console(width=200, record=True, file=StringIO())
    told.print(summary_view(summary))
    shown = rf"divert failed +{summary['alarms']['divert_failed']}\b"
    assert re.search(shown, told.export_text())


def test_no_folder_is_made_of_a_mistyped_journal(tmp_path: Path) -> None:
    with pytest.raises(SorterError, match=r"there is no folder .*to put it in.*--journal"):
        simulate(SCENARIO, parcels=1, seed=1, journal_path=tmp_path / "a" / "b" / "c.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_the_ledger_beside_a_journal_agrees_with_it(tmp_path: Path) -> None:
    journal, truth = tmp_path / "journal.sqlite", tmp_path / "truth.jsonl"
    summary = simulate(SCENARIO, parcels=60, seed=1, journal_path=journal, truth_path=truth)
    found = reconcile(journal, truth)
    assert (found.physical, found.unaccounted, found.truth_mismatches) == (60, 0, 0)
    assert summary["unaccounted"] == 0
    with pytest.raises(SorterError, match=r"truth\.jsonl: there is a file already"):
        simulate(SCENARIO, parcels=1, seed=1, truth_path=truth)
    with pytest.raises(SorterError, match="--journal and --truth name the same file"):
        simulate(
            SCENARIO, parcels=1, seed=1, journal_path=tmp_path / "x", truth_path=tmp_path / "x"
        )


def test_an_unusable_scenario_is_one_message_and_exit_code_two(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("kind: scenario\nname: x\narrivals: {process: sometimes}\n")
    done = sorter("simulate", str(path))
    assert done.returncode == 2
    assert "process" in done.stderr
    assert "Traceback" not in done.stderr
