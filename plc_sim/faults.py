"""Lets go wrong what a scenario asks for, at its time, and has it put right again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sorter.config.models import Line

from . import cells as c
from .arrivals import Concern, Draws, generator
from .eyes_stuck import StuckEyes
from .fault_sections import (
    ChuteFullLateFault,
    ChuteJamFault,
    EncoderJumpFault,
    EncoderSlipFault,
    FailedDivertFault,
    MapShiftedFault,
    ReadBurstFault,
    RecordFault,
    SlowDivertFault,
    StuckEyeFault,
    names_of,
)
from .line_stops import LineStops
from .scenario import Fault, ScenarioFile
from .spans import Spans, seconds
from .tamperings import Tamperings

if TYPE_CHECKING:
    from .plant import Plant


def draw_jams(
    scenario: ScenarioFile, line: Line, parcels: int, seed: int
) -> tuple[NDArray[np.int64], Draws]:
    """Return behind how many sightings each parcel gets stuck, 0: never, and how long that takes.

    Parameters
    ----------
    scenario : ScenarioFile
    line : Line
    parcels, seed : int
    """
    draw = generator(seed, Concern.JAMS)
    jams = draw.random(parcels) < scenario.jams.rate
    behind = draw.integers(1, len(line.photo_eyes) + 1, parcels)
    return np.where(jams, behind, 0), Draws(scenario.jams.clear, draw)


class FaultInjector:
    """Schedules the faults of a scenario.

    Those that last for a while add up where they overlap: a diverter that two faults slow down is
    late by both.

    Parameters
    ----------
    scenario : ScenarioFile
    plant : Plant
    clear : Draws
        How long it takes to clear a zone in which a parcel got stuck.
    seed : int
    """

    def __init__(self, scenario: ScenarioFile, plant: Plant, clear: Draws, seed: int) -> None:
        self._plant = plant
        self._controls = plant.controls
        self._names = names_of(plant.line)
        self._tamperings = Tamperings(plant.plc, plant.line, seed)
        self._tampered = [
            (fault, self._tamperings.add(fault))
            for fault in scenario.faults
            if isinstance(fault, RecordFault)
        ]
        self._spans = Spans(plant)
        self._eyes = StuckEyes(plant, self._spans)
        starts = (scenario.plc.encoder_start, scenario.plc.tick_start)
        self._stops = LineStops(plant, clear, starts)
        self._faults = scenario.faults

    def start(self) -> None:
        """Schedule the faults; their times count from now."""
        for tampered, rows in self._tampered:
            self._spans.add_alone(tampered, self._switch(rows))
        for fault in self._faults:
            if not (self._stops.schedule(fault) or self._schedule_lasting(fault)):
                self._schedule_single(fault)

    def parcel_jammed(self, position_mm: float) -> None:
        """Jam the belt where a parcel got stuck."""
        self._stops.parcel_jammed(position_mm)

    def _schedule_single(self, fault: Fault) -> None:
        """Schedule what happens at one instant; faults by row of the feed are there already."""
        after, controls = self._plant.after, self._controls
        if isinstance(fault, EncoderJumpFault):
            after(seconds(fault.at_s), controls.jump_encoder, fault.jump_mm)
        elif isinstance(fault, FailedDivertFault):
            chute, times = self._chute(fault.chute), fault.times
            after(seconds(fault.at_s), lambda _: controls.fail_diverts(chute, times), None)

    def _schedule_lasting(self, fault: Fault) -> bool:
        """Schedule what lasts for a while; return whether the fault is of that sort."""
        controls, add = self._controls, self._spans.add
        if isinstance(fault, StuckEyeFault):
            self._eyes.schedule(fault, self._names["eye"].index(fault.eye))
        elif isinstance(fault, ChuteJamFault):
            chute = self._chute(fault.chute)
            add(fault, 1, ("jam", chute), lambda all_: controls.jam_chute(chute, bool(all_)))
        elif isinstance(fault, SlowDivertFault):
            chute = self._chute(fault.chute)
            key = ("slow", chute)
            add(fault, fault.delay_ms, key, lambda all_: controls.slow_diverter(chute, sum(all_)))
        elif isinstance(fault, ChuteFullLateFault):
            chute = self._chute(fault.chute)
            key = ("late", chute)
            say = controls.say_full_late
            add(fault, fault.delay_s, key, lambda all_: say(chute, seconds(max(all_, default=0))))
        elif isinstance(fault, EncoderSlipFault):
            add(fault, fault.error, ("slip", 0), lambda all_: controls.slip_encoder(sum(all_)))
        elif isinstance(fault, MapShiftedFault):
            add(fault, fault.words, ("map", 0), lambda all_: controls.shift_map(int(sum(all_))))
        elif isinstance(fault, ReadBurstFault):
            self._schedule_burst(fault)
        else:
            return False
        return True

    def _schedule_burst(self, fault: ReadBurstFault) -> None:
        cell = {
            "no_read_burst": c.SCANNER_NO_READ,
            "multi_read_burst": c.SCANNER_MULTI,
            "swapped_codes_burst": c.SCANNER_SWAPPED,
        }[fault.kind]
        for scanner, name in enumerate(self._names["scanner"]):
            if fault.scanner in (None, name):
                self._spans.add(
                    fault, fault.share, (fault.kind, scanner), self._reader(scanner, cell)
                )

    def _reader(self, scanner: int, cell: int) -> Callable[[list[float]], Any]:
        return lambda all_: self._controls.misread(scanner, cell, max(all_, default=0.0))

    def _switch(self, rows: Sequence[int]) -> Callable[[bool], None]:
        return lambda on: self._tamperings.switch(rows, on)

    def _chute(self, name: str) -> int:
        return self._names["chute"].index(name)
