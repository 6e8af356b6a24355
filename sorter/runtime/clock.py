"""The clock of a live line."""

from __future__ import annotations

import time


class MonotonicClock:
    """Time since some moment before the start; the one place that reads the machine's clock."""

    def now_ns(self) -> int:
        """Return the monotonic time in ns."""
        return time.monotonic_ns()  # noqa: TID251 - this is the Clock port's live side
