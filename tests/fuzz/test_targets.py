"""A few hundred inputs for every entry point; ``python -m tests.fuzz`` takes as many as wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.runner import fuzz, save
from fuzz.target import Broken, Target, kind_of
from fuzz.targets import TARGETS, target_of

SLOW = {"cli": 60, "config": 150, "journal_file": 150, "decide": 150, "exchange": 150}
INPUTS = 400


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_an_entry_point(name: str) -> None:
    report = fuzz(target_of(name), SLOW.get(name, INPUTS), seed=2)
    assert not report.findings, "\n".join(one.trace for one in report.findings.values())
    assert report.inputs == SLOW.get(name, INPUTS)
    assert len(report.kinds) > 1, "every input had the same answer: the target looks at nothing"


def _breaks_on_a_z(_folder: Path):
    def run(data: bytes) -> str:
        if b"z" in data:
            raise Broken("a z")
        return kind_of(f"accepted {len(data)}")

    return run


BREAKABLE = Target("breakable", "nothing", lambda: [b"seed"], _breaks_on_a_z, (b"xyz",))


def test_a_finding_is_made_small_and_kept(tmp_path: Path) -> None:
    report = fuzz(BREAKABLE, 2000, seed=0)
    (finding,) = report.findings.values()
    assert finding.data == b"z"
    assert report.crashes > 1
    (path,) = save(report, tmp_path)
    assert path.read_bytes() == b"z"
    assert "Broken: a z" in path.with_suffix(".txt").read_text()


def test_the_same_seed_gives_the_same_inputs() -> None:
    reports = [fuzz(BREAKABLE, 500, seed=seed) for seed in (1, 1, 2)]
    assert reports[0].crashes == reports[1].crashes
    assert reports[0].kinds == reports[1].kinds


def test_the_command_names_its_targets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "nonsense"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "journal_group" in done.stderr
