"""What a parcel is: exception cause, or disposition and destination stream."""

from __future__ import annotations

from sorter.kernels.jit import kernel
from sorter.model.codes import NONE, Cause, Grade, ScanVerdict
from sorter.model.columns import LineField, RuleColumn
from sorter.model.frames import Rows
from sorter.model.tracking import ParcelColumn


@kernel("int64(int64, int64)")
def in_mask(mask: int, code: int) -> int:
    """Return 1 when a mask of -1 (anything goes) or one with bit `code` set."""
    if mask == NONE:
        return 1
    return 0 if code < 0 or code > 62 else (mask >> code) & 1


@kernel("int64(int64[:, ::1], int64, int64[:, ::1])")
def matching_rule(parcels: Rows, row: int, rules: Rows) -> int:
    """Return the first rule that matches the facts of a parcel, or -1."""
    grade = parcels[ParcelColumn.GRADE, row]
    value = max(parcels[ParcelColumn.VALUE_CENTS, row], 0)
    hazmat = 1 if parcels[ParcelColumn.HAZMAT, row] > 0 else 0
    for rule in range(rules.shape[1]):
        value_to = rules[RuleColumn.VALUE_TO, rule]
        if (
            rules[RuleColumn.HAZMAT, rule] == hazmat
            and in_mask(rules[RuleColumn.GRADES, rule], grade)
            and in_mask(rules[RuleColumn.CATEGORIES, rule], parcels[ParcelColumn.CATEGORY, row])
            and in_mask(rules[RuleColumn.REASONS, rule], parcels[ParcelColumn.REASON, row])
            and value >= rules[RuleColumn.VALUE_FROM, rule]
            and (value_to < 0 or value < value_to)
        ):
            return rule
    return NONE


@kernel("int64(int64[:, ::1], int64, int64[::1])")
def window_expired(parcels: Rows, row: int, window_days: Rows) -> int:
    """Return 1 when the article came back after the return window of its country."""
    country = parcels[ParcelColumn.COUNTRY, row]
    if country < 0 or country >= window_days.shape[0] - 1:
        country = window_days.shape[0] - 1
    window = window_days[country]
    return 1 if 0 <= window < parcels[ParcelColumn.DAYS_HELD, row] else 0


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[::1], int64)")
def exception_cause(parcels: Rows, row: int, line: Rows, window_days: Rows, rule: int) -> int:
    """Return the first exception cause that holds, in the order of precedence, or -1."""
    if parcels[ParcelColumn.UNEXPECTED, row] == 1:
        return Cause.TRACKING_LOST
    verdict = parcels[ParcelColumn.VERDICT, row]
    if verdict == NONE or verdict == ScanVerdict.NO_READ:  # noqa: PLR1714
        return Cause.NO_READ
    if verdict == ScanVerdict.CONFLICT:
        return Cause.MULTI_READ_CONFLICT
    if parcels[ParcelColumn.KNOWN, row] != 1:
        return Cause.NO_DATA
    if parcels[ParcelColumn.HAZMAT, row] > 0 and rule == NONE:
        return Cause.HAZMAT
    if (
        parcels[ParcelColumn.LENGTH, row] > line[LineField.MAX_LENGTH]
        or parcels[ParcelColumn.WIDTH_MM, row] > line[LineField.MAX_WIDTH_MM]
        or parcels[ParcelColumn.HEIGHT_MM, row] > line[LineField.MAX_HEIGHT_MM]
    ):
        return Cause.OVER_SIZE
    if parcels[ParcelColumn.WEIGHT_G, row] > line[LineField.MAX_WEIGHT_G]:
        return Cause.OVER_WEIGHT
    if window_expired(parcels, row, window_days):
        return Cause.WINDOW_EXPIRED
    grade = parcels[ParcelColumn.GRADE, row]
    if grade < 0 or grade >= Grade.U:
        return Cause.UNGRADED
    return NONE if rule != NONE else Cause.NO_RULE


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1])")
def classify(parcels: Rows, row: int, line: Rows, window_days: Rows, rules: Rows) -> int:
    """Write disposition, stream and cause of the parcel in `row`; return 1 when they changed.

    Parameters
    ----------
    parcels : int64[len(ParcelColumn), capacity]
    row : int
    line : int64[len(LineField)]
    window_days, rules
        As in :class:`~sorter.model.plan.ReturnsPolicy`.
    """
    rule = matching_rule(parcels, row, rules)
    cause = exception_cause(parcels, row, line, window_days, rule)
    disposition = NONE
    stream = NONE
    if cause == NONE:
        disposition = rules[RuleColumn.DISPOSITION, rule]
        stream = rules[RuleColumn.STREAM, rule]
        loop = line[LineField.LOOP_COUNTS]
        if loop > 0 and parcels[ParcelColumn.LAP, row] >= line[LineField.MAX_LAPS]:
            cause = Cause.NO_CHUTE
    changed = (
        parcels[ParcelColumn.DISPOSITION, row] != disposition
        or parcels[ParcelColumn.STREAM, row] != stream
        or parcels[ParcelColumn.CAUSE, row] != cause
    )
    parcels[ParcelColumn.DISPOSITION, row] = disposition
    parcels[ParcelColumn.STREAM, row] = stream
    parcels[ParcelColumn.CAUSE, row] = cause
    return 1 if changed else 0
