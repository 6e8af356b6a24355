"""Bits as plain numbers: numba knows integer enumerations, but not flags."""

from __future__ import annotations

from typing import Final

from sorter.model.codes import ChuteBit
from sorter.model.tracking import Attention

OPEN: Final = int(ChuteBit.OPEN)
FULL: Final = int(ChuteBit.FULL)
JAMMED: Final = int(ChuteBit.JAMMED)
BLOCKING: Final = OPEN | FULL | JAMMED
"""Bits of a chute's state word that decide whether it takes parcels."""

FACTS: Final = int(Attention.FACTS)
ROUTE: Final = int(Attention.ROUTE)
AIM: Final = int(Attention.AIM)
AGAIN: Final = int(Attention.AGAIN)
RECONSIDER: Final = FACTS | ROUTE
