"""What stops the line or its PLC: jams, emergency stops, a program that stands, a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sorter.model.codes import LineState

from .arrivals import NS_PER_S, Draws
from .fault_sections import (
    EmergencyStopFault,
    JamFault,
    PlcFrozenFault,
    PlcRestartFault,
    names_of,
)
from .scenario import Fault
from .spans import seconds

if TYPE_CHECKING:
    from .plant import Plant


class LineStops:
    """Stops the line for all reasons there are; it runs when none is left.

    Parameters
    ----------
    plant : Plant
    clear : Draws
        How long it takes to clear a zone in which a parcel got stuck.
    starts : tuple of (int, int)
        Encoder count and tick with which the PLC starts.
    """

    def __init__(self, plant: Plant, clear: Draws, starts: tuple[int, int]) -> None:
        self._plant = plant
        self._clear = clear
        self._starts = starts
        self._zones = names_of(plant.line)["zone"]
        self._jammed_zone = -1
        self._buttons = 0
        self._frozen = 0
        self._drives_off = 0
        self._frozen_ns = 0
        self._restarting = False

    def schedule(self, fault: Fault) -> bool:
        """Schedule a fault that stops the line; return whether it is one."""
        after = self._plant.after
        if isinstance(fault, JamFault):
            zone = self._zones.index(fault.zone)
            after(seconds(fault.at_s), self._jam, (zone, seconds(fault.clear_after_s)))
        elif isinstance(fault, EmergencyStopFault):
            after(seconds(fault.at_s), self._press, fault)
        elif isinstance(fault, PlcFrozenFault):
            after(seconds(fault.at_s), self._freeze, fault)
        elif isinstance(fault, PlcRestartFault):
            after(seconds(fault.at_s), self._stop_plc, fault)
        else:
            return False
        return True

    # --- jams and emergency stops -----------------------------------------------------------------
    def parcel_jammed(self, position_mm: float) -> None:
        """Jam the belt where a parcel got stuck."""
        for index, zone in enumerate(self._plant.line.zones):
            if zone.start_mm <= position_mm < zone.end_mm:
                self._jam((index, self._clear.next_ns()))
                return

    def _jam(self, what: tuple[int, int]) -> None:
        zone, clear_ns = what
        if self._jammed_zone >= 0:
            return
        self._jammed_zone = zone
        self._report(zone)
        self._plant.after(clear_ns, self._cleared, zone)

    def _cleared(self, zone: int) -> None:
        # Nobody reaches in until the button is released, and a PLC that is off clears nothing.
        if self._buttons or self._restarting:
            self._plant.after(NS_PER_S, self._cleared, zone)
            return
        self._plant.controls.clear_zone(zone)
        self._jammed_zone = -1
        self._report(zone)

    def _press(self, fault: EmergencyStopFault) -> None:
        self._buttons += 1
        self._report(-1)
        self._plant.after(seconds(fault.for_s), self._released, None)

    def _released(self, _: None) -> None:
        self._buttons -= 1
        self._report(-1)

    def _state(self) -> LineState:
        if self._buttons:
            return LineState.ABORTED
        return LineState.HELD if self._jammed_zone >= 0 else LineState.EXECUTE

    def _move(self) -> None:
        moving = self._state() == LineState.EXECUTE and not self._drives_off
        self._plant.controls.move_belt(moving)

    def _report(self, zone: int) -> None:
        self._move()
        if not self._restarting:  # who starts says so then
            self._plant.controls.report_line(self._state(), zone)

    # --- the PLC's program ------------------------------------------------------------------------
    def _freeze(self, fault: PlcFrozenFault) -> None:
        stops = fault.belt == "stops"
        self._stand(stops)
        self._plant.after(seconds(fault.for_s), self._thaw, stops)

    def _stand(self, stops: bool) -> None:
        if self._frozen == 0:
            self._frozen_ns = self._plant.now_ns
            self._plant.controls.freeze_plc()
        self._frozen += 1
        self._drives_off += stops
        self._move()

    def _thaw(self, stopped: bool) -> None:
        self._frozen -= 1
        self._drives_off -= stopped
        if self._frozen == 0:
            self._plant.controls.thaw_plc(self._plant.now_ns - self._frozen_ns)
        self._move()

    def _stop_plc(self, fault: PlcRestartFault) -> None:
        if self._restarting:
            return
        self._restarting = True
        self._stand(stops=True)
        self._plant.controls.stop_plc()
        self._plant.after(seconds(fault.down_s), self._start_plc, fault)

    def _start_plc(self, fault: PlcRestartFault) -> None:
        controls = self._plant.controls
        if fault.belts == "emptied":
            controls.empty_belt()  # while it stands: nobody puts the next parcel on meanwhile
        self._thaw(stopped=True)
        controls.restart_plc(self._starts)
        if self._frozen:  # another fault has it stand still
            controls.freeze_plc()
        self._restarting = False
        self._report(-1)
