"""A rig that does not start is told apart from a line that did not hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from plc_sim.chaos import performing
from plc_sim.chaos.performing import CannotPerform, Stage
from plc_sim.chaos.story import Story

LINE = Path(__file__).parents[2] / "config" / "line.yaml"
STORY = Story(3, "modbus", 5, 20_000, 4, ())


def test_a_rig_that_does_not_start_in_time_has_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "FIRST_START_TIMEOUT_S", 0.01)
    stage = Stage(STORY, LINE, tmp_path / "run")
    with pytest.raises(CannotPerform, match=r"seed 3 could not start.*plc_sim did not report"):
        asyncio.run(stage.perform())
    assert (tmp_path / "run" / "plc_sim-0.log").exists()
