"""Faults of records as the table that the PLC's kernels look up."""

from __future__ import annotations

from collections.abc import Sequence

from sorter.config.models import Line

from .arrivals import Concern, generator
from .belt import NS_PER_TICK
from .chance import CERTAIN
from .fault_sections import EventCorruptedFault, EventDelayedFault, EventFault, RecordFault
from .plc import Plc
from .plc_memory import (
    AT_TAMPERS,
    TAMPER_ACTIVE,
    TAMPER_CELLS,
    TAMPER_DELAY_TICKS,
    TAMPER_EVENTS,
    TAMPER_LEFT,
    TAMPER_SALT,
    TAMPER_SOURCE,
    TAMPER_THRESHOLD,
    TAMPER_WHAT,
    Tampering,
)
from .scenario import ScenarioFile

_WHAT = {
    "event_dropped": Tampering.DROP,
    "event_duplicated": Tampering.DUPLICATE,
    "event_reordered": Tampering.REORDER,
}


def count_tamperings(scenario: ScenarioFile, line: Line) -> int:
    """Return how many rows the table needs."""
    return sum(len(list(fault.sources(line))) for fault in _faults(scenario))


def _faults(scenario: ScenarioFile) -> list[RecordFault]:
    return [fault for fault in scenario.faults if isinstance(fault, RecordFault)]


class Tamperings:
    """Switches what is done to records on and off.

    Parameters
    ----------
    plc : Plc
        With room for all of them, see :func:`count_tamperings`.
    line : Line
    seed : int
    """

    def __init__(self, plc: Plc, line: Line, seed: int) -> None:
        self._plc = plc
        self._line = line
        self._seed = seed
        self._rows = 0

    def add(self, fault: RecordFault) -> Sequence[int]:
        """Write the rows of one fault, switched off, and return them."""
        rows = []
        for mask, source in fault.sources(self._line):
            cell = AT_TAMPERS + self._rows * TAMPER_CELLS
            memory = self._plc.memory
            memory[cell + TAMPER_WHAT] = _what(fault)
            memory[cell + TAMPER_EVENTS] = mask
            memory[cell + TAMPER_SOURCE] = source
            memory[cell + TAMPER_THRESHOLD] = round(fault.share * CERTAIN)
            salt = generator(self._seed, Concern.TAMPERINGS, self._rows).integers(1 << 32)
            memory[cell + TAMPER_SALT] = salt
            memory[cell + TAMPER_LEFT] = -1 if fault.times is None else fault.times
            if isinstance(fault, EventDelayedFault):
                memory[cell + TAMPER_DELAY_TICKS] = round(fault.delay_ms * 1e6) // NS_PER_TICK
            rows.append(self._rows)
            self._rows += 1
        return rows

    def switch(self, rows: Sequence[int], on: bool) -> None:
        """Begin or end with what some rows say."""
        for row in rows:
            self._plc.memory[AT_TAMPERS + row * TAMPER_CELLS + TAMPER_ACTIVE] = on


def _what(fault: RecordFault) -> Tampering:
    if isinstance(fault, EventFault):
        return _WHAT[fault.kind]
    if isinstance(fault, EventCorruptedFault):
        return Tampering.NONSENSE if fault.how == "nonsense" else Tampering.SPOIL_CHECK
    return Tampering.DELAY
