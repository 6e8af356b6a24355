"""The plant: an event-driven model of belt, parcels, sensors and diverters.

What rides on the belt is ordered by belt travel, what takes time by time; travel is piecewise
linear in time, so stopping and starting the belt moves no event.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from sorter.config.models import Line
from sorter.model.codes import EventKind, LineState

from .arrivals import Concern, generator
from .belt import NEVER_NS, Belt
from .chutes import ChuteFloor
from .diverters import Diverters
from .faults import FaultInjector
from .feed import FeedParcel
from .inductions import Induction, build_inductions, ordered_eyes, shared_times_ns
from .plc import NO_SOURCE, Plc
from .ring import ParcelRing
from .scanners import Scales, Scanners
from .scenario import ReadFault, ScenarioFile
from .truth import IN_CHUTE, LINE_END, REMOVED, PhysicalParcel, TruthLedger

_EYE, _SCANNER, _SCALE, _END = range(4)
_PARCEL_PASSED = int(EventKind.PARCEL_PASSED)
_PARCEL_MEASURED = int(EventKind.PARCEL_MEASURED)
_CHUTE_ENTERED = int(EventKind.CHUTE_ENTERED)
_GONE = float("-inf")
_ON_BELT = float("inf")
_RETRY_MM = 1000.0
"""How far the belt travels before an induction looks again at a loop that is all full."""


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
        self.feed = feed
        self.plc = plc
        self.now_ns = 0
        self.truth = TruthLedger(tuple(chute.name for chute in line.chutes))
        self.belt = Belt(
            line.belt_speed_mm_s,
            line.encoder.mm_per_count,
            scenario.belt.encoder_slip,
            scenario.plc.encoder_start,
            scenario.plc.tick_start,
        )
        self._loop_mm = line.length_mm if line.topology == "loop" else 0.0
        gap = scenario.arrivals.min_gap_mm or line.tracking.min_gap_mm
        self.ring = ParcelRing(self._loop_mm, gap, scenario.arrivals.carrier_pitch_mm or 0.0)
        self._travel_heap: list[tuple[float, int, Callable[[Any, Any], None], Any, Any]] = []
        self._time_heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._numbers = 0
        self._positions, self._stations = self._build_stations(line)
        self.inductions = build_inductions(scenario, line, seed)
        self._shared_times = shared_times_ns(scenario, self.inductions, feed, seed)
        self._entry_mm = [chute.entry_distance_mm for chute in line.chutes]
        self._next_row = 0
        self._started_ns = -1
        self._waiting = 0
        self._flying = 0
        self._scanners = Scanners(
            scenario.scanners,
            [fault for fault in scenario.faults if isinstance(fault, ReadFault)],
            feed,
            len(line.scanners),
            len(self.inductions),
            seed,
        )
        self._scales = Scales(scenario.scales, len(feed), seed)
        self._slips: list[float] = []
        slip_sd = scenario.belt.parcel_slip_sd_mm
        if slip_sd:
            draw = generator(seed, Concern.PARCEL_SLIP)
            self._slips = (draw.standard_normal(4 * len(feed) + 1) * slip_sd).tolist()
        self.floor = ChuteFloor(line.chutes, scenario.chutes, seed, self, self)
        self.diverters = Diverters(scenario, self, seed, 6.0 * slip_sd)
        self.faults = FaultInjector(scenario, self, seed)
        self._jams = scenario.jams.rate > 0
        self.on_belt_change: Callable[[], None] = _nothing

    def _build_stations(self, line: Line) -> tuple[list[float], list[tuple[int, int, float]]]:
        """Return positions and (kind, index, position) of all that a parcel passes, in order."""
        stations = [(eye.position_mm, _EYE, index) for index, eye in enumerate(ordered_eyes(line))]
        stations += [(s.position_mm, _SCANNER, index) for index, s in enumerate(line.scanners)]
        stations += [(s.position_mm, _SCALE, index) for index, s in enumerate(line.scales)]
        if line.topology == "line":
            ends = [i for i, chute in enumerate(line.chutes) if chute.side == "end"]
            end = (line.chutes[ends[0]].position_mm, ends[0]) if ends else (line.length_mm, -1)
            stations.append((end[0], _END, end[1]))
        stations.sort()
        positions = [position for position, _, _ in stations]
        return positions, [(kind, index, position) for position, kind, index in stations]

    # --- events ---------------------------------------------------------------------------------
    def at_travel(
        self, travel_mm: float, callback: Callable[[Any, Any], None], first: Any, second: Any
    ) -> None:
        """Call `callback(first, second)` when the belt has travelled so far."""
        self._numbers += 1
        heappush(self._travel_heap, (travel_mm, self._numbers, callback, first, second))

    def after(self, delay_ns: int, callback: Callable[[Any], None], argument: Any) -> None:
        """Call `callback(argument)` when `delay_ns` has passed."""
        self._numbers += 1
        heappush(self._time_heap, (self.now_ns + delay_ns, self._numbers, callback, argument))

    def run(self, limit_ns: int, scan_ns: int) -> bool:
        """Let everything happen up to `limit_ns`, or to the first scan that has something to read.

        Returns
        -------
        bool
            Whether something was latched; the scan that reads it is the first of the grid at or
            behind ``now_ns``.
        """
        plc = self.plc
        belt = self.belt
        heap = self._travel_heap
        timed = self._time_heap
        latched = False
        while True:
            # Belt.time_of, written out: this line runs for everything that happens.
            belt_ns = (
                belt.since_ns + int((heap[0][0] - belt.since_mm) * belt.ns_per_mm) + 1
                if heap and belt.speed_mm_ns
                else NEVER_NS
            )
            if timed and timed[0][0] <= belt_ns:
                if timed[0][0] > limit_ns:
                    return latched
                at_ns, _, timer, argument = heappop(timed)
                self.now_ns = at_ns
                timer(argument)
            elif belt_ns > limit_ns:
                return latched
            else:
                if belt_ns > self.now_ns:  # noqa: PLR1730 - a call to max() costs more
                    self.now_ns = belt_ns
                _, _, callback, first, second = heappop(heap)
                callback(first, second)
            if plc.latched:
                plc.latched = False
                if not latched:
                    latched = True
                    grid_ns = -(-self.now_ns // scan_ns) * scan_ns
                    limit_ns = min(limit_ns, grid_ns)

    @property
    def travel_mm(self) -> float:
        """Belt travel now."""
        return self.belt.travel_at(self.now_ns)

    # --- arrivals and inductions ------------------------------------------------------------------
    def start(self) -> None:
        """Let parcels come and scheduled faults count from now on."""
        if self._started_ns >= 0:
            return
        self._started_ns = self.now_ns
        if self._shared_times and self.feed:
            self.after(self._shared_times[0], self._arrive_shared, None)
        for induction in self.inductions:
            if induction.interval is not None:
                self.after(induction.interval.next_ns(), self._arrive_own, induction)
        self.faults.start()

    @property
    def finished(self) -> bool:
        """Whether every parcel of the feed has come and none is on the line any more."""
        return (
            self._started_ns >= 0
            and self._next_row >= len(self.feed)
            and not self._waiting
            and not self.parcels_on_line
        )

    @property
    def parcels_on_line(self) -> int:
        """Parcels on the belt or falling into a chute."""
        return len(self.ring) + self._flying

    @property
    def parcels_waiting(self) -> int:
        """Parcels that wait at the inductions."""
        return self._waiting

    def _take_from_feed(self) -> PhysicalParcel | None:
        row = self._next_row
        if row >= len(self.feed):
            return None
        self._next_row = row + 1
        item = self.feed[row]
        parcel = PhysicalParcel(
            row, item.label, item.length_mm, item.width_mm, item.height_mm, item.weight_g
        )
        parcel.arrived_ns = self.now_ns
        self._scanners.attach(parcel)
        return parcel

    def _arrive_shared(self, _: None) -> None:
        row = self._next_row
        parcel = self._take_from_feed()
        if parcel is None:
            return
        wanted = self.feed[row].induction_idx
        self._queue(
            self.inductions[(row if wanted is None else wanted) % len(self.inductions)], parcel
        )
        if self._next_row < len(self.feed):
            due_ns = self._started_ns + self._shared_times[self._next_row]
            self.after(max(due_ns - self.now_ns, 0), self._arrive_shared, None)

    def _arrive_own(self, induction: Induction) -> None:
        parcel = self._take_from_feed()
        if parcel is None:
            return
        self._queue(induction, parcel)
        if not induction.saturated and induction.interval is not None:
            self.after(induction.interval.next_ns(), self._arrive_own, induction)

    def _queue(self, induction: Induction, parcel: PhysicalParcel) -> None:
        induction.queue.append(parcel)
        self._waiting += 1
        if len(induction.queue) == 1:
            self._plan(induction)

    def _plan(self, induction: Induction) -> None:
        """Find the first free window for the parcel in front of an induction."""
        now_mm = self.travel_mm
        wanted = now_mm - induction.position_mm
        anchor = self.ring.earliest_anchor(wanted, induction.queue[0].length_mm)
        induction.plan += 1
        if anchor == wanted and self.belt.running:
            self._put_on(induction, anchor)
            return
        induction.blocked = True
        induction.planned_mm = wanted + _RETRY_MM if anchor is None else anchor
        at_mm = induction.planned_mm + induction.position_mm
        self.at_travel(at_mm, self._window_comes, induction, induction.plan)

    def _window_comes(self, induction: Induction, plan: int) -> None:
        """Use the window found before, unless another induction has."""
        if plan != induction.plan:
            return
        anchor = induction.planned_mm
        if self.ring.earliest_anchor(anchor, induction.queue[0].length_mm) == anchor:
            self._put_on(induction, anchor)
        else:
            self._plan(induction)

    def _put_on(self, induction: Induction, anchor: float) -> None:
        parcel = induction.queue.popleft()
        induction.blocked = False
        self._waiting -= 1
        parcel.anchor_mm = anchor
        parcel.inducted_ns = self.now_ns
        self.ring.add(parcel)
        self.truth.parcels.append(parcel)
        parcel.station = bisect_left(self._positions, induction.position_mm) - 1
        self._next_station(parcel)
        if induction.saturated and induction.interval is not None:
            self.after(induction.interval.next_ns(), self._arrive_own, induction)
        elif induction.queue:
            self._plan(induction)

    # --- on the belt ------------------------------------------------------------------------------
    def _next_station(self, parcel: PhysicalParcel) -> None:
        station = parcel.station + 1
        if station == len(self._positions):
            station = 0
            parcel.anchor_mm += self._loop_mm
        parcel.station = station
        lead = parcel.anchor_mm + self._positions[station]
        if lead <= parcel.left_mm:
            self._numbers += 1
            heappush(
                self._travel_heap,
                (lead + parcel.length_mm, self._numbers, self._at_station, parcel, lead),
            )

    def _at_station(self, parcel: PhysicalParcel, lead_mm: float) -> None:
        """Handle a trailing edge behind a station; the leading edge was there at `lead_mm`."""
        if lead_mm > parcel.left_mm:
            return
        kind, index, _ = self._stations[parcel.station]
        belt = self.belt
        count, tick = belt.latch_at(lead_mm)
        if kind == _EYE:
            length = belt.encoder_at(lead_mm + parcel.length_mm) - count
            self.plc.latch(_PARCEL_PASSED, index, count, tick, length, 0)
            if parcel.induct_eye < 0:
                parcel.induct_eye = index
                parcel.induct_count = count
            parcel.sightings.append((index, count))
            if self._jams:
                self.faults.passed_eye(parcel)
            if self._slips and parcel.left_mm == _ON_BELT:
                self._slip(parcel)
        elif kind == _SCANNER:
            self.plc.latch_scan(index, count, tick, self._scanners.read(index, parcel))
        elif kind == _SCALE:
            a, b = self._scales.measure(parcel)
            self.plc.latch(_PARCEL_MEASURED, index, count, tick, a, b)
        else:
            self._run_off(parcel, index, lead_mm)
            return
        self._next_station(parcel)

    def _slip(self, parcel: PhysicalParcel) -> None:
        place = parcel.physical_id * 4 + len(parcel.sightings) * 7919
        self.ring.shift(parcel, self._slips[place % len(self._slips)])

    def leave_belt(self, parcel: PhysicalParcel, at_mm: float) -> None:
        """Take a parcel off the belt at a travel; a free window may come of it."""
        parcel.left_mm = at_mm
        self.ring.remove(parcel)
        for induction in self.inductions:
            if induction.blocked:
                self._plan(induction)

    def fly(self, parcel: PhysicalParcel, chute: int, lead_mm: float) -> None:
        """Let a parcel slide to the entry eye of a chute; its leading edge left at `lead_mm`."""
        entry = lead_mm + self._entry_mm[chute]
        self._flying += 1
        self.at_travel(entry + parcel.length_mm, self._enter, parcel, (chute, entry))

    def _enter(self, parcel: PhysicalParcel, where: tuple[int, float]) -> None:
        chute, entry_mm = where
        belt = self.belt
        count, tick = belt.latch_at(entry_mm)
        length = belt.encoder_at(entry_mm + parcel.length_mm) - count
        self._flying -= 1
        parcel.close(IN_CHUTE, chute, count, self.now_ns)
        self.plc.latch(_CHUTE_ENTERED, chute, count, tick, length, 0)
        self.floor.entered(chute, parcel.length_mm)

    def _run_off(self, parcel: PhysicalParcel, chute: int, lead_mm: float) -> None:
        self.leave_belt(parcel, lead_mm)
        if chute >= 0:
            self.fly(parcel, chute, lead_mm)
        else:
            parcel.close(LINE_END, -1, self.belt.encoder_at(lead_mm), self.now_ns)

    # --- what the PLC acts on and senses ----------------------------------------------------------
    def fire(self, chute: int, hold_counts: int) -> None:
        """Fire a diverter."""
        self.diverters.fire(chute, self.belt.mm_of(hold_counts))

    def chute_changed(self, chute: int, bits: int) -> None:
        """Wire a chute's sensors to the PLC."""
        self.plc.latch_chute(chute, bits, self.encoder_now(), self.tick_now())

    def chute_emptied(self, chute: int, parcels: int) -> None:
        """Wire a chute's emptying to the PLC."""
        kind = int(EventKind.CHUTE_EMPTIED)
        self.plc.latch(kind, chute, self.encoder_now(), self.tick_now(), parcels, 0)

    def encoder_now(self) -> int:
        """Return the unwrapped encoder count now."""
        return self.belt.encoder_at(self.travel_mm)

    def tick_now(self) -> int:
        """Return the PLC tick now."""
        return self.belt.tick_now(self.now_ns)

    def set_line(self, state: LineState, zone: int) -> None:
        """Start or stop the belt and report the state."""
        running = state == LineState.EXECUTE
        if running != self.belt.running:
            self.belt.run(self.now_ns, running)
        source = NO_SOURCE if zone < 0 else zone
        self.plc.latch_line_state(state, source, self.encoder_now(), self.tick_now())
        self.on_belt_change()

    def slip_encoder(self, slip_mm: float) -> None:
        """Let the encoder jump against the belt."""
        self.belt.jump(self.travel_mm, slip_mm)
        self.on_belt_change()

    def position_of(self, parcel: PhysicalParcel) -> float:
        """Return where on the line a parcel's leading edge is now."""
        position = self.travel_mm - parcel.anchor_mm
        return position % self._loop_mm if self._loop_mm else position

    def clear_zone(self, zone: int) -> None:
        """Take every parcel of a zone off the belt, as an operator does."""
        limits = self.line.zones[zone]
        count = self.encoder_now()
        for parcel in self.ring.parcels():
            if limits.start_mm <= self.position_of(parcel) < limits.end_mm:
                self.leave_belt(parcel, _GONE)
                parcel.close(REMOVED, -1, count, self.now_ns)
        self.plc.latch(int(EventKind.ZONE_CLEARED), zone, count, self.tick_now(), 0, 0)


def _nothing() -> None:
    """Do nothing: nobody has asked to be told."""
