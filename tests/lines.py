"""Small lines, plans and policies made by hand, and rows to feed them with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sorter.core.state import State
from sorter.model.codes import EXCEPTION_CAUSES, ChuteBit, Disposition, EventKind, ScanVerdict
from sorter.model.columns import (
    EVENT_WIDTH,
    SCAN_WIDTH,
    ChuteColumn,
    EyeColumn,
    LineField,
    RuleColumn,
)
from sorter.model.frames import Rows
from sorter.model.layout import LineLayout
from sorter.model.plan import ReturnsPolicy, SortPlan

LOOP = 20_000
ANY_GRADE = 0b01111


def table(rows: Sequence[Sequence[int]], columns: int) -> Rows:
    """Turn a list of records into a structure of arrays."""
    array = np.array(rows, np.int64).reshape(len(rows), columns)
    return np.ascontiguousarray(array.T)


def chute_record(position: int, capacity: int = 0, *, line_end: bool = False) -> list[int]:
    record = [0] * len(ChuteColumn)
    record[ChuteColumn.POSITION] = position
    record[ChuteColumn.ACTUATION] = 0 if line_end else 150
    record[ChuteColumn.HOLD] = 160
    record[ChuteColumn.ENTRY_DELAY] = 400
    record[ChuteColumn.MAX_LENGTH] = 600
    record[ChuteColumn.MAX_WIDTH_MM] = 450
    record[ChuteColumn.MAX_HEIGHT_MM] = 400
    record[ChuteColumn.MAX_WEIGHT_G] = 20_000
    record[ChuteColumn.CAPACITY] = capacity
    record[ChuteColumn.LINE_END] = int(line_end)
    return record


def make_layout(
    *, loop: bool = True, capacity: int = 3, balance: bool = False, scale: bool = True
) -> LineLayout:
    """One induction, a scale, a scanner, four eyes; four planned chutes and three outlets.

    Chutes 0 to 3 are planned, 4 takes no-reads and other exceptions, 5 tracking-lost parcels, 6 is
    the fallback (the line's end when it is not a loop).
    """
    line = [0] * len(LineField)
    line[LineField.LOOP_COUNTS] = LOOP if loop else 0
    line[LineField.LENGTH_COUNTS] = LOOP
    line[LineField.MAX_LAPS] = 2
    line[LineField.WINDOW] = 90
    line[LineField.LENGTH_TOLERANCE] = 60
    line[LineField.LOST_AFTER_MISSED_EYES] = 2
    line[LineField.IO_ALLOWANCE] = 150
    line[LineField.CHOOSE] = int(balance)
    line[LineField.MAX_LENGTH] = 600
    line[LineField.MAX_WIDTH_MM] = 450
    line[LineField.MAX_HEIGHT_MM] = 400
    line[LineField.MAX_WEIGHT_G] = 20_000
    positions = (6_000, 8_000, 10_000, 12_000, 14_000, 16_000)
    chutes = [chute_record(p, capacity if index < 4 else 0) for index, p in enumerate(positions)]
    chutes.append(chute_record(18_000 if loop else LOOP, line_end=not loop))
    eyes = ((500, 1), (4_000, 0), (9_000, 0), (13_000, 0))
    return LineLayout(
        name="tiny",
        mm_per_count=1.0,
        belt_speed_mm_s=2500.0,
        line=np.array(line, np.int64),
        eyes=table(eyes, len(EyeColumn)),
        scanners=table([[3_000]], 1),
        scales=table([[1_500]] if scale else [], 1),
        zones=table([[0, 10_000], [10_000, LOOP]], 2),
        chutes=table(chutes, len(ChuteColumn)),
        eye_names=("induct", "verify", "middle", "last"),
        scanner_names=("scanner",),
        scale_names=("scale",) if scale else (),
        zone_names=("front", "back"),
        chute_names=tuple(f"c{index}" for index in range(7)),
    )


def make_plan() -> SortPlan:
    """Two streams, five grades: stream 0 has chutes 0, 1, then 2; stream 1 has 3; 0 overflows to 1.

    Grade D has no chutes in stream 0, so only the overflow takes it.
    """
    groups = {0: [[0, 1], [2]], 1: [[3]]}
    cell_groups = [0]
    group_starts = [0]
    group_chutes: list[int] = []
    for grade in range(5):
        for stream in range(2):
            for group in groups[stream] if (grade, stream) != (3, 0) else []:
                group_chutes.extend(group)
                group_starts.append(len(group_chutes))
            cell_groups.append(len(group_starts) - 1)
    exceptions = [4] * len(EXCEPTION_CAUSES)
    exceptions[-1] = 5
    return SortPlan(
        stream_names=("restock", "repair"),
        cell_groups=np.array(cell_groups, np.int64),
        group_starts=np.array(group_starts, np.int64),
        group_chutes=np.array(group_chutes, np.int64),
        overflow=np.array([1, -1], np.int64),
        exception_chutes=np.array(exceptions, np.int64),
        fallback_chute=6,
    )


def make_policy() -> ReturnsPolicy:
    """Category 0 is restocked, category 1 repaired, dangerous goods of category 1 too."""

    def rule(category: int, hazmat: int, disposition: Disposition, stream: int) -> list[int]:
        record = [0] * len(RuleColumn)
        record[RuleColumn.GRADES] = ANY_GRADE
        record[RuleColumn.CATEGORIES] = 1 << category
        record[RuleColumn.REASONS] = -1
        record[RuleColumn.VALUE_TO] = 1 << 40
        record[RuleColumn.HAZMAT] = hazmat
        record[RuleColumn.DISPOSITION] = disposition
        record[RuleColumn.STREAM] = stream
        return record

    rules = [
        rule(0, 0, Disposition.RESTOCK, 0),
        rule(1, 0, Disposition.REPAIR, 1),
        rule(1, 1, Disposition.REPAIR, 1),
    ]
    return ReturnsPolicy(
        category_names=("fashion", "electronics", "other"),
        country_names=("PL", "DE"),
        window_days=np.array([14, 14, 30], np.int64),
        rules=table(rules, len(RuleColumn)),
    )


def make_state(*, rows: int = 64, **layout: bool | int) -> State:
    return State.create(make_layout(**layout), make_plan(), make_policy(), rows)


def event(
    kind: EventKind, source: int, encoder: int, a: int = 0, b: int = 0, seq: int = 0
) -> list[int]:
    return [seq, int(kind), source, encoder, 0, a, int(b)]


def events(*records: list[int]) -> Rows:
    return np.array(records, np.int64).reshape(len(records), EVENT_WIDTH)


def scan(
    encoder: int,
    verdict: ScanVerdict = ScanVerdict.READ,
    *,
    identity: int = 7,
    known: int = 1,
    grade: int = 0,
    category: int = 0,
    hazmat: int = 0,
    days_held: int = 3,
) -> list[int]:
    facts = [known, grade, category, 0, hazmat, 1000, 0, days_held]
    if verdict != ScanVerdict.READ:
        identity, facts = 0, [-1] * 8
    return [0, 0, encoder, 0, int(verdict), identity, *facts]


def scans(*records: list[int]) -> Rows:
    return np.array(records, np.int64).reshape(len(records), SCAN_WIDTH)


OPEN = int(ChuteBit.OPEN)
