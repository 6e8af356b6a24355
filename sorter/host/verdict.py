"""What the codes of one scanner passage say together: no-read, read, or conflict.

A *valid identity* stands on a check digit or on GS1 syntax (SSCC, GTIN with serial number,
UPU S10), or belongs to a return that the registry knows. Two different valid identities are a
conflict. No conflict are: the same identity twice, a GTIN alone next to anything, several GS1
elements in one payload, and plain text that the registry does not know next to a valid identity:
carrier routing labels are everywhere. Without any valid identity, one plain text is read as
``text:...``, two different ones are a conflict, and legible codes that identify no parcel (GTIN
alone, wrong check digit, broken GS1 syntax) are read as the text they are, to end in no-data where
a person looks at the label; next to anything else they are no conflict. Only where nothing at all
is legible is it a no-read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sorter.host.barcode import BarcodeReading, read_payload
from sorter.model.codes import ScanVerdict
from sorter.model.frames import ScanRead

MAX_CODES_LOOKED_AT: Final = 64
"""A scan slot holds at most 228 codes; nobody puts more than a few on a parcel."""


def _unknown(_reading: BarcodeReading) -> str | None:
    return None


def verdict(
    scan: ScanRead, registered: Callable[[BarcodeReading], str | None] = _unknown
) -> tuple[ScanVerdict, str | None]:
    """Return what a scan means and the identity it gives (None unless it is READ).

    Parameters
    ----------
    scan : ScanRead
        A truncated result is judged by the codes that did fit.
    registered : callable
        Returns the identity of the return that a reading belongs to, None when there is none.
    """
    return judge([read_payload(code) for code in scan.codes[:MAX_CODES_LOOKED_AT]], registered)


def judge(
    readings: list[BarcodeReading], registered: Callable[[BarcodeReading], str | None] = _unknown
) -> tuple[ScanVerdict, str | None]:
    """Return the verdict on the readings of one passage; see the module's text for the rules."""
    valid: set[str] = set()
    texts: set[str] = set()
    fallback: str | None = None
    for reading in readings:
        if not reading.legible:
            continue
        identity = registered(reading)
        if identity is not None:
            valid.add(identity)
        elif reading.valid and reading.identity is not None:
            valid.add(reading.identity)
        elif reading.identity is not None:
            texts.add(reading.identity)
        elif fallback is None:
            fallback = reading.key
    for identities in (valid, texts):
        if len(identities) == 1:
            return ScanVerdict.READ, identities.pop()
        if identities:
            return ScanVerdict.CONFLICT, None
    if fallback is not None:
        return ScanVerdict.READ, fallback
    return ScanVerdict.NO_READ, None
