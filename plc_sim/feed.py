"""What is put on the line: one physical parcel per row of a feed file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from sorter.errors import SorterError
from sorter.files import open_regular

LARGEST_MM = 1e5
HEAVIEST_G = 1_000_000
LATEST_MS = 366 * 86_400_000.0
COLUMNS = ("label", "length_mm", "width_mm", "height_mm", "weight_g")
"""Each feed file has them; `arrive_ms` besides, where the times are recorded ones."""


class FeedError(SorterError):
    """A feed file that cannot be read; the message names file and line."""


@dataclass(frozen=True, slots=True)
class FeedParcel:
    """One parcel as it comes to the line.

    Attributes
    ----------
    label : bytes
        What its bar code holds; empty: it has none.
    length_mm, width_mm, height_mm : float
    weight_g : int
    arrive_ms : float or None
        When it comes to its induction, from the start of the feed, for ``process: as_recorded``.
    induction_idx : int or None
        Which induction, in the order of the inducting eyes; None: in turn.
    physical_id : int or None
        Its number in the truth ledger; None: its row. They differ after a restart of the line.
    """

    label: bytes
    length_mm: float = 320.0
    width_mm: float = 240.0
    height_mm: float = 120.0
    weight_g: int = 800
    arrive_ms: float | None = None
    induction_idx: int | None = None
    physical_id: int | None = None


def physical_ids(feed: Sequence[FeedParcel]) -> list[int]:
    """Return the number of each parcel of a feed."""
    return [row if p.physical_id is None else p.physical_id for row, p in enumerate(feed)]


def rows_of(feed: Sequence[FeedParcel], first_id: int, count: int) -> list[int]:
    """Return the rows of the parcels that have one of `count` numbers from `first_id` on."""
    wanted = range(first_id, first_id + count)
    return [row for row, number in enumerate(physical_ids(feed)) if number in wanted]


def read_feed(path: Path) -> list[FeedParcel]:
    """Return the parcels of a feed file.

    Raises
    ------
    FeedError
        When the file cannot be read or a row makes no sense.
    """
    try:
        with TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as file:
            return list(_parcels(path, file))
    except (OSError, UnicodeError) as error:
        raise FeedError(f"{path}: cannot be read: {error}") from error


def _parcels(path: Path, file: TextIO) -> Iterator[FeedParcel]:
    """Yield the parcels; a quotation mark that nobody closes is an error, not a long field."""
    reader = csv.reader(file, strict=True)
    line = 1
    try:
        columns = next(reader, [])
        missing = set(COLUMNS) - set(columns)
        if missing:
            raise FeedError(f"{path}: column {', '.join(sorted(missing))} is missing")
        line = reader.line_num + 1
        for values in reader:
            if values and len(values) != len(columns):
                raise FeedError(
                    f"{path}:{line}: {len(values)} fields where the header has {len(columns)}"
                )
            if values:
                yield _parcel(path, line, dict(zip(columns, values, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise FeedError(f"{path}:{line}: not CSV: {error}") from error


def _parcel(path: Path, line: int, row: dict[str, str]) -> FeedParcel:
    try:
        arrive = row.get("arrive_ms")
        parcel = FeedParcel(
            label=row["label"]
            .encode("ascii")
            .decode("unicode_escape")
            .encode("utf-8", "surrogateescape"),
            length_mm=float(row["length_mm"]),
            width_mm=float(row["width_mm"]),
            height_mm=float(row["height_mm"]),
            weight_g=int(row["weight_g"]),
            arrive_ms=float(arrive) if arrive else None,
        )
    except (ValueError, UnicodeError) as error:
        raise FeedError(f"{path}:{line}: {error}") from error
    if not (0 < parcel.length_mm < LARGEST_MM and 0 <= parcel.weight_g < HEAVIEST_G):
        raise FeedError(f"{path}:{line}: length and weight must be positive, and of a parcel")
    if not (0 <= parcel.width_mm < LARGEST_MM and 0 <= parcel.height_mm < LARGEST_MM):
        raise FeedError(f"{path}:{line}: width and height must be those of a parcel")
    if not 0 <= (parcel.arrive_ms or 0.0) < LATEST_MS:
        raise FeedError(f"{path}:{line}: arrive_ms must be a time from the start, within a year")
    return parcel
