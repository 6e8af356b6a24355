"""The whole line in process, with a registry file in which returns appear while parcels ride."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plc_sim.feed import FeedParcel
from plc_sim.inprocess import InProcessBus, VirtualClock
from plc_sim.rig import Rig
from plc_sim.scenario import load_scenario
from sorter.app.assembly import Controller, assemble, run_info
from sorter.config.load import LoadedLine, load_line
from sorter.host.late import LateAsker
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.host.resolver import RegistryHost
from sorter.model.codes import Cause, FinalDisposition, Grade, MissCause, ReturnReason
from sorter.model.returns import ReturnRecord
from sorter.model.tracking import ParcelColumn, ParcelState
from sorter.runtime.explain import explain
from sorter.runtime.journal import InlineJournal
from sorter.runtime.replay import replay
from sorter.runtime.scan_loop import LoopTiming

CONFIG = Path(__file__).parents[2] / "config"
LABEL = "LATE-1"
STEP_NS = 20_000_000


@pytest.fixture(scope="module")
def line() -> LoadedLine:
    return load_line(CONFIG / "line.yaml")


class Ride:
    """One parcel on the shipped line; `when` says when its return is announced."""

    def __init__(self, line: LoadedLine, folder: Path, when: Callable[[Controller], bool]) -> None:
        scenario = load_scenario(CONFIG / "scenarios" / "ideal.yaml")
        feed = [FeedParcel(LABEL.encode(), 300, 200, 100, 900, 0.0)]
        self.rig = Rig(scenario, line.line_file, feed, 1)
        self.path = folder / "returns.sqlite"
        self.journal_path = folder / "journal.sqlite"
        Registry.create(self.path).close()
        self.asker = LateAsker(self.path)
        self.when = when
        self.imported_at = -1
        self.journal = InlineJournal(self.journal_path, run_info(line, {}), 50)
        self.controller = assemble(
            line,
            clock=VirtualClock(self.rig),
            bus=InProcessBus(self.rig),
            host=RegistryHost(self.asker, line.policy),
            journal=self.journal,
            controller_epoch=1,
            timing=LoopTiming(period_ns=STEP_NS),
            generator=np.random.default_rng(0),
        )
        self.rig.start_arrivals()
        asyncio.run(self.controller.loop.run(self.finished))
        self.asker._close()

    def finished(self) -> bool:
        if self.imported_at < 0 and self.when(self.controller):
            self.imported_at = self.controller.state.encoder_count
            with Registry.open(self.path) as other:
                other.import_many([AnnouncedReturn(
                    ReturnRecord(
                        f"text:{LABEL}", LABEL, Grade.A, "fashion", ReturnReason.WRONG_SIZE,
                        False, 990, "PL", 5,
                    )
                )])  # fmt: skip
        if self.controller.state.tracked_count():
            self.asker.ask()
        return self.rig.finished and not self.controller.state.tracked_count()

    def story(self) -> list[tuple[str, str]]:
        (only,) = explain(self.journal_path, LABEL)
        return [(moment.what, moment.text) for moment in only.moments]


def state_of_first(controller: Controller) -> int:
    parcels = controller.state.parcels
    return int(parcels[ParcelColumn.STATE, 0]) if parcels[ParcelColumn.ID, 0] else -1


def test_announced_behind_the_scanner_it_goes_where_it_belongs(
    line: LoadedLine, tmp_path: Path
) -> None:
    ride = Ride(line, tmp_path, lambda c: state_of_first(c) == ParcelState.COMMANDED)
    metrics = ride.controller.metrics
    assert metrics.disposition_count(FinalDisposition.SORTED) == 1
    assert metrics.missed_deadlines.sum() == 0
    whats = [what for what, _ in ride.story()]
    assert whats.index("host") > whats.index("decision"), "decided first, without an answer"
    decisions = [text for what, text in ride.story() if what == "decision"]
    assert "no_data" in decisions[0]
    assert "rerouted" in decisions[1]
    assert replay(ride.journal_path).identical


def test_announced_behind_the_commit_point_it_is_counted_as_late(
    line: LoadedLine, tmp_path: Path
) -> None:
    ride = Ride(line, tmp_path, lambda c: state_of_first(c) == ParcelState.FIRED)
    metrics = ride.controller.metrics
    assert metrics.closed[FinalDisposition.REJECTED, Cause.NO_DATA] == 1
    assert metrics.missed_deadlines[MissCause.LATE_HOST] == 1
    assert replay(ride.journal_path).identical


def test_the_decision_without_an_answer_comes_as_early_as_one_with(
    line: LoadedLine, tmp_path: Path
) -> None:
    steps = []
    for when in (lambda _: False, lambda _: True):
        folder = tmp_path / str(len(steps))
        folder.mkdir()
        ride = Ride(line, folder, when)
        (only,) = explain(ride.journal_path, LABEL)
        scanned = next(m for m in only.moments if m.what == "scan")
        decided = next(m for m in only.moments if m.what == "decision")
        steps.append((decided.step - scanned.step, decided.position_mm))
    assert steps[0] == steps[1]
    assert steps[0][0] == 0, "in the step that brought the scan"


def test_a_registry_that_goes_away_stops_no_parcel(line: LoadedLine, tmp_path: Path) -> None:
    gone = []

    def take_away(controller: Controller) -> bool:
        if state_of_first(controller) == ParcelState.UNDECIDED and not gone:
            for file in tmp_path.glob("returns.sqlite*"):
                gone.append(shutil.move(file, tmp_path / f"gone-{file.name}"))
        return False

    ride = Ride(line, tmp_path, take_away)
    assert gone
    assert ride.controller.metrics.closed[FinalDisposition.REJECTED, Cause.NO_DATA] == 1
    assert not ride.asker.reachable
