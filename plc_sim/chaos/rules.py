"""Which effects each kind of fault may have. Whatever is not allowed here fails the run.

An effect is something that happened to a parcel although nothing of the sort may happen on a
sound line. What a fault does *not* have here it must not cause: a failed divert, a cut link, a full
disk or a killed controller costs laps, and never a parcel.

How many parcels a fault may affect is a number for each. What hits single parcels names them, or
how often it comes. What hits whatever is on the belt can only hit parcels that have come onto it
before the fault was over and noticed; a later one has no excuse. Each parcel that suffered needs,
besides, a fault that can have struck that very one (``evidence``).

No fault excuses a parcel without an end, one that was counted twice, a record left open, a record
that names another chute than the one the parcel lies in, and a chute that the sort plan does not
name for the label where no cause is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from plc_sim.chaos.evidence import (
    Come,
    Whom,
    anybody,
    come_by,
    perhaps_diverted,
    taken_off,
    there_at_a_restart,
    who_had_come,
    without_a_record,
)


class Effect(Enum):
    """What can become of a parcel or of its record."""

    # --- never excused
    NO_DISPOSITION = "no final disposition"
    LEFT_OPEN = "an older record left open"
    COUNTED_TWICE = "counted twice"
    OTHER_CHUTE = "recorded in another chute than it lies in"
    OTHER_END = "recorded as ended otherwise than it did"
    UNPLANNED_CHUTE = "in a chute that the plan does not name for it, without a recorded cause"
    # --- only where a fault explains it
    NEVER_SEEN = "on the line without any record"
    GHOST = "a record without a parcel"
    LOST_AND_ENDED = "given up as lost, though it lies in a chute"
    REMOVED_AND_ENDED = "recorded as taken off with a cleared zone, though it lies in a chute"
    FOUND_AGAIN = "given up as lost, met again as unexpected"
    UNEXPECTED = "met where nobody expected it"
    LOST = "given up as lost, and is off the line"
    REMOVED = "taken off the line"
    MISSORTED = "in another chute than commanded, and recorded so"
    OTHER_LABEL = "sorted by a code the scanner read, which is not its own"
    MISTAKEN = "sorted by a code that was never read on it"


NEVER: Final = frozenset(
    {
        Effect.NO_DISPOSITION,
        Effect.LEFT_OPEN,
        Effect.COUNTED_TWICE,
        Effect.OTHER_CHUTE,
        Effect.OTHER_END,
        Effect.UNPLANNED_CHUTE,
    }
)


Most = Callable[[Any, Come], int]


def _all_of_the_run(_fault: Any, come: Come) -> int:
    """Return how many parcels there are: when a process is killed, no simulated time tells.

    The verdict looks once more at those behind the last restart, without this excuse.
    """
    return come(float("inf"))


def _so_many_times(fault: Any, come: Come) -> int:
    """Return how many records a fault touches, one parcel each."""
    return int(fault.times or come_by(fault, come))


def _pairs(fault: Any, _come: Come) -> int:
    """Return the parcels of so many that come with the next one, and of one more gone wrong.

    Two that touch count as one long parcel: both are affected, and the pair behind them when the
    last of them comes with the first of it.
    """
    return 2 * (int(fault.parcels) + 1)


def _read_wrongly(fault: Any, _come: Come) -> int:
    """Return the parcels that were misread, each with the neighbour whose code it got."""
    return 2 * int(fault.parcels)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of fault may do.

    Attributes
    ----------
    may : mapping of Effect to callable
        What can become of a parcel, and of which ones.
    because : str
        Why nothing better is possible; for a fault without effects, why none is.
    most : callable
        Parcels that may suffer each effect from this fault, given how many had come when.
    """

    may: Mapping[Effect, Whom]
    because: str
    most: Most


def _nothing(because: str) -> Rule:
    return Rule({}, because, lambda _fault, _come: 0)


def _on(whom: Whom, *effects: Effect) -> dict[Effect, Whom]:
    return dict.fromkeys(effects, whom)


_OUT_OF_PLACE: Final = (
    Effect.FOUND_AGAIN,
    Effect.UNEXPECTED,
    Effect.LOST_AND_ENDED,
    Effect.MISSORTED,
)
RULES: Final[dict[str, Rule]] = {
    # --- floor
    "jam": Rule(
        _on(taken_off, Effect.REMOVED, Effect.LOST, Effect.NEVER_SEEN)
        | _on(who_had_come, Effect.FOUND_AGAIN, Effect.UNEXPECTED)
        | _on(perhaps_diverted, Effect.REMOVED_AND_ENDED),
        "an operator takes what lies in the zone off the belt; at its borders nobody can say "
        "which parcels those were",
        come_by,
    ),
    "e_stop": _nothing("the belt stands still and goes on; positions are encoder counts"),
    "failed_divert": _nothing("the next eye sees the parcel; it comes round again"),
    "chute_jam": _nothing("other chutes of the group, the overflow or another lap"),
    "no_read": _nothing("the no-read outlet takes it"),
    "multi_read": Rule(
        _on(anybody, Effect.OTHER_LABEL),
        "two codes on one parcel go to the conflict outlet; the first one read may be the "
        "neighbour's",
        _read_wrongly,
    ),
    "swapped_codes": Rule(
        _on(anybody, Effect.OTHER_LABEL),
        "the controller can know no more than what was read",
        _read_wrongly,
    ),
    "encoder_jump": Rule(
        _on(who_had_come, *_OUT_OF_PLACE, Effect.LOST, Effect.MISTAKEN),
        "positions are encoder counts: what was on the belt is elsewhere by as much as it jumped",
        come_by,
    ),
    "encoder_slip": Rule(
        _on(who_had_come, *_OUT_OF_PLACE, Effect.LOST, Effect.MISTAKEN),
        "positions are encoder counts: what was on the belt is elsewhere by as much as it slipped",
        come_by,
    ),
    "double_feed": Rule(
        _on(anybody, *_OUT_OF_PLACE, Effect.LOST, Effect.OTHER_LABEL, Effect.MISTAKEN)
        | _on(without_a_record, Effect.NEVER_SEEN),
        "eyes take two that touch for one long parcel, until they come apart",
        _pairs,
    ),
    "no_read_burst": _nothing("the no-read outlet takes them"),
    "multi_read_burst": Rule(
        _on(who_had_come, Effect.OTHER_LABEL),
        "two codes on one parcel go to the conflict outlet; the first one read may be the "
        "neighbour's",
        come_by,
    ),
    "swapped_codes_burst": Rule(
        _on(who_had_come, Effect.OTHER_LABEL),
        "the controller can know no more than what was read",
        come_by,
    ),
    "stuck_eye": Rule(
        _on(who_had_come, Effect.UNEXPECTED),
        "a parcel that its inducting eye did not see is met at the next one as unexpected",
        come_by,
    ),
    "slow_divert": Rule(
        _on(who_had_come, Effect.MISSORTED, Effect.UNEXPECTED),
        "a diverter that acts late takes the parcel behind, and its entry eye says so",
        come_by,
    ),
    "chute_full_late": _nothing("the chute's own count says it as well"),
    # --- the PLC and its mailbox
    "event_dropped": Rule(
        _on(anybody, *_OUT_OF_PLACE, Effect.LOST) | _on(without_a_record, Effect.NEVER_SEEN),
        "nobody else knows what was in a record that was never posted; the next eye does",
        _so_many_times,
    ),
    "event_duplicated": _nothing("an edge with the same count at the same eye is the same edge"),
    "event_reordered": Rule(
        _on(anybody, *_OUT_OF_PLACE),
        "positions are latched counts, not times of arrival; but a record that waits for the next "
        "one on a nearly empty line comes behind its window, as a delayed one",
        _so_many_times,
    ),
    "event_delayed": Rule(
        _on(anybody, *_OUT_OF_PLACE),
        "a record behind its window is of a parcel that was given up there",
        _so_many_times,
    ),
    "event_corrupted": Rule(
        _on(anybody, *_OUT_OF_PLACE, Effect.LOST) | _on(without_a_record, Effect.NEVER_SEEN),
        "as a dropped one: its check word or its meaning gives it away",
        _so_many_times,
    ),
    "map_shifted": _nothing("a block of another layout is refused, and read again"),
    "plc_frozen": _nothing("latches are hardware; fires behind their window are refused"),
    "plc_restart": Rule(
        _on(there_at_a_restart, *_OUT_OF_PLACE, Effect.LOST, Effect.REMOVED, Effect.NEVER_SEEN),
        "the PLC's rings are gone with what nobody had read; who is still on the belt is met "
        "again as unexpected",
        come_by,
    ),
    # --- link, host, disk, clock, processes
    "link_cut": _nothing("events wait in the PLC's rings; commands sent before still fire"),
    "link_half_open": _nothing("as a cut; late writes are refused by their expiry"),
    "link_latency": _nothing("it costs slack; a missed deadline costs a lap"),
    "link_loss": _nothing("it costs slack; a missed deadline costs a lap"),
    "host_down": _nothing("parcels without a record go to the no-data outlet"),
    "disk_full": _nothing("steps wait in memory, events stay unacknowledged in the PLC"),
    "clock_step": _nothing("nothing that decides looks at the wall clock"),
    "kill_controller": _nothing("journal and rings hold everything that was known"),
    "kill_plc": Rule(
        _on(
            there_at_a_restart,
            Effect.LOST,
            Effect.REMOVED,
            Effect.LOST_AND_ENDED,
            Effect.NEVER_SEEN,
            Effect.UNEXPECTED,
        ),
        "the belt is emptied and the PLC's rings are gone with what nobody had read",
        _all_of_the_run,
    ),
}
"""By kind of fault; every kind that a scenario knows is here."""


def allowance(faults: Iterable[Any], come: Come) -> dict[Effect, int]:
    """Return how many parcels may suffer each effect when these faults come together."""
    allowed: dict[Effect, int] = dict.fromkeys(Effect, 0)
    for fault in faults:
        rule = RULES[fault.kind]
        for effect in rule.may:
            allowed[effect] += rule.most(fault, come)
    return allowed
