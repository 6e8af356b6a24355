r"""Return files in this project's own format, and the import of both known formats.

The own format is UTF-8 CSV with a header line; one record is one announced return, and a quoted
field may hold line ends:

===============  ========  ======================================================================
column           needed    meaning
===============  ========  ======================================================================
label            yes       what the bar code holds; ``\x1d``, ``\u0142`` and ``\\`` as in Python
grade            yes       A, B, C, D or U
category         yes       a category of the returns policy; others match only rules without one
reason           yes       wrong_size, not_as_described, defect, change_of_mind or other
hazmat           yes       yes/no, true/false or 1/0
value_cents      yes       whole number
country          yes       ISO 3166-1 alpha-2
days_held        yes       days from delivery to return, empty: unknown
length_mm ...    no        also width_mm, height_mm, weight_g: of the parcel, empty: unknown
announced_at     no        ISO 8601 time
customer_refer.  no        ``customer_reference``: kept as a keyed hash, see ``customers``
===============  ========  ======================================================================
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from sorter.errors import ReturnsFileError
from sorter.files import without_waiting
from sorter.host.customers import CustomerHash
from sorter.host.feed import feed_from_registry
from sorter.host.generate import escape_label, unescape_label
from sorter.host.online_retail import import_online_retail
from sorter.host.registry import AnnouncedReturn, Registry, store
from sorter.host.returns_lines import (
    MAX_VALUE_CENTS,
    NEEDED_COLUMNS,
    ImportReport,
    LineRejected,
    Progress,
    ReturnLines,
    continued_notes,
    customer_notes,
    customer_of,
    identity_of_label,
    iso_time,
    no_progress,
    shown,
    whole_number,
)
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord

__all__ = ["COLUMNS", "feed_from_registry", "import_csv", "import_online_retail", "write_csv"]

OPTIONAL: Final = ("length_mm", "width_mm", "height_mm", "weight_g", "announced_at")
COLUMNS: Final = NEEDED_COLUMNS["csv"] + OPTIONAL
CUSTOMER: Final = "customer_reference"
"""Optional, too, but never written: nobody can tell a reference from what is kept of it."""

Value = TypeVar("Value")

_CATEGORY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_SIZE_LIMITS: Final = {
    "length_mm": 10_000,
    "width_mm": 10_000,
    "height_mm": 10_000,
    "weight_g": 500_000,
}
_FLAGS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_REASONS: Final = {reason.name.lower(): reason for reason in ReturnReason}
_GRADES: Final = {grade.name: grade for grade in Grade}


def import_csv(
    path: Path | str,
    registry: Registry | Path,
    progress: Progress = no_progress,
    customers: CustomerHash | None = None,
) -> ImportReport:
    """Import a file in the own format; see the module's text.

    A label that stands in the file twice is accepted once; one that the registry already has
    replaces the older record. A registry given by its path is made when there is a good line.
    Of a customer reference a keyed hash is kept with `customers`, and nothing without.

    Raises
    ------
    ReturnsFileError
        The file cannot be read at all, the registry cannot be written, or its customer references
        are stored under another key; then nothing is imported.
    """
    report = ImportReport(str(path), "csv")
    lines = ReturnLines(Path(path), report, progress)
    count = store(_parsed(lines, report, customers), registry, customers)
    report.inserted, report.updated = count.inserted, count.updated
    report.remarks = continued_notes(report) + customer_notes(report.counts)
    return report


def _parsed(
    lines: ReturnLines, report: ImportReport, customers: CustomerHash | None
) -> Iterator[AnnouncedReturn]:
    first_seen: dict[str, int] = {}
    for line in lines:
        try:
            announced = _parse(line.fields, customers, report.counts)
            earlier = first_seen.setdefault(announced.record.identity, line.number)
            if earlier != line.number:
                raise LineRejected(f"same label as line {earlier}")
        except LineRejected as rejected:
            lines.reject(line.number, str(rejected))
            continue
        report.accepted += 1
        yield announced


def _parse(
    fields: dict[str, str], customers: CustomerHash | None, counts: dict[str, int]
) -> AnnouncedReturn:
    label = unescape_label(fields["label"])
    if not label.strip():
        raise LineRejected("label is empty")
    try:
        identity = identity_of_label(label)
    except UnicodeEncodeError:
        raise LineRejected("label holds half a surrogate pair") from None
    category = fields["category"].strip()
    if not _CATEGORY.fullmatch(category):
        raise LineRejected(f"category {shown(category)} is not a name")
    country = fields["country"].strip().upper()
    if not _COUNTRY.fullmatch(country):
        raise LineRejected(f"country {shown(country)} is not two letters")
    days_text = fields["days_held"].strip()
    record = ReturnRecord(
        identity,
        label,
        _one_of(_GRADES, fields["grade"].strip().upper(), "grade"),
        category,
        _one_of(_REASONS, fields["reason"].strip().lower(), "reason"),
        _one_of(_FLAGS, fields["hazmat"].strip().lower(), "hazmat"),
        whole_number(fields["value_cents"], "value_cents", 0, MAX_VALUE_CENTS),
        country,
        whole_number(days_text, "days_held", 0, 36_500) if days_text else -1,
    )
    time_text = fields.get("announced_at", "").strip()
    sizes = {
        name: whole_number(text, name, 0, limit) if (text := fields.get(name, "").strip()) else 0
        for name, limit in _SIZE_LIMITS.items()
    }
    announced_at = iso_time(time_text, "announced_at") if time_text else ""
    # Last, so that a rejected line counts as no customer's.
    customer = customer_of(fields.get(CUSTOMER, ""), customers, counts)
    return AnnouncedReturn(record, announced_at=announced_at, customer=customer, **sizes)


def _one_of(known: dict[str, Value], text: str, name: str) -> Value:
    if text not in known:
        raise LineRejected(f"{name} {shown(text)} is not one of {', '.join(known)}")
    return known[text]


def write_csv(path: Path | str, returns: Iterable[AnnouncedReturn]) -> int:
    """Write a file in the own format and return the number of lines."""
    count = 0
    try:
        with open(path, "w", encoding="utf-8", newline="", opener=without_waiting) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for announced in returns:
                writer.writerow(_fields(announced))
                count += 1
    except OSError as error:
        raise ReturnsFileError(f"{path}: cannot be written: {error.strerror}") from error
    return count


def _fields(announced: AnnouncedReturn) -> tuple[object, ...]:
    record = announced.record
    return (
        escape_label(record.label),
        record.grade.name,
        record.category,
        record.reason.name.lower(),
        "yes" if record.hazmat else "no",
        record.value_cents,
        record.country,
        "" if record.days_held < 0 else record.days_held,
        announced.length_mm or "",
        announced.width_mm or "",
        announced.height_mm or "",
        announced.weight_g or "",
        announced.announced_at,
    )
