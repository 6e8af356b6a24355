"""Gives back to a restarted controller the looks at the line that its journal lost with it.

Commands do not wait for the disk (docs/decisions/0010). So a killed controller may have had a
divert accepted whose decision is not in the journal. The PLC fired it meanwhile and says so:
DIVERT_FIRED names the parcel, and with its slack the encoder count at which the command was
accepted. What was known then is at the front of the backlog in the rings. Deciding on that front
first, as if looking at that count, gives the lost decision again: ``decide`` is deterministic.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

import numpy as np

from sorter.core.state import State
from sorter.model.codes import EventKind, NoticeKind
from sorter.model.columns import EventColumn, EyeColumn, LineField, StationColumn
from sorter.model.frames import Frame, ScanRead
from sorter.model.layout import LineLayout
from sorter.model.tracking import ParcelColumn

SLACK_LIMIT = 0xFFFF
"""Slack is reported up to this; a command with more was accepted nobody knows when."""


class CatchUp:
    """Parts the backlog that a restarted controller finds at the counts of its lost looks.

    Parameters
    ----------
    layout : LineLayout
    state : State
        As the journal gave it back, before its first step.
    """

    def __init__(self, layout: LineLayout, state: State) -> None:
        self._layout = layout
        self._boot_id = state.boot_id
        self._known_encoder = state.encoder_count
        on_line = state.parcels[ParcelColumn.ID] != 0
        anchors = state.parcels[ParcelColumn.ANCHOR, on_line].tolist()
        lengths = state.parcels[ParcelColumn.LENGTH, on_line].tolist()
        self._lengths = dict(zip(anchors, lengths, strict=True))

    def parts(self, frame: Frame) -> list[Frame]:
        """Return a frame as the looks it stands for, the last one at its own encoder count.

        Usually it is one. A frame of another PLC start has nothing to do with what was lost, nor
        has what comes behind a jump of the encoder: it is all in the last part.
        """
        known = _before_jump(frame)
        lost = self._lost_looks(known)
        if not lost:
            return [frame]
        self._learn_lengths(known)
        events, scans = known.events.tolist(), list(known.scans)
        posted = [self._event_posted(event) for event in events]
        scans_posted = [self._scan_posted(scan) for scan in scans]
        parts = []
        at_event, at_scan, looked_at = 0, 0, self._known_encoder
        for accepted, looked_by in lost:
            to_event = at_event + _count_until(posted[at_event:], accepted)
            to_scan = at_scan + _count_until(scans_posted[at_scan:], accepted)
            news = posted[at_event:to_event] + scans_posted[at_scan:to_scan]
            if not news:
                continue
            looked_at = max(looked_at, looked_by, *news)
            parts.append(
                replace(
                    frame,
                    encoder_count=looked_at,
                    events=frame.events[at_event:to_event],
                    scans=frame.scans[at_scan:to_scan],
                )
            )
            at_event, at_scan = to_event, to_scan
        rest = replace(frame, events=frame.events[at_event:], scans=frame.scans[at_scan:])
        return [*parts, rest]

    def _lost_looks(self, frame: Frame) -> list[tuple[int, int]]:
        """Return at which counts commands were accepted that the journal does not know of.

        Beside each when the look before it was at the latest: the chute that was commanded was
        still in reach then.
        """
        if self._boot_id not in (0, frame.boot_id) or not len(frame.events):
            return []
        fired = frame.events[frame.events[:, EventColumn.KIND] == EventKind.DIVERT_FIRED]
        io_allowance = int(self._layout.line[LineField.IO_ALLOWANCE])
        lost: dict[int, int] = {}
        for event in fired.tolist():
            fired_at, slack = event[EventColumn.ENCODER], event[EventColumn.B]
            accepted = fired_at - slack
            if slack < SLACK_LIMIT and accepted > self._known_encoder:
                by = min(accepted, fired_at - io_allowance)
                lost[accepted] = min(by, lost.get(accepted, by))
        return sorted(lost.items())

    def _learn_lengths(self, frame: Frame) -> None:
        """Take note of the lengths that the eyes report."""
        positions = self._layout.eyes[EyeColumn.POSITION]
        passed = frame.events[frame.events[:, EventColumn.KIND] == EventKind.PARCEL_PASSED]
        for event in passed.tolist():
            eye = event[EventColumn.SOURCE]
            if 0 <= eye < len(positions):
                anchor = event[EventColumn.ENCODER] - int(positions[eye])
                self._lengths[anchor] = event[EventColumn.A]

    def _event_posted(self, event: list[int]) -> int:
        """Return the count at which an event was posted; for an edge, that of its trailing edge."""
        edge = event[EventColumn.KIND] in (EventKind.PARCEL_PASSED, EventKind.CHUTE_ENTERED)
        return event[EventColumn.ENCODER] + (event[EventColumn.A] if edge else 0)

    def _scan_posted(self, scan: ScanRead) -> int:
        """Return the count at which a scan was posted: when the trailing edge left the scanner."""
        positions = self._layout.scanners[StationColumn.POSITION]
        if not 0 <= scan.scanner_idx < len(positions):
            return scan.encoder_count
        line = self._layout.line
        loop, window = int(line[LineField.LOOP_COUNTS]), int(line[LineField.WINDOW])
        anchor = scan.encoder_count - int(positions[scan.scanner_idx])
        near = []
        for there, length in self._lengths.items():
            apart = abs(anchor - there)
            apart = min(apart % loop, -apart % loop) if loop else apart
            if apart <= window:
                near.append(length)
        return scan.encoder_count + max(near, default=0)


def _before_jump(frame: Frame) -> Frame:
    """Return a frame with what was latched before its encoder jumped, all of it if that did not.

    Counts from behind a jump tell nothing about what was known before it.
    """
    jumps = np.flatnonzero(frame.events[:, EventColumn.KIND] == NoticeKind.ENCODER_JUMPED)
    if not jumps.size:
        return frame
    place = int(jumps[0])
    tick = frame.events[place, EventColumn.TICK]
    scans = tuple(takewhile(lambda scan: scan.tick_100us < tick, frame.scans))
    return replace(frame, events=frame.events[:place], scans=scans)


def _count_until(posted: list[int], count: int) -> int:
    """Return how many of the first ones were posted by `count`."""
    return sum(1 for _ in takewhile(lambda at: at <= count, posted))
