"""The controller on a simulated line in the same process, on virtual time.

The only module of ``plc_sim`` that imports ``sorter.app``. Nothing is left out: PLC scans, mailbox
words, ``decide`` and the journal are those of a live line; only scans in which nothing can happen
are skipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plc_sim.feed import FeedParcel
from plc_sim.inprocess import InProcessBus, VirtualClock
from plc_sim.rig import Rig
from plc_sim.scenario import line_path, load_scenario
from plc_sim.truth_log import TruthLog
from sorter.app.closed import ClosedLine, FeedRow, announce_returns, run_on
from sorter.app.soak import Rounds, soak_on
from sorter.config.load import load_line
from sorter.errors import SorterError
from sorter.files import require_folder

ROUND_PARCELS = 2_000
"""Of a soak: what is kept of a round to reconcile it grows and shrinks with it, in the same heap
as the controller's, and rounds of 10,000 left enough holes there to pass for a slow leak."""
SOAK_JOURNAL_BYTES = 100_000_000
"""Of the journal of a soak: enough for some rounds, and reached early on."""


def simulate(
    scenario_path: Path,
    *,
    parcels: int,
    seed: int,
    journal_path: Path | None = None,
    truth_path: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Sort generated returns on the scenario's line.

    Parameters
    ----------
    scenario_path : Path
    parcels, seed : int
        The same seed gives the same journal hash.
    journal_path : Path, optional
        Where to keep the journal; it must not exist, its folder must.
    truth_path : Path, optional
        Where to keep the truth ledger; likewise.
    progress : callable
        Gets the number of parcels on the way or done, now and then.

    Returns
    -------
    dict
        Summary as of ``sorter demo``, reconciled with the truth ledger.

    Raises
    ------
    SorterError
        When scenario, line, journal or ledger cannot be used.
    """
    _require_new(journal_path, "--journal", "journal")
    _require_new(truth_path, "--truth", "truth ledger")
    if journal_path and truth_path and journal_path.resolve() == truth_path.resolve():
        raise SorterError(f"{truth_path}: --journal and --truth name the same file; name two")
    scenario = load_scenario(scenario_path)
    loaded = load_line(line_path(scenario_path, scenario))
    registry, rows = announce_returns(parcels, seed)
    rig = Rig(scenario, loaded.line_file, [_parcel(row) for row in rows], seed)
    rig.start_arrivals()
    notes = {"scenario": scenario.name, "seed": str(seed)}
    with registry:
        summary = run_on(
            ClosedLine(loaded, VirtualClock(rig), InProcessBus(rig), registry, notes),
            journal_path=journal_path,
            drained=lambda: rig.finished,
            truth=rig.truth.ends,
            progress=progress,
        )
    if truth_path is not None:
        TruthLog(truth_path, rig.truth).close()
    summary["simulated_s"] = round(rig.now_ns / 1e9, 3)
    return summary


def soak(
    scenario_path: Path,
    *,
    parcels: int,
    seed: int,
    journal_path: Path,
    round_parcels: int = ROUND_PARCELS,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Sort the same generated returns round after round, in bounded memory.

    Parameters
    ----------
    scenario_path : Path
    parcels, seed : int
    journal_path : Path
        Must not exist.
    round_parcels : int
        In a round at most.
    progress : callable
        Gets the number of parcels on the way or done, now and then.

    Returns
    -------
    dict
        See :func:`sorter.app.soak.soak_on`.
    """
    scenario = load_scenario(scenario_path)
    loaded = load_line(line_path(scenario_path, scenario))
    count = max(1, round(parcels / round_parcels))
    registry, rows = announce_returns(min(parcels, round_parcels), seed)
    rig = Rig(scenario, loaded.line_file, [_parcel(row) for row in rows], seed)
    rig.start_arrivals()
    seeds = itertools.count(seed + 1)
    notes = {"scenario": scenario.name, "seed": str(seed)}
    with registry:
        result = soak_on(
            ClosedLine(loaded, VirtualClock(rig), InProcessBus(rig), registry, notes),
            journal_path=journal_path,
            journal_bytes=SOAK_JOURNAL_BYTES,
            rounds=Rounds(
                parcels=len(rows),
                count=count,
                drained=lambda: rig.settled,
                truth=rig.truth.ends,
                begin_next=lambda: rig.begin_again(next(seeds)),
            ),
            progress=progress,
        )
    result["simulated_s"] = round(rig.now_ns / 1e9, 3)
    return result


def _require_new(path: Path | None, option: str, what: str) -> None:
    """Check that a file can be begun there."""
    if path is None:
        return
    require_folder(path, option)
    if path.exists():
        raise SorterError(
            f"{path}: there is a file already, and a simulation begins a new {what}; "
            "delete it or name another"
        )


def _parcel(row: FeedRow) -> FeedParcel:
    return FeedParcel(
        row.label.encode(),
        row.length_mm,
        row.width_mm,
        row.height_mm,
        row.weight_g,
        row.arrive_ms,
    )
