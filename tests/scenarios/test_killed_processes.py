"""``kill -9`` of a real ``sorter run`` beside a served line, again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sorter.rehearsal.killed import sort_and_kill


@pytest.mark.slow
async def test_every_parcel_is_accounted_for_after_kills_under_load(tmp_path: Path) -> None:
    killed = await sort_and_kill(tmp_path, kills=2, seed=5, parcels=80, speed=5)
    found = killed.comparison
    assert (found.unaccounted, found.truth_mismatches) == (0, 0), found.details
    assert found.physical == 80
    assert found.found_again == 0
    assert sum(killed.parcels_taken_over) > 0
    assert killed.replay_difference == ""
