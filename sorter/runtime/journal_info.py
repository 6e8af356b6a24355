"""What a run of the controller says about itself in its journal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sorter.model.codes import Cause
from sorter.model.columns import ChuteColumn, EyeColumn, LineField, StationColumn
from sorter.model.layout import LineLayout
from sorter.model.plan import SortPlan
from sorter.ports import Acknowledged
from sorter.runtime.journal_checks import LARGEST, json_object


@dataclass(frozen=True, slots=True)
class LineNames:
    """Names and places on a line, so that a journal can be read without its configuration.

    Attributes
    ----------
    mm_per_count, belt_speed_mm_s : float
    loop_counts : int
        0 for a line that ends.
    eyes, scanners, scales, zones, chutes, streams : tuple of str
        Index in the tuple = code in the steps.
    eye_positions, scanner_positions, chute_positions, entry_delays : tuple of int
        Counts from the line's origin; an entry delay counts from the chute's mouth.
    """

    mm_per_count: float
    belt_speed_mm_s: float
    loop_counts: int
    eyes: tuple[str, ...]
    scanners: tuple[str, ...]
    scales: tuple[str, ...]
    zones: tuple[str, ...]
    chutes: tuple[str, ...]
    streams: tuple[str, ...]
    eye_positions: tuple[int, ...]
    scanner_positions: tuple[int, ...]
    chute_positions: tuple[int, ...]
    entry_delays: tuple[int, ...]

    @classmethod
    def of(cls, layout: LineLayout, plan: SortPlan) -> LineNames:
        """Return the names of a line and its plan."""
        return cls(
            layout.mm_per_count,
            layout.belt_speed_mm_s,
            int(layout.line[LineField.LOOP_COUNTS]),
            tuple(layout.eye_names),
            tuple(layout.scanner_names),
            tuple(layout.scale_names),
            tuple(layout.zone_names),
            tuple(layout.chute_names),
            tuple(plan.stream_names),
            tuple(layout.eyes[EyeColumn.POSITION].tolist()),
            tuple(layout.scanners[StationColumn.POSITION].tolist()),
            tuple(layout.chutes[ChuteColumn.POSITION].tolist()),
            tuple(layout.chutes[ChuteColumn.ENTRY_DELAY].tolist()),
        )

    def to_json(self) -> str:
        """Return the names as JSON."""
        return json.dumps({item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> LineNames:
        """Return the names that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            It wrote something else.
        """
        values = json_object(text)
        listed: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        try:
            names = cls(**listed)
        except TypeError as error:  # a field too many or too few
            raise ValueError(str(error)) from error
        names._check()
        return names

    def _check(self) -> None:
        """Raise ValueError unless every field is what its annotation says, and can be used."""
        for item in fields(self):
            value, kind = getattr(self, item.name), str(item.type)
            if kind == "float":
                fits = type(value) in (int, float) and 0 < value < math.inf
            elif kind == "int":
                fits = type(value) is int and 0 <= value < LARGEST
            else:
                wanted = str if "str" in kind else int
                fits = isinstance(value, tuple) and all(type(one) is wanted for one in value)
            if not fits:
                raise ValueError(f"{item.name} cannot be {str(value)[:40]!r}")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run of the controller says about itself when it opens its journal.

    Attributes
    ----------
    layout, plan
        What it runs; names are kept for reading, ``files`` for replaying.
    files : mapping of str to str
        Configuration texts by the name :func:`~sorter.config.load.load_line_from_texts` wants.
    notes : mapping of str to str
        Anything worth knowing later: protocol, seed, scenario.
    state_capacity : int
        Capacity of the tracking table, as given to ``State.create``.
    initial_state : bytes or None
        ``State.to_bytes()`` when the run does not begin with an empty line.
    initial_tick_100us : int
        Unwrapped PLC time of that state, 0 when unknown.
    tracked : frozenset of int
        Parcels in that state. What else earlier runs left on the line ends as LOST.
    given_up_cause : int
        Why, as a :class:`~sorter.model.codes.Cause`.
    """

    layout: LineLayout
    plan: SortPlan
    files: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    state_capacity: int = 2048
    initial_state: bytes | None = None
    initial_tick_100us: int = 0
    tracked: frozenset[int] = frozenset()
    given_up_cause: int = int(Cause.STATE_LOST)


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the journal has it; see ``journal_store.SCHEMA``."""

    run: int
    software: str
    first_step: int
    next_step: int
    first_parcel: int
    last_parcel: int
    open_from_step: int
    acknowledged: Acknowledged
    state_capacity: int
    initial_state: bytes | None
    names: LineNames
    notes: dict[str, str]
    sha256: str | None
    ended_cleanly: bool
