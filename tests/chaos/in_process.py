"""Stories of chaos on a simulated line in this process: many more than can be served.

A story of 300 parcels takes half a second. Left out are the faults that need a link, a host, a
disk or a process of their own; the verdict is that of ``sorter chaos``.

    python -m tests.chaos.in_process --stories 500 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final, get_args

import numpy as np

from plc_sim.chaos.drawing import CATALOGUE, LineShape, draw_fault
from plc_sim.chaos.story import RATE_PARCELS_PER_H, SLOW_RATE_PARCELS_PER_H, Story
from plc_sim.chaos.verdict import Breach, effects_of, unexplained
from plc_sim.closed_loop import simulate
from plc_sim.runner_faults import RunnerFault
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.rehearsal.account import account_for, replay_difference

LINE: Final = Path(__file__).parents[2] / "config" / "line.yaml"
PARCELS: Final = 300
MOST_FAULTS: Final = 3
MADE_BY_A_RUNNER: Final = {
    kind
    for fault in get_args(RunnerFault)
    for kind in get_args(fault.model_fields["kind"].annotation)
}
KINDS: Final = tuple(kind for kind in CATALOGUE if kind not in MADE_BY_A_RUNNER)


def draw_story(seed: int) -> Story:
    """Return the story of a seed."""
    draw = np.random.default_rng((0x1A9, seed))
    rate = float(draw.choice([RATE_PARCELS_PER_H, SLOW_RATE_PARCELS_PER_H]))
    shape = LineShape.of(load_yaml_model(LINE, LineFile), PARCELS, rate)
    chosen = draw.choice(len(KINDS), size=int(draw.integers(1, MOST_FAULTS + 1)))
    faults = tuple(draw_fault(KINDS[index], draw, shape) for index in chosen.tolist())
    return Story(seed, "modbus", PARCELS, rate, 1.0, faults)


def breaches_of(story: Story, folder: Path) -> list[Breach]:
    """Play a story and return what did not hold."""
    journal, truth = folder / "journal.sqlite", folder / "truth.jsonl"
    story.write(folder / "story.yaml", LINE)
    simulate(
        folder / "story.yaml",
        parcels=story.parcels,
        seed=story.seed,
        journal_path=journal,
        truth_path=truth,
    )
    account = account_for(journal, truth)
    effects = effects_of(account)
    found = unexplained(story, account, effects)
    if difference := replay_difference(journal):
        found.append(Breach("the journal does not replay identically", (difference,)))
    return found


def main() -> int:
    """Play stories; print what did not hold, and return 1 if anything did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = 0
    for seed in range(arguments.seed, arguments.seed + arguments.stories):
        with tempfile.TemporaryDirectory() as folder:
            story = draw_story(seed)
            breaches = breaches_of(story, Path(folder))
        failed += bool(breaches)
        for breach in breaches:
            told = (f"seed {seed}: {breach.what}", *breach.details, *map(str, story.faults))
            sys.stdout.write("\n  ".join(told) + "\n")
    sys.stdout.write(f"{arguments.stories} stories, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
