"""Goes on with a line that was killed, from the truth that it left behind.

Its belt was emptied: who was on it is removed. Everybody who had not been put on it yet comes
again, with the same number. Chutes are empty, the PLC has another boot id, and the scenario goes
on where it was: faults whose time has passed do not happen again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sorter.errors import SorterError

from .feed import FeedParcel
from .scenario import ScenarioFile

UNREAD_S = 1.0
"""How long a record may lie in a ring before a controller that is there has read it."""


class TruthFileError(SorterError):
    """A truth ledger that nobody can go on with; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a truth ledger says about the lines that wrote it.

    Attributes
    ----------
    put_on : frozenset of int
        Numbers of the parcels that have been put on the belt.
    on_belt : tuple of int
        Of them on it when the last line was killed.
    elapsed_s : float
        For how long parcels had come.
    lately_ended : tuple of int
        Parcels that ended so lately that perhaps nobody has read the record of it.
    """

    put_on: frozenset[int] = frozenset()
    on_belt: tuple[int, ...] = ()
    elapsed_s: float = 0.0
    lately_ended: tuple[int, ...] = ()

    def rest_of_feed(self, feed: Sequence[FeedParcel]) -> list[FeedParcel]:
        """Return the parcels that are still to come, each with its number."""
        if not self.put_on:
            return list(feed)
        return [
            replace(parcel, physical_id=row, arrive_ms=self._still_to(parcel.arrive_ms))
            for row, parcel in enumerate(feed)
            if row not in self.put_on
        ]

    def _still_to(self, arrive_ms: float | None) -> float | None:
        return None if arrive_ms is None else max(arrive_ms - self.elapsed_s * 1000, 0.0)

    def rest_of_scenario(self, scenario: ScenarioFile) -> ScenarioFile:
        """Return the scenario with the faults that are still to come."""
        rest = []
        for fault in scenario.faults:
            at_s = getattr(fault, "at_s", None)
            if at_s is None:
                rest.append(fault)
            elif at_s >= self.elapsed_s:
                rest.append(fault.model_copy(update={"at_s": at_s - self.elapsed_s}))
        return scenario.model_copy(update={"faults": tuple(rest)})


def read_continuation(path: Path | None) -> Continuation:
    """Return what a truth ledger says; nothing when there is none.

    Raises
    ------
    TruthFileError
        It cannot be read, or is something else.
    """
    if path is None or not path.is_file():
        return Continuation()
    on_belt: dict[int, None] = {}
    put_on: set[int] = set()
    ended_s: dict[int, float] = {}
    elapsed_s = 0.0
    for line in _lines(path):
        elapsed_s = max(elapsed_s, float(line.get("at_s", 0.0)))
        if "physical_id" in line:
            put_on.add(int(line["physical_id"]))
            on_belt[int(line["physical_id"])] = None
        elif "ended" in line:
            on_belt.pop(int(line["ended"]), None)
            ended_s[int(line["ended"])] = float(line.get("at_s", 0.0))
    lately = tuple(number for number, at_s in ended_s.items() if at_s > elapsed_s - UNREAD_S)
    return Continuation(frozenset(put_on), tuple(on_belt), elapsed_s, lately)


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        problem = (isinstance(error, OSError) and error.strerror) or "it is no text"
        raise TruthFileError(
            f"{path}: the truth ledger cannot be read ({problem}); name another file with --truth, "
            "or delete this one to begin a new ledger"
        ) from error
    lines = []
    # Half a line behind the last line feed is what a killed writer leaves.
    for number, written in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            line = json.loads(written)
        except ValueError as error:
            raise TruthFileError(
                f"{path}:{number}: is not JSON ({error}); delete the file to begin a new ledger"
            ) from error
        if not isinstance(line, dict):
            raise TruthFileError(
                f"{path}:{number}: is no line of a truth ledger; delete the file to begin a new one"
            )
        lines.append(line)
    return lines
