"""The controller on a line on which things go wrong: every parcel is accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import SCENARIO

from plc_sim.closed_loop import simulate
from sorter.model.codes import Cause, FinalDisposition
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.replay import replay

LINE = SCENARIO.parent.parent / "line.yaml"
PARCELS = 150
"""27 s of arrivals at the default rate."""
FOR_A_WHILE = {"at_s": 5, "for_s": 15}
CLEAN: list[dict[str, Any]] = [
    {"kind": "event_reordered", **FOR_A_WHILE, "share": 0.2},
    *(
        {"kind": "event_delayed", **FOR_A_WHILE, "share": 0.2, "delay_ms": delay_ms}
        for delay_ms in (100, 3_000)
    ),
    {"kind": "event_corrupted", **FOR_A_WHILE, "share": 0.1, "events": ["scan"]},
    {"kind": "stuck_eye", **FOR_A_WHILE, "eye": "verify_A", "state": "blocked"},
    {"kind": "stuck_eye", **FOR_A_WHILE, "eye": "induct_A", "state": "clear"},
    {"kind": "double_feed", "from_parcel": 20, "parcels": 4},
    {"kind": "no_read_burst", "at_s": 5, "for_s": 5},
    {"kind": "swapped_codes_burst", "at_s": 5, "for_s": 5},
    {"kind": "slow_divert", **FOR_A_WHILE, "chute": "A03", "delay_ms": 150},
    {"kind": "chute_full_late", **FOR_A_WHILE, "chute": "A03", "delay_s": 10},
    {"kind": "e_stop", "at_s": 10, "for_s": 5},
    {"kind": "event_duplicated", **FOR_A_WHILE, "share": 0.2},
    {"kind": "event_duplicated", **FOR_A_WHILE, "events": ["chute_emptied", "scan"]},
    {"kind": "plc_frozen", "at_s": 10, "for_s": 3},
    *({"kind": "plc_frozen", "at_s": 10, "for_s": s, "belt": "stops"} for s in (0.03, 0.1, 3)),
    *({"kind": "map_shifted", "at_s": 10, "for_s": 2, "words": words} for words in (1, 2, 5)),
]
"""Faults that the controller can account for to the last parcel, and does."""
UNTOLD: list[dict[str, Any]] = [
    {"kind": "event_dropped", **FOR_A_WHILE, "share": 0.05},
    {"kind": "event_corrupted", **FOR_A_WHILE, "share": 0.05},
    {"kind": "event_corrupted", **FOR_A_WHILE, "share": 0.05, "how": "nonsense"},
    {"kind": "plc_restart", "at_s": 15, "down_s": 2},
    {"kind": "plc_restart", "at_s": 15, "down_s": 2, "belts": "kept"},
]
"""Faults after which nobody can tell the controller where a parcel went."""

UNREPORTED: dict[str, tuple[int, list[dict[str, Any]]]] = {
    "entry": (20, [{"kind": "event_dropped", "at_s": 6, "events": ["chute_entered"], "times": 1}]),
    "clearing": (
        6,
        [
            {"kind": "jam", "at_s": 17, "zone": "sort_A1", "clear_after_s": 3},
            {"kind": "event_dropped", "at_s": 10, "for_s": 20, "events": ["zone_cleared"]},
        ],
    ),
}
"""Seeds and faults after which a parcel is inducted in the place of one that is gone."""

MISCOUNTED: list[dict[str, Any]] = [
    *({"kind": "encoder_jump", "at_s": 10, "jump_mm": mm} for mm in (100, 400, -400, -20_000)),
    {"kind": "encoder_slip", "at_s": 10, "for_s": 10, "error": -0.05},
    {"kind": "encoder_slip", "at_s": 10, "for_s": 10, "error": 0.05},
    {"kind": "encoder_slip", "at_s": 10, "for_s": 2, "error": -1},
]
"""Faults after which no parcel is where the controller believes it."""
KEYS = ("kind", "delay_ms", "words", "how", "state", "belts", "belt", "for_s", "jump_mm", "error")


def name_of(fault: dict[str, Any]) -> str:
    return "-".join(str(fault[key]) for key in KEYS if key in fault)


def run(tmp_path: Path, *faults: dict[str, Any], journal: Path | None = None) -> dict[str, Any]:
    path = tmp_path / "scenario.yaml"
    described = {"kind": "scenario", "name": "faults", "line": str(LINE), "faults": list(faults)}
    path.write_text(yaml.safe_dump(described))
    return simulate(path, parcels=PARCELS, seed=1, journal_path=journal)


@pytest.mark.parametrize("fault", CLEAN, ids=name_of)
def test_what_can_be_accounted_for_is(tmp_path: Path, fault: dict[str, Any]) -> None:
    summary = run(tmp_path, fault)
    assert summary["unaccounted"] == 0
    assert summary["truth_mismatches"] == 0, summary["details"]
    assert summary["lost"] <= (2 if fault["kind"] == "double_feed" else 0)  # one is seen of two
    assert summary["sorted"] > PARCELS // 2


@pytest.mark.parametrize("fault", UNTOLD, ids=name_of)
def test_what_nobody_told_is_given_up_and_nothing_else(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    summary = run(tmp_path, fault)
    assert summary["unaccounted"] == 0
    assert summary["sorted"] > PARCELS // 2
    noted = {
        "event_dropped": "event_dropped",
        "event_corrupted": "event_corrupted",
        "plc_restart": "plc_restart",
    }[fault["kind"]]
    parcels = [line for line in summary["details"] if line.startswith("parcel ")]
    assert len(parcels) < PARCELS // 10
    for line in parcels:
        assert "the controller says lost" in line
        assert noted in line


@pytest.mark.parametrize("lost", UNREPORTED)
def test_a_new_parcel_in_the_place_of_one_that_left_unreported_is_not_taken_for_it(
    tmp_path: Path, lost: str
) -> None:
    seed, faults = UNREPORTED[lost]
    path, journal = tmp_path / "scenario.yaml", tmp_path / "journal.sqlite"
    described = yaml.safe_load(SCENARIO.read_text())
    path.write_text(yaml.safe_dump({**described, "line": str(LINE), "faults": faults}))
    summary = simulate(path, parcels=250, seed=seed, journal_path=journal)
    assert summary["unaccounted"] == 0, summary["details"]
    parcels = [line for line in summary["details"] if line.startswith("parcel ")]
    assert all("the controller says lost" in line for line in parcels), parcels
    assert "multi_read_conflict" not in summary["by_cause"]
    assert replay(journal).identical


@pytest.mark.parametrize("fault", MISCOUNTED, ids=name_of)
def test_what_was_on_the_belt_is_lost_and_met_again_and_never_taken_for_another(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    journal = tmp_path / "journal.sqlite"
    summary = run(tmp_path, fault, journal=journal)
    assert summary["unaccounted"] == summary["truth_mismatches"] == 0, summary["details"]
    assert summary["sorted"] > PARCELS // 2
    with JournalReader(journal) as reader:
        lost = [row for row in reader.parcels() if row.disposition == FinalDisposition.LOST]
    assert lost
    assert {row.cause for row in lost} == {Cause.ENCODER_JUMPED}


def test_faults_combine_and_the_journal_replays(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    faults = [CLEAN[0], CLEAN[3], CLEAN[6], CLEAN[10], CLEAN[11]]
    first = run(tmp_path, *faults, journal=journal)
    assert first["unaccounted"] == first["truth_mismatches"] == 0, first["details"]
    assert replay(journal).identical
    assert run(tmp_path, *faults)["journal_sha256"] == first["journal_sha256"]
