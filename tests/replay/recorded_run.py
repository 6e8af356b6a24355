"""A recorded run of the small line, and ways to change it afterwards."""

import sqlite3
import zlib
from pathlib import Path

from plc_sim.closed_loop import simulate
from sorter.model.frames import Decisions
from sorter.runtime.journal import RunInfo
from sorter.runtime.journal_codec import encode_group
from sorter.runtime.journal_group import gather
from sorter.runtime.journal_store import JournalReader

CONFIG = Path(__file__).parents[2] / "config"
PARCELS = 60

SCENARIO = f"""
kind: scenario
name: recorded
line: {CONFIG / "small_line.yaml"}
arrivals: {{process: poisson, rate_parcels_per_h: 3000}}
scanners: {{read_rate: 0.9}}
diverters: {{fail_rate: 0.1}}
"""


def record(folder, parcels=PARCELS):
    """Simulate the small line; return the journal and the summary."""
    scenario = folder / "scenario.yaml"
    scenario.write_text(SCENARIO)
    journal = folder / "journal.sqlite"
    summary = simulate(scenario, parcels=parcels, seed=3, journal_path=journal)
    return journal, summary


def read_steps(journal):
    with JournalReader(journal) as reader:
        return list(reader.steps(1, 10**9))


def group_of(reader_path, step):
    """Return the number of the group's first step."""
    with sqlite3.connect(reader_path) as database:
        rows = database.execute("SELECT max(step) FROM steps WHERE step <= ?", (step,)).fetchone()
    database.close()
    return rows[0]


def rewrite(journal, step_number, change):
    """Replace one step by what `change` makes of it, with fitting check sums."""
    first = group_of(journal, step_number)
    steps = [step for step in read_steps(journal) if group_of(journal, step.step) == first]
    batch = []
    for step in steps:
        inputs, decided = step.inputs, step.decided
        if step.step == step_number:
            inputs, decided = change(inputs, decided)
        batch.append((step.now_ns, inputs, step.reads, decided))
    payload = encode_group(gather(batch).group())
    with sqlite3.connect(journal) as database:
        database.execute(
            "UPDATE steps SET payload = ?, crc32 = ? WHERE step = ?",
            (payload, zlib.crc32(payload), first),
        )
    database.close()


def copy_decided(decided):
    return Decisions(
        decided.commands.copy(),
        decided.decisions.copy(),
        decided.candidates.copy(),
        decided.outcomes.copy(),
    )


def info_of(line, **changes):
    return RunInfo(line.layout, line.plan, line.files, {}, **changes)
