"""Draws one fault of each kind, of a size that a short run can show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from pydantic import TypeAdapter

from plc_sim.fault_sections import SOURCES, EventName
from plc_sim.scenario import Fault
from sorter.config.models import LineFile

Values = dict[str, Any]
TAIL_S: Final = 20.0
"""Faults also come so long after the last parcel was put on the line."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """Of the line and the run, what faults need to know.

    Attributes
    ----------
    chutes, zones, eyes, scanners, scales : tuple of str
        Chutes with a diverter only.
    parcels : int
    span_s : float
        Simulated time in which faults come.
    """

    chutes: tuple[str, ...]
    zones: tuple[str, ...]
    eyes: tuple[str, ...]
    scanners: tuple[str, ...]
    scales: tuple[str, ...]
    parcels: int
    span_s: float

    @classmethod
    def of(cls, line_file: LineFile, parcels: int, rate_parcels_per_h: float) -> LineShape:
        """Return the shape of a line for a run of so many parcels."""
        line = line_file.line
        return cls(
            tuple(chute.name for chute in line.chutes if chute.side != "end"),
            tuple(zone.name for zone in line.zones),
            tuple(eye.name for eye in line.photo_eyes),
            tuple(scanner.name for scanner in line.scanners),
            tuple(scale.name for scale in line.scales),
            parcels,
            parcels * 3600 / rate_parcels_per_h + TAIL_S,
        )


class Dice:
    """Draws rounded values, so that a story reads well."""

    def __init__(self, draw: np.random.Generator, shape: LineShape) -> None:
        self._draw = draw
        self.shape = shape

    def at_s(self) -> float:
        """Draw some moment of the run."""
        return self.between(0.5, self.shape.span_s)

    def between(self, least: float, most: float) -> float:
        """Draw any value in between."""
        return round(float(self._draw.uniform(least, most)), 2)

    def log_between(self, least: float, most: float) -> float:
        """Draw any order of magnitude in between alike."""
        return round(float(np.exp(self._draw.uniform(np.log(least), np.log(most)))), 2)

    def count(self, least: int, most: int) -> int:
        """Draw a whole number, bounds included."""
        return int(self._draw.integers(least, most + 1))

    def one_of(self, values: tuple[Any, ...]) -> Any:
        """Draw one of them."""
        return values[int(self._draw.integers(len(values)))]


def _read_fault(dice: Dice, most: int) -> Values:
    parcels = dice.count(1, min(most, dice.shape.parcels))
    return {"from_parcel": dice.count(0, dice.shape.parcels - parcels), "parcels": parcels}


def _record_fault(dice: Dice, kinds: tuple[str, ...] = get_args(EventName)) -> Values:
    """Draw which records: what parcels live by, one kind alone, or that of one source."""
    values: Values = {"at_s": dice.at_s(), "share": dice.between(0.2, 1), "times": dice.count(1, 4)}
    whose = dice.one_of(("any", "kind", "source"))
    if whose == "any":
        return values
    kind = dice.one_of(kinds)
    values["events"] = (kind,)
    sources = getattr(dice.shape, SOURCES.get(kind, "chute") + "s")  # a line may have no scale
    if whose == "source" and sources and kind != "line_changed":  # that one is the whole line's
        values["source"] = dice.one_of(sources)
    return values


def _event_fault(dice: Dice) -> Values:
    return _record_fault(dice, tuple(kind for kind in get_args(EventName) if kind != "scan"))


def _for_a_while(dice: Dice, least_s: float, most_s: float) -> Values:
    return {"at_s": dice.at_s(), "for_s": dice.log_between(least_s, most_s)}


DRAWS: Final[dict[str, Callable[[Dice], Values]]] = {
    # --- floor
    "jam": lambda dice: {
        "at_s": dice.at_s(),
        "zone": dice.one_of(dice.shape.zones),
        "clear_after_s": dice.between(3, 15),
    },
    "e_stop": lambda dice: _for_a_while(dice, 0.02, 15),
    "failed_divert": lambda dice: {
        "chute": dice.one_of(dice.shape.chutes),
        "at_s": dice.at_s(),
        "times": dice.count(1, 3),
    },
    "chute_jam": lambda dice: {
        "chute": dice.one_of(dice.shape.chutes),
        **_for_a_while(dice, 2, 30),
    },
    "no_read": lambda dice: _read_fault(dice, 10),
    "multi_read": lambda dice: _read_fault(dice, 4),
    "swapped_codes": lambda dice: _read_fault(dice, 4),
    "encoder_jump": lambda dice: {
        "at_s": dice.at_s(),
        "jump_mm": dice.one_of((-1, 1)) * dice.log_between(1, 1000),
    },
    "encoder_slip": lambda dice: {
        **_for_a_while(dice, 1, 10),
        "error": dice.one_of((-1, 1)) * dice.log_between(0.01, 1),
    },
    "double_feed": lambda dice: {
        **_read_fault(dice, 2),
        "gap_mm": dice.one_of((0, 5, 30)),
    },
    "no_read_burst": lambda dice: _for_a_while(dice, 0.5, 5),
    "multi_read_burst": lambda dice: _for_a_while(dice, 0.5, 2),
    "swapped_codes_burst": lambda dice: _for_a_while(dice, 0.5, 2),
    "stuck_eye": lambda dice: {
        **_for_a_while(dice, 1, 20),
        "eye": dice.one_of(dice.shape.eyes),
        "state": dice.one_of(("blocked", "clear")),
    },
    "slow_divert": lambda dice: {
        **_for_a_while(dice, 5, 40),
        "chute": dice.one_of(dice.shape.chutes),
        "delay_ms": dice.between(10, 300),
    },
    "chute_full_late": lambda dice: {
        **_for_a_while(dice, 5, 40),
        "chute": dice.one_of(dice.shape.chutes),
        "delay_s": dice.between(1, 8),
    },
    # --- the PLC and its mailbox
    "event_dropped": _record_fault,
    "event_duplicated": _record_fault,
    "event_reordered": _event_fault,
    "event_delayed": lambda dice: {**_event_fault(dice), "delay_ms": dice.log_between(5, 500)},
    "event_corrupted": lambda dice: {
        **_record_fault(dice),
        "how": dice.one_of(("check_word", "nonsense")),
    },
    "map_shifted": lambda dice: {**_for_a_while(dice, 1, 20), "words": dice.count(1, 8)},
    "plc_frozen": lambda dice: {
        **_for_a_while(dice, 0.02, 20),
        "belt": dice.one_of(("runs", "stops")),
    },
    "plc_restart": lambda dice: {
        "at_s": dice.at_s(),
        "down_s": dice.between(1, 8),
        "belts": dice.one_of(("emptied", "kept")),
    },
    # --- link, host, disk, clock, processes
    "link_cut": lambda dice: _for_a_while(dice, 0.1, 60),
    "link_half_open": lambda dice: _for_a_while(dice, 0.5, 40),
    "link_latency": lambda dice: {
        **_for_a_while(dice, 2, 60),
        "latency_ms": dice.log_between(1, 60),
        "jitter_ms": dice.between(0, 20),
    },
    "link_loss": lambda dice: {
        **_for_a_while(dice, 2, 60),
        "share": dice.log_between(0.01, 0.2),
        "stall_ms": dice.between(20, 220),
    },
    "host_down": lambda dice: _for_a_while(dice, 2, 60),
    "disk_full": lambda dice: _for_a_while(dice, 2, 60),
    "clock_step": lambda dice: {
        "at_s": dice.at_s(),
        "step_s": dice.one_of((-86_400, -3600, -1, 1, 3600, 86_400)),
    },
    "kill_controller": lambda dice: {"at_s": dice.at_s(), "down_s": dice.log_between(0.1, 20)},
    "kill_plc": lambda dice: {"at_s": dice.at_s(), "down_s": dice.log_between(0.1, 20)},
}
"""By kind of fault; every kind that a scenario knows is here."""

_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
CATALOGUE: Final = tuple(sorted(_FAULT.json_schema()["discriminator"]["mapping"]))
"""Every kind of fault that a scenario knows."""


def draw_fault(kind: str, draw: np.random.Generator, shape: LineShape) -> Fault:
    """Return a fault of that kind."""
    return _FAULT.validate_python({"kind": kind, **DRAWS[kind](Dice(draw, shape))})
