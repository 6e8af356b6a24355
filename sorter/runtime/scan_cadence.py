"""Notices that the PLC's program stood for a while: its clock went on, its heartbeat did not.

A program that stands says nothing of the belt, which may have stood with it. The heartbeat counts
scans (docs/wire-contract.md), so how long a scan takes tells how many there should have been.
"""

from __future__ import annotations

from typing import Final

SCANS_REMEMBERED: Final = 4_096
"""A scan that takes longer than it used to, for good, is the usual one after so many."""
MOST_MISSING: Final = 0.002
"""Of the time between two looks, as clocks and scans are not exact; one scan at least."""
_U16: Final = 0xFFFF


class ScanCadence:
    """Learns how long a scan of the PLC takes, and which looks have more time between them.

    Attributes
    ----------
    stood_until_tick : int
        Of the look that ended the newest gap with scans missing, in 0.1 ms; 0: there was none.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin with another start of the PLC, whose counts and clock are its own."""
        self.stood_until_tick = 0
        self._heartbeat = -1
        self._tick = 0
        self._scans = 0.0
        self._ticks = 0.0

    def look(self, heartbeat: int, tick_100us: int) -> None:
        """Take note of what one status block says.

        Parameters
        ----------
        heartbeat : int
            0 to 65535; counts scans, and begins anew behind the last.
        tick_100us : int
            Unwrapped PLC time.
        """
        scans, elapsed = (heartbeat - self._heartbeat) & _U16, tick_100us - self._tick
        known = self._heartbeat >= 0
        self._heartbeat, self._tick = heartbeat, tick_100us
        if not known or scans > elapsed:  # no scan takes less than 0.1 ms
            return
        if self._scans:
            scan_ticks = self._ticks / self._scans
            # The counter may have gone round, more often than once while the link was away.
            scans += round((elapsed / scan_ticks - scans) / (_U16 + 1)) * (_U16 + 1)
            missing = elapsed - scans * scan_ticks
            if missing > max(scan_ticks, elapsed * MOST_MISSING):
                self.stood_until_tick = tick_100us
                elapsed = min(elapsed, round(2 * scans * scan_ticks))
        self._scans += scans
        self._ticks += elapsed
        if self._scans > SCANS_REMEMBERED:
            self._scans /= 2
            self._ticks /= 2
