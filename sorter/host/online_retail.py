"""Import of the return lines of UCI Online Retail, a real shop's cancelled order lines.

Data: Daqing Chen, Sai Liang Sain, Kun Guo (2012), "Online Retail", UCI Machine Learning
Repository, CC BY 4.0; published CC0 in the R package ``onlineretail``.

One return line becomes one parcel with the label ``InvoiceNo-StockCode-line number`` (plain
text). A line of more than 24 units is a wholesale correction and is capped at 24 units. Country
names become ISO codes, Channel Islands JE; what is no country becomes ZZ. The file has neither
grade nor reason nor days held: they are drawn with a seed. Of the customer number
only a keyed hash is kept, and that only when there is a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from sorter.host.customers import CustomerHash
from sorter.host.generate import GRADE_SHARES, REASON_SHARES
from sorter.host.registry import AnnouncedReturn, Registry, store
from sorter.host.returns_lines import (
    MAX_VALUE_CENTS,
    ImportReport,
    LineRejected,
    Progress,
    ReturnLines,
    SourceLine,
    continued_notes,
    customer_notes,
    customer_of,
    finite_number,
    identity_of_label,
    iso_time,
    no_progress,
    shown,
)
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord
from sorter.words import counted

MAX_UNITS: Final = 24
CREDIT: Final = (
    "UCI Online Retail; Daqing Chen, Sai Liang Sain, Kun Guo (2012), UCI Machine Learning"
    " Repository, CC BY 4.0"
)
"""The licence of the data wants their donors named."""
UNKNOWN_COUNTRY: Final = "ZZ"
"""User-assigned in ISO 3166-1: a name that is no country."""

_PART: Final = re.compile(r"[A-Za-z0-9_.+ -]{1,32}")
_DRAWN_AT_ONCE: Final = 4096

COUNTRIES: Final = {
    "australia": "AU",
    "austria": "AT",
    "bahrain": "BH",
    "belgium": "BE",
    "brazil": "BR",
    "canada": "CA",
    "channel islands": "JE",
    "cyprus": "CY",
    "czech republic": "CZ",
    "denmark": "DK",
    "eire": "IE",
    "finland": "FI",
    "france": "FR",
    "germany": "DE",
    "greece": "GR",
    "hong kong": "HK",
    "iceland": "IS",
    "israel": "IL",
    "italy": "IT",
    "japan": "JP",
    "lebanon": "LB",
    "lithuania": "LT",
    "malta": "MT",
    "netherlands": "NL",
    "norway": "NO",
    "poland": "PL",
    "portugal": "PT",
    "rsa": "ZA",
    "saudi arabia": "SA",
    "singapore": "SG",
    "spain": "ES",
    "sweden": "SE",
    "switzerland": "CH",
    "united arab emirates": "AE",
    "united kingdom": "GB",
    "usa": "US",
}

KEYWORDS: Final = (
    ("shoes", "SLIPPER SLIPPERS SHOE SHOES BOOT BOOTS FLIP FLOPS"),
    ("books", "BOOK BOOKS NOTEBOOK SKETCHBOOK COOKBOOK DIARY"),
    ("beauty", "SOAP BATH COSMETIC PERFUME LIP MANICURE HAIR TALC INCENSE SPA"),
    (
        "electronics",
        "RADIO TORCH LED LIGHTS LAMP ALARM CALCULATOR BATTERY USB HEADPHONES CHANDELIER",
    ),
    (
        "toys",
        "TOY TOYS JIGSAW DOLL DOLLY DOLLS GAME GAMES PUZZLE SKITTLES DOMINOES CHILDS CHILDRENS"
        " PLAYHOUSE SOLDIER NAUGHTS SKIPPING BALLOONS BALLOON FELTCRAFT PIGGY MONEY",
    ),
    ("sport", "BICYCLE CAMPING PICNIC FOOTBALL GOLF SWIM CRICKET CYCLE"),
    (
        "fashion",
        "BAG BAGS SCARF APRON PURSE WALLET NECKLACE EARRINGS BRACELET RING BROOCH UMBRELLA"
        " PARASOL HAT SOCKS GLOVES SHAWL PONCHO RAINCOAT RUCKSACK HANDBAG BANGLE CHARM",
    ),
    (
        "home",
        "CAKE CAKESTAND BOX BOXES TIN TINS MUG CUP BOWL PLATE JAR JARS GLASS CERAMIC HOLDER"
        " T-LIGHT CANDLE CANDLES CLOCK FRAME CUSHION DOORMAT SIGN HOOK KNOB DRAWER CABINET"
        " LANTERN TEAPOT TEACUP SAUCER KITCHEN CUTLERY DECORATION CHRISTMAS BUNTING HEART MIRROR"
        " STORAGE RACK SHELF BOTTLE JUG TRAY EGG BREAD PANTRY DISH VASE BASKET GARDEN CARD WRAP"
        " NAPKINS PAPER DOILY CASES GARLAND HANGER STAND BIN METAL WOODEN ENAMEL TOWEL QUILT",
    ),
)
"""Category by the first row that shares a word with the description; none: ``other``."""

HAZMAT_KEYWORDS: Final = frozenset({"MATCHES", "LIGHTER", "AEROSOL", "BATTERY", "BATTERIES"})

_WORDS: Final = tuple((name, frozenset(words.split())) for name, words in KEYWORDS)


def category_of(stock_code: str, description: str) -> str:
    """Return the category of an article by words of its description.

    The stock code decides only for codes that are no article (all letters): ``other``.
    """
    if stock_code.isalpha():
        return "other"
    words = set(re.split(r"[^A-Z0-9-]+", description.upper()))
    for name, known in _WORDS:
        if words & known:
            return name
    return "other"


def import_online_retail(
    path: Path | str,
    registry: Registry | Path,
    seed: int = 0,
    progress: Progress = no_progress,
    customers: CustomerHash | None = None,
) -> ImportReport:
    """Import a file with the columns of UCI Online Retail; see the module's text.

    Parameters
    ----------
    path : Path or str
    registry : Registry or Path
        One given by its path is made when there is a good line.
    seed : int
        What is drawn for a line depends on the seed and the line's number only.
    progress : Progress
    customers : CustomerHash or None
        Without one customer numbers are not kept in any form.

    Raises
    ------
    ReturnsFileError
        The file cannot be read at all, the registry cannot be written, or its customer references
        are stored under another key; then nothing is imported.
    """
    report = ImportReport(str(path), "online-retail")
    report.counts = {"capped": 0, "unknown_country": 0, "guest": 0}
    lines = ReturnLines(Path(path), report, progress)
    count = store(_parsed(lines, report, seed, customers), registry, customers)
    report.inserted, report.updated = count.inserted, count.updated
    if report.accepted:
        report.remarks = _notes(report, seed) + customer_notes(report.counts)
    report.remarks += continued_notes(report)
    return report


def _notes(report: ImportReport, seed: int) -> list[str]:
    def share(shares: tuple[float, ...], names: list[str]) -> str:
        pairs = zip(names, shares, strict=True)
        return ", ".join(f"{name} {100 * part:g} %" for name, part in pairs)

    capped, unknown_country = report.counts["capped"], report.counts["unknown_country"]
    notes = [
        f"Credit: {CREDIT}",
        f"The file has no reason: drawn with seed {seed} from "
        + share(REASON_SHARES, [reason.name.lower() for reason in ReturnReason]),
        f"The file has no grade: drawn with seed {seed}, independently of the reason, from "
        + share(GRADE_SHARES, [grade.name for grade in Grade]),
        f"The file has no delivery date: days held drawn with seed {seed}, 6 days on average,"
        " 3 % over 14 days",
        "Categories by words of the description; hazmat only where the description says so",
    ]
    if capped:
        notes.append(
            f"{counted(capped, 'line')} of more than {MAX_UNITS} units, taken for wholesale"
            f" corrections: capped at {MAX_UNITS} units"
        )
    if unknown_country:
        notes.append(f"{counted(unknown_country, 'line')} without a country: {UNKNOWN_COUNTRY}")
    return notes


class _Draws:
    """Grade, reason and days held by line number."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0x4F52])
        self._rows: list[tuple[int, int, int]] = []
        self._first = 0

    def of(self, line: int) -> tuple[Grade, ReturnReason, int]:
        """Return what is drawn for a line; line numbers must not go back."""
        while line >= self._first + len(self._rows):
            self._first += len(self._rows)
            size = _DRAWN_AT_ONCE
            grades = self._rng.choice(len(GRADE_SHARES), size, p=GRADE_SHARES).tolist()
            reasons = self._rng.choice(len(REASON_SHARES), size, p=REASON_SHARES).tolist()
            days = self._rng.gamma(3.0, 2.0, size).astype(np.int64).tolist()
            self._rows = list(zip(grades, reasons, days, strict=True))
        grade, reason, days_held = self._rows[line - self._first]
        return Grade(grade), ReturnReason(reason), days_held


def _parsed(
    lines: ReturnLines, report: ImportReport, seed: int, customers: CustomerHash | None
) -> Iterator[AnnouncedReturn]:
    draws = _Draws(seed)
    for line in lines:
        drawn = draws.of(line.number)
        try:
            announced = _parse(line, drawn, report.counts, customers)
        except LineRejected as rejected:
            lines.reject(line.number, str(rejected))
            continue
        report.accepted += 1
        yield announced


def _parse(
    line: SourceLine,
    drawn: tuple[Grade, ReturnReason, int],
    counts: dict[str, int],
    customers: CustomerHash | None,
) -> AnnouncedReturn:
    fields = line.fields
    invoice, stock_code = fields["invoiceno"].strip(), fields["stockcode"].strip()
    for name, part in (("InvoiceNo", invoice), ("StockCode", stock_code)):
        if not _PART.fullmatch(part):
            raise LineRejected(f"{name} {shown(part)} is not a short plain text")
    if not invoice.upper().startswith("C"):
        raise LineRejected(f"InvoiceNo {shown(invoice)} is no cancellation (starts with C)")
    units = _units(fields["quantity"])
    price = finite_number(fields["unitprice"], "UnitPrice")
    value_cents = round(price * 100 * min(units, MAX_UNITS)) if abs(price) < 1e12 else -1
    if not 0 <= value_cents <= MAX_VALUE_CENTS:
        raise LineRejected(f"UnitPrice {shown(fields['unitprice'])} is not a price")
    announced_at = iso_time(fields["invoicedate"].strip(), "InvoiceDate")
    country = COUNTRIES.get(fields["country"].strip().lower(), UNKNOWN_COUNTRY)
    description = fields["description"]
    label = f"{invoice}-{stock_code}-{line.number}"
    grade, reason, days_held = drawn
    record = ReturnRecord(
        identity_of_label(label),
        label,
        grade,
        category_of(stock_code, description),
        reason,
        not HAZMAT_KEYWORDS.isdisjoint(description.upper().split()),
        value_cents,
        country,
        days_held,
    )
    customer = customer_of(fields.get("customerid", ""), customers, counts)
    counts["capped"] += units > MAX_UNITS
    counts["unknown_country"] += country == UNKNOWN_COUNTRY
    counts["guest"] += not fields.get("customerid", "").strip()
    return AnnouncedReturn(
        record, min(units, MAX_UNITS), announced_at=announced_at, customer=customer
    )


def _units(text: str) -> int:
    """Return how many units came back; the file counts them negative."""
    quantity = finite_number(text, "Quantity")
    if quantity >= 0:
        raise LineRejected(f"Quantity {shown(text)} is no return (a return is negative)")
    if quantity != int(quantity):
        raise LineRejected(f"Quantity {shown(text)} is not a whole number")
    return -int(quantity)
