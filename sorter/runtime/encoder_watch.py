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
AGREEING_LOOKS: Final = 3
"""So many records in a row that are too far off are an encoder's doing, and not their own."""
_LOOK: Final = (EventColumn.ENCODER, EventColumn.TICK)
_UNKNOWN: Final = -1


class EncoderWatch:
    """Looks at the encoder of every frame of one line.

    How far it is off adds up from frame to frame; what the belt's speed may differ from nominal is
    forgiven as it runs. Beyond half a tracking window no parcel is where it is believed to be: one
    that is off by less is still met within the window.

    In EXECUTE the belt runs at its speed. In any other state, and between looks far apart, it may
    have been slower, never faster. Frames are far apart when the link or the controller was down:
    the records that waited in the PLC have a count and a tick each, and are looks as well.

    Parameters
    ----------
    layout : LineLayout
    """

    def __init__(self, layout: LineLayout) -> None:
        self._most_off = int(layout.line[LineField.WINDOW]) / 2
        self._counts_per_tick = layout.belt_speed_mm_s / layout.mm_per_count / TICKS_PER_S
        self._forgiven_per_tick = self._counts_per_tick * layout.belt_speed_tolerance
        self._boot_id = 0
        self._line_state = _UNKNOWN
        self._encoder = 0
        self._tick = 0
        self._off = 0.0

    def events(self, frame: Frame) -> Rows:
        """Return the frame's events, with the notice of a jump where it belongs."""
        encoder, tick = frame.encoder_count, frame.tick_100us
        other_boot = frame.boot_id != self._boot_id
        state, known_to = (_UNKNOWN, tick) if other_boot else (self._line_state, self._tick)
        self._line_state = _state_told(frame, state, known_to)
        if tick == self._tick and encoder == self._encoder and not other_boot:
            return frame.events  # the same PLC scan once more
        last, last_tick = self._encoder, self._tick
        self._encoder, self._tick = encoder, tick
        off, self._off = self._off, 0.0
        if other_boot:
            self._boot_id = frame.boot_id
            if not len(frame.events):
                return frame.events
            off = 0.0
            oldest = int(frame.events[:, EventColumn.TICK].argmin())
            last, last_tick = frame.events[oldest, _LOOK].tolist()
        if state == _UNKNOWN and not _changed(frame.events):
            state = self._line_state
        if tick - last_tick > LONGEST_LOOK_TICKS and len(frame.events):
            return self._among_records(off, frame, (last, last_tick), state)
        runs = state == self._line_state == frame.line_state == LineState.EXECUTE
        runs = runs and last_tick >= frame.stood_until_tick and not _changed(frame.events)
        off = self._added(off, encoder - last, tick - last_tick, runs=runs)
        if -self._most_off <= off <= self._most_off:
            self._off = off
            return frame.events
        return self._with_notice(frame, last, last_tick, round(off))

    def _among_records(
        self, off: float, frame: Frame, last: tuple[int, int], line_state: int
    ) -> Rows:
        """Return the events that waited, with a notice wherever their counts went too far off.

        There where the first of some records in a row says so. A single one that is wrong is made
        up for by the next one.
        """
        (count, tick), agreeing, notices = last, 0, []
        first = last
        for next_count, next_tick, next_state in _latched_since(frame, tick):
            # Of a belt that is reported to run, the report that it stopped may be lost.
            runs = line_state == LineState.EXECUTE != next_state and tick >= frame.stood_until_tick
            off = self._added(off, next_count - count, next_tick - tick, runs=runs)
            count, tick = next_count, next_tick
            if abs(off) <= self._most_off:
                agreeing = 0
            else:
                agreeing += 1
                first = (count, tick) if agreeing == 1 else first
                if agreeing == AGREEING_LOOKS or tick == frame.tick_100us:
                    notices.append(_notice(*first, round(off)))
                    agreeing, off = 0, 0.0
            if next_state != NONE:
                line_state = next_state
            elif line_state == _UNKNOWN:
                line_state = LineState.EXECUTE  # or no edge would have come to an eye
        self._off = off
        if not notices:
            return frame.events
        ticks = frame.events[:, EventColumn.TICK]
        behind = [ticks >= notice[EventColumn.TICK] for notice in notices]
        places = [int(one.argmax()) if one.any() else len(ticks) for one in behind]
        return np.insert(frame.events, places, notices, axis=0)

    def _added(self, off: float, moved: int, elapsed: int, *, runs: bool) -> float:
        """Return how far the encoder is off after two looks, in counts.

        Parameters
        ----------
        off : float
            Before them.
        moved, elapsed : int
            Counts and ticks from one to the other.
        runs : bool
            The belt runs in both of them.
        """
        if elapsed <= 0:  # a PLC whose clock stands still or goes back gives no measure of speed
            return off + min(moved, 0)
        ahead = moved - elapsed * self._counts_per_tick
        off += ahead if ahead > 0 or (runs and elapsed <= LONGEST_LOOK_TICKS) else min(moved, 0)
        forgiven = elapsed * self._forgiven_per_tick
        if -forgiven <= off <= forgiven:  # as nearly every frame of a sound encoder
            return 0.0
        return off - forgiven if off > 0 else off + forgiven

    def _with_notice(self, frame: Frame, last: int, last_tick: int, off: int) -> Rows:
        """Return the events with the notice in front of the first one latched behind the jump."""
        events, encoder, tick = frame.events, frame.encoder_count, frame.tick_100us
        counts, ticks = events[:, EventColumn.ENCODER], events[:, EventColumn.TICK]
        from_before = np.abs(counts - last - (ticks - last_tick) * self._counts_per_tick)
        from_behind = np.abs(counts - encoder - (ticks - tick) * self._counts_per_tick)
        behind = np.flatnonzero(from_behind < from_before)
        place = int(behind[0]) if behind.size else len(events)
        since = min(tick, int(ticks[behind].min(initial=tick)))
        return np.insert(events, place, _notice(encoder, since, off), axis=0)


def _notice(encoder: int, tick: int, off: int) -> Rows:
    """Return the record of a jump by so many counts to a count, noticed at a tick."""
    notice = np.zeros(EVENT_WIDTH, np.int64)
    notice[EventColumn.KIND] = NoticeKind.ENCODER_JUMPED
    notice[EventColumn.SOURCE] = NONE
    notice[EventColumn.ENCODER] = encoder
    notice[EventColumn.TICK] = tick
    notice[EventColumn.A] = abs(off)
    notice[EventColumn.B] = off < 0
    return notice


def _latched_since(frame: Frame, last_tick: int) -> list[list[int]]:
    """Return count, tick and new line state of the records since a tick, and of the frame.

    In order of time; NONE where the line state did not change. Only edges at eyes and changes of
    that state tell what the belt does: chutes are emptied and slid into while it stands.
    """
    kinds, ticks = frame.events[:, EventColumn.KIND], frame.events[:, EventColumn.TICK]
    told = (kinds == EventKind.PARCEL_PASSED) | (kinds == EventKind.LINE_CHANGED)
    behind = frame.events[told & (ticks >= last_tick) & (ticks < frame.tick_100us)]
    behind = behind[np.argsort(behind[:, EventColumn.TICK], kind="stable")]
    looks = behind[:, (EventColumn.ENCODER, EventColumn.TICK, EventColumn.B)]
    looks[behind[:, EventColumn.KIND] != EventKind.LINE_CHANGED, 2] = NONE
    in_order: list[list[int]] = looks.tolist()
    return [*in_order, [frame.encoder_count, frame.tick_100us, NONE]]


def _state_told(frame: Frame, before: int, known_to: int) -> int:
    """Return the line's state at the frame's tick, given the one at an earlier tick.

    A status block is of now. While records behind it lie unread, the frame's tick is that of the
    newest one read, and so is the state: a PLC may report a state again that it is in already,
    and one that changed to it only then.
    """
    ticks = frame.events[:, EventColumn.TICK]
    newest = int(ticks.max()) if len(ticks) else known_to
    if frame.tick_100us > newest:
        return frame.line_state
    changes = frame.events[frame.events[:, EventColumn.KIND] == EventKind.LINE_CHANGED]
    if not len(changes):
        return before
    in_order = np.argsort(changes[:, EventColumn.TICK], kind="stable")
    return int(changes[in_order[-1], EventColumn.B])


def _changed(events: Rows) -> bool:
    """Return whether the line changed its state, or reported it again."""
    return bool((events[:, EventColumn.KIND] == EventKind.LINE_CHANGED).any())
