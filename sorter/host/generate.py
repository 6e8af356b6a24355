"""Generated returns with realistic shares, for demos, simulation and benchmarks.

Return reasons: wrong size 30 %, not as described 25 %, defect 20 %, change of mind 15 %, other
10 %. Grades: A 93 %, B 3.5 %, C 2.1 %, D 1 %, U (ungraded) 0.4 %, drawn independently of the
reason. So that every outlet of a line is used: hazmat 0.4 %, return window expired 0.8 %, over
size 0.3 %, over weight 0.3 %, label not in the registry 0.5 %.

Labels, as a scanner sends them: SSCC in GS1-128 40 %, GTIN with serial number in a GS1
DataMatrix 20 %, Digital Link 10 %, UPU S10 10 %, plain RMA number 20 %. The same count and seed
give the same returns.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sorter.errors import ReturnsFileError
from sorter.files import without_waiting
from sorter.host.registry import AnnouncedReturn
from sorter.host.s10 import WEIGHTS
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord

REASON_SHARES: Final = (0.30, 0.25, 0.20, 0.15, 0.10)
"""By ``ReturnReason``."""
GRADE_SHARES: Final = (0.93, 0.035, 0.021, 0.01, 0.004)
"""By ``Grade``: over 93 % of German returns are resold as new, about 1 % are discarded."""
FEED_COLUMNS: Final = ("label", "length_mm", "width_mm", "height_mm", "weight_g", "arrive_ms")

_HAZMAT_SHARE: Final = 0.004
_EXPIRED_SHARE: Final = 0.008
_OVER_SIZE_SHARE: Final = 0.003
_OVER_WEIGHT_SHARE: Final = 0.003
UNREGISTERED_SHARE: Final = 0.005

_COUNTRIES: Final = ("PL", "DE", "FR", "GB", "US")
_COUNTRY_SHARES: Final = (0.45, 0.25, 0.12, 0.10, 0.08)
_WINDOW_DAYS: Final = (14, 14, 14, 30, 30)

_KINDS: Final = ("sscc", "sgtin", "link", "s10", "rma")
_KIND_SHARES: Final = (0.40, 0.20, 0.10, 0.10, 0.20)
_CHUNK: Final = 50_000


@dataclass(frozen=True, slots=True)
class CategoryShape:
    """How parcels of one category are: share, size range in mm, weight and value (medians)."""

    name: str
    share: float
    length_mm: tuple[int, int]
    width_mm: tuple[int, int]
    height_mm: tuple[int, int]
    weight_g: int
    value_cents: int


CATEGORIES: Final = (
    CategoryShape("fashion", 0.40, (250, 400), (180, 320), (30, 120), 600, 4500),
    CategoryShape("shoes", 0.15, (300, 380), (190, 260), (100, 150), 1200, 8900),
    CategoryShape("electronics", 0.12, (180, 450), (120, 350), (50, 250), 1500, 19900),
    CategoryShape("home", 0.10, (200, 500), (150, 380), (80, 300), 2200, 3900),
    CategoryShape("toys", 0.06, (200, 450), (150, 350), (60, 250), 900, 2900),
    CategoryShape("beauty", 0.05, (160, 260), (110, 200), (50, 120), 350, 2500),
    CategoryShape("books", 0.04, (200, 300), (140, 220), (30, 100), 800, 1900),
    CategoryShape("sport", 0.05, (200, 520), (150, 380), (60, 300), 1400, 5500),
    CategoryShape("other", 0.03, (180, 450), (120, 350), (40, 250), 1000, 3000),
)
_BY_CATEGORY: Final = {shape.name: shape for shape in CATEGORIES}

_ESCAPE: Final = re.compile(
    r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[nrt0\\])", re.ASCII
)
_SHORT_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GeneratedReturn:
    """One parcel that will arrive.

    Attributes
    ----------
    announced : AnnouncedReturn
        What belongs into the registry if `registered`; size and weight are the real ones.
    registered : bool
        False: the parcel arrives without having been announced (no-data).
    """

    announced: AnnouncedReturn
    registered: bool

    @property
    def record(self) -> ReturnRecord:
        """The return record."""
        return self.announced.record

    @property
    def label(self) -> str:
        """Text of the label as a scanner sends it."""
        return self.announced.record.label


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One parcel for the simulator; `arrive_ms` None leaves the time to the scenario."""

    label: str
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    arrive_ms: int | None = None


def generate_returns(
    count: int, seed: int, unregistered_share: float = UNREGISTERED_SHARE
) -> Iterator[GeneratedReturn]:
    """Yield `count` generated returns; labels differ within one call and mostly between seeds.

    Parameters
    ----------
    count, seed : int
        At most 90 million; the first returns do not depend on the count.
    unregistered_share : float
        Part of the parcels that nobody announced; 0 for a file that is to be imported.
    """
    rng = np.random.default_rng([seed, 0x52455455])
    first_serial = int(rng.integers(0, 10_000_000))
    for start in range(0, count, _CHUNK):
        columns = _draw_chunk(rng, first_serial + start)
        registered = (rng.random(_CHUNK) >= unregistered_share).tolist()
        for index in range(min(_CHUNK, count - start)):
            yield GeneratedReturn(_make(columns, index), registered[index])


def _draw_chunk(rng: np.random.Generator, first_serial: int) -> dict[str, list[Any]]:
    """Draw all columns of one chunk, always of full length: a longer run begins the same."""
    size = _CHUNK
    category = rng.choice(len(CATEGORIES), size, p=[shape.share for shape in CATEGORIES])
    country = rng.choice(len(_COUNTRIES), size, p=_COUNTRY_SHARES)
    window = np.array(_WINDOW_DAYS, np.int64)[country]
    days = np.minimum(rng.gamma(3.0, 2.0, size).astype(np.int64), window)
    expired = rng.random(size) < _EXPIRED_SHARE
    days[expired] = window[expired] + rng.integers(1, 21, int(expired.sum()))
    value = _table([shape.value_cents for shape in CATEGORIES])[category]
    dimensions = draw_dimensions(rng, category)
    over_size = rng.random(size) < _OVER_SIZE_SHARE
    dimensions[1][over_size] = rng.integers(460, 560, int(over_size.sum()))
    over_weight = rng.random(size) < _OVER_WEIGHT_SHARE
    dimensions[3][over_weight] = rng.integers(20_500, 31_000, int(over_weight.sum()))
    columns = {
        "category": category,
        "country": country,
        "days": days,
        "value": np.clip(value * rng.lognormal(0.0, 0.7, size), 100, 900_000).astype(np.int64),
        "reason": rng.choice(len(REASON_SHARES), size, p=REASON_SHARES),
        "grade": rng.choice(len(GRADE_SHARES), size, p=GRADE_SHARES),
        "hazmat": rng.random(size) < _HAZMAT_SHARE,
        "length": dimensions[0],
        "width": dimensions[1],
        "height": dimensions[2],
        "weight": dimensions[3],
        **_draw_label_parts(rng, first_serial + np.arange(size, dtype=np.int64)),
    }
    return {name: array.tolist() for name, array in columns.items()}


def draw_dimensions(
    rng: np.random.Generator, category: Integers
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return length, width, height in mm and weight in g for category indices."""
    sides = []
    for low_high in ("length_mm", "width_mm", "height_mm"):
        low = _table([getattr(shape, low_high)[0] for shape in CATEGORIES])[category]
        high = _table([getattr(shape, low_high)[1] for shape in CATEGORIES])[category]
        sides.append(low + (rng.random(len(category)) * (high - low + 1)).astype(np.int64))
    median = _table([shape.weight_g for shape in CATEGORIES])[category]
    weight = np.clip(median * rng.lognormal(0.0, 0.5, len(category)), 50, 19_000).astype(np.int64)
    return sides[0], sides[1], sides[2], weight


def category_index(name: str) -> int:
    """Return the row of a category in ``CATEGORIES``; unlisted names are ``other``."""
    return CATEGORIES.index(_BY_CATEGORY.get(name, _BY_CATEGORY["other"]))


def _table(values: list[int]) -> Integers:
    return np.array(values, np.int64)


def _draw_label_parts(rng: np.random.Generator, serial: Integers) -> dict[str, NDArray[Any]]:
    """Draw the kind of each label; compute every kind's check digit for all rows at once."""
    size = len(serial)
    article = rng.integers(0, 20_000, size)
    gtin_payload = 590_123_400_000 + article  # GS1 prefix 590: Poland; company 5901234
    sscc_payload = 3_590_123_400_000_0000 + serial
    s10_serial = serial % 100_000_000
    s10_sum = np.zeros(size, np.int64)
    for position, weight in enumerate(WEIGHTS):
        s10_sum += s10_serial // 10 ** (7 - position) % 10 * weight
    s10_check = 11 - s10_sum % 11
    s10_check = np.where(s10_check == 10, 0, np.where(s10_check == 11, 5, s10_check))
    return {
        "kind": rng.choice(len(_KINDS), size, p=_KIND_SHARES),
        "batch": rng.random(size) < 0.5,
        "serial": serial,
        "gtin": gtin_payload * 10 + _gs1_check_digits(gtin_payload),
        "sscc": sscc_payload * 10 + _gs1_check_digits(sscc_payload),
        "s10": s10_serial * 10 + s10_check,
    }


def _gs1_check_digits(payload: Integers) -> Integers:
    total = np.zeros(len(payload), np.int64)
    rest, weight = payload.copy(), 3
    while rest.any():
        total += rest % 10 * weight
        rest //= 10
        weight = 4 - weight
    return (10 - total % 10) % 10


def _label(columns: dict[str, list[Any]], index: int) -> tuple[str, str]:
    """Return label and identity of one row; ``read_payload`` finds the same identity."""
    kind = columns["kind"][index]
    if kind == 0:
        sscc = f"{columns['sscc'][index]:018d}"
        return f"]C100{sscc}", f"sscc:{sscc}"
    if kind == 3:
        number = f"{columns['s10'][index]:09d}"
        country = _COUNTRIES[columns["country"][index]]
        return f"RR{number}{country}", f"s10:RR{number}{country}"
    serial = columns["serial"][index]
    if kind == 4:
        return f"RMA{serial:09d}", f"text:RMA{serial:09d}"
    gtin, text = f"{columns['gtin'][index]:014d}", f"SN{serial:08d}"
    if kind == 2:
        return f"https://id.gs1.org/01/{gtin}/21/{text}", f"sgtin:{gtin}+{text}"
    batch = f"\x1d10L{serial % 997:03d}" if columns["batch"][index] else ""
    return f"]d201{gtin}21{text}{batch}", f"sgtin:{gtin}+{text}"


def _make(columns: dict[str, list[Any]], index: int) -> AnnouncedReturn:
    label, identity = _label(columns, index)
    record = ReturnRecord(
        identity,
        label,
        Grade(columns["grade"][index]),
        CATEGORIES[columns["category"][index]].name,
        ReturnReason(columns["reason"][index]),
        columns["hazmat"][index],
        columns["value"][index],
        _COUNTRIES[columns["country"][index]],
        columns["days"][index],
    )
    return AnnouncedReturn(
        record,
        1,
        columns["length"][index],
        columns["width"][index],
        columns["height"][index],
        columns["weight"][index],
    )


def feed_row(generated: GeneratedReturn, arrive_ms: int | None = None) -> FeedRow:
    """Return the simulator's parcel for a generated return."""
    announced = generated.announced
    return FeedRow(
        generated.label,
        announced.length_mm,
        announced.width_mm,
        announced.height_mm,
        announced.weight_g,
        arrive_ms,
    )


def escape_label(label: str) -> str:
    r"""Return a label as printable ASCII: ``\x1d``, ``\u0142``, ``\\`` as in Python."""
    return label.encode("unicode_escape").decode("ascii")


def unescape_label(text: str) -> str:
    r"""Return the label that :func:`escape_label` wrote; what is no known escape stays as it is."""
    return _ESCAPE.sub(_unescape_one, text) if "\\" in text else text


def _unescape_one(found: re.Match[str]) -> str:
    body = found.group(1)
    if body in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[body]
    code = int(body[1:], 16)
    return chr(code) if code <= sys.maxunicode else found.group(0)


def write_feed(path: Path | str, rows: Iterable[FeedRow]) -> int:
    """Write the simulator's feed file and return the number of parcels.

    UTF-8 CSV with a header, quoted where needed; labels escaped by :func:`escape_label`;
    `arrive_ms` counts from the start of arrivals, empty when the scenario decides.
    """
    count = 0
    try:
        with open(path, "w", encoding="utf-8", newline="", opener=without_waiting) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(FEED_COLUMNS)
            for row in rows:
                arrive = "" if row.arrive_ms is None else row.arrive_ms
                writer.writerow(
                    (
                        escape_label(row.label),
                        row.length_mm,
                        row.width_mm,
                        row.height_mm,
                        row.weight_g,
                        arrive,
                    )
                )
                count += 1
    except OSError as error:
        raise ReturnsFileError(f"{path}: the feed cannot be written: {error}") from error
    return count
