"""Names of the cells of the PLC's working memory: one vector of whole numbers.

Encoder counts and ticks in it are unwrapped. Behind the single cells come the table of what is
done to records on their way into the mailbox, and the records that are held back.
"""

from __future__ import annotations

from enum import IntEnum


class Memory(IntEnum):
    """Cells of the PLC's working memory."""

    LOW_FIRST = 0
    EVENT_SLOTS = 1
    SCAN_SLOTS = 2
    BOOT_ID = 3
    LINE_STATE = 4
    EVENT_HEAD = 5
    EVENT_ACK = 6
    EVENT_OVERFLOW = 7
    SCAN_HEAD = 8
    SCAN_ACK = 9
    SCAN_OVERFLOW = 10
    EPOCH = 11
    COMMAND_ACK = 12
    PENDING = 13  # commands accepted and not yet fired
    NEXT_FIRE = 14  # smallest fire count of them
    WINDOW_HEAD = 15  # event head that the window in the status block shows
    BAD_SLOT = 16  # command sequence whose check did not fit in the last scan, else 0
    RETRY = 17  # 1: a command slot has to be looked at again in the next scan
    TAMPERS = 18  # rows of the table of tamperings, 0: records go straight into the rings
    TAMPERED = 19  # what was done to the newest record: a `Tampering`, 0: nothing
    TICK = 20  # now; kept only where there are tamperings
    HELD = 21  # events held back
    HELD_TICK = 22  # when the first of them is due
    FORMER_EPOCH = 23  # of the controller before this one


class Pending(IntEnum):
    """Rows of the table of accepted commands."""

    PARCEL = 0
    CHUTE = 1
    FIRE = 2
    HOLD = 3
    SLACK = 4


class ChuteCell(IntEnum):
    """Rows of the PLC's table of chutes."""

    BITS = 0
    HAS_DIVERTER = 1


class Tampering(IntEnum):
    """What is done to a record."""

    DROP = 1
    DUPLICATE = 2
    REORDER = 3
    DELAY = 4
    SPOIL_CHECK = 5
    NONSENSE = 6


(
    TAMPER_WHAT,
    TAMPER_ACTIVE,
    TAMPER_EVENTS,  # a bit per kind; bit 0: records of the scan ring
    TAMPER_SOURCE,  # -1: any
    TAMPER_THRESHOLD,  # of a draw of 32 bits
    TAMPER_SALT,
    TAMPER_LEFT,  # times, -1: any number
    TAMPER_DELAY_TICKS,
    TAMPER_CELLS,
) = range(9)
"""Cells of one row of the table of tamperings."""
(
    HELD_DUE_TICK,
    HELD_BEHIND_NEXT,  # 1: it may go as soon as another one was posted
    HELD_KIND,
    HELD_SOURCE,
    HELD_ENCODER,
    HELD_TICK,
    HELD_A,
    HELD_B,
    HELD_CELLS,
) = range(9)
"""Cells of an event that is held back."""

NO_FIRE = 1 << 62
"""Fire count when nothing is pending."""
FIRED_LIMIT = 64
"""Diverters that can be fired in one scan."""
HELD_ROOM = 256
"""Events that can be held back at once; more are posted straight on."""
LONGEST_WAIT_TICKS = 10_000
"""An event that waits for another one goes after so long without."""
HALF = 1 << 31
MASK = (1 << 32) - 1
AT_TAMPERS = len(Memory)
"""Where the table of tamperings begins; that of held events follows it."""


def memory_size(tamperings: int) -> int:
    """Return how many cells a PLC's memory has."""
    return AT_TAMPERS + tamperings * TAMPER_CELLS + (HELD_ROOM * HELD_CELLS if tamperings else 0)
