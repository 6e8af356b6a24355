"""Columns and registers of the tracking state that core and kernels share.

*Travel* is an unwrapped line position in encoder counts: a parcel whose leading edge was at
position 0 at count ``ANCHOR`` has travelled ``encoder - ANCHOR``. On a loop it grows by
``LOOP_COUNTS`` with every round, so "behind" and "ahead" are plain comparisons.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

NEVER: Final = (1 << 62) - 1
"""A count that the encoder does not reach."""


class ParcelState(IntEnum):
    """How far the decision about a parcel has got."""

    UNDECIDED = 0
    """Facts are missing. The parcel simply stays on the belt."""
    WAITING = 1
    """Decided, but no chute takes it now."""
    COMMANDED = 2
    """A divert command was issued."""
    FIRED = 3
    """The PLC fired; the chute entry has to confirm."""
    RUNNING_OUT = 4
    """Bound for the end of the line; needs no command."""


class Resend(IntEnum):
    """Whether a command has to be sent again that the PLC refused because the line stood."""

    WAITING = 1
    SENT = 2
    """Once more while the line runs; a second refusal then is one like any other."""


class Attention(IntFlag):
    """Why the assignment has to look at a parcel at the end of the frame."""

    FACTS = 1
    """Something was learnt; its class may have changed."""
    ROUTE = 2
    """It needs a chute."""
    AIM = 4
    """Its position was corrected; the fire count may be off."""
    AGAIN = 8
    """The controller was restarted: nobody knows whether its last command reached the PLC."""


class Doubt(IntFlag):
    """What speaks against the edge at an inducting eye having been this parcel's."""

    ENTRY_AWAITED = 1
    """It was to enter a chute since an eye saw it last, and no entry was reported."""
    EYE_MISSED = 2
    """The eye before had not seen it."""
    ALIKE = 4
    """For it: a scale found the same weight and size again."""
    UNLIKE = 8
    """A scale found another weight or size."""
    OTHER_WEIGHT = 16
    """A scale found a weight that no scale takes for the one before."""
    EDGE_OFF = 32
    """Place or length fitted, but not well."""


class ParcelColumn(IntEnum):
    """Tracked parcels, ``int64[len(ParcelColumn), capacity]``; a row with ID 0 is free."""

    ID = 0
    ANCHOR = 1  # encoder count at which the leading edge was at line position 0
    LENGTH = 2  # counts
    STATE = 3  # ParcelState
    EYE = 4  # next eye, -1: no eye ahead (line)
    ROUND = 5  # travel of position 0 in the round of the next eye
    SEEN_TRAVEL = 6  # travel of the last eye that saw it
    MISSED_EYES = 7  # in a row
    INDUCT_TRAVEL = 8
    LAP = 9  # completed laps
    SCANNER_TRAVEL = 10  # where the first scan result is due, -1: no scanner ahead
    SCALE_TRAVEL = 11  # where a measurement is due, -1: none is awaited
    VERDICT = 12  # ScanVerdict, -1: not scanned yet
    IDENTITY = 13
    KNOWN = 14  # from here to DAYS_HELD as in ScanColumn
    GRADE = 15
    CATEGORY = 16
    REASON = 17
    HAZMAT = 18
    VALUE_CENTS = 19
    COUNTRY = 20
    DAYS_HELD = 21
    WIDTH_MM = 22  # -1: not measured
    HEIGHT_MM = 23
    WEIGHT_G = 24
    DISPOSITION = 25
    STREAM = 26
    CAUSE = 27
    CHUTE = 28  # assigned chute (holds a reservation), -1: none
    CHUTE_TRAVEL = 29  # travel of that chute in the pass meant
    FIRE = 30  # commanded fire count
    EXCLUDED = 31  # chute that refused it or missed it last in this lap
    UNEXPECTED = 32  # 1: opened by an edge nobody expected
    ATTENTION = 33  # Attention
    DUE = 34  # count at which housekeeping must look at it
    EXCLUDED_BITS = 35  # all such chutes of this lap, bit = chute modulo EXCLUDED_MODULUS; -1: none
    DOUBTFUL = 36  # 1: a cleared zone may have had it; not seen since
    SCAN_SEQ = 37  # sequence of the scan result that identified it, -1: none
    RESEND = 38  # Resend: whether its command was refused because the line stood
    DOUBTS = 39  # Doubt
    CLAIM_EYE = 40  # inducting eye whose edge was taken for its own; -1: none, or a label proved it
    CLAIM_COUNT = 41  # count of that edge
    CLAIM_LENGTH = 42  # length seen there, counts
    CLAIM_SCALE = 43  # scale that has measured it since, -1: none
    CLAIM_DUE = 44  # count at which no scan result counts as one without a label


class Register(IntEnum):
    """Scalars of the tracking state and lengths of the output buffers, one int64 vector."""

    BOOT_ID = 0
    LINE_STATE = 1
    NEXT_PARCEL_ID = 2
    COMMAND_SEQ = 3  # newest command issued
    ROWS = 4  # rows of the parcel table in use, free ones between them included
    TRACKED = 5
    NEXT_DUE = 6
    CHUTES_IMPROVED = 7  # 1: some chute takes more than before
    CHUTES_WORSENED = 8  # 1: some chute takes less than before
    CAPACITY = 9  # rows of the parcel table that may be used
    END_TRAVEL = 10  # where a line that ends must have confirmed the parcel
    END_CHUTE = 11  # chute without diverter at the end, -1: none
    REACH = 12  # farthest spacing at which two parcels can disturb each other's diverts
    STRAY_SCANS = 13  # scan results no tracked parcel explains
    STRAY_MEASUREMENTS = 14
    STALE_CONFIRMATIONS = 15  # fired or refused for a parcel or chute no longer meant
    MALFORMED_REPORTS = 16  # of a sensor, chute or kind that does not exist
    DROPPED_OUTPUTS = 17  # rows that did not fit the output buffers
    PLACES_FREED = 18  # reservations given up by rerouting, ever
    LAST_SCAN_SEQ = 19  # newest scan result taken in since the PLC's start
    UNUSED_ANSWERS = 20  # late answers of the host about parcels that are gone
    DUPLICATE_REPORTS = 21  # of what was reported before, or is older than what is known
    MODE = 22  # LineState that the line is in, all things considered
    MODE_REASON = 23  # ModeReason
    LAST_INFEED = 24  # count at which the newest parcel was seen first
    BLOCKED_EYES = 25  # bit = eye modulo EYE_BITS: stays dark, sees nothing
    RESENDS = 26  # commands to be sent again when the line runs
    ENCODER_JUMPS = 27
    COUNT_BEFORE_JUMP = 28  # of the newest jump
    COUNT_BEHIND_JUMP = 29
    JUMP_TICK = 30  # PLC tick of the newest jump
    LATE_REPORTS = 31  # that came when nobody waited for them any more
    NEWEST_REPORT = 32  # count up to which reports have come, in frames before this one
    NEXT_EDGE = 33  # which of the remembered edges is forgotten next
    COMMANDS = 34  # lengths of the output buffers
    DECISIONS = 35
    CANDIDATES = 36
    OUTCOMES = 37


class ChoiceColumn(IntEnum):
    """Result of routing one parcel."""

    CHUTE = 0  # -1: none
    SERVED_STREAM = 1  # stream whose group gave the chute, -1: none or exception
    REASON = 2  # DecisionReason
    FIRE = 3
    COMMIT = 4
    TRAVEL = 5  # of the chute in the pass meant
    FIRST_CANDIDATE = 6
    END_CANDIDATE = 7


FIRST_EDGE: Final = len(Register)
REMEMBERED_EDGES: Final = 32
"""Newest edges at the eyes, behind the registers: a record that comes twice comes within a second,
and in a second the eyes of a line see no more parcels than this."""
REGISTERS: Final = FIRST_EDGE + REMEMBERED_EDGES
EDGE_EYES: Final = 1 << 16
"""An edge is remembered as one number, its count times this plus its eye."""

EXCLUDED_MODULUS: Final = 62
"""A chute that shares the bit of an excluded one waits for the next lap, too; that is harmless."""

EYE_BITS: Final = 62
"""An eye that shares the bit of a blocked one is excused with it; that is harmless."""

NEAR_WIDTH: Final = 17
"""One row of neighbours: their number, then up to eight pairs of table row and spacing."""
