"""Running the project's commands as a user would: as processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "config" / "scenarios" / "default.yaml"
LINE = ROOT / "config" / "line.yaml"
TIMEOUT_S = 240


def sorter(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``sorter`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sorter", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
