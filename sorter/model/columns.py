"""Columns of the int64 arrays that kernels, core, journal and metrics share.

Row arrays (events, scans, commands, decisions, candidates, outcomes) are shaped ``(n, width)``,
one row a record. State and layout tables (parcels, chutes, eyes, rules) are shaped
``(columns, n)``, structure of arrays: a kernel that walks one column walks contiguous memory.
Encoder counts and ticks are unwrapped to int64 before they get here.
"""

from __future__ import annotations

from enum import IntEnum


class EventColumn(IntEnum):
    """One event of the PLC. ``a`` and ``b`` by kind (see ``docs/wire-contract.md``).

    =================  ======  ==========================================  ====================
    kind               source  a                                           b
    =================  ======  ==========================================  ====================
    PARCEL_PASSED      eye     parcel length, counts                       0
    PARCEL_MEASURED    scale   width_mm * 65536 + height_mm                weight, 10 g units
    DIVERT_FIRED       chute   parcel id                                   slack, counts
    DIVERT_REFUSED     chute   parcel id                                   RefusalCause
    CHUTE_ENTERED      chute   parcel length, counts                       0
    CHUTE_CHANGED      chute   0                                           ChuteBit mask
    CHUTE_EMPTIED      chute   parcels taken out, 0: all                   0
    LINE_CHANGED       zone    0                                           LineState
    ZONE_CLEARED       zone    0                                           0
    EYE_BLOCKED        eye     counts blocked so far                       0
    =================  ======  ==========================================  ====================
    """

    SEQ = 0
    KIND = 1
    SOURCE = 2
    ENCODER = 3
    TICK = 4
    A = 5
    B = 6


EVENT_WIDTH = len(EventColumn)


class ScanColumn(IntEnum):
    """One scanner result with the facts the return registry knows; -1 is unknown."""

    SEQ = 0
    SCANNER = 1
    ENCODER = 2
    TICK = 3
    VERDICT = 4  # ScanVerdict
    IDENTITY = 5  # 63-bit hash of the identity, 0 when there is none
    KNOWN = 6  # 1: the registry has a return record
    GRADE = 7
    CATEGORY = 8  # index in the policy's category list
    REASON = 9  # ReturnReason
    HAZMAT = 10
    VALUE_CENTS = 11
    COUNTRY = 12  # index in the policy's country list
    DAYS_HELD = 13  # days from delivery to return


SCAN_WIDTH = len(ScanColumn)


class CommandColumn(IntEnum):
    """One command to the PLC."""

    SEQ = 0
    KIND = 1  # CommandKind
    CHUTE = 2
    PARCEL = 3
    FIRE = 4  # unwrapped encoder count
    EXPIRY = 5
    HOLD = 6


COMMAND_WIDTH = len(CommandColumn)


class DecisionColumn(IntEnum):
    """One routing decision."""

    PARCEL = 0
    KIND = 1  # DecisionKind
    REASON = 2  # DecisionReason
    GRADE = 3
    STREAM = 4  # the parcel's own stream
    SERVED_STREAM = 5  # the stream whose group gave the chute (overflow), or -1
    DISPOSITION = 6
    CAUSE = 7  # exception cause or -1
    CHUTE = 8  # -1: none
    ENCODER = 9  # count at the decision
    COMMIT = 10  # count of the commit point, -1 without a chute
    LAP = 11


DECISION_WIDTH = len(DecisionColumn)


class CandidateColumn(IntEnum):
    """One candidate chute of a decision and what was found about it."""

    DECISION = 0  # row in the decisions of the same frame
    CHUTE = 1
    VERDICT = 2  # ChuteVerdict


CANDIDATE_WIDTH = len(CandidateColumn)


class OutcomeColumn(IntEnum):
    """One thing that became known about a parcel; see :class:`~sorter.model.codes.OutcomeKind`."""

    PARCEL = 0
    KIND = 1
    VALUE = 2
    CHUTE = 3
    CAUSE = 4
    ENCODER = 5


OUTCOME_WIDTH = len(OutcomeColumn)


class LineField(IntEnum):
    """Scalars of the line, a vector ``int64[len(LineField)]``."""

    LOOP_COUNTS = 0  # 0: a line that ends
    LENGTH_COUNTS = 1
    MAX_LAPS = 2
    WINDOW = 3  # half width of a tracking window, counts
    LENGTH_TOLERANCE = 4  # counts
    LOST_AFTER_MISSED_EYES = 5
    IO_ALLOWANCE = 6  # counts a command needs from the decision to the PLC
    CHOOSE = 7  # 0 first_fit, 1 balance
    MAX_LENGTH = 8  # over-size limits of the line, counts / mm / grams
    MAX_WIDTH_MM = 9
    MAX_HEIGHT_MM = 10
    MAX_WEIGHT_G = 11
    STARVED_AFTER = 12  # counts without a new parcel on an empty belt; 0: never starved


class EyeColumn(IntEnum):
    """Photo-eyes, ordered by position."""

    POSITION = 0  # counts from the line's origin
    INDUCTS = 1  # 1: a parcel nobody expects here is a new one from the induction before it


class StationColumn(IntEnum):
    """Scanners and scales, ordered as configured."""

    POSITION = 0


class ZoneColumn(IntEnum):
    """Named stretches of the line."""

    START = 0
    END = 1


class ChuteColumn(IntEnum):
    """Chutes, ordered as configured: what is built."""

    POSITION = 0
    ACTUATION = 1  # counts from firing to the diverter being engaged
    HOLD = 2  # counts the diverter stays engaged
    ENTRY_DELAY = 3  # counts from the mouth to the chute's entry eye
    MAX_LENGTH = 4  # counts
    MAX_WIDTH_MM = 5
    MAX_HEIGHT_MM = 6
    MAX_WEIGHT_G = 7
    CAPACITY = 8  # parcels; 0: not limited by count
    CAPACITY_LENGTH = 9  # counts of parcel length; 0: not limited by length
    LINE_END = 10  # 1: no diverter, takes what runs off the end


class ChuteStateColumn(IntEnum):
    """Chutes: what is known now."""

    BITS = 0  # ChuteBit
    PARCELS = 1
    LENGTH = 2
    RESERVED = 3
    RESERVED_LENGTH = 4
    LAST_ENTRY = 5  # count and tick of the newest entry reported
    LAST_ENTRY_TICK = 6
    LAST_EMPTIED = 7  # count and tick of the newest emptying reported
    LAST_EMPTIED_TICK = 8
    LAST_CHANGE = 9  # count of the newest state reported


class RuleColumn(IntEnum):
    """Rules of the returns policy, first match wins."""

    GRADES = 0  # bit mask over Grade
    CATEGORIES = 1  # bit mask over category index (at most 62); -1: any, also unknown
    REASONS = 2  # bit mask over ReturnReason; -1: any
    VALUE_FROM = 3  # cents, inclusive
    VALUE_TO = 4  # cents, exclusive
    HAZMAT = 5  # the record's flag must equal this
    DISPOSITION = 6
    STREAM = 7
