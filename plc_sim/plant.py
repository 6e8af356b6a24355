"""The plant: an event-driven model of belt, parcels, sensors and diverters.

What rides on the belt is ordered by belt travel, what takes time by time; travel is piecewise
linear in time, so stopping and starting the belt moves no event. What happens to every parcel is
done by kernels (:mod:`plc_sim.line_kernels`); what goes wrong is in :mod:`plc_sim.faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from sorter.config.models import Line

from . import cells as c
from .belt import encoder_at, tick_now, travel_at
from .cells import Ints, Reals
from .faults import FaultInjector, draw_jams
from .feed import FeedParcel
from .floor_controls import FloorControls
from .floor_memory import FloorMemory
from .inductions import start_arrivals
from .line_kernels import (
    DONE,
    DRAWS_USED_UP,
    PARCEL_JAMMED,
    PYTHON_EVENT,
    run_line,
)
from .plc import Plc
from .scenario import ScenarioFile
from .truth import TruthLedger
from .wires import Wires


class Plant:
    """Everything on the floor that is not the PLC.

    Parameters
    ----------
    scenario : ScenarioFile
    line : Line
    feed : sequence of FeedParcel
    seed : int
    plc : Plc
        Where the sensors are wired to.
    """

    def __init__(
        self,
        scenario: ScenarioFile,
        line: Line,
        feed: Sequence[FeedParcel],
        seed: int,
        plc: Plc,
    ) -> None:
        self.line = line
        self.plc = plc
        jams, clear = draw_jams(scenario, line, len(feed), seed)
        # Each parcel gets stuck once at most, and each time it comes others may.
        stops = (len(feed) if scenario.jams.rate else 0) + 2 * len(scenario.faults)
        self.memory = FloorMemory(scenario, line, feed, seed, stops)
        self.memory.parcels[:, c.PARCEL_JAMS_AFTER] = jams
        names = tuple(chute.name for chute in line.chutes)
        self.truth = TruthLedger(names, self.memory, feed, plc.boot_id)
        self._events: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._numbers = 0
        self.wires = Wires(
            plc.image.command,
            plc.image.events,
            plc.image.scans,
            plc.memory,
            plc.chutes,
            plc.payload,
            self.memory.texts,
        )
        self._wire_up()
        self.controls = FloorControls(self)
        self._faults = FaultInjector(scenario, self, clear, seed)

    def _wire_up(self) -> None:
        """Take hold of the memory; done again when it has moved."""
        self._ints: Ints = self.memory.ints
        self._reals: Reals = self.memory.reals
        self._cells = memoryview(self._ints.data)  # reads ten times faster than numpy's indexing
        self._arrays = (self._ints, self._reals, *self.plc.arrays, self.memory.texts)

    # --- time -----------------------------------------------------------------------------------
    def run(self, until_ns: int, look_ns: int) -> None:
        """Run to a time, or to the first multiple of `look_ns` at which there is news.

        Parameters
        ----------
        until_ns : int
        look_ns : int
            A multiple of the scan period; 0: whatever happens.
        """
        reason = run_line(*self._arrays, until_ns, look_ns, 0)
        while reason != DONE:
            self._see_to(reason)
            reason = run_line(*self._arrays, until_ns, look_ns, 1)

    def _see_to(self, reason: int) -> None:
        """Do what a kernel cannot."""
        ints = self._ints
        if reason == PYTHON_EVENT:
            _, _, callback, argument = heappop(self._events)
            self._plan_event()
            callback(argument)
        elif reason == PARCEL_JAMMED:
            row = int(ints[c.JAMMED])
            ints[c.JAMMED] = c.NOBODY
            self._faults.parcel_jammed(self.position_of(row))
        elif reason == DRAWS_USED_UP:
            self.memory.draw_again()
        else:
            self.make_room(int(ints[c.AGENDA_NEEDED]))

    def make_room(self, entries: int) -> None:
        """Let the agenda take so many more entries; the memory may move."""
        self.memory.make_room(entries)
        self._wire_up()

    def after(self, delay_ns: int, callback: Callable[[Any], None], argument: Any) -> None:
        """Call `callback(argument)` when `delay_ns` has passed."""
        self._numbers += 1
        heappush(self._events, (self.now_ns + delay_ns, self._numbers, callback, argument))
        self._plan_event()

    def _plan_event(self) -> None:
        self._ints[c.PYTHON_AT_NS] = self._events[0][0] if self._events else c.NEVER_NS

    def start(self) -> None:
        """Let parcels come and scheduled faults count from now on."""
        if self._cells[c.STARTED_NS] < 0:
            start_arrivals(self._ints)
            self.memory.draw_again()
            self._faults.start()

    def begin_again(self, scenario: ScenarioFile, feed: Sequence[FeedParcel], seed: int) -> None:
        """Let the same parcels come once more; the line must be :attr:`at_rest`."""
        self.memory.begin_again(scenario, feed, seed)
        jams, _ = draw_jams(scenario, self.line, len(feed), seed)
        self.memory.parcels[:, c.PARCEL_JAMS_AFTER] = jams
        self.truth.begin_again()
        self.start()

    def command_written(self) -> None:
        """Tell that the command block was written."""
        self._cells[c.COMMAND_WRITTEN] = 1

    # --- what others ask ------------------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return self._cells[c.NOW_NS]

    @property
    def finished(self) -> bool:
        """Whether every parcel of the feed has come and none is on the line any more."""
        cells = self._cells
        return (
            cells[c.NEXT_ROW] >= cells[c.ROWS]
            and cells[c.STARTED_NS] >= 0
            and not cells[c.WAITING]
            and not cells[c.RING_SIZE]
            and not cells[c.FLYING]
        )

    @property
    def at_rest(self) -> bool:
        """Whether nothing is planned but what operators do: no fault, arrival, take-away or parcel.

        What is left over would happen to a parcel of the next round, in the row of the former one.
        """
        return not (self._events or self._cells[c.AGENDA_SIZE] or self.memory.timers_of_parcels)

    @property
    def parcels_on_line(self) -> int:
        """Parcels on the belt or falling into a chute."""
        return self._cells[c.RING_SIZE] + self._cells[c.FLYING]

    @property
    def parcels_waiting(self) -> int:
        """Parcels that wait at the inductions."""
        return self._cells[c.WAITING]

    def placed(self) -> list[tuple[float, float]]:
        """Return phase and length of every parcel on the belt, in order."""
        places = self.memory.parcel_mm[self.memory.ring][:, [c.PARCEL_PHASE, c.PARCEL_LENGTH]]
        return [(phase, length) for phase, length in places.tolist()]

    @property
    def travel_mm(self) -> float:
        """Belt travel now."""
        return float(travel_at(self._ints, self._reals, self.now_ns))

    def encoder_now(self) -> int:
        """Return the unwrapped encoder count now."""
        return encoder_at(self._ints, self._reals, self.travel_mm)

    def tick_now(self) -> int:
        """Return the PLC tick now."""
        return tick_now(self._ints, self.now_ns)

    def position_of(self, row: int) -> float:
        """Return where on the line a parcel's leading edge is now."""
        position = self.travel_mm - float(self.memory.parcel_mm[row, c.PARCEL_ANCHOR])
        loop_mm = float(self._reals[c.LOOP_MM])
        return position % loop_mm if loop_mm else position
