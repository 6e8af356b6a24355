"""The PackML states of the line, as a real `sorter run` on a served line shows them.

The test is the staff: it presses the button, frees the jam and lets parcels come, each when the
metrics endpoint shows the state before, so that nothing depends on how fast anything is.
"""

from __future__ import annotations

import asyncio
import gc
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT

from plc_sim.feed import read_feed
from plc_sim.scenario import ScenarioFile
from plc_sim.served import ServedRig, ServeOptions
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.model.codes import LineState
from sorter.rehearsal.parcels import prepare_parcels
from sorter.rehearsal.processes import JsonLineProcess
from sorter.rehearsal.snapshot import scrape

START_S = 200.0
STOP_S = 20.0
SAID_WITHIN_S = 30.0
SPEED = 10
PARCELS = 12
SCENARIO: dict[str, Any] = {
    "kind": "scenario",
    "name": "modes",
    "arrivals": {"process": "regular", "rate_parcels_per_h": 4000},
    # The floor has room for as many stops as a scenario may bring. These never come by themselves:
    # the staff makes them.
    "faults": [
        {"kind": "e_stop", "at_s": 1_000_000, "for_s": 1},
        {"kind": "jam", "at_s": 1_000_000, "zone": "sort"},
    ],
    # Nobody comes to change a bag.
    "chutes": {"operator": {"response": {"kind": "constant", "value_s": 1e6}}},
}


class StaffedLine:
    """A served line, its staff, and what a running controller shows of it."""

    def __init__(self, rig: ServedRig) -> None:
        self._rig = rig.rig
        self._begin = self._rig.start_arrivals
        self._rig.start_arrivals = lambda: None  # type: ignore[method-assign]  # when we say so
        self.metrics_port = 0

    def report(self, state: LineState, zone: int = -1) -> None:
        """Be the drives and the safety circuit."""
        controls = self._rig.plant.controls
        controls.move_belt(state == LineState.EXECUTE)
        controls.report_line(state, zone)

    def clear(self, zone: int) -> None:
        """Take all parcels of a zone off the belt."""
        self._rig.plant.controls.clear_zone(zone)

    def let_parcels_come(self) -> None:
        self._begin()

    async def shows(self, state: str, reason: str) -> float:
        """Return the number of a state once the metrics endpoint shows it with its reason."""
        return await self.says("sorter_line_mode", state=state, reason=reason)

    async def says(self, metric: str, **labels: str) -> float:
        """Return what the metrics endpoint says of something, once it says anything but 0."""
        said: list[Any] = []
        try:
            async with asyncio.timeout(SAID_WITHIN_S):
                while True:
                    found = await scrape(self.metrics_port)
                    said = (
                        [] if found is None else [one for one in found.samples if one[0] == metric]
                    )
                    for _, seen, value in said:
                        if seen == labels and value:
                            return value
        except TimeoutError:
            raise AssertionError(f"wanted {metric} {labels}, last heard: {said}") from None


def small_line(folder: Path) -> Path:
    """Return a line file with one sort chute, for two parcels, and little patience."""
    shutil.copytree(ROOT / "config", folder / "config")
    path = folder / "config" / "small_line.yaml"
    text = path.read_text("utf-8")
    text = text.replace("capacity: &box {parcels: 300}", "capacity: {parcels: 2}", 1)
    text = text.replace("capacity: *box", "capacity: &box {parcels: 300}", 1)
    text = text.replace(
        "  limits: {length_mm: 500",
        "  tracking: {starved_after_mm: 5000}\n  limits: {length_mm: 500",
        1,
    )
    path.write_text(text, "utf-8")
    plan = path.with_name("small_sort_plan.yaml")
    text = re.sub(r", expected_share: [\d.]+", "", plan.read_text("utf-8"))
    text = re.sub(r"groups: \[\[.*?\]\]", "groups: [[S1]]", text)
    plan.write_text(text, "utf-8")
    return path


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[StaffedLine]:
    """A line that nothing comes to yet, and a controller that runs it."""
    line_path = small_line(tmp_path)
    feed, registry, _, _ = prepare_parcels(tmp_path / "parcels", PARCELS, 4000, 1, None)
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def heard(event: str, fields: dict[str, Any]) -> None:
        if event == "listening":
            listening.set_result(fields["modbus_port"])

    rig = ServedRig(
        ScenarioFile.model_validate(SCENARIO),
        load_yaml_model(line_path, LineFile),
        read_feed(feed),
        seed=1,
        options=ServeOptions(modbus_port=0, speed=SPEED),
        report=heard,
    )
    staffed = StaffedLine(rig)
    serving = asyncio.create_task(rig.run())
    program = [sys.executable, "-m", "sorter", "run", "--config", str(line_path)]
    process = None
    try:
        port = await asyncio.wait_for(listening, START_S)
        process = JsonLineProcess(
            "sorter run",
            [
                *(*program, "--peer", f"127.0.0.1:{port}", "--metrics-port", "0"),
                *("--journal", str(tmp_path / "journal.sqlite"), "--registry", str(registry)),
            ],
            tmp_path / "sorter.log",
        )
        await process.start()
        ready = await process.wait_for("ready", START_S)
        staffed.metrics_port = int(ready["metrics_port"])
        yield staffed
    finally:
        code = 0 if process is None else await process.stop(STOP_S)
        rig.stop()
        await asyncio.wait_for(serving, STOP_S)
        gc.unfreeze()  # a served rig takes what is there out of the collector's sight
    assert code == 0


async def test_emergency_stop_jam_full_chutes_and_no_infeed_show_as_packml_states(
    line: StaffedLine,
) -> None:
    assert await line.shows("suspended", "starved") == 5
    line.report(LineState.ABORTED)
    assert await line.shows("aborted", "emergency_stop") == 9
    line.report(LineState.EXECUTE)
    assert await line.shows("suspended", "starved") == 5
    line.report(LineState.HELD, zone=1)
    assert await line.shows("held", "jam") == 11
    line.clear(1)
    line.report(LineState.EXECUTE)
    assert await line.shows("suspended", "starved") == 5
    line.let_parcels_come()
    # Two fill the only chute of the plan; the others go where what has no chute goes.
    assert await line.says("sorter_chute_state", chute="S1", state="full") == 1
    assert await line.shows("suspended", "blocked") == 5
