"""Reads return files record by record, so that every line is accounted for.

A quoted field may go over the line end, and the record with it; a stray quotation mark spoils its
own line, never the rest of the file, see :mod:`~sorter.host.csv_records`. Nothing in a file's
content raises; only a file that cannot be read at all does.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from sorter.errors import ReturnsFileError
from sorter.files import open_regular
from sorter.host.barcode import read_payload
from sorter.host.csv_records import RawRecord, read_records
from sorter.host.customers import MAX_REFERENCE_CHARACTERS, CustomerHash
from sorter.words import counted

MAX_LABEL_BYTES: Final = 227
"""What one scan result of the wire contract holds."""
MAX_VALUE_CENTS: Final = 10**12
_UNSENT: Final = re.compile("[\\x00-\\x1c\\x1e\\x1f]")
"""Control characters but the separator of GS1 fields."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

NEEDED_COLUMNS: Final = {
    "csv": (
        "label",
        "grade",
        "category",
        "reason",
        "hazmat",
        "value_cents",
        "country",
        "days_held",
    ),
    "online-retail": (
        "InvoiceNo",
        "StockCode",
        "Description",
        "Quantity",
        "InvoiceDate",
        "UnitPrice",
        "Country",
    ),
}
"""Columns that the header of each format must have."""

Progress = Callable[[int, int], None]
"""Called now and then with bytes read and bytes in all."""


class LineRejected(ValueError):
    """One line cannot be used; the message is the cause."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One rejected record: the number of its first line, and why."""

    line: int
    cause: str


@dataclass(slots=True)
class ImportReport:
    """What became of every line of a return file.

    ``lines == accepted + len(rejected) + blank + continued`` always holds; the header is not
    counted. Accepted and rejected are records, by their first lines; further lines of a record
    are continued ones.
    """

    file: str
    format: str
    lines: int = 0
    accepted: int = 0
    inserted: int = 0
    updated: int = 0
    blank: int = 0
    continued: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Further counts, by name."""

    def notes(self) -> list[str]:
        """Return what was assumed, capped or drawn, in words for people."""
        return list(self.remarks)

    def causes(self) -> dict[str, int]:
        """Return how many lines were rejected for each cause, quoted content left out."""
        causes = Counter(
            re.sub(r"'[^']*'|\"[^\"]*\"|[0-9]+", "...", one.cause) for one in self.rejected
        )
        return dict(causes.most_common())


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One record: the number of its first line (the header is line 1) and its fields by column."""

    number: int
    fields: dict[str, str]


def no_progress(_done_bytes: int, _total_bytes: int) -> None:
    """Show nothing."""


class ReturnLines:
    """Records of a CSV file with a header; bad ones go into the report.

    UTF-8 with or without byte order mark; comma or semicolon, whichever the header uses.

    Parameters
    ----------
    path : Path
    report : ImportReport
        Its format says which columns the header must have; order and case do not matter, others
        are ignored.
    progress : Progress
    """

    def __init__(self, path: Path, report: ImportReport, progress: Progress) -> None:
        self._path = path
        self._needed = NEEDED_COLUMNS[report.format]
        self._report = report
        self._progress = progress
        self._latest = RawRecord(0, 0, b"")

    def __iter__(self) -> Iterator[SourceLine]:
        try:
            with open_regular(self._path) as file:
                total_bytes = os.fstat(file.fileno()).st_size
                columns, delimiter, first_line = self._header(file)
                for number, record in enumerate(read_records(file, delimiter, first_line)):
                    if number % 256 == 0:
                        self._progress(file.tell(), total_bytes)
                    line = self._line(record, columns, delimiter)
                    if line is not None:
                        yield line
                self._progress(total_bytes, total_bytes)
        except OSError as error:
            raise ReturnsFileError(f"{self._path}: cannot be read: {error.strerror}") from error

    def reject(self, line: int, cause: str) -> None:
        """Record that the record which begins in a line cannot be used."""
        if line == self._latest.line and self._latest.line_count > 1:
            last = line + self._latest.line_count - 1
            cause = f"{cause} (one record with quoted line ends, to line {last})"
        self._report.rejected.append(Rejected(line, cause))

    def _line(self, record: RawRecord, columns: list[str], delimiter: str) -> SourceLine | None:
        self._latest = record
        self._report.lines += record.line_count
        self._report.continued += record.line_count - 1
        if record.problem:
            self.reject(record.line, record.problem)
            return None
        try:
            text = record.content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            self.reject(record.line, f"not UTF-8 at byte {error.start + 1}")
            return None
        if not text.strip():
            self._report.blank += 1
            return None
        try:
            values = next(csv.reader([text], delimiter=delimiter, strict=True))
        except csv.Error as error:
            self.reject(record.line, f"not CSV: {error}")
            return None
        if len(values) != len(columns):
            self.reject(record.line, f"{len(values)} fields where the header has {len(columns)}")
            return None
        return SourceLine(record.line, dict(zip(columns, values, strict=True)))

    def _header(self, file: BinaryIO) -> tuple[list[str], str, int]:
        """Return the columns, what is between them, and the number of the line behind them."""
        start = len(_BYTE_ORDER_MARK)
        if file.read(start) != _BYTE_ORDER_MARK:
            start = 0
        problems: list[tuple[int, str]] = []
        hint = ""
        for delimiter in (",", ";"):
            file.seek(start)
            record = next(read_records(file, delimiter, 1), None)
            if record is None:
                raise ReturnsFileError(f"{self._path}: the file is empty")
            columns = self._columns(record, delimiter)
            missing = [name for name in self._needed if name.lower() not in columns]
            twice = sorted(name for name, times in Counter(columns).items() if times > 1)
            if not missing and not twice:
                return columns, delimiter, 1 + record.line_count
            problem = f"missing: {', '.join(missing)}" if missing else f"twice: {', '.join(twice)}"
            problems.append((len(missing), record.problem or problem))
            for name, needed in NEEDED_COLUMNS.items():
                if name != self._report.format and {one.lower() for one in needed} <= {*columns}:
                    hint = f"; these are the columns of --format {name}"
        # what the delimiter that fits better found: the other one finds no column at all
        raise ReturnsFileError(
            f"{self._path}: the first line must name the columns {', '.join(self._needed)}"
            f" once each; {min(problems)[1]}{hint}"
        )

    def _columns(self, record: RawRecord, delimiter: str) -> list[str]:
        try:
            text = record.content.decode("utf-8").rstrip("\r\n")
            columns = next(csv.reader([text], delimiter=delimiter, strict=True), [])
        except UnicodeDecodeError as error:
            raise ReturnsFileError(
                f"{self._path}: the first line is not UTF-8 text; save the file as CSV UTF-8"
            ) from error
        except csv.Error:
            return []
        return [column.strip().lower() for column in columns]


def identity_of_label(label: str) -> str:
    """Return the key under which a label is stored; a label without identity is its own text."""
    if len(label.encode()) > MAX_LABEL_BYTES:
        raise LineRejected(f"label is longer than {MAX_LABEL_BYTES} bytes")
    # Scanners pad with some of these at the ends, where a reading drops them; labels have none.
    if unsent := _UNSENT.search(label):
        raise LineRejected(
            f"label is not legible: holds control characters ({unsent[0]!a}), which no label has"
        )
    reading = read_payload(label.encode())
    if not reading.legible:
        raise LineRejected(f"label is not legible: {reading.problem}")
    return reading.key


def customer_of(text: str, customers: CustomerHash | None, counts: dict[str, int]) -> bytes:
    """Return what is kept of a customer reference: its keyed hash, or nothing without a key."""
    reference = text.strip()
    if not reference:
        return b""
    if len(reference) > MAX_REFERENCE_CHARACTERS:
        raise LineRejected(
            f"customer reference is longer than {MAX_REFERENCE_CHARACTERS} characters"
        )
    kept = "customers_hashed" if customers is not None else "customers_dropped"
    counts[kept] = counts.get(kept, 0) + 1
    return b"" if customers is None else customers.of(reference)


def continued_notes(report: ImportReport) -> list[str]:
    """Return what people must know of records that go over several lines."""
    if not report.continued:
        return []
    return [
        f"{counted(report.continued, 'line')} inside a quoted field that began in an earlier one:"
        " no record of its own"
    ]


def customer_notes(counts: dict[str, int]) -> list[str]:
    """Return what people must know of the customer references of a file."""
    dropped = counts.get("customers_dropped", 0)
    if not dropped:
        return []
    return [
        f"{counted(dropped, 'line')} with a customer reference, which is not kept: there is no key"
        " to hash it with (`sorter certs init` makes one); `sorter returns forget` will not find"
        " these returns by customer"
    ]


def whole_number(text: str, name: str, low: int, high: int) -> int:
    """Return a whole number between two limits."""
    try:
        value = int(text)
    except ValueError:
        raise LineRejected(f"{name} {shown(text)} is not a whole number") from None
    if not low <= value <= high:
        raise LineRejected(f"{name} {shown(text)} is not between {low} and {high}")
    return value


def finite_number(text: str, name: str) -> float:
    """Return a number; NaN and infinity are none."""
    try:
        value = float(text)
    except ValueError:
        raise LineRejected(f"{name} {shown(text)} is not a number") from None
    if not math.isfinite(value):
        raise LineRejected(f"{name} {shown(text)} is not a number")
    return value


def iso_time(text: str, name: str) -> str:
    """Return an ISO 8601 time in one notation that sorts as text; with a zone, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise LineRejected(f"{name} {shown(text)} is not a date and time") from None
    return moment.isoformat(timespec="seconds")


def shown(text: str) -> str:
    """Return a field as it may be quoted in a message: printable and short."""
    short = text if len(text) <= 40 else f"{text[:40]}..."
    return ascii(short)
