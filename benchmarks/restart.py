"""How long after a ``kill -9`` under load does the line sort again, with warm caches?"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks.bytecode import warm_bytecode
from sorter.rehearsal.killed import sort_and_kill


def measure(quick: bool) -> dict[str, float]:
    """Return seconds from the kill to the report of the first decision, and parcels taken over."""
    warm_bytecode()
    with tempfile.TemporaryDirectory() as folder:
        killed = asyncio.run(sort_and_kill(Path(folder), 3 if quick else 10, 1))
    return {
        "ready_s_median": statistics.median(killed.restarts_s),
        "ready_s_worst": max(killed.restarts_s),
        "parcels_taken_over_mean": statistics.mean(killed.parcels_taken_over),
    }
