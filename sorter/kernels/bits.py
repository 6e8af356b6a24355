"""Bits as plain numbers: numba knows integer enumerations, but not flags."""

from __future__ import annotations

from typing import Final

from sorter.model.codes import ChuteBit
from sorter.model.tracking import Attention, Doubt

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

ENTRY_AWAITED: Final = int(Doubt.ENTRY_AWAITED)
EYE_MISSED: Final = int(Doubt.EYE_MISSED)
ALIKE: Final = int(Doubt.ALIKE)
UNLIKE: Final = int(Doubt.UNLIKE)
OTHER_WEIGHT: Final = int(Doubt.OTHER_WEIGHT)
EDGE_OFF: Final = int(Doubt.EDGE_OFF)
DOUBTFUL_WAY: Final = ENTRY_AWAITED | EYE_MISSED
"""It was not followed without a gap to the edge that was taken for its own."""
