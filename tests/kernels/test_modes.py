"""The kernels give the same answers as plain Python and with every index checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORACLE_TESTS = "tests/kernels/test_against_oracles.py"


def run_oracle_tests(extra: dict[str, str]) -> str:
    """Run the oracle tests in a process of their own; numba reads its switches at import."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", ORACLE_TESTS],
        cwd=ROOT,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_without_compiling() -> None:
    assert "5 passed" in run_oracle_tests({"NUMBA_DISABLE_JIT": "1"})


@pytest.mark.slow
def test_with_bounds_checked(tmp_path: Path) -> None:
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert "5 passed" in run_oracle_tests(checked)
