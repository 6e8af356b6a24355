"""Turn the models of the YAML files into the index tables that core and kernels read.

Millimetres and milliseconds end here: what comes out is encoder counts, indices and bit masks.
Expects files that :mod:`sorter.config.check` has passed; raises :class:`ConfigError` for a name
that nothing defines, and gives tables without meaning for other defects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from sorter.config.models import (
    Chute,
    Limits,
    Line,
    LineFile,
    ReturnsPolicyFile,
    Rule,
    SortPlanFile,
)
from sorter.errors import ConfigError
from sorter.model.codes import EXCEPTION_CAUSES, NONE, Disposition, Grade, ReturnReason
from sorter.model.columns import (
    ChuteColumn,
    EyeColumn,
    LineField,
    RuleColumn,
    StationColumn,
    ZoneColumn,
)
from sorter.model.frames import Rows
from sorter.model.layout import LineLayout
from sorter.model.plan import ReturnsPolicy, SortPlan

LARGEST_COUNT: Final = 2**62
NO_UPPER_LIMIT: Final = np.iinfo(np.int64).max
"""Value of RuleColumn.VALUE_TO when the rule names none."""


def compile_line(
    line_file: LineFile, sort_plan_file: SortPlanFile, returns_policy_file: ReturnsPolicyFile
) -> tuple[LineLayout, SortPlan, ReturnsPolicy]:
    """Return layout, plan and policy with indices that fit each other."""
    layout = compile_layout(line_file.line, balance=sort_plan_file.choose == "balance")
    policy_streams = [rule.stream for rule in returns_policy_file.rules]
    plan = compile_plan(sort_plan_file, layout.chute_names, policy_streams)
    return layout, plan, compile_policy(returns_policy_file, plan.stream_names)


def counts(distance_mm: float, mm_per_count: float) -> int:
    """Return the nearest number of encoder counts."""
    number = distance_mm / mm_per_count
    if not number < LARGEST_COUNT:
        raise ConfigError(
            f"{distance_mm:g} mm at {mm_per_count:g} mm a count is too large for an encoder; "
            "correct encoder.mm_per_count"
        )
    return round(number)


def io_allowance_counts(line: Line) -> int:
    """Return the belt travel, in counts, during the I/O allowance; rounded up, to be safe."""
    travel_mm = line.tracking.io_allowance_ms / 1000 * line.belt_speed_mm_s
    whole = counts(travel_mm, line.encoder.mm_per_count)
    return whole + (whole * line.encoder.mm_per_count < travel_mm)


def effective_limits(chute: Chute, line: Line) -> Limits:
    """Return what the chute takes: its own limits where it states them, else the line's."""
    if "limits" not in chute.model_fields_set:
        return line.limits
    stated = {name: getattr(chute.limits, name) for name in chute.limits.model_fields_set}
    return line.limits.model_copy(update=stated)


def compile_layout(line: Line, *, balance: bool = True) -> LineLayout:
    """Return the geometry in counts; eyes ordered by position, the rest as configured.

    Parameters
    ----------
    line : Line
    balance : bool
        The sort plan's choice within a group: least filled first, else as listed.
    """
    scale = line.encoder.mm_per_count
    eyes = sorted(line.photo_eyes, key=lambda eye: eye.position_mm)
    eye_table = _table(len(EyeColumn), len(eyes))
    for index, eye in enumerate(eyes):
        eye_table[EyeColumn.POSITION, index] = counts(eye.position_mm, scale)
        eye_table[EyeColumn.INDUCTS, index] = eye.inducts
    zone_table = _table(len(ZoneColumn), len(line.zones))
    for index, zone in enumerate(line.zones):
        zone_table[ZoneColumn.START, index] = counts(zone.start_mm, scale)
        zone_table[ZoneColumn.END, index] = counts(zone.end_mm, scale)
    return LineLayout(
        name=line.name,
        mm_per_count=scale,
        belt_speed_mm_s=line.belt_speed_mm_s,
        belt_speed_tolerance=line.encoder.speed_tolerance_percent / 100,
        line=_line_fields(line, balance),
        eyes=eye_table,
        scanners=_stations([station.position_mm for station in line.scanners], scale),
        scales=_stations([station.position_mm for station in line.scales], scale),
        zones=zone_table,
        chutes=_chute_table(line),
        eye_names=tuple(eye.name for eye in eyes),
        scanner_names=tuple(station.name for station in line.scanners),
        scale_names=tuple(station.name for station in line.scales),
        zone_names=tuple(zone.name for zone in line.zones),
        chute_names=tuple(chute.name for chute in line.chutes),
    )


def _table(columns: int, rows: int) -> Rows:
    return np.zeros((columns, rows), np.int64)


def _line_fields(line: Line, balance: bool) -> Rows:
    scale = line.encoder.mm_per_count
    length = counts(line.length_mm, scale)
    fields = np.zeros(len(LineField), np.int64)
    fields[LineField.LOOP_COUNTS] = length if line.topology == "loop" else 0
    fields[LineField.LENGTH_COUNTS] = length
    fields[LineField.MAX_LAPS] = line.max_laps
    fields[LineField.WINDOW] = counts(line.tracking.window_mm, scale)
    fields[LineField.LENGTH_TOLERANCE] = counts(line.tracking.length_tolerance_mm, scale)
    fields[LineField.LOST_AFTER_MISSED_EYES] = line.tracking.lost_after_missed_eyes
    fields[LineField.IO_ALLOWANCE] = io_allowance_counts(line)
    fields[LineField.CHOOSE] = balance
    fields[LineField.STARVED_AFTER] = counts(line.tracking.starved_after_mm, scale)
    fields[LineField.MAX_LENGTH] = counts(line.limits.length_mm, scale)
    fields[LineField.MAX_WIDTH_MM] = int(line.limits.width_mm)
    fields[LineField.MAX_HEIGHT_MM] = int(line.limits.height_mm)
    fields[LineField.MAX_WEIGHT_G] = line.limits.weight_g
    return fields


def _stations(positions_mm: Sequence[float], scale: float) -> Rows:
    table = _table(len(StationColumn), len(positions_mm))
    for index, position_mm in enumerate(positions_mm):
        table[StationColumn.POSITION, index] = counts(position_mm, scale)
    return table


def _chute_table(line: Line) -> Rows:
    scale = line.encoder.mm_per_count
    table = _table(len(ChuteColumn), len(line.chutes))
    for index, chute in enumerate(line.chutes):
        limits = effective_limits(chute, line)
        ends = chute.side == "end"
        table[ChuteColumn.POSITION, index] = counts(chute.position_mm, scale)
        # A line's end has no diverter: nothing to actuate, nothing to hold.
        table[ChuteColumn.ACTUATION, index] = (
            0 if ends else counts(chute.actuation_distance_mm, scale)
        )
        table[ChuteColumn.HOLD, index] = 0 if ends else max(1, counts(chute.window_mm, scale))
        table[ChuteColumn.ENTRY_DELAY, index] = counts(chute.entry_distance_mm, scale)
        table[ChuteColumn.MAX_LENGTH, index] = counts(limits.length_mm, scale)
        table[ChuteColumn.MAX_WIDTH_MM, index] = int(limits.width_mm)
        table[ChuteColumn.MAX_HEIGHT_MM, index] = int(limits.height_mm)
        table[ChuteColumn.MAX_WEIGHT_G, index] = limits.weight_g
        table[ChuteColumn.CAPACITY, index] = chute.capacity.parcels
        table[ChuteColumn.CAPACITY_LENGTH, index] = counts(chute.capacity.length_mm, scale)
        table[ChuteColumn.LINE_END, index] = ends
    return table


def compile_plan(
    plan_file: SortPlanFile, chute_names: Sequence[str], more_streams: Iterable[str] = ()
) -> SortPlan:
    """Return the plan as index tables.

    Parameters
    ----------
    plan_file : SortPlanFile
    chute_names : sequence of str
        In the order of the layout.
    more_streams : iterable of str
        Streams that need an index without being routed, such as those of the returns policy.
    """
    chute_index = {name: index for index, name in enumerate(chute_names)}
    streams = _stream_names(plan_file, more_streams)
    stream_index = {name: index for index, name in enumerate(streams)}
    groups_of_cell: dict[int, list[tuple[str, ...]]] = {}
    for route in plan_file.routes:
        for grade in route.grades:
            cell = Grade[grade] * len(streams) + stream_index[route.stream]
            groups_of_cell.setdefault(cell, []).extend(route.groups)
    cell_groups, group_starts, group_chutes = [0], [0], list[int]()
    for cell in range(len(Grade) * len(streams)):
        for group in groups_of_cell.get(cell, ()):
            group_chutes.extend(_index(chute_index, name, "chute") for name in group)
            group_starts.append(len(group_chutes))
        cell_groups.append(len(group_starts) - 1)
    overflow = np.full(len(streams), NONE, np.int64)
    for source, target in plan_file.overflow.items():
        overflow[stream_index[source]] = stream_index[target]
    outlets = [
        _index(chute_index, getattr(plan_file.exceptions, cause.name.lower()), "chute")
        for cause in EXCEPTION_CAUSES
    ]
    return SortPlan(
        stream_names=streams,
        cell_groups=np.array(cell_groups, np.int64),
        group_starts=np.array(group_starts, np.int64),
        group_chutes=np.array(group_chutes, np.int64),
        overflow=overflow,
        exception_chutes=np.array(outlets, np.int64),
        fallback_chute=_index(chute_index, plan_file.exceptions.fallback, "chute"),
    )


def _stream_names(plan_file: SortPlanFile, more_streams: Iterable[str]) -> tuple[str, ...]:
    """Return every stream once, in order of first mention."""
    names = [route.stream for route in plan_file.routes]
    for source, target in plan_file.overflow.items():
        names += [source, target]
    return tuple(dict.fromkeys([*names, *more_streams]))


def _index(indices: dict[str, int], name: str, what: str) -> int:
    try:
        return indices[name]
    except KeyError:
        known = ", ".join(indices)
        raise ConfigError(f"unknown {what} {name!r}; known are: {known}") from None


def compile_policy(policy_file: ReturnsPolicyFile, stream_names: Sequence[str]) -> ReturnsPolicy:
    """Return the policy as index tables; `stream_names` are those of the compiled plan."""
    stream_index = {name: index for index, name in enumerate(stream_names)}
    category_index = {name: index for index, name in enumerate(policy_file.categories)}
    windows = [*policy_file.window_days.values(), policy_file.default_window_days]
    rules = _table(len(RuleColumn), len(policy_file.rules))
    for index, rule in enumerate(policy_file.rules):
        rules[:, index] = _rule_row(rule, category_index, stream_index)
    return ReturnsPolicy(
        category_names=tuple(policy_file.categories),
        country_names=tuple(policy_file.window_days),
        window_days=np.array([NONE if days is None else days for days in windows], np.int64),
        rules=rules,
    )


def _rule_row(
    rule: Rule, category_index: dict[str, int], stream_index: dict[str, int]
) -> list[int]:
    categories = [_index(category_index, name, "category") for name in rule.categories]
    reasons = [ReturnReason[name.upper()] for name in rule.reasons]
    row = [0] * len(RuleColumn)
    row[RuleColumn.GRADES] = _bits(Grade[letter] for letter in rule.grades)
    row[RuleColumn.CATEGORIES] = _bits(categories) if categories else NONE
    row[RuleColumn.REASONS] = _bits(reasons) if reasons else NONE
    row[RuleColumn.VALUE_FROM] = rule.value_from_cents
    row[RuleColumn.VALUE_TO] = (
        NO_UPPER_LIMIT if rule.value_to_cents is None else rule.value_to_cents
    )
    row[RuleColumn.HAZMAT] = int(rule.hazmat)
    row[RuleColumn.DISPOSITION] = Disposition[rule.disposition]
    row[RuleColumn.STREAM] = _index(stream_index, rule.stream, "stream")
    return row


def _bits(codes: Iterable[int]) -> int:
    mask = 0
    for code in codes:
        mask |= 1 << code
    return mask
