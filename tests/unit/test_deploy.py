"""The unit that runs the controller on a line PC."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "parcel-sorter.service"
MOST_EXPOSED = 2.0
"""Of 10, as systemd-analyze judges; 1.3 when written."""


@pytest.fixture
def runnable(tmp_path):
    """The unit with a program that is there: the check asks for it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^(ExecStart=)\S+", r"\1/bin/true", UNIT.read_text()))
    return copy


def analyze(*arguments):
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_systemd_takes_every_line_of_the_unit(runnable):
    verified = analyze("verify", runnable)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_unit_leaves_little_exposed(runnable):
    judged = analyze("security", "--offline=true", runnable)
    exposure = re.search(r"Overall exposure level.*: ([0-9.]+)", judged.stdout)
    assert exposure is not None, judged.stderr
    assert float(exposure[1]) <= MOST_EXPOSED


@pytest.mark.parametrize(
    ("number", "first", "holds"),
    [
        (1, "python3 -m pip download --require-hashes", "tar cf parcel-sorter.tar"),
        (2, "mkdir -p /opt/parcel-sorter", "pip install --no-index"),
        (3, "service:", "  journal: /var/lib/parcel-sorter/"),
        (4, "cd /opt/parcel-sorter", "systemctl enable --now parcel-sorter"),
    ],
)
def test_the_rehearsal_runs_what_the_readme_says(number, first, holds):
    script, readme = UNIT.parent / "rehearse.sh", UNIT.parent / "README.md"
    block = subprocess.run(
        ["bash", str(script), "block", str(number), str(readme)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert block.startswith(first)
    assert holds in block
    named = re.findall(r"(?:deploy|config)/[\w./-]*\w", block)
    assert all((UNIT.parents[1] / one).exists() for one in named), named


def test_the_unit_restarts_what_hangs_and_never_gives_up():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    service = parser["Service"]
    assert service["Type"] == "notify"
    # Longer than the longest silence of a loop that is well: an attempt to connect, 10 s.
    assert int(service["WatchdogSec"]) > 10
    assert service["Restart"] == "always"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["User"] == "parcel-sorter"
