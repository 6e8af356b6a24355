"""The faults that ``docs/faults.md`` shows, of each kind: those that its parcels really meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from pydantic import TypeAdapter

from plc_sim.chaos.drawing import LineShape, Values, draw_fault
from plc_sim.scenario import Fault

SMALL_CHUTE_PARCELS: Final = 1
_SMALL_CHUTE_EVERY_MIN: Final = 0.02
_LONG_S: Final = 40.0
EXAMPLES: Final[Mapping[str, Values]] = {
    "double_feed": {"gap_mm": 0.0},
    "e_stop": {"for_s": 8.0},  # what lasts no longer than a look at the metrics may escape it
    "plc_frozen": {"for_s": 8.0},
    "failed_divert": {"times": 1},
    "slow_divert": {"at_s": 0.5, "for_s": _LONG_S, "delay_ms": 300.0},
    "chute_full_late": {"at_s": 0.5, "for_s": _LONG_S, "delay_s": 8.0},
    "event_delayed": {"delay_ms": 800.0, "share": 1.0},
    "link_latency": {"at_s": 0.5, "for_s": _LONG_S, "latency_ms": 60.0},
    "link_loss": {"at_s": 0.5, "for_s": _LONG_S, "share": 0.2, "stall_ms": 220.0},
}
"""Where what the seed draws is too small to show: values instead of those drawn, by kind."""
VARIANTS: Final[Mapping[str, tuple[Values, ...]]] = {
    "encoder_jump": ({"jump_mm": -500.0}, {"jump_mm": 500.0}),
    "event_corrupted": ({"how": "check_word"}, {"how": "nonsense"}),
    "plc_frozen": ({"belt": "runs"}, {"belt": "stops"}),
    "plc_restart": ({"belts": "emptied"}, {"belts": "kept"}),
    "stuck_eye": ({"state": "blocked"}, {"state": "clear"}),
}
"""Kinds that do different things: a row for each."""
NEEDS_SMALL_CHUTE: Final = frozenset({"chute_full_late"})
"""Kinds that no chute of a usual size lives to see in a short run."""
_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)


def variants(kinds: Iterable[str]) -> list[tuple[str, Values]]:
    """Return the kinds, each as often as it has variants, with what makes each of them."""
    return [(kind, values) for kind in kinds for values in VARIANTS.get(kind, ({},))]


def example(kind: str, shape: LineShape, seed: int, variant: Values | None = None) -> Fault:
    """Return the fault of a kind that the document shows; always the same one for a seed."""
    drawn = draw_fault(kind, np.random.default_rng((0xD0C, seed)), shape).model_dump()
    # Of records those that parcels live by, as in a scenario that names none.
    usual = {key: value for key, value in drawn.items() if key not in ("events", "source")}
    shown = {**usual, **EXAMPLES.get(kind, {}), **(variant or {})}
    return _FAULT.validate_python(shown)


def at_busiest_chute(shape: LineShape, chutes: Iterable[str | None]) -> LineShape:
    """Return the shape of a line with only the chute that most parcels go to.

    Parameters
    ----------
    shape : LineShape
    chutes : iterable of str or None
        Of each parcel in a run without faults.
    """
    counts = Counter(chute for chute in chutes if chute in shape.chutes)
    busiest = max(shape.chutes, key=lambda name: counts[name])
    return replace(shape, chutes=(busiest,))


def with_small_chute(line: Path, chute: str, folder: Path) -> Path:
    """Write the line file into a folder, with one chute that holds one parcel; return its path."""
    content: dict[str, Any] = yaml.safe_load(line.read_text())
    for described in content["line"]["chutes"]:
        if described["name"] == chute:
            described["capacity"] = {"parcels": SMALL_CHUTE_PARCELS}
            # As much an hour as the plan needs of it, so that the line passes its checks.
            described["bag_change_every_min"] = _SMALL_CHUTE_EVERY_MIN
    service = content["service"]
    for key, value in service.items():
        if isinstance(value, str):  # a path, counted from the line file
            service[key] = str((line.resolve().parent / value).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "line.yaml"
    written.write_text(yaml.safe_dump(content, sort_keys=False))
    return written
