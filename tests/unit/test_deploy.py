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
