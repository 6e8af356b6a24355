"""Rows of the journal in words: names instead of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

from sorter.model.codes import (
    NONE,
    Cause,
    ChuteVerdict,
    CommandKind,
    DecisionKind,
    DecisionReason,
    Disposition,
    FinalDisposition,
    Grade,
    LineState,
    MissCause,
    ModeReason,
    OutcomeKind,
    PassResult,
    RefusalCause,
    ScanVerdict,
)
from sorter.model.columns import (
    CandidateColumn,
    CommandColumn,
    DecisionColumn,
    OutcomeColumn,
)
from sorter.runtime.journal_info import LineNames

UNKNOWN: Final = "unknown"


def word(codes: type[IntEnum], value: int) -> str:
    """Return the name of a code in lower case, or the number when it has none."""
    if value == NONE:
        return "none"
    try:
        return codes(value).name.lower()
    except ValueError:
        return f"code {value}"


def name_of(names: Sequence[str], index: int) -> str:
    """Return the name of a thing of the line, or its number when it has none."""
    if index == NONE:
        return "none"
    return names[index] if 0 <= index < len(names) else f"number {index}"


def grade_word(value: int) -> str:
    """Return a grade as its letter."""
    return word(Grade, value).upper() if value != NONE else "none"


def command_words(row: Sequence[int], names: LineNames) -> dict[str, Any]:
    """Return a command as names and values."""
    return {
        "kind": word(CommandKind, row[CommandColumn.KIND]),
        "seq": row[CommandColumn.SEQ],
        "chute": name_of(names.chutes, row[CommandColumn.CHUTE]),
        "parcel": row[CommandColumn.PARCEL],
        "fire": row[CommandColumn.FIRE],
        "expiry": row[CommandColumn.EXPIRY],
        "hold": row[CommandColumn.HOLD],
    }


def decision_words(row: Sequence[int], names: LineNames) -> dict[str, Any]:
    """Return a decision as names and values."""
    return {
        "parcel": row[DecisionColumn.PARCEL],
        "kind": word(DecisionKind, row[DecisionColumn.KIND]),
        "reason": word(DecisionReason, row[DecisionColumn.REASON]),
        "grade": grade_word(row[DecisionColumn.GRADE]),
        "stream": name_of(names.streams, row[DecisionColumn.STREAM]),
        "served_stream": name_of(names.streams, row[DecisionColumn.SERVED_STREAM]),
        "disposition": word(Disposition, row[DecisionColumn.DISPOSITION]),
        "cause": word(Cause, row[DecisionColumn.CAUSE]),
        "chute": name_of(names.chutes, row[DecisionColumn.CHUTE]),
        "encoder": row[DecisionColumn.ENCODER],
        "commit": row[DecisionColumn.COMMIT],
        "lap": row[DecisionColumn.LAP],
    }


def candidate_words(row: Sequence[int], names: LineNames) -> dict[str, Any]:
    """Return a candidate chute and what was found about it."""
    return {
        "chute": name_of(names.chutes, row[CandidateColumn.CHUTE]),
        "verdict": word(ChuteVerdict, row[CandidateColumn.VERDICT]),
    }


_VALUE_CODES: Final[dict[int, type[IntEnum]]] = {
    OutcomeKind.SCANNED: ScanVerdict,
    OutcomeKind.CLASSIFIED: Disposition,
    OutcomeKind.PASSED: PassResult,
    OutcomeKind.CLOSED: FinalDisposition,
    OutcomeKind.ANSWERED: Grade,
    OutcomeKind.MODE_CHANGED: LineState,
}
_CAUSE_CODES: Final[dict[int, type[IntEnum]]] = {
    OutcomeKind.PASSED: RefusalCause,
    OutcomeKind.DEADLINE_MISSED: MissCause,
    OutcomeKind.MODE_CHANGED: ModeReason,
}
_EYE_KINDS: Final = (OutcomeKind.OPENED, OutcomeKind.SEEN, OutcomeKind.EYE_MISSED)


def outcome_words(row: Sequence[int], names: LineNames) -> dict[str, Any]:
    """Return an outcome as names and values."""
    kind = row[OutcomeColumn.KIND]
    value: int | str = row[OutcomeColumn.VALUE]
    if kind in _EYE_KINDS:
        value = name_of(names.eyes, row[OutcomeColumn.VALUE])
    elif kind in _VALUE_CODES:
        value = word(_VALUE_CODES[kind], row[OutcomeColumn.VALUE])
    where, known = "chute", names.chutes
    if kind == OutcomeKind.SCANNED:
        where, known = "scanner", names.scanners
    elif kind == OutcomeKind.MEASURED:
        where, known = "scale", names.scales
    return {
        "parcel": row[OutcomeColumn.PARCEL],
        "kind": word(OutcomeKind, kind),
        "value": value,
        where: name_of(known, row[OutcomeColumn.CHUTE]),
        "cause": word(_CAUSE_CODES.get(kind, Cause), row[OutcomeColumn.CAUSE]),
        "encoder": row[OutcomeColumn.ENCODER],
    }


def in_one_line(words: dict[str, Any]) -> str:
    """Return words as ``key value, key value``, leaving out what is not set."""
    return ", ".join(f"{key} {value}" for key, value in words.items() if value != "none")
