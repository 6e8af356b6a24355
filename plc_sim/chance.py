"""Chance that does not depend on the order in which it is asked for."""

from __future__ import annotations

from .jit import inner

_MASK = (1 << 32) - 1
CERTAIN = 1 << 32
"""Threshold that every draw is below."""


@inner
def drawn(salt: int, first: int, second: int, third: int) -> int:
    """Return 32 random bits that belong to a seed and three numbers."""
    bits = (salt ^ 0x9E3779B9) & _MASK
    for number in (first, second, third):
        bits = ((bits ^ (number & _MASK)) * 0x45D9F3B) & _MASK
        bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & _MASK
        bits ^= bits >> 16
    return bits
