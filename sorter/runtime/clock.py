"""The clock of a live line."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

Pause = Callable[[float], Awaitable[object]]
"""Waits for so many seconds."""


class MonotonicClock:
    """Time since some moment before the start; the one place that reads the machine's clock."""

    def now_ns(self) -> int:
        """Return the monotonic time in ns."""
        return time.monotonic_ns()  # noqa: TID251 - this is the Clock port's live side


class Calendar:
    """Wall time that goes at the machine's pace: as set at the start, whatever is done to it since.

    For the age of records. A clock that is set forward by a year must not make all of them old.
    """

    def __init__(self) -> None:
        started_s = time.time()  # noqa: TID251 - the one place that asks for the date
        self._offset_s = started_s - time.monotonic()  # noqa: TID251

    def now_s(self) -> float:
        """Return seconds since 1970."""
        return self._offset_s + time.monotonic()  # noqa: TID251
