"""Does the line sort at 20,000 parcels/h over real sockets without losing or mistaking any?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

RETURNS_FILE = Path("../shared/data/online_retail_returns.csv")


def measure(quick: bool) -> dict[str, float]:
    """Return what must be zero, and latencies, per protocol and for the real return lines."""
    runs = {"modbus": ["--protocol", "modbus"], "opcua": ["--protocol", "opcua"]}
    if RETURNS_FILE.is_file():
        runs["returns"] = ["--returns", str(RETURNS_FILE)]
    figures: dict[str, float] = {}
    for name, arguments in runs.items():
        summary = _demo([*arguments, "--parcels", "100" if quick else "2000"])
        for key in ("unaccounted", "truth_mismatches", "missed_deadlines"):
            figures[f"{name}_{key}"] = float(summary[key])
        figures[f"{name}_decision_p99_us"] = summary["decision_latency_us"]["p99"]
        figures[f"{name}_slack_min_ms"] = summary["slack_ms"]["min"]
    return figures


def _demo(arguments: list[str]) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "sorter", "demo", "--json", "--keep", folder),
                *("--rate", "20000", "--speed", "1", *arguments),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=3600,
        )
    summary: dict[str, dict[str, float]] = json.loads(done.stdout)
    return summary
