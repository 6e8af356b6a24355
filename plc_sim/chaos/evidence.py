"""Whom a fault can have struck: what the truth ledger shows of a parcel, and when it came.

A number of parcels alone would let a fault that empties half the belt excuse any other half. So
each parcel that suffered something needs a fault of the story that can have struck that very one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from plc_sim.truth import DOUBLE_FEED, EVENT_CORRUPTED, EVENT_DROPPED, PLC_RESTART, REMOVED
from sorter.model.codes import NONE

Come = Callable[[float], int]
"""How many parcels of the run have come by so many simulated seconds, at most."""
Row = Mapping[str, Any]
"""Of the truth ledger."""
RESTARTS: Final = frozenset({"plc_restart", "kill_plc"})
_NOTICED_S: Final = 10.0
"""Simulated time from the end of a fault until the controller has seen that things are as they
were: a few looks, and the way to most of the next eyes, also on a machine that is busy."""
_LENGTHS: Final = ("for_s", "clear_after_s", "down_s")
_LOST_RECORD: Final = frozenset({EVENT_DROPPED, EVENT_CORRUPTED})
_WITHOUT_RECORD: Final = _LOST_RECORD | {DOUBLE_FEED}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run's ledger tells as a whole.

    Attributes
    ----------
    come : callable
    ended_boots : frozenset of int or None
        Starts of the PLC that another one followed. None: the ledger does not tell all of them, as
        no parcel was seen by one of them.
    """

    come: Come
    ended_boots: frozenset[int] | None

    @classmethod
    def of(cls, faults: Sequence[Any], come: Come, truth: Sequence[Row]) -> Evidence:
        """Return what the rows of a finished run tell."""
        ended = ended_boots(truth)
        restarts = sum(fault.kind in RESTARTS for fault in faults)
        return cls(come, ended if len(ended) >= restarts else None)


Whom = Callable[[Row, Any, Evidence], bool]
"""Whether a fault can have struck the parcel of a row."""


def come_by(fault: Any, come: Come) -> int:
    """Return how many parcels can have been on the belt while a fault of plant or PLC lasted."""
    lasts_s = max((getattr(fault, name, 0.0) for name in _LENGTHS), default=0.0)
    return come(fault.at_s + lasts_s + _NOTICED_S)


def ended_boots(truth: Sequence[Row]) -> frozenset[int]:
    """Return the starts of the PLC that saw a parcel and were followed by another that did.

    Who was on the belt at a restart, but before its first eye, has seen only the start behind it.
    """
    first = [row["sightings"][0][2] for row in truth if row["sightings"]]
    later = [boot_id for row in truth for _, _, boot_id in row["sightings"]]
    *ended, _ = [*dict.fromkeys([*first, *later])] or [NONE]
    return frozenset(ended)


def boots_of(row: Row) -> set[int]:
    """Return the starts of the PLC that have seen a parcel, or its end."""
    return {boot_id for _, _, boot_id in row["sightings"]} | {row["end_boot"]}


def anybody(_row: Row, _fault: Any, _evidence: Evidence) -> bool:
    """Accept every parcel: the fault counts those it strikes, and neighbours suffer with them."""
    return True


def who_had_come(row: Row, fault: Any, evidence: Evidence) -> bool:
    """Accept who came before the fault was over and noticed: parcels are numbered as they come."""
    return int(row["physical_id"]) < come_by(fault, evidence.come)


def taken_off(row: Row, fault: Any, evidence: Evidence) -> bool:
    """Accept who was taken off the belt by hand, and came before the fault was over."""
    return bool(row["end"] == REMOVED) and who_had_come(row, fault, evidence)


def without_a_record(row: Row, _fault: Any, _evidence: Evidence) -> bool:
    """Accept who had no record of its own, or a damaged one."""
    return bool(_WITHOUT_RECORD & set(row["faults"]))


def perhaps_diverted(row: Row, fault: Any, evidence: Evidence) -> bool:
    """Accept who had come, and one of whose records was lost or damaged.

    Whether it was that of its entry the ledger does not tell; had that one been read, the parcel
    would have been counted twice, which nothing excuses.
    """
    return bool(_LOST_RECORD & set(row["faults"])) and who_had_come(row, fault, evidence)


def there_at_a_restart(row: Row, _fault: Any, evidence: Evidence) -> bool:
    """Accept who was on the belt when the PLC started again, or seen by a start that has ended.

    The ledger does not tell which of their records nobody had read.
    """
    if PLC_RESTART in row["faults"] or evidence.ended_boots is None:
        return True
    return bool(boots_of(row) & evidence.ended_boots)
