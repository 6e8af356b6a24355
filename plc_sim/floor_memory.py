"""Lays out the plant's memory for a line and a feed, and fills in how everything starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sorter.config.models import Line

from . import cells as c
from .arrivals import Concern, Draws, arrival_times_ns, generator
from .belt import set_up_belt
from .cells import Ints, Reals
from .chutes import chute_draws, set_up_chutes
from .diverters import set_up_diverters
from .fault_sections import DoubleFeedFault, ReadFault
from .feed import FeedParcel, physical_ids
from .inductions import induction_draws, mark_double_feeds, set_up_inductions
from .scanners import set_up_scales, set_up_scanners
from .scenario import ScenarioFile
from .stations import set_up_stations, stations_of

_AGENDA_ROOM = 1024
_LOG_ROOM = 16_384
_SLIPS_PER_PARCEL = 4


class FloorMemory:
    """The plant's state: what kernels work on, and views of it for everybody else.

    Parameters
    ----------
    scenario : ScenarioFile
    line : Line
    feed : sequence of FeedParcel
    seed : int
    stops : int
        How often the belt can be stopped at most.

    Attributes
    ----------
    ints, reals : vectors
        See :mod:`plc_sim.cells`. Others may come in their place when the agenda grows.
    texts : uint8 vector
        All labels, end to end.
    log : list of int64[:, LOG_CELLS]
        What was in the log when it was full.
    """

    def __init__(
        self,
        scenario: ScenarioFile,
        line: Line,
        feed: Sequence[FeedParcel],
        seed: int,
        stops: int,
    ) -> None:
        stations = stations_of(line)
        self._streams: list[Draws | None] = induction_draws(scenario, line, seed)
        inductions = len(self._streams)
        self._streams += chute_draws(scenario.chutes, len(line.chutes), seed)
        self._lay_out(scenario, line, len(feed), stops, (len(stations), inductions))
        self.log: list[Ints] = []
        set_up_stations(self.ints, self.reals, stations)
        self._set_up_line(scenario, line, seed)
        set_up_inductions(self.ints, self.reals, scenario, line, [mm for mm, _, _ in stations])
        texts = self._set_up_feed(scenario, feed, seed)
        self.texts = np.array(bytearray(texts), np.uint8)
        for stream in range(len(self._streams)):
            self._fill_stream(stream)

    def _lay_out(
        self, scenario: ScenarioFile, line: Line, rows: int, stops: int, counts: tuple[int, int]
    ) -> None:
        """Make both vectors and write where each table begins; `counts`: stations, inductions."""
        stations, inductions = counts
        chutes = len(line.chutes)
        reads = max(rows * len(line.scanners), 1)
        slips = _SLIPS_PER_PARCEL * rows + 1 if scenario.belt.parcel_slip_sd_mm else 0
        timers = 1 + inductions + chutes * (scenario.chutes.takeaway.servers + 4)
        int_tables = {
            c.AT_PARCELS: rows * c.PARCEL_CELLS,
            c.AT_ORDER: rows,
            c.AT_RING: rows,
            c.AT_TIMERS: timers * c.TIMER_CELLS,
            c.AT_LOG: _LOG_ROOM * c.LOG_CELLS,
            c.AT_STATIONS: stations * c.STATION_CELLS,
            c.AT_CHUTES: chutes * c.CHUTE_CELLS,
            c.AT_INDUCTIONS: inductions * c.INDUCTION_CELLS,
            c.AT_DRAWS: len(self._streams) * c.DRAW_CELLS,
            c.AT_READS: reads,
            c.AT_FAILS: chutes * c.DIVERTER_DRAWS,
            c.AT_SCANNERS: len(line.scanners) * c.SCANNER_CELLS,
            c.AT_CHAIN: stations,
            c.AT_AGENDA: _AGENDA_ROOM * c.AGENDA_CELLS,
        }
        real_tables = {
            c.AT_PARCEL_MM: rows * c.PARCEL_REALS,
            c.AT_RING_MM: rows,
            c.AT_PIECES: (2 * stops + 2) * c.PIECE_REALS,
            c.AT_MARKS: (2 * len(scenario.faults) + 2) * c.JUMP_REALS,
            c.AT_STATION_MM: stations,
            c.AT_CHUTE_MM: chutes * c.CHUTE_REALS,
            c.AT_INDUCTION_MM: inductions * c.INDUCTION_REALS,
            c.AT_SLIP_MM: slips,
            c.AT_JITTER_MM: chutes * c.DIVERTER_DRAWS,
            c.AT_CHAIN_MM: stations * c.CHAIN_REALS,
            c.AT_AGENDA_MM: _AGENDA_ROOM * c.AGENDA_REALS,
        }
        self.ints: Ints = np.zeros(c.INT_CELLS + sum(int_tables.values()), np.int64)
        self.reals: Reals = np.zeros(c.REAL_CELLS + sum(real_tables.values()))
        _place(self.ints, int_tables, c.INT_CELLS)
        _place(self.ints, real_tables, c.REAL_CELLS)
        sizes = {
            c.ROWS: rows,
            c.STARTED_NS: -1,
            c.AGENDA_ROOM: _AGENDA_ROOM,
            c.LOG_ROOM: _LOG_ROOM,
            c.STATIONS: stations,
            c.SCANNERS: len(line.scanners),
            c.CHUTES: chutes,
            c.INDUCTIONS: inductions,
            c.SERVERS: scenario.chutes.takeaway.servers,
            c.READS: reads,
            c.SLIPS: slips,
            c.JAMMED: c.NOBODY,
            c.PYTHON_AT_NS: c.NEVER_NS,
            c.SCAN_NS: round(scenario.plc.scan_ms * 1e6),
            c.SCANNED_NS: -1,
        }
        for cell, value in sizes.items():
            self.ints[cell] = value

    def _set_up_feed(self, scenario: ScenarioFile, feed: Sequence[FeedParcel], seed: int) -> bytes:
        """Write what is known of each parcel before it comes; return all labels end to end."""
        inductions = int(self.ints[c.INDUCTIONS])
        self._set_up_parcels(scenario, feed, seed)
        double_feeds = [fault for fault in scenario.faults if isinstance(fault, DoubleFeedFault)]
        mark_double_feeds(self.ints, self.reals, double_feeds, feed)
        set_up_scales(self.ints, scenario.scales, feed, seed)
        read_faults = [fault for fault in scenario.faults if isinstance(fault, ReadFault)]
        return set_up_scanners(self.ints, scenario.scanners, read_faults, feed, inductions, seed)

    def begin_again(self, scenario: ScenarioFile, feed: Sequence[FeedParcel], seed: int) -> None:
        """Let the same parcels come once more, with new draws, onto a line that is empty.

        Nothing may be planned of a parcel: a take-away asks who is in its chute, for one, which is
        forgotten here. What the belt did before nobody asks for any more.
        """
        ints, reals = self.ints, self.reals
        self.parcels[:] = 0
        self._set_up_feed(scenario, feed, seed)
        self.log.clear()
        for cell in (c.NEXT_ROW, c.RELEASED, c.LOG_SIZE):
            ints[cell] = 0
        ints[c.STARTED_NS] = -1
        for table, size, width in (
            (c.AT_PIECES, c.PIECES, c.PIECE_REALS),
            (c.AT_MARKS, c.MARKS, c.JUMP_REALS),
        ):
            first, last = int(ints[table]), int(ints[table] + (ints[size] - 1) * width)
            reals[first : first + width] = reals[last : last + width].copy()
            ints[size] = 1

    def _set_up_line(self, scenario: ScenarioFile, line: Line, seed: int) -> None:
        reals = self.reals
        belt, arrivals = scenario.belt, scenario.arrivals
        counts_per_mm = (1.0 + belt.encoder_slip) / line.encoder.mm_per_count
        starts = (scenario.plc.encoder_start, scenario.plc.tick_start)
        set_up_belt(self.ints, reals, line.belt_speed_mm_s, counts_per_mm, starts)
        reals[c.LOOP_MM] = line.length_mm if line.topology == "loop" else 0.0
        reals[c.GAP_MM] = arrivals.min_gap_mm or line.tracking.min_gap_mm
        reals[c.PITCH_MM] = arrivals.carrier_pitch_mm or 0.0
        reals[c.MARGIN_MM] = 6.0 * belt.parcel_slip_sd_mm
        reals[c.CALL_RATIO] = scenario.chutes.operator.call_at_fill_ratio
        set_up_chutes(self.ints, reals, line.chutes)
        set_up_diverters(self.ints, reals, line, scenario.diverters, seed)
        if self.ints[c.SLIPS]:
            draw = generator(seed, Concern.PARCEL_SLIP).standard_normal(self.ints[c.SLIPS])
            first = self.ints[c.AT_SLIP_MM]
            reals[first : first + len(draw)] = draw * belt.parcel_slip_sd_mm

    def _set_up_parcels(
        self, scenario: ScenarioFile, feed: Sequence[FeedParcel], seed: int
    ) -> None:
        parcels, reals = self.parcels, self.parcel_mm
        for cell in (c.PARCEL_ARRIVED_NS, c.PARCEL_INDUCTED_NS, c.PARCEL_INDUCT_EYE):
            parcels[:, cell] = -1
        for cell in (c.PARCEL_INDUCT_COUNT, c.PARCEL_CHUTE, c.PARCEL_END_COUNT, c.PARCEL_END_NS):
            parcels[:, cell] = -1
        reals[:, c.PARCEL_LEFT] = np.inf
        reals[:, c.PARCEL_GAP] = -1.0
        reals[:, c.PARCEL_LENGTH] = [parcel.length_mm for parcel in feed]
        inductions = self.ints[c.INDUCTIONS]
        parcels[:, c.PARCEL_INDUCTION] = [
            (number if parcel.induction_idx is None else parcel.induction_idx) % inductions
            for number, parcel in zip(physical_ids(feed), feed, strict=True)
        ]
        if any(stream is None for stream in self._streams):
            self.ints[c.SHARED] = 1
            parcels[:, c.PARCEL_DUE_NS] = arrival_times_ns(scenario.arrivals, feed, seed)

    # --- views ----------------------------------------------------------------------------------
    @property
    def parcels(self) -> Ints:
        """Whole numbers of all parcels, a row each."""
        return self._table(c.AT_PARCELS, int(self.ints[c.ROWS]), c.PARCEL_CELLS)

    @property
    def parcel_mm(self) -> Reals:
        """Reals of all parcels, a row each."""
        first, rows = int(self.ints[c.AT_PARCEL_MM]), int(self.ints[c.ROWS])
        return self.reals[first : first + rows * c.PARCEL_REALS].reshape(rows, c.PARCEL_REALS)

    @property
    def order(self) -> Ints:
        """Parcels in the order in which they were put on the belt."""
        return self._table(c.AT_ORDER, int(self.ints[c.RELEASED]), 1)[:, 0]

    @property
    def ring(self) -> Ints:
        """Parcels on the belt in the order of their phases."""
        return self._table(c.AT_RING, int(self.ints[c.RING_SIZE]), 1)[:, 0]

    @property
    def timers_of_parcels(self) -> bool:
        """Whether an arrival is planned, or a take-away is at work."""
        timers = self._table(c.AT_TIMERS, int(self.ints[c.TIMER_SIZE]), c.TIMER_CELLS)
        of_parcels = (c.ARRIVE_SHARED, c.ARRIVE_OWN, c.PARCEL_SERVED)
        return bool(np.isin(timers[:, c.TIMER_KIND], of_parcels).any())

    def whole_log(self) -> Ints:
        """Return all that was noted in the log, oldest first."""
        newest = self._table(c.AT_LOG, int(self.ints[c.LOG_SIZE]), c.LOG_CELLS)
        return np.concatenate([*self.log, newest])

    def logged(self) -> int:
        """Return how much was noted in the log."""
        return sum(len(part) for part in self.log) + int(self.ints[c.LOG_SIZE])

    def log_from(self, first: int) -> Ints:
        """Return the newest entries of the log, from one on."""
        newest = self._table(c.AT_LOG, int(self.ints[c.LOG_SIZE]), c.LOG_CELLS)
        earlier = self.logged() - len(newest)
        return newest[first - earlier :] if first >= earlier else self.whole_log()[first:]

    def _table(self, at: int, rows: int, width: int) -> Ints:
        first = int(self.ints[at])
        return self.ints[first : first + rows * width].reshape(rows, width)

    # --- what kernels ask for -------------------------------------------------------------------
    def make_room(self, entries: int) -> None:
        """Empty the log, and let the agenda take so many more entries."""
        ints = self.ints
        if ints[c.LOG_SIZE] * 2 > ints[c.LOG_ROOM]:
            self.log.append(self._table(c.AT_LOG, int(ints[c.LOG_SIZE]), c.LOG_CELLS).copy())
            ints[c.LOG_SIZE] = 0
        missing = entries - int(ints[c.AGENDA_ROOM] - ints[c.AGENDA_SIZE])
        if missing > 0:
            more = max(missing, int(ints[c.AGENDA_ROOM]))
            ints[c.AGENDA_ROOM] += more
            # The agenda lies at the end of both vectors.
            self.ints = np.concatenate([ints, np.zeros(more * c.AGENDA_CELLS, np.int64)])
            self.reals = np.concatenate([self.reals, np.zeros(more * c.AGENDA_REALS)])

    def draw_again(self) -> None:
        """Draw new durations for the streams that are used up."""
        self.ints[c.STREAM_ENDED] = 0
        for stream in range(len(self._streams)):
            cell = self.ints[c.AT_DRAWS] + stream * c.DRAW_CELLS + c.DRAW_NEXT
            if self.ints[cell] >= c.DRAW_BLOCK:
                self._fill_stream(stream)

    def _fill_stream(self, stream: int) -> None:
        draws = self._streams[stream]
        if draws is not None:
            first = self.ints[c.AT_DRAWS] + stream * c.DRAW_CELLS
            self.ints[first : first + c.DRAW_BLOCK] = draws.block_ns()
            self.ints[first + c.DRAW_NEXT] = 0


def _place(ints: Ints, tables: dict[int, int], first: int) -> None:
    """Write where each table begins."""
    for cell, size in tables.items():
        ints[cell] = first
        first += size
