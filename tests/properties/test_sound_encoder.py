"""Whatever a belt does and however late anybody looks: an encoder that counts right never jumps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from lines import event, events, make_layout

from sorter.model.codes import EventKind, LineState, NoticeKind
from sorter.model.columns import EventColumn
from sorter.model.frames import Frame
from sorter.runtime.encoder_watch import EncoderWatch
from sorter.runtime.scan_cadence import ScanCadence

COUNTS_PER_TICK = 0.25
SCAN_TICKS = 100
STOOD = -1
"""Not a line state: the PLC's program stands, and the belt with it."""
PHASES = (STOOD, LineState.EXECUTE, LineState.HELD, LineState.ABORTED, LineState.SUSPENDED)
DURATIONS_TICKS = st.one_of(st.integers(1, 400), st.integers(400, 30_000))
EDGE_EVERY_TICKS = 310
TOLD_EVERY_TICKS = 700
"""What happens in chutes, also while the belt stands."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a status block says of the belt."""

    tick: int
    heartbeat: int
    line_state: int
    encoder: int


@dataclass(frozen=True, slots=True)
class Belt:
    """A belt and the PLC's records of it.

    Attributes
    ----------
    phases : tuple of (int, int)
        Line state and ticks; the same state once more is reported once more.
    """

    phases: tuple[tuple[int, int], ...]

    @property
    def ends(self) -> int:
        """The tick behind the last phase."""
        return sum(lasts for _, lasts in self.phases)

    def scan_at(self, tick: int) -> Scan:
        """Return the newest scan by then."""
        scans = [
            on_grid
            for phase, began, ends in self.spans()
            for on_grid in range(-(-began // SCAN_TICKS) * SCAN_TICKS, ends, SCAN_TICKS)
            if phase != STOOD and on_grid <= tick
        ]
        newest = scans[-1] if scans else 0
        return Scan(newest, len(scans) & 0xFFFF, self.state_at(newest), self.encoder_at(newest))

    def spans(self) -> list[tuple[int, int, int]]:
        """Return phases with the tick each begins at, and the one it ends at."""
        ends = list(accumulate(lasts for _, lasts in self.phases))
        spans = zip(self.phases, ends, strict=True)
        return [(phase, end - lasts, end) for (phase, lasts), end in spans]

    def state_at(self, tick: int) -> int:
        """Return the line state that was reported last."""
        told = [phase for phase, began, _ in self.spans() if phase != STOOD and began <= tick]
        return told[-1] if told else LineState.EXECUTE

    def encoder_at(self, tick: int) -> int:
        """Return the count of a belt that runs in EXECUTE alone."""
        runs = [(began, end) for phase, began, end in self.spans() if phase == LineState.EXECUTE]
        ran = sum(min(end, tick) - began for began, end in runs if began < tick)
        return int(ran * COUNTS_PER_TICK)

    def records(self) -> list[list[int]]:
        """Return line states, edges of parcels while it runs, and chutes all the time."""
        rows = []
        for phase, began, ends in self.spans():
            if phase != STOOD:
                rows.append(self._row(EventKind.LINE_CHANGED, began, phase))
                told = range(began + 1, ends, TOLD_EVERY_TICKS)
                rows += [self._row(EventKind.CHUTE_EMPTIED, tick, 0) for tick in told]
            if phase == LineState.EXECUTE:
                edges = range(began + EDGE_EVERY_TICKS, ends + 1, EDGE_EVERY_TICKS)
                rows += [self._row(EventKind.PARCEL_PASSED, tick, 0) for tick in edges]
        return sorted(rows, key=lambda row: row[EventColumn.TICK])

    def _row(self, kind: int, tick: int, b: int) -> list[int]:
        row = event(kind, 0, self.encoder_at(tick), 300, b=b)
        row[EventColumn.TICK] = tick
        return row


def belts() -> st.SearchStrategy[Belt]:
    phase = st.tuples(st.sampled_from(PHASES), DURATIONS_TICKS)
    return st.lists(phase, min_size=1, max_size=8).map(lambda phases: Belt(tuple(phases)))


@given(
    belts(),
    st.integers(0, 100),
    st.lists(st.tuples(DURATIONS_TICKS, st.integers(0, 40)), min_size=1, max_size=30),
)
def test_a_sound_encoder_never_jumps(belt: Belt, known: int, looks: list[tuple[int, int]]) -> None:
    """Also not to who begins behind records that are known already, once two scans were seen.

    A look may find more records than it can read: it then tells how far it has got.
    """
    watch, cadence = EncoderWatch(replace(make_layout(), belt_speed_tolerance=0.02)), ScanCadence()
    records = belt.records()
    waiting = records[known:]
    now = records[:known][-1][EventColumn.TICK] if known and records else 0
    scan = belt.scan_at(now)
    read_to = belt.encoder_at(now), now
    cadence.look((scan.heartbeat - 1) & 0xFFFF, scan.tick - SCAN_TICKS)
    cadence.look(scan.heartbeat, scan.tick)
    for later, most_unread in looks:
        now = min(now + later, belt.ends - 1)
        scan = belt.scan_at(now)
        cadence.look(scan.heartbeat, scan.tick)
        latched = [row for row in waiting if row[EventColumn.TICK] <= scan.tick]
        news = latched[: max(len(latched) - most_unread, 0)]
        waiting = waiting[len(news) :]
        if len(news) == len(latched):
            read_to = scan.encoder, scan.tick
        elif news:
            read_to = news[-1][EventColumn.ENCODER], news[-1][EventColumn.TICK]
        told = watch.events(
            Frame(
                1,
                scan.line_state,
                *read_to,
                events(*news),
                (),
                0,
                stood_until_tick=cadence.stood_until_tick,
            )
        )
        assert NoticeKind.ENCODER_JUMPED not in told[:, EventColumn.KIND]
