"""Runs in a child process: a line sorts while the disk of its journal is filled to the last byte.

Argument: the journal's folder, a small file system of its own. The ballast stays: the journal must
go on in its own file. The line has sorted for long before, so that has something to spare. Prints
what happened as JSON.
"""

import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))

from commands import SCENARIO
from full_disk import fill_file_system

from plc_sim.closed_loop import simulate
from plc_sim.feed import FeedParcel
from plc_sim.inprocess import InProcessBus, VirtualClock
from plc_sim.rig import Rig
from plc_sim.scenario import line_path, load_scenario
from sorter.app.assembly import run_info
from sorter.app.closed import ClosedLine, announce_returns
from sorter.config.load import load_line
from sorter.runtime.clock import Calendar, MonotonicClock
from sorter.runtime.journal import ThreadedJournal
from sorter.runtime.journal_retention import Limits
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.logs import configure_logs
from sorter.runtime.reconcile import reconcile_rows

PAST_PARCELS = 12_000
"""More than the newest 16 MB that emergency pruning leaves alone."""
PARCELS = 500
FILL_BEHIND_PARCELS = 100
RESERVE_BYTES = 500_000
"""Used up soon by what the write-ahead log grows to, which then has to be written anew."""
SOME_STEPS = 64


class PacedBus(InProcessBus):
    """Lets the line wait for the journal's thread now and then, as a real line's time does."""

    def __init__(self, rig):
        super().__init__(rig)
        self.journal = None
        self.disk = None
        self.states = set()
        self._rig = rig
        self._pause = threading.Event()

    async def wait(self, until_ns):
        if self.disk is not None and self._rig.released > FILL_BEHIND_PARCELS:
            fill_file_system(self.disk)
            self.disk = None
        for _ in range(200):
            self.states.add(self.journal.storage.state.name)
            if self.journal.lag_steps < SOME_STEPS:
                break
            self._pause.wait(0.001)
        await super().wait(until_ns)


def sort_on_full_disk(disk):
    path = disk / "journal.sqlite"
    scenario = load_scenario(SCENARIO)
    loaded = load_line(line_path(SCENARIO, scenario))
    # Another start of the PLC: its records are not those that the journal has.
    plc = scenario.plc.model_copy(update={"boot_id": scenario.plc.boot_id + 1})
    scenario = scenario.model_copy(update={"plc": plc})
    registry, rows = announce_returns(PARCELS, 2)
    feed = [
        FeedParcel(
            *(row.label.encode(), row.length_mm, row.width_mm, row.height_mm),
            *(row.weight_g, row.arrive_ms),
        )
        for row in rows
    ]
    rig = Rig(scenario, loaded.line_file, feed, 2)
    rig.start_arrivals()
    bus = PacedBus(rig)
    with registry:
        line = ClosedLine(loaded, VirtualClock(rig), bus, registry, {})
        limits = Limits(reserve_bytes=RESERVE_BYTES)
        journal = ThreadedJournal(
            path, run_info(loaded, {}), 0.001, limits=limits, calendar_s=Calendar().now_s
        )
        bus.journal, bus.disk = journal, disk
        line.run(line.controller(journal), lambda: rig.finished, lambda: True, lambda _: None)
    with JournalReader(path) as reader:
        run = reader.last_run()
        recorded = [row for row in reader.parcels() if row.run == run.run]
    found = reconcile_rows(recorded, loaded.layout.chute_names, rig.truth.ends())
    return {
        "states": sorted(bus.states),
        "refusals": journal.refusals,
        "pruned_parcels": journal.storage.pruned.parcels,
        "state_at_the_end": journal.storage.state.name,
        "accounted_for": len(recorded),
        "unaccounted": found.unaccounted,
        "truth_mismatches": found.truth_mismatches,
        "details": list(found.details),
        "parcels": PARCELS,
    }


def main(disk):
    simulate(SCENARIO, parcels=PAST_PARCELS, seed=1, journal_path=disk / "journal.sqlite")
    sys.stdout.write(json.dumps(sort_on_full_disk(disk)))


if __name__ == "__main__":
    configure_logs(MonotonicClock())
    main(Path(sys.argv[1]))
