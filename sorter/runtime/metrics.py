"""Figures of the running line: plain counters in the loop, Prometheus families when asked.

The loop appends and adds integers; everything that costs more than a fraction of a microsecond
happens in :meth:`LineMetrics.flush`, a few times a second, or in the scraping thread.
"""

from __future__ import annotations

from array import array
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sorter.model.codes import (
    NONE,
    Cause,
    ChuteBit,
    FinalDisposition,
    LineState,
    MissCause,
    ModeReason,
    OutcomeKind,
    PassResult,
    ScanVerdict,
)
from sorter.model.columns import OUTCOME_WIDTH, ChuteColumn, ChuteStateColumn, OutcomeColumn
from sorter.model.frames import Frame, Rows
from sorter.model.layout import LineLayout

FLUSH_AT_BYTES: Final = 2048 * OUTCOME_WIDTH * 8
SAMPLE_CAPACITY: Final = 65_536
"""Enough for a 99.9th percentile, and no memory that grows for days."""
LATENCY_BOUNDS_S: Final = (
    10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3,
)  # fmt: skip
RECENT_SAMPLES: Final = 4096
FAILED_PASSES: Final = (PassResult.MISSED, PassResult.DIVERT_INHIBITED)
SILENT_AFTER_MISSES: Final = 3
"""An eye that missed so many parcels, one after the other, is more likely to be at fault."""
_LATENCY_BOUNDS_NS: Final = tuple(bound * 1e9 for bound in LATENCY_BOUNDS_S)
SLACK_BOUNDS_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
Samples = NDArray[np.int64]


class SampleStore:
    """Keeps every sample up to a limit, then a fair selection; and a histogram of all of them.

    Beyond the limit each new sample replaces a kept one with the probability of reservoir
    sampling (Vitter's algorithm R), drawn from a fixed sequence: the same samples give the same
    selection.

    Parameters
    ----------
    bounds : sequence of float
        Upper bounds of the histogram, in the unit of the samples.
    capacity : int
    """

    def __init__(self, bounds: tuple[float, ...], capacity: int = SAMPLE_CAPACITY) -> None:
        self._bounds = np.array(bounds)
        self._capacity = capacity
        # All of it at once: the system gives a page when it is written, and a store that grows
        # would leave a hole of each size behind.
        self._kept = np.empty(capacity, np.int64)
        self.buckets = np.zeros(len(bounds) + 1, np.int64)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._generator = np.random.default_rng(0)
        self.buckets[:] = 0
        self.total = 0
        self.count = 0

    def add(self, samples: Samples) -> None:
        """Add samples."""
        if not len(samples):
            return
        slots = np.searchsorted(self._bounds, samples, side="left")
        self.buckets += np.bincount(slots, minlength=len(self.buckets))
        self.total += int(samples.sum())
        room = max(0, min(len(samples), self._capacity - self.count))
        self._kept[self.count : self.count + room] = samples[:room]
        if room < len(samples):
            self._replace(samples[room:], self.count + room)
        self.count += len(samples)

    def samples(self) -> Samples:
        """Return a copy of the kept samples."""
        return self._kept[: min(self.count, self._capacity)].copy()

    def _replace(self, samples: Samples, seen: int) -> None:
        ordinals = np.arange(seen + 1, seen + len(samples) + 1)
        slots = (self._generator.random(len(samples)) * ordinals).astype(np.int64)
        taken = slots < self._capacity
        self._kept[slots[taken]] = samples[taken]


class LineView(Protocol):
    """What loop and metrics read from the state of the line."""

    @property
    def chutes(self) -> Rows:
        """``int64[len(ChuteStateColumn), n]``."""
        ...

    def tracked_count(self) -> int:
        """Return how many parcels are tracked."""
        ...

    def zone_counts(self) -> Rows:
        """Return a new ``int64[n_zones]``: tracked parcels by zone."""
        ...

    def anomalies(self) -> dict[str, int]:
        """Return how often something was met that should not be."""
        ...

    def to_bytes(self) -> bytes:
        """Return a snapshot of all that decisions depend on."""
        ...

    @property
    def mode(self) -> tuple[LineState, ModeReason]:
        """State of the line, all things considered, and why."""
        ...

    def blocked_eyes(self) -> list[bool]:
        """Return for each eye whether it is blocked."""
        ...


class LineMetrics:
    """Counters of one line. Written by the loop's thread, read by any.

    Parameters
    ----------
    layout : LineLayout
        For names, and for turning counts into time.

    Attributes
    ----------
    latencies_ns : array of int
        Appended to by the loop, one per decision step with news; emptied by :meth:`flush`.
    loops, overruns, stale_frames : int
    tasks : int
        asyncio tasks in the loop's process.
    recent_ns : int64 vector
        The newest latencies, for percentiles of now.
    ready : bool
        Kernels are warm, the link is up: the line sorts.
    closed : int64[dispositions, causes + 1]
        Parcels by final disposition and cause; the last cause column is "none".
    closed_at : int64[chutes, dispositions]
    passes : int64[pass results]
    verdicts : int64[scan verdicts]
    missed_deadlines : int64[miss causes]
    missed_eyes : int64[eyes]
    missed_in_a_row : int64[eyes]
        Parcels missed by each eye since it saw one.
    failed_passes : int64[2, chutes]
        Diverts that did not happen, and those that the PLC refused, see ``FAILED_PASSES``.
    unexpected_at_eyes, unexpected_at_chutes : int64[eyes], int64[chutes]
        Parcels that no tracked one explains, where they were met.
    opened, recirculations : int
    """

    def __init__(self, layout: LineLayout) -> None:
        self.layout = layout
        self._ms_per_count = layout.counts_to_ms(1.0)
        self._pending = bytearray()
        self.latencies_ns = array("q")
        self.loops = 0
        self.overruns = 0
        self.stale_frames = 0
        self.tasks = 0
        self.ready = False
        self.recent_ns: Samples = np.empty(0, np.int64)
        self.latency = SampleStore(_LATENCY_BOUNDS_NS)
        self.slack = SampleStore(
            tuple(bound * 1000.0 / self._ms_per_count for bound in SLACK_BOUNDS_S)
        )
        self.opened = 0
        self.recirculations = 0
        self.closed = np.zeros((len(FinalDisposition) + 1, len(Cause) + 1), np.int64)
        self.closed_at = np.zeros((len(layout.chute_names), len(FinalDisposition) + 1), np.int64)
        self.passes = np.zeros(len(PassResult) + 1, np.int64)
        self.verdicts = np.zeros(len(ScanVerdict), np.int64)
        self.missed_deadlines = np.zeros(len(MissCause), np.int64)
        self.missed_eyes = np.zeros(len(layout.eye_names), np.int64)
        self.missed_in_a_row = np.zeros(len(layout.eye_names), np.int64)
        self.failed_passes = np.zeros((len(FAILED_PASSES), len(layout.chute_names)), np.int64)
        self.unexpected_at_eyes = np.zeros(len(layout.eye_names), np.int64)
        self.unexpected_at_chutes = np.zeros(len(layout.chute_names), np.int64)

        self.chutes = np.zeros((len(ChuteStateColumn), len(layout.chute_names)), np.int64)
        self.zone_parcels = np.zeros(len(layout.zone_names), np.int64)
        self.parcels_on_line = 0
        self.anomalies: dict[str, int] = {}
        self.line_state = 0
        self.mode = (LineState.UNDEFINED, ModeReason.LINK_DOWN)
        self.blocked_eyes = [False] * len(layout.eye_names)
        self._mode_changes: list[tuple[int, int, int]] = []
        self.encoder_count = 0
        self.journal_lag_events = 0
        self.event_overflow = 0
        self.scan_overflow = 0

    def note_line(self, state: LineView, frame: Frame, journal_lag_events: int) -> None:
        """Copy what the line looks like now, for other threads to read."""
        self.chutes = state.chutes.copy()
        self.zone_parcels = state.zone_counts()
        self.parcels_on_line = state.tracked_count()
        self.anomalies = state.anomalies()
        self.line_state = frame.line_state
        self.mode = state.mode
        self.blocked_eyes = state.blocked_eyes()
        self.encoder_count = frame.encoder_count
        self.event_overflow = frame.event_overflow
        self.scan_overflow = frame.scan_overflow
        self.journal_lag_events = max(0, journal_lag_events)

    def note_outcomes(self, outcomes: Rows) -> None:
        """Take outcome rows to be counted at the next flush."""
        # Bytes, not the array: kept arrays are scattered over the memory by the next flush.
        self._pending += outcomes.tobytes()
        if len(self._pending) >= FLUSH_AT_BYTES:
            self.flush()

    def take_mode_changes(self) -> list[tuple[int, int, int]]:
        """Return (state, reason, encoder count) of each change of mode since the last call."""
        changes, self._mode_changes = self._mode_changes, []
        return changes

    def alarm_counts(self) -> dict[str, int]:
        """Return how often what the log warns of has happened, by the log's names."""
        self.flush()
        missed, refused = self.failed_passes.sum(axis=1).tolist()
        unexpected = self.unexpected_at_eyes.sum() + self.unexpected_at_chutes.sum()
        return {
            "divert_failed": missed,
            "divert_refused": refused,
            "parcels_unexpected": int(unexpected),
        }

    def flush(self) -> None:
        """Count what has come since the last flush."""
        if self.latencies_ns:
            newest = np.array(self.latencies_ns, np.int64)
            self.latency.add(newest)
            self.recent_ns = np.concatenate((self.recent_ns, newest))[-RECENT_SAMPLES:]
            del self.latencies_ns[:]
        if not self._pending:
            return
        pending, self._pending = self._pending, bytearray()
        self._count(np.frombuffer(pending, np.int64).reshape(-1, OUTCOME_WIDTH))

    def _count(self, rows: Rows) -> None:
        kinds = rows[:, OutcomeColumn.KIND]
        values = rows[:, OutcomeColumn.VALUE]
        causes = rows[:, OutcomeColumn.CAUSE]
        self.opened += int(np.count_nonzero(kinds == OutcomeKind.OPENED))
        self.recirculations += int(np.count_nonzero(kinds == OutcomeKind.RECIRCULATED))
        self._tally(self.verdicts, values[kinds == OutcomeKind.SCANNED])
        self._tally(self.passes, values[kinds == OutcomeKind.PASSED])
        seen = (kinds == OutcomeKind.SEEN) | ((kinds == OutcomeKind.OPENED) & (values != NONE))
        self._count_eyes(values[kinds == OutcomeKind.EYE_MISSED], values[seen])
        chutes = rows[:, OutcomeColumn.CHUTE]
        for row, result in enumerate(FAILED_PASSES):
            failed = (kinds == OutcomeKind.PASSED) & (values == result)
            self._tally(self.failed_passes[row], chutes[failed])
        unexpected = (kinds == OutcomeKind.OPENED) & (causes == Cause.TRACKING_LOST)
        self._tally(self.unexpected_at_eyes, values[unexpected & (values != NONE)])
        self._tally(self.unexpected_at_chutes, chutes[unexpected & (values == NONE)])
        self._tally(self.missed_deadlines, causes[kinds == OutcomeKind.DEADLINE_MISSED])
        for row in rows[kinds == OutcomeKind.MODE_CHANGED].tolist():
            self._mode_changes.append((row[2], row[4], row[5]))
        self.slack.add(values[kinds == OutcomeKind.SLACK])
        closed = rows[kinds == OutcomeKind.CLOSED]
        if len(closed):
            dispositions = closed[:, OutcomeColumn.VALUE]
            cause = closed[:, OutcomeColumn.CAUSE]
            np.add.at(self.closed, (dispositions, np.where(cause == NONE, len(Cause), cause)), 1)
            chutes = closed[:, OutcomeColumn.CHUTE]
            at_chute = chutes != NONE
            np.add.at(self.closed_at, (chutes[at_chute], dispositions[at_chute]), 1)

    def _count_eyes(self, missed: Samples, seen: Samples) -> None:
        self._tally(self.missed_eyes, missed)
        self._tally(self.missed_in_a_row, missed)
        self.missed_in_a_row[seen] = 0

    def silent_eyes(self) -> list[bool]:
        """Return for each eye whether it misses one parcel after the other."""
        return (self.missed_in_a_row >= SILENT_AFTER_MISSES).tolist()  # type: ignore[no-any-return]

    def full_unreported(self) -> list[bool]:
        """Return for each chute whether it is full by what was counted, and its sensor is silent.

        Either parcels were taken out that nobody reported, or the sensor is late or broken.
        """
        built, now = self.layout.chutes, self.chutes
        full = np.zeros(built.shape[1], bool)
        for capacity, used in (
            (ChuteColumn.CAPACITY, ChuteStateColumn.PARCELS),
            (ChuteColumn.CAPACITY_LENGTH, ChuteStateColumn.LENGTH),
        ):
            full |= (built[capacity] > 0) & (now[used] >= built[capacity])
        full &= (now[ChuteStateColumn.BITS] & ChuteBit.FULL) == 0
        return full.tolist()

    @staticmethod
    def _tally(counters: Samples, codes: Samples) -> None:
        if len(codes):
            counters += np.bincount(codes, minlength=len(counters))[: len(counters)]

    def latency_ns(self) -> Samples:
        """Return the time each decision step took, from the frame's arrival to the commands."""
        self.flush()
        return self.latency.samples()

    def take_latencies(self) -> Samples:
        """Return the latencies as :meth:`latency_ns` and begin anew, the histogram as well."""
        taken = self.latency_ns()
        self.latency.forget()
        return taken

    def slack_ms(self) -> NDArray[np.float64]:
        """Return how long before its fire count the PLC had accepted each command that fired."""
        self.flush()
        return self.slack.samples().astype(np.float64) * self._ms_per_count

    def disposition_count(self, disposition: FinalDisposition) -> int:
        """Return how many parcels ended so."""
        return int(self.closed[disposition].sum())

    @property
    def ms_per_count(self) -> float:
        """Time the belt needs for one encoder count at nominal speed."""
        return self._ms_per_count

    @property
    def slack_total_s(self) -> float:
        """Sum of all slack samples in seconds."""
        return self.slack.total * self._ms_per_count / 1000.0
