"""``sorter soak``: the same parcels round after round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import SCENARIO

from plc_sim.closed_loop import soak
from plc_sim.faults import draw_jams
from plc_sim.scenario import load_scenario
from sorter.config.load import load_line

LINE = SCENARIO.parent.parent / "line.yaml"


def scenario_of(folder: Path, **sections: object) -> Path:
    path = folder / "scenario.yaml"
    described = {"kind": "scenario", "name": "soaked", "line": str(LINE)} | sections
    path.write_text(yaml.safe_dump(described))
    return path


def test_rounds_are_reconciled_one_by_one(tmp_path: Path) -> None:
    seen: list[int] = []
    found = soak(
        SCENARIO,
        parcels=900,
        seed=3,
        journal_path=tmp_path / "journal.sqlite",
        round_parcels=300,
        progress=seen.append,
    )
    assert found["rounds"] == 3
    # More than 900 where a parcel was lost and found again.
    assert 900 <= found["parcels"] <= 910
    assert found["unaccounted"] == found["truth_mismatches"] == 0
    assert found["details"] == []
    assert seen == sorted(seen)
    assert sum(tenth["steps"] for tenth in found["tenths"]) > 900
    assert {sample["tasks"] for sample in found["samples"]} == {1}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "map_shifted", "at_s": 10, "for_s": 2},
        {"kind": "plc_frozen", "at_s": 10, "for_s": 3},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_the_line_goes_on_after_a_broken_link_in_each_round(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    found = soak(
        scenario_of(tmp_path, faults=[fault]),
        parcels=300,
        seed=1,
        journal_path=tmp_path / "journal.sqlite",
        round_parcels=150,
    )
    assert found["rounds"] == 2
    assert found["parcels"] >= 300
    assert found["unaccounted"] == found["truth_mismatches"] == 0, found["details"]


def test_a_parcel_that_waits_is_not_taken_for_the_one_it_was_in_the_round_before(
    tmp_path: Path,
) -> None:
    # Far more than the belt takes: nearly everybody waits long while chutes are filled again.
    arrivals = {"process": "poisson", "rate_parcels_per_h": 400_000}
    found = soak(
        scenario_of(tmp_path, arrivals=arrivals),
        parcels=2000,
        seed=1,
        journal_path=tmp_path / "journal.sqlite",
        round_parcels=200,
    )
    assert (found["rounds"], found["parcels"]) == (10, 2000)
    assert found["unaccounted"] == found["truth_mismatches"] == 0, found["details"]


def test_a_round_can_have_more_jams_than_the_first(tmp_path: Path) -> None:
    jams = {"rate": 0.02, "clear": {"kind": "constant", "value_s": 2}}
    path = scenario_of(tmp_path, jams=jams)
    layout = load_line(LINE).line_file.line
    scenario = load_scenario(path)
    stuck = [
        int(np.count_nonzero(draw_jams(scenario, layout, 200, seed)[0])) for seed in (314, 315)
    ]
    assert stuck == [0, 7]
    found = soak(
        path,
        parcels=600,
        seed=314,
        journal_path=tmp_path / "journal.sqlite",
        round_parcels=200,
    )
    assert found["rounds"] == 3
    assert found["unaccounted"] == found["truth_mismatches"] == 0, found["details"]
