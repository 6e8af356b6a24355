"""``sorter soak``: the same parcels round after round."""

from __future__ import annotations

from pathlib import Path

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
