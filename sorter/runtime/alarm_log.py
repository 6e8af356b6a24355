"""Says in the log what goes wrong on the line, once when it begins and once when it is over.

The counters of :mod:`sorter.runtime.metrics` show the same to a monitoring system; this is for the
person who looks at the log. It looks a few times a second at what was counted meanwhile, so it
costs the decisions nothing.
"""

from __future__ import annotations

import structlog

from sorter.model.codes import LineState, ModeReason, PassResult
from sorter.ports import HostLink
from sorter.runtime.metrics import FAILED_PASSES, LineMetrics, Samples


class AlarmLog:
    """Compares the line's counters with those of the look before.

    Parameters
    ----------
    metrics : LineMetrics
    host : HostLink
    """

    def __init__(self, metrics: LineMetrics, host: HostLink) -> None:
        self._metrics = metrics
        self._host = host
        self._failed = metrics.failed_passes.copy()
        self._unexpected = metrics.unexpected_at_eyes.copy()
        self._anomalies: dict[str, int] | None = None
        self._overflow = {"events": 0, "scans": 0}
        self._blocked: set[str] = set()
        self._silent: set[str] = set()
        self._unreported: set[str] = set()
        self._host_up = True
        self._log = structlog.get_logger("sorter.alarms")

    def look(self) -> None:
        """Log what is new since the last look."""
        self._modes()
        self._diverts()
        self._reports()
        self._overflows()
        self._states()

    def _modes(self) -> None:
        for state, reason, encoder in self._metrics.take_mode_changes():
            self._log.info(
                "line_mode",
                state=LineState(state).name.lower(),
                reason=ModeReason(reason).name.lower(),
                encoder=encoder,
            )

    def _diverts(self) -> None:
        failed = self._metrics.failed_passes
        new, self._failed = failed - self._failed, failed.copy()
        names = self._metrics.layout.chute_names
        for row, result in enumerate(FAILED_PASSES):
            chutes = _named(names, new[row])
            if chutes:
                missed = result == PassResult.MISSED
                self._log.warning("divert_failed" if missed else "divert_refused", chutes=chutes)

    def _reports(self) -> None:
        """Log reports that should not be: of parcels nobody expected, and of nothing known."""
        metrics = self._metrics
        unexpected = metrics.unexpected_at_eyes
        new, self._unexpected = unexpected - self._unexpected, unexpected.copy()
        if eyes := _named(metrics.layout.eye_names, new):
            self._log.warning("parcels_unexpected", eyes=eyes)
        before, self._anomalies = self._anomalies, dict(metrics.anomalies)
        if before is None:
            return  # a restarted controller knows those of the time before
        grown = {
            kind: count - before[kind]
            for kind, count in self._anomalies.items()
            if count > before.get(kind, count)
        }
        if jumps := grown.pop("encoder_jumps", 0):
            self._log.error("encoder_jumped", times=jumps, encoder=metrics.encoder_count)
        if late := grown.pop("late_reports", 0):
            self._log.warning("reports_late", reports=late)
        if grown:
            self._log.warning("reports_rejected", **grown)

    def _overflows(self) -> None:
        """Log records that the PLC had no place for, as nobody had taken the older ones."""
        metrics = self._metrics
        counts = {"events": metrics.event_overflow, "scans": metrics.scan_overflow}
        before, self._overflow = self._overflow, counts
        grown = {ring: count - before[ring] for ring, count in counts.items()}
        if any(count > 0 for count in grown.values()):
            self._log.error("records_dropped_by_plc", **grown)

    def _states(self) -> None:
        """Log what begins to hold or is over."""
        metrics, layout = self._metrics, self._metrics.layout
        blocked = _held(layout.eye_names, metrics.blocked_eyes)
        self._change("eye_blocked", "eye_clear", self._blocked, blocked)
        self._blocked = blocked
        silent = _held(layout.eye_names, metrics.silent_eyes())
        self._change("eye_silent", "eye_sees_again", self._silent, silent)
        self._silent = silent
        unreported = _held(layout.chute_names, metrics.full_unreported())
        self._change("chute_full_unreported", "chute_full_settled", self._unreported, unreported)
        self._unreported = unreported
        up = self._host.reachable
        if up is not self._host_up:
            self._host_up = up
            if up:
                self._log.info("host_up")
            else:
                self._log.warning("host_down", problem=self._host.problem)

    def _change(self, begins: str, ends: str, before: set[str], now: set[str]) -> None:
        if new := sorted(now - before):
            self._log.warning(begins, names=new)
        if over := sorted(before - now):
            self._log.info(ends, names=over)


def _named(names: tuple[str, ...], counts: Samples) -> dict[str, int]:
    """Return what has a count, by name."""
    return {name: count for name, count in zip(names, counts.tolist(), strict=True) if count}


def _held(names: tuple[str, ...], holds: list[bool]) -> set[str]:
    return {name for name, held in zip(names, holds, strict=True) if held}
