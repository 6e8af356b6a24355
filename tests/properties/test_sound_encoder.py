"""Whatever a belt does and however late anybody looks: an encoder that counts right never jumps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from lines import event, events, make_layout

from sorter.model.codes import EventKind, LineState, NoticeKind
from sorter.model.columns import EventColumn
from sorter.model.frames import Frame
from sorter.runtime.encoder_watch import EncoderWatch

COUNTS_PER_TICK = 0.25
STATES = (LineState.EXECUTE, LineState.HELD, LineState.ABORTED, LineState.SUSPENDED)
DURATIONS_TICKS = st.one_of(st.integers(1, 400), st.integers(400, 30_000))
EDGE_EVERY_TICKS = 310
TOLD_EVERY_TICKS = 700
"""What happens in chutes, also while the belt stands."""


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

    def at(self, tick: int) -> tuple[int, int]:
        """Return line state and encoder count."""
        ran, began, now = 0, 0, self.phases[0][0]
        for state, lasts in self.phases:
            if began > tick:
                break
            now = state
            ran += min(tick - began, lasts) if state == LineState.EXECUTE else 0
            began += lasts
        return now, int(ran * COUNTS_PER_TICK)

    def records(self) -> list[list[int]]:
        """Return line states, edges of parcels while it runs, and chutes all the time."""
        rows, began = [], 0
        for state, lasts in self.phases:
            rows.append(self._row(EventKind.LINE_CHANGED, began, state))
            ends = began + lasts
            if state == LineState.EXECUTE:
                edges = range(began + EDGE_EVERY_TICKS, ends, EDGE_EVERY_TICKS)
                rows += [self._row(EventKind.PARCEL_PASSED, tick, 0) for tick in edges]
            told = range(began + 1, ends, TOLD_EVERY_TICKS)
            rows += [self._row(EventKind.CHUTE_EMPTIED, tick, 0) for tick in told]
            began = ends
        return sorted(rows, key=lambda row: row[EventColumn.TICK])

    def _row(self, kind: int, tick: int, b: int) -> list[int]:
        row = event(kind, 0, self.at(tick)[1], 300, b=b)
        row[EventColumn.TICK] = tick
        return row


def belts() -> st.SearchStrategy[Belt]:
    phase = st.tuples(st.sampled_from(STATES), DURATIONS_TICKS)
    return st.lists(phase, min_size=1, max_size=8).map(lambda phases: Belt(tuple(phases)))


@given(
    belts(),
    st.integers(0, 100),
    st.lists(st.tuples(DURATIONS_TICKS, st.integers(0, 40)), min_size=1, max_size=30),
)
def test_a_sound_encoder_never_jumps(belt: Belt, known: int, looks: list[tuple[int, int]]) -> None:
    """Also not to who begins behind records that are known already.

    A look may find more records than it can read: it then tells how far it has got.
    """
    watch = EncoderWatch(replace(make_layout(), belt_speed_tolerance=0.02))
    records = belt.records()
    now = records[:known][-1][EventColumn.TICK] if known else 0
    waiting = records[known:]
    read_to = belt.at(now)[1], now
    for later, most_unread in looks:
        now = min(now + later, belt.ends - 1)
        latched = [row for row in waiting if row[EventColumn.TICK] <= now]
        news = latched[: max(len(latched) - most_unread, 0)]
        waiting = waiting[len(news) :]
        state, count = belt.at(now)
        if len(news) == len(latched):
            read_to = count, now
        elif news:
            read_to = news[-1][EventColumn.ENCODER], news[-1][EventColumn.TICK]
        told = watch.events(Frame(1, state, *read_to, events(*news), (), 0))
        assert NoticeKind.ENCODER_JUMPED not in told[:, EventColumn.KIND]
