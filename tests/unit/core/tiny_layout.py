"""A small hand-made line, its sort plan and its returns policy. One count is one millimetre.

::

    0      500    1500  3000 4500  6000  8000 ... 12000  13000  14000 ... 22000  24000  27000
    |------induct-scale-top--side--gate--shelf_a..outlet-middle-no_read..tracking-far----last_resort
"""

from __future__ import annotations

import numpy as np
from lines import ANY_GRADE, chute_record, table

from sorter.model.codes import EXCEPTION_CAUSES, Disposition, Grade
from sorter.model.columns import ChuteColumn, EyeColumn, LineField, RuleColumn
from sorter.model.layout import LineLayout
from sorter.model.plan import ReturnsPolicy, SortPlan

LOOP = 30_000
EYES = {"induct": 500, "gate": 6_000, "middle": 13_000, "far": 24_000}
SCANNERS = {"top": 3_000, "side": 4_500}
SCALES = {"scale": 1_500}
ZONES = {"front": (0, 10_000), "back": (10_000, LOOP)}
PLANNED = {"shelf_a": 8_000, "shelf_b": 9_000, "shelf_c": 10_000, "bench": 11_000, "outlet": 12_000}
OUTLETS = {
    cause.name.lower(): 14_000 + 1_000 * index for index, cause in enumerate(EXCEPTION_CAUSES)
}
CHUTES = {**PLANNED, **OUTLETS, "last_resort": 27_000}
PLACES = {**EYES, **SCANNERS, **SCALES, **CHUTES}

ACTUATION = 150
HOLD = 160
ENTRY_DELAY = 400
WINDOW = 90
IO_ALLOWANCE = 150
FIRING_DISTANCE = ACTUATION + HOLD // 2
COMMIT_DISTANCE = FIRING_DISTANCE + IO_ALLOWANCE
MAX_LENGTH = 600
MAX_WEIGHT_G = 20_000

STREAMS = ("restock", "repair", "outlet")
GROUPS = {
    "restock": [["shelf_a", "shelf_b"], ["shelf_c"]],
    "repair": [["bench"]],
    "outlet": [["outlet"]],
}
CATEGORIES = ("fashion", "electronics", "furniture")
"""Fashion is restocked, electronics repaired; there is no rule for furniture or for hazmat."""


def make_layout(
    loop: bool, capacity: dict[str, int], capacity_length: dict[str, int], lost_after: int
) -> LineLayout:
    line = [0] * len(LineField)
    line[LineField.LOOP_COUNTS] = LOOP if loop else 0
    line[LineField.LENGTH_COUNTS] = LOOP
    line[LineField.MAX_LAPS] = 2
    line[LineField.WINDOW] = WINDOW
    line[LineField.LENGTH_TOLERANCE] = 60
    line[LineField.LOST_AFTER_MISSED_EYES] = lost_after
    line[LineField.IO_ALLOWANCE] = IO_ALLOWANCE
    line[LineField.MAX_LENGTH] = MAX_LENGTH
    line[LineField.MAX_WIDTH_MM] = 450
    line[LineField.MAX_HEIGHT_MM] = 400
    line[LineField.MAX_WEIGHT_G] = MAX_WEIGHT_G
    chutes = []
    for name, position in CHUTES.items():
        at_end = name == "last_resort" and not loop
        record = chute_record(position, capacity.get(name, 0), line_end=at_end)
        record[ChuteColumn.CAPACITY_LENGTH] = capacity_length.get(name, 0)
        if name not in PLANNED:  # an outlet takes what is too big for the others
            record[ChuteColumn.MAX_LENGTH] = 5_000
            record[ChuteColumn.MAX_WEIGHT_G] = 100_000
        chutes.append(record)
    eyes = [(position, int(name == "induct")) for name, position in EYES.items()]
    return LineLayout(
        name="tiny",
        mm_per_count=1.0,
        belt_speed_mm_s=2500.0,
        line=np.array(line, np.int64),
        eyes=table(eyes, len(EyeColumn)),
        scanners=table([[position] for position in SCANNERS.values()], 1),
        scales=table([[position] for position in SCALES.values()], 1),
        zones=table(list(ZONES.values()), 2),
        chutes=table(chutes, len(ChuteColumn)),
        eye_names=tuple(EYES),
        scanner_names=tuple(SCANNERS),
        scale_names=tuple(SCALES),
        zone_names=tuple(ZONES),
        chute_names=tuple(CHUTES),
    )


def make_plan(restock: list[list[str]]) -> SortPlan:
    """The same groups for every grade; restock overflows to the outlet stream."""
    groups = {**GROUPS, "restock": restock}
    cell_groups, group_starts, group_chutes = [0], [0], []
    for _ in Grade:
        for stream in STREAMS:
            for group in groups[stream]:
                group_chutes.extend(chute_index(name) for name in group)
                group_starts.append(len(group_chutes))
            cell_groups.append(len(group_starts) - 1)
    return SortPlan(
        stream_names=STREAMS,
        cell_groups=np.array(cell_groups, np.int64),
        group_starts=np.array(group_starts, np.int64),
        group_chutes=np.array(group_chutes, np.int64),
        overflow=np.array([STREAMS.index("outlet"), -1, -1], np.int64),
        exception_chutes=np.array([chute_index(name) for name in OUTLETS], np.int64),
        fallback_chute=chute_index("last_resort"),
    )


def make_policy() -> ReturnsPolicy:
    rules = []
    for category, disposition, stream in (
        ("fashion", Disposition.RESTOCK, "restock"),
        ("electronics", Disposition.REPAIR, "repair"),
    ):
        record = [0] * len(RuleColumn)
        record[RuleColumn.GRADES] = ANY_GRADE
        record[RuleColumn.CATEGORIES] = 1 << CATEGORIES.index(category)
        record[RuleColumn.REASONS] = -1
        record[RuleColumn.VALUE_TO] = 1 << 40
        record[RuleColumn.DISPOSITION] = disposition
        record[RuleColumn.STREAM] = STREAMS.index(stream)
        rules.append(record)
    return ReturnsPolicy(
        CATEGORIES, ("PL",), np.array([14, 30], np.int64), table(rules, len(RuleColumn))
    )


def chute_index(name: str) -> int:
    return list(CHUTES).index(name)
