"""Faults of the floor: jams, emergency stops, failed diverts, at a time or at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sorter.config.models import Line
from sorter.model.codes import LineState

from .arrivals import NS_PER_S, Concern, Draws, generator
from .scenario import (
    ChuteJamFault,
    EmergencyStopFault,
    EncoderSlipFault,
    FailedDivertFault,
    JamFault,
    ScenarioFile,
)


class Floor(Protocol):
    """What faults need of the plant."""

    line: Line

    def after(self, delay_ns: int, callback: Callable[[Any], None], argument: Any) -> None:
        """Call back when time has passed."""
        ...

    def set_line(self, state: LineState, zone: int) -> None:
        """Start or stop the belt."""
        ...

    def slip_encoder(self, slip_mm: float) -> None:
        """Let the encoder jump."""
        ...

    def clear_zone(self, zone: int) -> None:
        """Take every parcel of a zone off the belt."""
        ...

    def jam_chute(self, chute: int, jammed: bool) -> None:
        """Jam a chute, or free it."""
        ...

    def fail_diverts(self, chute: int, times: int) -> None:
        """Let a diverter not move."""
        ...


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
    """Lets go wrong what the scenario asks for, and has people put it right.

    Parameters
    ----------
    scenario : ScenarioFile
    floor : Floor
    clear : Draws
        How long it takes to clear a zone in which a parcel got stuck.
    """

    def __init__(self, scenario: ScenarioFile, floor: Floor, clear: Draws) -> None:
        self._floor = floor
        self._faults = scenario.faults
        self._chutes = {chute.name: i for i, chute in enumerate(floor.line.chutes)}
        self._zones = {zone.name: i for i, zone in enumerate(floor.line.zones)}
        self._jammed_zone = -1
        self._stops = 0
        self._clear = clear

    def start(self) -> None:
        """Schedule the faults that have a time."""
        after = self._floor.after
        for fault in self._faults:
            if isinstance(fault, JamFault):
                clear_ns = int(fault.clear_after_s * NS_PER_S)
                after(_ns(fault.at_s), self._jam, (self._zone(fault.zone), clear_ns))
            elif isinstance(fault, EmergencyStopFault):
                after(_ns(fault.at_s), self._stop, fault)
            elif isinstance(fault, FailedDivertFault):
                after(_ns(fault.at_s), self._fail_divert, fault)
            elif isinstance(fault, ChuteJamFault):
                after(_ns(fault.at_s), self._jam_chute, fault)
            elif isinstance(fault, EncoderSlipFault):
                after(_ns(fault.at_s), self._floor.slip_encoder, fault.slip_mm)

    def parcel_jammed(self, position_mm: float) -> None:
        """Jam the belt where a parcel got stuck."""
        for index, zone in enumerate(self._floor.line.zones):
            if zone.start_mm <= position_mm < zone.end_mm:
                self._jam((index, self._clear.next_ns()))
                return

    def _zone(self, name: str) -> int:
        return self._zones[name]

    # --- jams and stops ---------------------------------------------------------------------------
    def _jam(self, what: tuple[int, int]) -> None:
        zone, clear_ns = what
        if self._jammed_zone >= 0:
            return
        self._jammed_zone = zone
        self._report(zone)
        self._floor.after(clear_ns, self._cleared, zone)

    def _cleared(self, zone: int) -> None:
        if self._stops:  # nobody reaches in until the button is released
            self._floor.after(NS_PER_S, self._cleared, zone)
            return
        self._floor.clear_zone(zone)
        self._jammed_zone = -1
        self._report(zone)

    def _stop(self, fault: EmergencyStopFault) -> None:
        self._stops += 1
        self._report(-1)
        self._floor.after(_ns(fault.for_s), self._released, None)

    def _released(self, _: None) -> None:
        self._stops -= 1
        self._report(-1)

    def _report(self, zone: int) -> None:
        if self._stops:
            state = LineState.ABORTED
        elif self._jammed_zone >= 0:
            state = LineState.HELD
        else:
            state = LineState.EXECUTE
        self._floor.set_line(state, zone)

    # --- chutes and diverters ---------------------------------------------------------------------
    def _fail_divert(self, fault: FailedDivertFault) -> None:
        self._floor.fail_diverts(self._chutes[fault.chute], fault.times)

    def _jam_chute(self, fault: ChuteJamFault) -> None:
        chute = self._chutes[fault.chute]
        self._floor.jam_chute(chute, True)
        self._floor.after(_ns(fault.for_s), self._free_chute, chute)

    def _free_chute(self, chute: int) -> None:
        self._floor.jam_chute(chute, False)


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_S)
