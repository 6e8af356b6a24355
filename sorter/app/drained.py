"""When a run on somebody else's clock and bus is over."""

from __future__ import annotations

from collections.abc import Callable

from sorter.core.state import State
from sorter.model.columns import LineField
from sorter.model.layout import LineLayout
from sorter.ports import Clock

PATIENCE_LAPS = 2.0
STALL_PATIENCES = 20
"""A line on which no parcel comes or goes for so many times the patience will not move again."""
ASKS_PER_LOOK = 16
ASKS_PER_PROGRESS = 4096


class UntilDrained:
    """Ends a closed run: drained, and every parcel closed or given up.

    Parameters
    ----------
    drained : callable
        Whether no parcel will come and none is on the belt any more.
    clock : Clock
    state : State
    layout : LineLayout
    ended : callable
        Called when the line is empty; returns whether that was all. Otherwise it has seen to it
        that more parcels come.
    progress : callable
        Gets the number of parcels opened, now and then.
    """

    def __init__(
        self,
        drained: Callable[[], bool],
        clock: Clock,
        state: State,
        layout: LineLayout,
        ended: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> None:
        self._drained = drained
        self._clock = clock
        self._state = state
        self._ended = ended
        self._progress = progress
        lap_ms = layout.counts_to_ms(float(layout.line[LineField.LENGTH_COUNTS]))
        self._patience_ns = int(lap_ms * 1e6 * PATIENCE_LAPS)
        self._give_up_ns = -1
        self._moved_ns = 0
        self._last_seen = (0, 0)
        self._asked = 0
        self._over = False

    def __call__(self) -> bool:
        """Return whether it is over; asked once per step of the loop."""
        self._asked += 1
        if self._asked % ASKS_PER_LOOK and not self._over:
            return False  # a few idle steps at the end cost less than looking in every step
        if self._asked % ASKS_PER_PROGRESS == 0:
            self._progress(self._state.next_parcel_id - 1)
        now_ns = self._clock.now_ns()
        tracked = self._state.tracked_count()
        if not self._drained():
            return self._stalled(now_ns, tracked)
        if self._give_up_ns < 0:
            self._give_up_ns = now_ns + self._patience_ns
        if tracked and now_ns < self._give_up_ns:
            return False
        return self._end()

    def _stalled(self, now_ns: int, tracked: int) -> bool:
        """End a run in which nothing has come or gone for many laps: it never would."""
        seen = (self._state.next_parcel_id, tracked)
        if seen != self._last_seen:
            self._last_seen = seen
            self._moved_ns = now_ns
        if now_ns - self._moved_ns < STALL_PATIENCES * self._patience_ns:
            return False
        return self._end()

    def _end(self) -> bool:
        self._over = self._over or self._ended()
        self._give_up_ns = -1
        return self._over
