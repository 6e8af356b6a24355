"""``sorter chaos`` as a user types it; ``make chaos`` runs it for longer, with a fresh seed."""

from __future__ import annotations

import json
from pathlib import Path

from commands import LINE, sorter

STORY = f"""
kind: scenario
name: link-and-kill
line: {LINE}
arrivals: {{process: regular, rate_parcels_per_h: 20000}}
faults:
  - {{kind: failed_divert, chute: A03, times: 2}}
  - {{kind: link_cut, at_s: 3, for_s: 4}}
  - {{kind: disk_full, at_s: 2, for_s: 12}}
  - {{kind: clock_step, at_s: 4, step_s: -86400}}
  - {{kind: kill_controller, at_s: 10, down_s: 1}}
"""


def test_faults_and_a_kill_lose_no_parcel(tmp_path: Path) -> None:
    story = tmp_path / "story.yaml"
    story.write_text(STORY)
    done = sorter(
        *("chaos", "--story", str(story), "--seed", "5", "--protocol", "modbus", "--json"),
        *("--parcels", "40", "--speed", "2", "--keep", str(tmp_path / "kept")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["seed"] == 5
    assert report["runs"] == 1
    assert report["parcels"] == 40
    assert [report[key] for key in ("failed", "lost", "double_counted", "wrong_chute")] == [0] * 4
    assert not (tmp_path / "kept" / "seed-5").exists()


def test_a_story_that_names_no_chute_of_the_line_is_one_message(tmp_path: Path) -> None:
    story = tmp_path / "story.yaml"
    story.write_text(STORY.replace("A03", "Z99"))
    done = sorter("chaos", "--story", str(story))
    assert done.returncode == 2
    assert "Z99" in done.stderr
    assert "Traceback" not in done.stderr
