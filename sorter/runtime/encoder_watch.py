"""Notices an encoder count that the belt cannot have made.

An encoder that is exchanged, or a counter that is reset without a restart of the PLC, goes back, or
on by more than the belt can run. What is planned in the old counts would then fire at the wrong
parcels. The core has no time to judge by, so the jump is found here, against the PLC's own ticks,
and told to it as one more event.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sorter.model.codes import NONE, NoticeKind
from sorter.model.columns import EVENT_WIDTH, EventColumn, LineField
from sorter.model.frames import Frame, Rows
from sorter.model.layout import LineLayout

FASTEST: Final = 2.0
"""Times the nominal speed that a belt can run."""
TICKS_PER_S: Final = 10_000


class EncoderWatch:
    """Looks at the encoder of every frame of one line.

    What the tracking window forgives is no jump: a belt that settles back after a stop, an encoder
    that slips.

    Parameters
    ----------
    layout : LineLayout
    """

    def __init__(self, layout: LineLayout) -> None:
        self._window = int(layout.line[LineField.WINDOW])
        speed = layout.belt_speed_mm_s / layout.mm_per_count
        self._counts_per_tick = FASTEST * speed / TICKS_PER_S
        self._boot_id = 0
        self._last = 0
        self._farthest = 0
        self._tick = 0

    def events(self, frame: Frame) -> Rows:
        """Return the frame's events, with the notice of a jump where it belongs."""
        encoder = frame.encoder_count
        tick = frame.tick_100us
        last, farthest = self._last, self._farthest
        elapsed = tick - self._tick
        self._last = encoder
        self._tick = tick
        if frame.boot_id != self._boot_id:
            self._boot_id = frame.boot_id
            self._farthest = encoder
            return frame.events
        if encoder >= farthest:
            self._farthest = encoder
            reach = self._window + elapsed * self._counts_per_tick
            # A PLC whose clock stands still or goes back gives no measure of speed.
            if elapsed <= 0 or encoder - last <= reach:
                return frame.events
            return _with_notice(frame.events, last, encoder)
        if encoder >= farthest - self._window:
            return frame.events
        self._farthest = encoder
        return _with_notice(frame.events, last, encoder)


def _with_notice(events: Rows, before: int, behind: int) -> Rows:
    """Return the events with the notice in front of the first one latched behind the jump."""
    counts = events[:, EventColumn.ENCODER]
    latched_behind = np.abs(counts - behind) < np.abs(counts - before)
    place = int(np.argmax(latched_behind)) if latched_behind.any() else len(events)
    notice = np.zeros(EVENT_WIDTH, np.int64)
    notice[EventColumn.KIND] = NoticeKind.ENCODER_JUMPED
    notice[EventColumn.SOURCE] = NONE
    notice[EventColumn.ENCODER] = behind
    notice[EventColumn.A] = abs(behind - before)
    notice[EventColumn.B] = behind < before
    return np.insert(events, place, notice, axis=0)
