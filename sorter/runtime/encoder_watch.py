"""Notices an encoder that does not count what the belt runs.

An encoder that is exchanged, reset, or slips on the belt puts every parcel somewhere else than it
is, and what is planned in the old counts would fire at the wrong ones. The core has no time to
judge by, so the counts are held against the PLC's own ticks here, and a difference is told to the
core as one more event.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sorter.model.codes import NONE, EventKind, LineState, NoticeKind
from sorter.model.columns import EVENT_WIDTH, EventColumn, LineField
from sorter.model.frames import Frame, Rows
from sorter.model.layout import LineLayout

TICKS_PER_S: Final = 10_000
LONGEST_LOOK_TICKS: Final = 2_500
"""Between two frames farther apart than this the belt may have stood without anybody noticing."""


class EncoderWatch:
    """Looks at the encoder of every frame of one line.

    How far it is off adds up from frame to frame; what the belt's speed may differ from nominal is
    forgiven as it runs. Beyond half a tracking window no parcel is where it is believed to be: one
    that is off by less is still met within the window.

    In EXECUTE the belt runs at its speed. In any other state, and between frames far apart, it may
    have been slower, never faster.

    Parameters
    ----------
    layout : LineLayout
    """

    def __init__(self, layout: LineLayout) -> None:
        self._most_off = int(layout.line[LineField.WINDOW]) / 2
        self._counts_per_tick = layout.belt_speed_mm_s / layout.mm_per_count / TICKS_PER_S
        self._forgiven_per_tick = self._counts_per_tick * layout.belt_speed_tolerance
        self._boot_id = 0
        self._line_state = -1
        self._encoder = 0
        self._tick = 0
        self._off = 0.0

    def events(self, frame: Frame) -> Rows:
        """Return the frame's events, with the notice of a jump where it belongs."""
        encoder, tick, line_state = frame.encoder_count, frame.tick_100us, frame.line_state
        if tick == self._tick and encoder == self._encoder and frame.boot_id == self._boot_id:
            self._line_state = line_state
            return frame.events  # the same PLC scan once more
        last, last_tick, last_state = self._encoder, self._tick, self._line_state
        self._encoder, self._tick, self._line_state = encoder, tick, line_state
        if frame.boot_id != self._boot_id:
            self._boot_id = frame.boot_id
            self._off = 0.0
            return frame.events
        off = self._off
        moved = encoder - last
        elapsed = tick - last_tick
        runs = line_state == last_state == LineState.EXECUTE and elapsed <= LONGEST_LOOK_TICKS
        if elapsed > 0:
            ahead = moved - elapsed * self._counts_per_tick
            off += ahead if runs or ahead > 0 else min(moved, 0)
            forgiven = elapsed * self._forgiven_per_tick
            if -forgiven <= off <= forgiven:  # as nearly every frame of a sound encoder
                self._off = 0.0
                return frame.events
            off = off - forgiven if off > 0 else off + forgiven
        else:  # a PLC whose clock stands still or goes back gives no measure of speed
            off += min(moved, 0)
        if -self._most_off <= off <= self._most_off:
            self._off = off
            return frame.events
        self._off = 0.0
        if moved >= 0 > off and _stopped_between(frame.events):
            return frame.events
        return self._with_notice(frame, last, last_tick, round(off))

    def _with_notice(self, frame: Frame, last: int, last_tick: int, off: int) -> Rows:
        """Return the events with the notice in front of the first one latched behind the jump."""
        events, encoder, tick = frame.events, frame.encoder_count, frame.tick_100us
        counts, ticks = events[:, EventColumn.ENCODER], events[:, EventColumn.TICK]
        from_before = np.abs(counts - last - (ticks - last_tick) * self._counts_per_tick)
        from_behind = np.abs(counts - encoder - (ticks - tick) * self._counts_per_tick)
        behind = np.flatnonzero(from_behind < from_before)
        place = int(behind[0]) if behind.size else len(events)
        notice = np.zeros(EVENT_WIDTH, np.int64)
        notice[EventColumn.KIND] = NoticeKind.ENCODER_JUMPED
        notice[EventColumn.SOURCE] = NONE
        notice[EventColumn.ENCODER] = encoder
        notice[EventColumn.TICK] = min(tick, int(ticks[behind].min(initial=tick)))
        notice[EventColumn.A] = abs(off)
        notice[EventColumn.B] = off < 0
        return np.insert(events, place, notice, axis=0)


def _stopped_between(events: Rows) -> bool:
    """Return whether the line changed its state between two frames that both say EXECUTE."""
    return bool((events[:, EventColumn.KIND] == EventKind.LINE_CHANGED).any())
