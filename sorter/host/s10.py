"""Check digit of UPU S10 postal item numbers."""

from __future__ import annotations

from typing import Final

WEIGHTS: Final = (8, 6, 4, 2, 3, 5, 9, 7)


def s10_check_digit(serial: str) -> int:
    """Return the check digit of an eight-digit serial number.

    As the standard UPU S10 "Identification of postal items - 13-character identifier" says: the
    digits times the weights 8 6 4 2 3 5 9 7 are summed; the check digit is 11 minus the remainder
    of the sum by 11, where 10 becomes 0 and 11 becomes 5.

    Parameters
    ----------
    serial : str
        Eight ASCII digits.

    Examples
    --------
    >>> s10_check_digit("47312482")
    9
    """
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, serial, strict=True))
    rest = 11 - total % 11
    return {10: 0, 11: 5}.get(rest, rest)
