"""Which chutes returns policy and sort plan name for a return, read from the files as written.

The controller reads the same files through index tables and kernels. This walks their models, rule
by rule and route by route, so that a rehearsal can be checked against what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sorter.config.compile import effective_limits
from sorter.config.models import Limits, Line, ReturnsPolicyFile, Rule, SortPlanFile
from sorter.host.registry import AnnouncedReturn
from sorter.model.codes import Cause, Grade
from sorter.model.returns import ReturnRecord


@dataclass(frozen=True, slots=True)
class Planned:
    """Where a return belongs.

    Attributes
    ----------
    cause : str
        Exception cause in words, empty for a return that a rule sends to a stream.
    stream : str
        Empty for an exception.
    chutes : tuple of str
        Those of its stream that take its size and weight; the only outlet for an exception.
    overflow : tuple of str
        Those of the streams that help out, nearest first.
    """

    cause: str
    stream: str
    chutes: tuple[str, ...]
    overflow: tuple[str, ...] = ()


class PlannedChutes:
    """Reads a line's plan and policy.

    Parameters
    ----------
    line : Line
    plan : SortPlanFile
    policy : ReturnsPolicyFile
    """

    def __init__(self, line: Line, plan: SortPlanFile, policy: ReturnsPolicyFile) -> None:
        self._line = line
        self._plan = plan
        self._policy = policy
        self._limits = {chute.name: effective_limits(chute, line) for chute in line.chutes}

    def of(self, announced: AnnouncedReturn | None) -> Planned:
        """Return where a return belongs.

        Parameters
        ----------
        announced : AnnouncedReturn or None
            A measure of 0 is unknown, and within every limit. None: nobody has announced it.
        """
        if announced is None:
            return self._outlet(Cause.NO_DATA)
        record = announced.record
        rule = next((rule for rule in self._policy.rules if _matches(rule, record)), None)
        cause = self._exception(announced, rule)
        if cause is not None:
            return self._outlet(cause)
        assert rule is not None, "no rule is an exception"
        chutes, *others = (
            tuple(self._chutes(stream, announced)) for stream in self._streams(rule.stream)
        )
        return Planned("", rule.stream, chutes, tuple(name for names in others for name in names))

    def _exception(self, announced: AnnouncedReturn, rule: Rule | None) -> Cause | None:
        """Return why a return goes to no stream; the first cause that holds counts."""
        record, limits = announced.record, self._line.limits
        window = self._policy.window_days.get(record.country, self._policy.default_window_days)
        causes = {
            Cause.HAZMAT: record.hazmat and rule is None,
            Cause.OVER_SIZE: not _within_size(announced, limits),
            Cause.OVER_WEIGHT: announced.weight_g > limits.weight_g,
            Cause.WINDOW_EXPIRED: window is not None and record.days_held > window,
            Cause.UNGRADED: record.grade == Grade.U,
            Cause.NO_RULE: rule is None,
        }
        return next((cause for cause, holds in causes.items() if holds), None)

    def _outlet(self, cause: Cause) -> Planned:
        word = cause.name.lower()
        outlets = self._plan.exceptions
        return Planned(word, "", (getattr(outlets, word, outlets.fallback),))

    def _streams(self, stream: str) -> Iterator[str]:
        """Yield a stream and those that help it out, in order; `sorter check` refuses circles."""
        yield stream
        while stream in self._plan.overflow:
            stream = self._plan.overflow[stream]
            yield stream

    def _chutes(self, stream: str, announced: AnnouncedReturn) -> Iterator[str]:
        for route in self._plan.routes:
            if route.stream == stream and announced.record.grade.name in route.grades:
                for name in (name for group in route.groups for name in group):
                    limits = self._limits[name]
                    if _within_size(announced, limits) and announced.weight_g <= limits.weight_g:
                        yield name


def _matches(rule: Rule, record: ReturnRecord) -> bool:
    """Return whether every condition of a rule holds; one that is absent always does."""
    value_cents = max(record.value_cents, 0)
    return (
        rule.hazmat == record.hazmat
        and record.grade.name in rule.grades
        and (not rule.categories or record.category in rule.categories)
        and (not rule.reasons or record.reason.name.lower() in rule.reasons)
        and value_cents >= rule.value_from_cents
        and (rule.value_to_cents is None or value_cents < rule.value_to_cents)
    )


def _within_size(announced: AnnouncedReturn, limits: Limits) -> bool:
    return (
        announced.length_mm <= limits.length_mm
        and announced.width_mm <= limits.width_mm
        and announced.height_mm <= limits.height_mm
    )
