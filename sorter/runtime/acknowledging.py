"""How far the PLC may forget: what a group of steps acknowledges once it is on the disk."""

from __future__ import annotations

from typing import Final

import numpy as np

from sorter.model.columns import EventColumn, ScanColumn
from sorter.ports import Acknowledged
from sorter.runtime.journal_group import Group

NOTHING: Final = Acknowledged(0, 0, 0)


def advanced(acknowledged: Acknowledged, group: Group) -> Acknowledged:
    """Return what is acknowledged once a group is on disk; sequences restart with the PLC."""
    boot_ids = group.looks[:, 0]
    boot_id = int(boot_ids[-1])
    events, scans = group.events, group.scans
    others = np.flatnonzero(boot_ids != boot_id)
    if others.size:
        before = group.counts[: others[-1] + 1].sum(axis=0).tolist()
        events, scans = events[before[0] :], scans[before[1] :]
        acknowledged = NOTHING
    same_boot = acknowledged.boot_id == boot_id
    event_seq = acknowledged.event_seq if same_boot else 0
    scan_seq = acknowledged.scan_seq if same_boot else 0
    if len(events):
        # Not simply the last one: what the controller itself noticed has no number.
        event_seq = max(event_seq, int(events[:, EventColumn.SEQ].max()))
    if len(scans):
        # Not simply the last one: a late answer of the host comes under the number of its scan.
        scan_seq = max(scan_seq, int(scans[:, ScanColumn.SEQ].max()))
    return Acknowledged(boot_id, event_seq, scan_seq)
