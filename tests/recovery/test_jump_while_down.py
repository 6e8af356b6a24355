"""An encoder that jumps while nobody is there, behind decisions that the journal has lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_line import Kill, KilledLine

from plc_sim.scenario import ScenarioFile
from sorter.config.load import load_line
from sorter.model.codes import Cause
from sorter.model.tracking import Register
from sorter.runtime.journal_store import JournalReader

CONFIG = Path(__file__).parents[2] / "config"
PARCELS = 20
AWAY_MS = 3_000


@pytest.mark.parametrize("jump_mm", [400, -400])
@pytest.mark.parametrize("commit_steps", [3, 200], ids=["lost a few looks", "lost all looks"])
def test_a_jump_behind_lost_looks_is_noticed(
    tmp_path: Path, jump_mm: int, commit_steps: int
) -> None:
    """What was lost is decided again at the counts it was decided at; the jump is not in them."""
    scenario = ScenarioFile.model_validate(
        {
            "kind": "scenario",
            "name": "killed",
            "arrivals": {"process": "poisson", "rate_parcels_per_h": 12_000},
            "faults": [{"kind": "encoder_jump", "at_s": 5.5, "jump_mm": jump_mm}],
        }
    )
    journal = tmp_path / "journal.sqlite"
    loaded = load_line(CONFIG / "small_line.yaml")
    with KilledLine(loaded, scenario, journal, PARCELS, seed=3, commit_steps=commit_steps) as line:
        line.run(Kill(900, delivered=True, away_ms=AWAY_MS))
        assert 4.0 < line.rig.now_ns / 1e9 - AWAY_MS / 1e3 < 5.5, "killed before the jump"
        state = line.run().state
        assert state.registers[Register.ENCODER_JUMPS] == 1
        found = line.reconcile()
        assert (found.unaccounted, found.truth_mismatches) == (0, 0), found.details
    with JournalReader(journal) as reader:
        assert Cause.ENCODER_JUMPED in {row.cause for row in reader.parcels()}
