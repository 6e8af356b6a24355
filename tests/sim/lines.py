"""Small lines for the tests of the simulated plant."""

from __future__ import annotations

from typing import Any

from plc_sim.feed import FeedParcel
from plc_sim.rig import Rig
from plc_sim.scenario import ScenarioFile
from sorter.config.models import LineFile


def chute(name: str, position_mm: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "position_mm": position_mm, **more}


def line_file(topology: str = "loop", **changes: Any) -> LineFile:
    """A loop of 20 m: eye at 500, scale, scanner, eye at 4000, three chutes, eye at 15000."""
    line: dict[str, Any] = {
        "name": "tiny",
        "topology": topology,
        "length_mm": 20_000,
        "belt_speed_mm_s": 2500,
        "zones": [
            {"name": "infeed", "start_mm": 0, "end_mm": 5000},
            {"name": "sort", "start_mm": 5000, "end_mm": 20_000},
        ],
        "photo_eyes": [
            {"name": "induct", "position_mm": 500, "inducts": True},
            {"name": "verify", "position_mm": 4000},
            {"name": "last", "position_mm": 15_000},
        ],
        "scales": [{"name": "scale", "position_mm": 1500}],
        "scanners": [{"name": "scanner", "position_mm": 2500}],
        "chutes": [
            chute("one", 6000),
            chute("two", 9000, capacity={"parcels": 4}),
            chute("three", 12_000, capacity={"length_mm": 1000}),
        ],
    }
    mailbox = changes.pop("mailbox", {})
    line.update(changes)
    if topology == "line" and "chutes" not in changes:
        line["chutes"].append(chute("end", 19_000, side="end"))
    return LineFile.model_validate({"line": line, "io": {"mailbox": mailbox}})


def scenario(**changes: Any) -> ScenarioFile:
    values: dict[str, Any] = {
        "kind": "scenario",
        "name": "test",
        "arrivals": {"process": "regular", "rate_parcels_per_h": 3600},
        **changes,
    }
    return ScenarioFile.model_validate(values)


def feed(count: int, length_mm: float = 300.0, **more: Any) -> list[FeedParcel]:
    return [FeedParcel(b"L%05d" % row, length_mm=length_mm, **more) for row in range(count)]


def rig(
    parcels: int | list[FeedParcel] = 1,
    line: LineFile | None = None,
    seed: int = 1,
    **changes: Any,
) -> Rig:
    fed = feed(parcels) if isinstance(parcels, int) else parcels
    return Rig(scenario(**changes), line or line_file(), fed, seed)
