"""Cuts a CSV file into records, none of which can take the others with it.

A record is a line, or several when a quoted field goes over the line end. What a CSV writer wrote
is never cut inside a quoted field, however long it is, so that nothing in a field can pass for a
record of its own. A quotation mark that nobody closes is not such a field: it spoils its own line,
and the next line is the next record. Never more than one record's limit is held in memory, and a
line is read twice at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO, Final

MAX_RECORD_BYTES: Final = 16_384
"""Longer ones are no records of ours; also the piece in which a file is read."""

_QUOTE: Final = b'"'
_QUOTE_CODE: Final = 0x22
_LINE_END_CODES: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it stands in the file.

    Attributes
    ----------
    line : int
        Number of its first line.
    line_count : int
        How many lines it goes over.
    content : bytes
        Of a record that is too long, the beginning.
    problem : str
        Why it cannot be used; empty: its fields can be looked at.
    """

    line: int
    line_count: int
    content: bytes
    problem: str = ""


class _At(Enum):
    """Where in a record a piece of it ended."""

    FIELD_START = auto()
    PLAIN = auto()
    QUOTED = auto()
    QUOTE_IN_QUOTED = auto()
    """The field is over, or the next character is the second of two: a quotation mark meant."""
    BROKEN = auto()
    """Text follows a closing quotation mark: no CSV."""


def read_records(file: BinaryIO, delimiter: str, first_line: int) -> Iterator[RawRecord]:
    """Yield the records from where a file stands to its end.

    Parameters
    ----------
    file : BinaryIO
        A regular file: one that can go back.
    delimiter : str
        One ASCII character.
    first_line : int
        Number of the line at which the file stands.
    """
    code = ord(delimiter)
    line = first_line
    while piece := file.readline(MAX_RECORD_BYTES):
        if piece.endswith(b"\n") and _QUOTE not in piece and len(piece) < MAX_RECORD_BYTES:
            record = RawRecord(line, 1, piece)
        else:
            record = _read_on(file, piece, code, line)
        yield record
        line += record.line_count


def _read_on(file: BinaryIO, piece: bytes, delimiter: int, line: int) -> RawRecord:
    """Return the record that begins with `piece`; the file then stands behind it."""
    first, at = piece, _after(piece, _At.FIELD_START, delimiter)
    content, size, line_count = piece, len(piece), 1
    behind_first_line: int | None = None
    while True:
        if piece.endswith(b"\n"):
            if behind_first_line is None:
                behind_first_line = file.tell()
            if at is not _At.QUOTED:
                break
        elif at is _At.BROKEN and behind_first_line is not None:
            break
        line_ended = piece.endswith(b"\n")
        piece = file.readline(MAX_RECORD_BYTES)
        if not piece:
            break
        line_count += line_ended
        at = _after(piece, at, delimiter)
        size += len(piece)
        if size < MAX_RECORD_BYTES:
            content += piece
    if at is _At.QUOTED or (at is _At.BROKEN and line_count > 1):
        if line_count > 1 and behind_first_line is not None:
            file.seek(behind_first_line)
        return RawRecord(line, 1, first, "not CSV: a quotation mark is opened and never closed")
    problem = f"longer than {MAX_RECORD_BYTES:,} bytes" if size >= MAX_RECORD_BYTES else ""
    return RawRecord(line, line_count, content, problem)


def _after(piece: bytes, at: _At, delimiter: int) -> _At:
    """Return where a record is after a further piece of it, a line or a part of one."""
    position, end = 0, len(piece)
    while position < end and at is not _At.BROKEN:
        if at is _At.QUOTED:
            position = piece.find(_QUOTE_CODE, position) + 1
            if not position:
                break
            at = _At.QUOTE_IN_QUOTED
            continue
        code = piece[position]
        if code == delimiter:
            at = _At.FIELD_START
        elif at is _At.QUOTE_IN_QUOTED:
            if code == _QUOTE_CODE:
                at = _At.QUOTED
            elif piece[position:].strip(_LINE_END_CODES):
                at = _At.BROKEN
            else:
                at = _At.FIELD_START
                break
        elif at is _At.FIELD_START and code == _QUOTE_CODE:
            at = _At.QUOTED
        else:
            position = piece.find(delimiter, position)
            at = _At.PLAIN if position < 0 else _At.FIELD_START
            if position < 0:
                break
        position += 1
    return at
