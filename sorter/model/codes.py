"""Integer codes of the field's words, shared by kernels, journal, metrics and wire.

The numbers are part of the journal format and of the wire contract: append, never renumber.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

NONE = -1
"""An array cell that names nothing: no chute, no stream, no parcel."""


class Grade(IntEnum):
    """Condition of a returned article."""

    A = 0
    """As new."""
    B = 1
    """Opened or working."""
    C = 2
    """Damaged."""
    D = 3
    """Salvage."""
    U = 4
    """Ungraded."""


class Disposition(IntEnum):
    """What is to become of a returned article."""

    RESTOCK = 0
    OUTLET = 1
    REFURBISH = 2
    REPAIR = 3
    RETURN_TO_VENDOR = 4
    DONATE = 5
    RECYCLE = 6
    DESTROY = 7
    QUARANTINE = 8
    INSPECT = 9


class ReturnReason(IntEnum):
    """Why the customer sent the article back."""

    WRONG_SIZE = 0
    NOT_AS_DESCRIBED = 1
    DEFECT = 2
    CHANGE_OF_MIND = 3
    OTHER = 4


class ScanVerdict(IntEnum):
    """What a scanner's result means, before the return record is looked up."""

    NO_READ = 0
    READ = 1
    CONFLICT = 2
    """Two different valid identities on one parcel."""


class Cause(IntEnum):
    """Why a parcel goes to an exception chute (the first nine) or was closed without a chute."""

    NO_READ = 0
    MULTI_READ_CONFLICT = 1
    NO_DATA = 2
    """The identity is not in the registry."""
    UNGRADED = 3
    HAZMAT = 4
    OVER_SIZE = 5
    OVER_WEIGHT = 6
    WINDOW_EXPIRED = 7
    """Returned after the return window of its country."""
    TRACKING_LOST = 8
    """An edge that no tracked parcel explains: nobody knows what this parcel is."""
    NO_CHUTE = 9
    """No chute of its stream or of the overflow streams took it within the permitted laps."""
    NO_RULE = 10
    """No rule of the returns policy matches the record."""
    LINE_END = 11
    """Ran off the end of a line without being diverted."""
    MISTRACKED = 12
    """Expected at several eyes in a row, never seen; or what was taken for it was another one."""
    PLC_RESTARTED = 13
    ZONE_CLEARED = 14
    """An operator took it off the belt."""
    TRACKING_FULL = 15
    """More parcels on the line than the tracking table holds."""
    ENCODER_JUMPED = 16
    """The encoder count went back, or on farther than the belt can: nobody knows where it is."""
    CONFIG_CHANGED = 17
    """Layout, sort plan or returns policy changed over a restart of the controller: where it was
    bound for means nothing any more."""
    STATE_LOST = 18
    """A restart of the controller could not rebuild what was known of it: the journal is damaged,
    or another version of the software decides otherwise."""


EXCEPTION_CAUSES: tuple[Cause, ...] = tuple(Cause(code) for code in range(Cause.TRACKING_LOST + 1))
"""Causes that have an outlet of their own in the sort plan."""


class FinalDisposition(IntEnum):
    """How a parcel's life on the line ended; exactly one for each parcel."""

    SORTED = 1
    MISSORTED = 2
    REJECTED = 3
    LOST = 4
    REMOVED = 5


class PassResult(IntEnum):
    """How one pass of a parcel by its assigned chute ended."""

    DIVERTED = 1
    DIVERT_INHIBITED = 2
    MISSED = 3


class ChuteVerdict(IntEnum):
    """Why a candidate chute was, or was not, chosen. Kept for every candidate of a decision."""

    CHOSEN = 0
    NOT_BEST = 1
    """Would have been possible; another candidate of the group was better."""
    FULL = 2
    """No place left, counting the parcels that are already on their way to it."""
    CLOSED = 3
    JAMMED = 4
    UNREACHABLE = 5
    """Its commit point is behind the parcel (line), or no diverter serves it."""
    OVER_SIZE = 6
    OVER_WEIGHT = 7
    RATE_LIMITED = 8
    """The diverter cannot act again so soon after the neighbouring parcel."""
    WINDOW_TAKEN = 9
    """Another parcel's divert window overlaps the one needed here."""
    EXCLUDED = 10
    """The last divert of this parcel there was inhibited or missed in this lap."""


class DecisionKind(IntEnum):
    """What a decision did with a parcel."""

    ROUTED = 1
    REROUTED = 2
    """A better or still possible chute replaced the one commanded before."""
    RECIRCULATED = 3
    """No chute takes it in this lap; it comes round again."""
    UNROUTABLE = 4
    """No chute at all: it runs to the line's end."""


class DecisionReason(IntEnum):
    """Why the decision was taken when it was, and against which part of the plan."""

    PLAN = 1
    """A chute of the stream's own groups."""
    OVERFLOW = 2
    """A chute of an overflow stream."""
    EXCEPTION = 3
    """The outlet of an exception cause."""
    LAPS_EXHAUSTED = 4
    """The exception outlet after the last permitted lap."""
    NOTHING_FREE = 5
    """No candidate was possible; every candidate carries its own verdict."""
    OUTLET_TOO_SMALL = 6
    """The outlet of its exception cause does not take its size or weight; the fallback does."""


class OutcomeKind(IntEnum):
    """What became known about a parcel; rows of ``Decisions.outcomes``."""

    OPENED = 1
    """``value`` = induct eye index, ``cause`` = TRACKING_LOST for an unexpected edge, else -1."""
    SEEN = 2
    """``value`` = eye index."""
    SCANNED = 3
    """``value`` = :class:`ScanVerdict`; scanner index in the place of ``chute`` (-1: none)."""
    MEASURED = 4
    """``value`` = weight in grams; scale index in the place of ``chute``."""
    CLASSIFIED = 5
    """``value`` = :class:`Disposition` (or -1), ``cause`` = exception cause (or -1)."""
    PASSED = 6
    """``value`` = :class:`PassResult`, ``chute``, ``cause`` = :class:`RefusalCause` (or -1)."""
    RECIRCULATED = 7
    """``value`` = lap number just completed."""
    CLOSED = 8
    """``value`` = :class:`FinalDisposition`, ``chute``, ``cause``."""
    DEADLINE_MISSED = 9
    """No command was accepted before the commit point; ``cause`` = :class:`MissCause`."""
    EYE_MISSED = 10
    """``value`` = eye index that should have seen it."""
    SLACK = 11
    """``value`` = counts left when the PLC accepted the command that fired."""
    ANSWERED = 12
    """The host knows the parcel, after all; ``value`` = :class:`Grade` or -1."""
    MODE_CHANGED = 13
    """Of the line, so ``parcel`` is 0: ``value`` = :class:`LineState`, ``cause`` =
    :class:`ModeReason`."""


class MissCause(IntEnum):
    """Why a deadline was missed."""

    DECIDED_LATE = 0
    """The facts were complete only behind the commit point."""
    COMMAND_LATE = 1
    """The PLC saw the command behind its expiry or fire count."""
    LATE_HOST = 2
    """The host's answer came behind the commit point of what was decided without it."""


class ModeReason(IntEnum):
    """Why the line is in the state it is in."""

    RUNNING = 0
    BLOCKED = 1
    """No chute of the sort plan takes a parcel."""
    STARVED = 2
    """The belt is empty, and nothing has come for a while."""
    EMERGENCY_STOP = 3
    JAM = 4
    PLC = 5
    """The PLC says so, for reasons of its own."""
    LINK_DOWN = 6
    """The PLC does not answer; nobody knows what the line does."""


class EventKind(IntEnum):
    """Kinds of records in the event ring (wire contract)."""

    PARCEL_PASSED = 1
    PARCEL_MEASURED = 2
    DIVERT_FIRED = 3
    DIVERT_REFUSED = 4
    CHUTE_ENTERED = 5
    CHUTE_CHANGED = 6
    CHUTE_EMPTIED = 7
    LINE_CHANGED = 8
    ZONE_CLEARED = 9
    EYE_BLOCKED = 10


class NoticeKind(IntEnum):
    """Kinds of events that the controller itself adds to what the PLC reported.

    Never on the wire: kinds have 16 bits there.
    """

    ENCODER_JUMPED = 0x10000
    """``encoder`` = count behind the jump, ``a`` = how far, ``b`` = 1: back."""


class CommandKind(IntEnum):
    """Kinds of records in the command window (wire contract)."""

    FIRE_DIVERT = 1
    CANCEL_DIVERT = 2


class RefusalCause(IntEnum):
    """Why the PLC did not execute a command (wire contract)."""

    TOO_LATE = 1
    """The encoder was already past the fire count."""
    EXPIRED = 2
    """The command arrived after its expiry count."""
    CHUTE_CLOSED = 3
    CHUTE_FULL = 4
    CHUTE_JAMMED = 5
    LINE_STOPPED = 6
    TABLE_FULL = 7
    """More pending commands than the PLC holds."""
    BAD_COMMAND = 8
    """Unknown kind or chute, or a check word that does not fit."""


class ChuteBit(IntFlag):
    """State word of a chute in ``CHUTE_CHANGED`` (wire contract)."""

    OPEN = 1
    HALF_FULL = 2
    FULL = 4
    JAMMED = 8


class LineState(IntEnum):
    """PackML state numbers (ISA-TR88.00.02, numbered as in OPC 30050)."""

    UNDEFINED = 0
    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETED = 17
