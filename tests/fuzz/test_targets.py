"""A few hundred inputs for every entry point; ``python -m tests.fuzz`` takes as many as wanted."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from math import inf
from pathlib import Path

import pytest

from fuzz import words
from fuzz.runner import fuzz, save
from fuzz.target import Broken, Target, kind_of
from fuzz.targets import TARGETS, target_of
from fuzz.with_atheris import options_for, quoted
from sorter.kernels import frame, mailbox

SLOW = {"cli": 60, "config": 150, "journal_file": 150, "decide": 150, "exchange": 150}
INPUTS = 400
MAILBOX = "sorter/kernels/mailbox.py"
SEES = {
    "status": {MAILBOX: 40},
    "event_ring": {MAILBOX: 30},
    "scan_slot": {MAILBOX: 30},
    "command_block": {"plc_sim/plc_kernels.py": 80, "plc_sim/plc_rings.py": 10},
    "exchange": {MAILBOX: 60, "sorter/kernels/tracking.py": 10},
    "decide": {"sorter/kernels/tracking.py": 30, "sorter/kernels/closing.py": 10},
    "modbus": {"sorter/io/modbus.py": 70},
}
"""Lines, at least, that a target must see in files: most of them are of compiled kernels."""


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_an_entry_point(name: str) -> None:
    report = fuzz(target_of(name), SLOW.get(name, INPUTS), seed=2)
    assert not report.findings, "\n".join(one.trace for one in report.findings.values())
    assert report.inputs == SLOW.get(name, INPUTS)
    assert len(report.kinds) > 1, "every input had the same answer: the target looks at nothing"
    assert report.lines > 0, "nothing guides the inputs but the kinds of answers"
    for path, lines in SEES.get(name, {}).items():
        assert len(report.reached.get(path, ())) >= lines, f"hardly a line of {path} was seen"


def test_kernels_are_themselves_again_after_a_traced_input() -> None:
    kernels = (words.decode_status, mailbox.decode_status, frame.decide_frame)
    fuzz(target_of("status"), 5, seed=0)
    assert (words.decode_status, mailbox.decode_status, frame.decide_frame) == kernels


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


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_names_its_targets() -> None:
    done = command("nonsense")
    assert done.returncode == 2
    assert "journal_group" in done.stderr


def test_libfuzzer_runs_a_target_or_the_command_says_what_is_missing(tmp_path: Path) -> None:
    done = command("barcode", "--atheris", "--inputs", 300, "--save", tmp_path)
    if find_spec("atheris") is None:
        assert done.returncode == 1
        assert "pip install atheris" in done.stderr
        assert "Traceback" not in done.stderr
        assert not any(tmp_path.iterdir())
    else:
        assert done.returncode == 0, done.stderr
        assert "Done 300 runs" in done.stderr
        assert (tmp_path / "barcode-corpus" / "seed-0").is_file()


def test_libfuzzer_takes_one_target_at_a_time() -> None:
    assert command("barcode", "escapes", "--atheris").returncode == 2


def test_options_of_libfuzzer() -> None:
    assert "-seed=1" in options_for(BREAKABLE, 10, 0, 0.5), "0 would be drawn anew"
    assert "-max_total_time=30" in options_for(BREAKABLE, 10, 0, 0.5)
    assert not any("time=" in one for one in options_for(BREAKABLE, 10, 0, inf)[4:])
    assert quoted(b'"\\\xff') == "\\x22\\x5C\\xFF"
