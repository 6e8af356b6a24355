"""How many parcels a second does the whole controller sort on the simulated default line?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from plc_sim.closed_loop import simulate

SCENARIO = Path("config/scenarios/default.yaml")
HASH_PARCELS = 2_000
_HASH_PROGRAM = (
    "import sys; from pathlib import Path; from plc_sim.closed_loop import simulate;"
    "print(simulate(Path(sys.argv[1]), parcels=int(sys.argv[2]), seed=7)['journal_sha256'])"
)


def measure(quick: bool) -> dict[str, float]:
    """Return parcels/s with the journal on disk, after a warm-up, and what must be zero."""
    parcels = 5_000 if quick else 50_000
    simulate(SCENARIO, parcels=500, seed=1)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for attempt in range(2 if quick else 3):
            journal = Path(folder) / f"journal-{attempt}.sqlite"
            summary = simulate(SCENARIO, parcels=parcels, seed=attempt, journal_path=journal)
            rates.append(parcels / summary["wall_s"])
    hashes = {_hash_in_another_process() for _ in range(2)}
    return {
        "parcels_per_s": max(rates),
        "parcels_per_s_slowest": min(rates),
        "unaccounted": float(summary["unaccounted"]),
        "truth_mismatches": float(summary["truth_mismatches"]),
        "different_hashes_of_one_seed": float(len(hashes) - 1),
    }


def _hash_in_another_process() -> str:
    done = subprocess.run(
        [sys.executable, "-c", _HASH_PROGRAM, str(SCENARIO), str(HASH_PARCELS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return done.stdout.strip()
