"""Counts who was refused, says so, and makes guessing a password slow.

A name is never locked out for good, nor for long: whoever could cause that would stop the line with
it. After some failures in a row only one try a second is looked at, the others are refused unseen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

FREE_TRIES: Final = 5
"""Failures in a row after which the tries of a name are no longer all looked at."""
BETWEEN_TRIES_S: Final = 1.0
NAMES: Final = 1024
"""Names remembered; who makes up more shares one entry with all that came after."""
NAME_LENGTH: Final = 64
_ALL_OTHERS: Final = "(any other name)"

Report = Callable[[dict[str, Any]], None]


def nobody_listens(_refusal: dict[str, Any]) -> None:
    """Take a refusal and do nothing with it."""


@dataclass(slots=True)
class _Failures:
    in_a_row: int = 0
    looked_at_s: float = 0.0


class LogIns:
    """Refusals of one server.

    Parameters
    ----------
    report : callable
        Gets ``{"who": ..., "why": ..., "in_a_row": ...}`` at the first, second, fourth, eighth ...
        failure of a name, so that somebody who tries all night does not fill a disk.
    now_s : callable
        Time that never goes back.

    Attributes
    ----------
    refused : int
        Log-ins and channels refused so far, the unseen ones included.
    """

    def __init__(
        self, report: Report = nobody_listens, now_s: Callable[[], float] = time.perf_counter
    ) -> None:
        self.refused = 0
        self._report = report
        self._now_s = now_s
        self._failures: dict[str, _Failures] = {}

    def is_held_off(self, who: str) -> bool:
        """Return whether a try must be refused unseen; else it counts as looked at now."""
        failures = self._failures.get(self._entry(who))
        if failures is None or failures.in_a_row < FREE_TRIES:
            return False
        now_s = self._now_s()
        if now_s - failures.looked_at_s < BETWEEN_TRIES_S:
            return True
        failures.looked_at_s = now_s
        return False

    def failed(self, who: str, why: str) -> None:
        """Count a refusal, and say so now and then."""
        self.refused += 1
        entry = self._entry(who)
        failures = self._failures.setdefault(entry, _Failures())
        failures.in_a_row += 1
        if failures.in_a_row == FREE_TRIES:
            failures.looked_at_s = self._now_s()
        if failures.in_a_row & (failures.in_a_row - 1) == 0:
            self._report({"who": entry, "why": why, "in_a_row": failures.in_a_row})

    def succeeded(self, who: str) -> None:
        """Forget the failures of a name."""
        self._failures.pop(self._entry(who), None)

    def _entry(self, who: str) -> str:
        """Return under which name somebody is remembered: short, and without odd characters."""
        name = ascii(who[:NAME_LENGTH])[1:-1]
        return name if name in self._failures or len(self._failures) < NAMES else _ALL_OTHERS
