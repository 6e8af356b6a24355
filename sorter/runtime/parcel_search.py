"""Finding parcels in a journal by what a person knows of them: a number, or the code."""

from __future__ import annotations

import re
import sys
from typing import Final

from sorter.errors import JournalError
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.journal_store import JournalReader

_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[nrt\\])")
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


class UnknownParcel(JournalError):
    """The journal has no such parcel; for a number, the message names the nearest ones."""


def find_parcels(reader: JournalReader, wanted: str) -> list[ParcelRow]:
    r"""Return the rows of a parcel, or of all that carried a code, those on the line included.

    Parameters
    ----------
    reader : JournalReader
    wanted : str
        Parcel number, or a code as scanned; control characters may be given as ``\x1d``.

    Raises
    ------
    UnknownParcel
        Nothing in the journal fits.
    """
    on_line = _still_on_line(reader)
    rows = _find(reader, on_line, wanted)
    if not rows:
        raise UnknownParcel(_nothing_found(reader, on_line, wanted))
    return rows


def _still_on_line(reader: JournalReader) -> dict[int, ParcelRow]:
    """Return the parcels that the last run was sorting when it ended without saying so."""
    latest = max(reader.runs(), key=lambda run: run.run, default=None)
    if latest is None or latest.ended_cleanly:
        return {}
    return reader.open_parcels(latest)


def _find(reader: JournalReader, on_line: dict[int, ParcelRow], wanted: str) -> list[ParcelRow]:
    numbers: list[int] = []
    for text in {wanted: None, unescaped(wanted): None}:
        if any("\ud800" <= char <= "\udfff" for char in text):
            continue  # half a character: SQLite cannot hold it, so no parcel carries it
        numbers += reader.parcels_with_code(text)
        numbers += [row.parcel for row in on_line.values() if row.code == text]
    if not numbers and _is_number(wanted):
        numbers = [int(wanted)]
    found = (on_line.get(number) or reader.parcel(number) for number in sorted(set(numbers)))
    return [row for row in found if row is not None]


def _is_number(wanted: str) -> bool:
    """Return whether this could be a parcel number: digits that SQLite's integers hold."""
    return wanted.isascii() and wanted.isdigit() and len(wanted) < 19


def unescaped(text: str) -> str:
    r"""Return a code with ``\x1d`` and its like turned into the characters they stand for."""
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    body = found.group(1)
    if body in _SHORT:
        return _SHORT[body]
    code = int(body[1:], 16)
    return chr(code) if code <= sys.maxunicode else found.group(0)


def _nothing_found(reader: JournalReader, on_line: dict[int, ParcelRow], wanted: str) -> str:
    number = int(wanted) if _is_number(wanted) else 0
    what = "has the number or carried the code" if _is_number(wanted) else "carried the code"
    message = f"{reader.path}: no parcel {what} {wanted!r}"
    nearest = sorted(set(reader.nearest_parcels(number)) | set(on_line))
    nearest = sorted(sorted(nearest, key=lambda there: abs(there - number))[:5])
    if not nearest:
        return f"{message}; the journal holds no parcels"
    if not _is_number(wanted):
        return f"{message}; give it as scanned, or the number of the parcel"
    if len(nearest) == 1:
        return f"{message}; the nearest number is {nearest[0]}"
    return f"{message}; the nearest numbers are {', '.join(map(str, nearest))}"
