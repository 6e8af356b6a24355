"""The 210 vectors derived from gs1-syntax-engine: which agree, and why the others do not."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from biip import BiipException
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_element_strings import GS1ElementString, GS1ElementStrings
from biip.gs1_messages import GS1Message

from sorter.host.barcode import Check, Family, read_payload

VECTORS = Path(__file__).parents[4] / "shared" / "data" / "gs1_vectors.csv"

SHORT_NAME = "short names (gtin, ser, sscc) are not read by biip"
PADDED = (
    "GTIN without its leading zeros: biip pads it; the vectors hold both verdicts (lines 133, 158)"
)
SCHEME = "a mixed-case scheme is allowed by RFC 3986; QR alphanumeric mode needs upper case"
LENIENT_QUERY = "biip ignores query parameters that break the syntax; the key in the path counts"
DOUBLE_KEY = "biip takes the last of repeated query parameters"
AI_89 = "AI 89 is unassigned, biip leaves it out; the vectors hold both verdicts (lines 184, 185)"
TWO_KEYS = "writing a link from several keys: biip wants to be told which is the primary one"
WRITER = "writing a link: biip does not check which qualifiers may stand together"

DISAGREEMENTS = {
    76: "biip does not check the leading zero of AI 8003",
    116: SCHEME, 128: SHORT_NAME, 129: SHORT_NAME, 130: SHORT_NAME,
    133: PADDED, 134: PADDED, 135: PADDED,
    146: LENIENT_QUERY, 147: LENIENT_QUERY, 178: LENIENT_QUERY,
    180: DOUBLE_KEY, 181: DOUBLE_KEY, 182: DOUBLE_KEY,
    184: AI_89, 185: AI_89, 209: AI_89,
    197: TWO_KEYS, 198: TWO_KEYS, 199: TWO_KEYS, 200: TWO_KEYS,
    204: "biip wants at least five characters in AI 8010",
    205: "writing a link: biip does not know that AI 8200 may not be in one",
    206: WRITER, 207: WRITER, 210: WRITER,
}  # fmt: skip
"""Line in the file -> why this project, with biip 5.2, sees it differently."""


def _message(elements: list[GS1ElementString]) -> str:
    message = GS1Message.from_element_strings(GS1ElementStrings(elements))
    return "^" + message.value.replace("\x1d", "^")


def _elements(values: dict[str, str]) -> list[GS1ElementString]:
    return [GS1ElementString.parse(ai + value) for ai, value in values.items()]


def _agrees_reading(row: dict[str, str]) -> bool:
    link = row["kind"] == "parseDLuri"
    reading = read_payload(row["input"].replace("^", "\x1d").encode())
    family = Family.GS1_DIGITAL_LINK if link else Family.GS1_ELEMENT_STRING
    accepted = reading.family == family and reading.elements and reading.check is not Check.WRONG
    if row["should_succeed"] == "false":
        return not accepted
    return bool(accepted) and row["expect"] in ("", _message(_elements(reading.elements)))


def _agrees_writing(row: dict[str, str]) -> bool:
    """Write the bracketed text in `expect` as a link with biip, and read it back."""
    reading = read_payload(row["expect"].encode())
    try:
        elements = GS1ElementStrings(_elements(reading.elements))
        link = GS1DigitalLinkURI.from_element_strings(elements).as_uri(domain="example.com")
    except BiipException:
        written = False
    else:
        written = bool(elements) and read_payload(link.encode()).elements == reading.elements
    return written == (row["should_succeed"] == "true")


def _rows() -> list[tuple[int, dict[str, str]]]:
    if not VECTORS.is_file():
        pytest.skip(f"{VECTORS} is not there: the vectors are not part of the project")
    with VECTORS.open(newline="", encoding="utf-8") as file:
        return list(enumerate(csv.DictReader(file), start=2))


def test_every_vector_agrees_or_has_a_reason():
    rows = _rows()
    disagreeing = {
        line
        for line, row in rows
        if not (
            _agrees_writing(row) if row["kind"] == "testGenerateDLuri" else _agrees_reading(row)
        )
    }
    assert len(rows) == 210
    assert disagreeing == set(DISAGREEMENTS)
