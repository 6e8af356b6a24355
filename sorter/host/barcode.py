"""What a scanned payload means: family, check digit, elements and the parcel's identity.

Junk of any length or encoding is a value, never an exception. GS1 syntax is left to ``biip``;
this module decides what a payload is tried as, and what of it identifies a *parcel*:

- an SSCC (``sscc:340123450000000018``) names the logistic unit, and wins within its payload;
- a GTIN with serial number (``sgtin:05901234123457+SN17``), from an element string or from a
  Digital Link alike, names the article in it;
- a UPU S10 number (``s10:RR123456785PL``) names a postal item;
- any other text (``text:RMA000123``) may name a return: only the registry can tell;
- a GTIN alone names a product, not a parcel: no identity;
- what has the form of one of these but a wrong check digit, or starts like GS1 and breaks its
  syntax, is a misread or a label nobody knows: no identity of its own. If the registry has a
  return under just this text, :mod:`~sorter.host.verdict` takes that one.

What a payload is tried as, the first that fits:

1. an AIM symbology identifier (``]C1``, ``]d2``, ``]Q3``, ``]e0`` ...) or a leading FNC1 (0x1D)
   says GS1: element strings, and nothing else;
2. ``http://`` or ``https://``: Digital Link, else plain text;
3. ``(01)...``: element strings as printed below a bar code, for people who type them;
   plain text without identity if they break the syntax;
4. 18 digits, or 00 and 18 digits: SSCC;
5. two letters, nine digits, two letters: UPU S10;
6. 8, 12, 13 or 14 digits: GTIN, whose check digit is right or wrong;
7. 01 and 14 digits, or 00 and 18 digits, and more: element strings from a scanner that sends no
   symbology identifier, if the check digit of that key is right or the rest keeps to the syntax;
8. plain text.

Text is UTF-8. White space around it is dropped: scanners are often set to add CR LF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from biip import BiipException, ParseConfig
from biip.checksums import gs1_standard_check_digit
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_element_strings import GS1ElementString

from sorter.host.s10 import s10_check_digit

MAX_PAYLOAD_BYTES: Final = 4096
"""No symbol holds more (QR: 2,953 bytes); longer input is junk, unread."""
FNC1: Final = "\x1d"

_CONFIG: Final = ParseConfig(gs1_element_strings_verify_date=False)
"""An impossible date on a label does not make its SSCC wrong (and the check knows the time)."""
_AIM: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_GS1_AIM: Final = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})
_S10: Final = re.compile(r"([A-Za-z]{2}) ?([0-9]{3}) ?([0-9]{3}) ?([0-9]{3}) ?([A-Za-z]{2})")
_PRINTED_AI: Final = re.compile(r"\(([0-9]{2,4})\)")
_GTIN_LENGTHS: Final = (8, 12, 13, 14)


class Family(StrEnum):
    """Kind of payload."""

    GS1_ELEMENT_STRING = "gs1_element_string"
    GS1_DIGITAL_LINK = "gs1_digital_link"
    SSCC = "sscc"
    GTIN = "gtin"
    UPU_S10 = "upu_s10"
    PLAIN = "plain"
    EMPTY = "empty"
    JUNK = "junk"


class Check(StrEnum):
    """Verdict on the check digits of a payload."""

    OK = "ok"
    WRONG = "wrong"
    NONE = "none"
    """It has no check digit."""


@dataclass(frozen=True, slots=True)
class BarcodeReading:
    """Meaning of one payload.

    Attributes
    ----------
    text : str
        The payload as text without symbology identifier; empty when it is not legible.
    family : Family
    identity : str or None
        Normalised key of the parcel; None when the payload identifies none.
    check : Check
    elements : dict of str to str
        GS1 application identifier -> value, in the order of the payload.
    symbology : str
        AIM symbology identifier that the scanner sent, else empty.
    problem : str or None
        Why there is no identity, in words.
    """

    text: str
    family: Family
    identity: str | None = None
    check: Check = Check.NONE
    elements: dict[str, str] = field(default_factory=dict)
    symbology: str = ""
    problem: str | None = None

    @property
    def valid(self) -> bool:
        """Whether the identity stands on a check digit or on GS1 syntax, not on mere text."""
        return self.identity is not None and self.family is not Family.PLAIN

    @property
    def key(self) -> str:
        """Key under which the registry would have a return with this label."""
        return self.identity or f"text:{self.text}"

    @property
    def legible(self) -> bool:
        """Whether there is any text a person could act on."""
        return self.family not in (Family.EMPTY, Family.JUNK)


def read_payload(payload: bytes) -> BarcodeReading:
    """Return what a payload means. Never raises; 4,096 bytes take milliseconds at worst.

    Parameters
    ----------
    payload : bytes
        As the scanner sent it, with or without AIM symbology identifier.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        return _junk(f"longer than {MAX_PAYLOAD_BYTES:,} bytes")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return _junk(f"not UTF-8 at byte {error.start}")
    text = text.strip(" \t\r\n\x00")
    symbology = ""
    if _AIM.match(text):
        symbology, text = text[:3], text[3:].strip(" \t\r\n")
    if not text or not text.strip(FNC1):
        return BarcodeReading("", Family.EMPTY, symbology=symbology, problem="nothing in it")
    if not all(char.isprintable() or char == FNC1 for char in text):
        return _junk("holds control characters", symbology)
    return _classify(text, symbology)


def _classify(text: str, symbology: str) -> BarcodeReading:
    if text[:8].lower().startswith(("http://", "https://")):
        return _read_link(text, symbology)
    if symbology in _GS1_AIM or text.startswith(FNC1) or (FNC1 in text and text[0].isdigit()):
        return _read_elements(text.strip(FNC1), text, symbology)
    if FNC1 in text:
        return _junk("holds the separator of GS1 fields but is no GS1 text", symbology)
    if not text.isascii():
        return _plain(text, symbology)
    if _PRINTED_AI.match(text):
        return _read_printed(text, symbology)
    if text.isdigit():
        return _read_digits(text, symbology)
    if parts := _S10.fullmatch(text):
        return _read_s10("".join(parts.groups()).upper(), symbology)
    return _read_unmarked(text, symbology) or _plain(text, symbology)


def _junk(problem: str, symbology: str = "") -> BarcodeReading:
    return BarcodeReading("", Family.JUNK, symbology=symbology, problem=problem)


def _plain(text: str, symbology: str) -> BarcodeReading:
    return BarcodeReading(text, Family.PLAIN, f"text:{text}", symbology=symbology)


def _digits_check(digits: str) -> bool:
    return gs1_standard_check_digit(digits[:-1]) == int(digits[-1])


def _read_unmarked(text: str, symbology: str) -> BarcodeReading | None:
    """Return what text means that starts like GS1 without saying so; None when it is none."""
    width = {"01": 14, "00": 18}.get(text[:2], 0)
    key = text[2 : 2 + width]
    if not width or len(key) < width or not key.isdigit():
        return None
    reading = _read_elements(text, text, symbology)
    # A right check digit may be luck in one case of ten; without identity, little is lost then.
    return reading if reading.elements or _digits_check(key) else None


def _read_digits(text: str, symbology: str) -> BarcodeReading:
    sscc = text[2:] if len(text) == 20 and text.startswith("00") else text
    if len(sscc) == 18:
        if _digits_check(sscc):
            return BarcodeReading(
                text, Family.SSCC, f"sscc:{sscc}", Check.OK, {"00": sscc}, symbology
            )
        return BarcodeReading(
            text, Family.SSCC, None, Check.WRONG, {}, symbology, "check digit of the SSCC is wrong"
        )
    if len(text) not in _GTIN_LENGTHS:
        return _read_unmarked(text, symbology) or _plain(text, symbology)
    if _digits_check(text):
        problem = "a GTIN names a product, not a parcel"
        elements = {"01": text.zfill(14)}
        return BarcodeReading(text, Family.GTIN, None, Check.OK, elements, symbology, problem)
    problem = f"{len(text)} digits like a GTIN, but its check digit is wrong"
    return BarcodeReading(text, Family.GTIN, None, Check.WRONG, {}, symbology, problem)


def _read_s10(text: str, symbology: str) -> BarcodeReading:
    if s10_check_digit(text[2:10]) == int(text[10]):
        return BarcodeReading(text, Family.UPU_S10, f"s10:{text}", Check.OK, symbology=symbology)
    return BarcodeReading(
        text,
        Family.UPU_S10,
        None,
        Check.WRONG,
        symbology=symbology,
        problem="check digit of the UPU S10 number is wrong",
    )


class _NotGs1(ValueError):
    """The text breaks the GS1 syntax; the message says where."""


def _split_elements(text: str) -> list[GS1ElementString]:
    """Return the elements of a message; fields are split as the standard says, none greedily."""
    elements = []
    rest = text
    while rest:
        element = GS1ElementString.extract(rest, config=_CONFIG)
        elements.append(element)
        rest = rest[len(element) :]
        if rest and not rest.startswith(FNC1) and element.ai.separator_required:
            raise _NotGs1(f"AI {element.ai.ai} holds more than it may")
        if rest.startswith(FNC1):
            rest = rest[1:]
            if rest.startswith(FNC1):
                raise _NotGs1("two separators in a row")
    return elements


def _split_printed(text: str) -> list[GS1ElementString]:
    r"""Return the elements of a text like ``(01)05901234123457(21)SN17``; ``\(`` is a bracket."""
    elements = []
    pieces = re.split(r"(?<!\\)\(([0-9]{2,4})\)", text)
    if pieces[0]:
        raise _NotGs1("text before the first application identifier")
    for ai, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if re.search(r"(?<!\\)\(", value):
            raise _NotGs1("a bracket that opens no application identifier")
        element = GS1ElementString.parse(ai + value.replace("\\(", "("), config=_CONFIG)
        if element.ai.ai != ai:
            raise _NotGs1(f"unknown application identifier {ai}")
        elements.append(element)
    return elements


def _read_elements(message: str, text: str, symbology: str) -> BarcodeReading:
    try:
        if not message.isascii():
            raise _NotGs1("characters that GS1 does not know")
        elements = _split_elements(message)
    except (BiipException, ValueError, ArithmeticError) as error:
        return BarcodeReading(
            text, Family.GS1_ELEMENT_STRING, None, symbology=symbology, problem=_first_line(error)
        )
    reading = _from_elements(elements, Family.GS1_ELEMENT_STRING, text, symbology)
    last = elements[-1]
    swallowed = FNC1 not in message and last.ai.separator_required and "21" in last.value
    if reading.check is Check.OK and reading.identity is None and swallowed:
        problem = (
            f"{reading.problem}; if a serial number (21) hides in ({last.ai.ai}){last.value}, the"
            " scanner must send the separator FNC1 (0x1D)"
        )
        return replace(reading, problem=problem)
    return reading


def _read_printed(text: str, symbology: str) -> BarcodeReading:
    try:
        elements = _split_printed(text)
    except (BiipException, ValueError, ArithmeticError) as error:
        problem = f"starts like GS1 as printed below a bar code, but: {_first_line(error)}"
        return BarcodeReading(text, Family.PLAIN, None, symbology=symbology, problem=problem)
    return _from_elements(elements, Family.GS1_ELEMENT_STRING, text, symbology)


def _read_link(text: str, symbology: str) -> BarcodeReading:
    if not text.isascii():
        return _plain(text, symbology)
    try:
        link = GS1DigitalLinkURI.parse(text, config=_CONFIG)
    except (BiipException, ValueError, ArithmeticError):
        return _plain(text, symbology)
    return _from_elements(list(link.element_strings), Family.GS1_DIGITAL_LINK, text, symbology)


def _from_elements(
    elements: list[GS1ElementString], family: Family, text: str, symbology: str
) -> BarcodeReading:
    values: dict[str, str] = {}
    for element in elements:
        if values.setdefault(element.ai.ai, element.value) != element.value:
            problem = f"AI {element.ai.ai} twice with different values"
            return BarcodeReading(text, family, None, Check.NONE, values, symbology, problem)
    wrong = [
        problem
        for element in elements
        for problem in (element.sscc_error, element.gtin_error, element.gln_error)
        if problem
    ]
    if wrong:
        return BarcodeReading(text, family, None, Check.WRONG, values, symbology, wrong[0])
    checked = any(element.sscc or element.gtin or element.gln for element in elements)
    check = Check.OK if checked else Check.NONE
    identity, problem_text = _gs1_identity(values)
    return BarcodeReading(text, family, identity, check, values, symbology, problem_text)


def _gs1_identity(values: dict[str, str]) -> tuple[str | None, str | None]:
    """Return the parcel's identity, or None and why: SSCC, then GTIN with serial number."""
    if sscc := values.get("00"):
        return f"sscc:{sscc}", None
    gtin, serial = values.get("01"), values.get("21")
    if gtin and serial:
        return f"sgtin:{gtin}+{serial}", None
    if gtin:
        return None, "a GTIN without serial number names a product, not a parcel"
    return None, "neither SSCC nor GTIN with serial number"


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0] if text else type(error).__name__
