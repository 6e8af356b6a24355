"""Is every parcel accounted for when the controller is killed at random instants under load?"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from sorter.rehearsal.killed import sort_and_kill


def measure(quick: bool) -> dict[str, float]:
    """Return what must be zero after 100 kills (quick: 5), with a fresh seed that is printed."""
    seed = secrets.randbelow(1_000_000)
    sys.stderr.write(f"seed {seed}\n")
    with tempfile.TemporaryDirectory() as folder:
        killed = asyncio.run(sort_and_kill(Path(folder), 5 if quick else 100, seed))
    found = killed.comparison
    for sentence in (*found.details[:20], killed.replay_difference):
        if sentence:
            sys.stderr.write(f"{sentence}\n")
    return {
        "kills": float(killed.kills),
        "parcels": float(found.physical),
        "parcels_taken_over": float(sum(killed.parcels_taken_over)),
        "unaccounted": float(found.unaccounted),
        "truth_mismatches": float(found.truth_mismatches),
        "lost_and_found_again": float(found.found_again),
        "replay_differences": float(bool(killed.replay_difference)),
    }
