"""``make`` on a machine with an old Python, or none, says so in one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD_PYTHON = f"""#!/bin/sh
exec {sys.executable} -c 'import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])' "$2"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what setting up reads, without a virtual environment."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "requirements.lock", tmp_path / "deploy")
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("target", ["demo", "test"])
def test_an_old_python_fails_with_one_sentence(target: str, checkout: Path) -> None:
    old = checkout / "python3.9"
    old.write_text(OLD_PYTHON)
    old.chmod(0o755)
    done = make(checkout, target, f"PYTHON={old}")
    assert done.returncode != 0
    sentences = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(sentences) == 1
    assert "Python 3.11 or newer is needed" in sentences[0]
    assert "is 3.9" in sentences[0]
    assert not (checkout / ".venv").exists()


def test_a_missing_python_fails_with_one_sentence(checkout: Path) -> None:
    done = make(checkout, "test", "PYTHON=no-such-python")
    assert done.returncode != 0
    sentences = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(sentences) == 1
    assert "'no-such-python' was not found" in sentences[0]


def test_the_lock_file_pins_with_hashes_and_names_no_host() -> None:
    text = (ROOT / "deploy" / "requirements.lock").read_text()
    assert "://" not in text
    pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pinned
    assert all("==" in line for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned)
