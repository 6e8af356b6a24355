"""``sorter soak``: the same parcels round after round."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from commands import SCENARIO

from plc_sim.closed_loop import soak


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
    path = tmp_path / "scenario.yaml"
    line = SCENARIO.parent.parent / "line.yaml"
    described = {"kind": "scenario", "name": "broken", "line": str(line), "faults": [fault]}
    path.write_text(yaml.safe_dump(described))
    found = soak(
        path,
        parcels=300,
        seed=1,
        journal_path=tmp_path / "journal.sqlite",
        round_parcels=150,
    )
    assert found["rounds"] == 2
    assert found["parcels"] >= 300
    assert found["unaccounted"] == found["truth_mismatches"] == 0, found["details"]
