"""What happens in one run: how many parcels, over which protocol, and which faults when.

Drawn from a seed and nothing else, so that a seed is a story. Written as a scenario file.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import yaml

from plc_sim.chaos.drawing import CATALOGUE, LineShape, draw_fault
from plc_sim.scenario import Fault, ScenarioFile, load_scenario
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile

Protocol = Literal["modbus", "opcua"]

PARCELS: Final = 80
RATE_PARCELS_PER_H: Final = 20_000.0
SLOW_RATE_PARCELS_PER_H: Final = 5_000.0
"""The other runs have the line crowded; with this they have parcels come for longer than a lap, so
that new ones meet those that go round."""
SLOW_SHARE: Final = 0.5
SPEED: Final = 4.0
MODBUS_SHARE: Final = 0.7
MOST_FAULTS: Final = 5


@dataclass(frozen=True, slots=True)
class Story:
    """One run.

    Attributes
    ----------
    seed : int
        Of the parcels, of the plant and of the network; also what the faults were drawn from.
    protocol : str
    parcels : int
    rate_parcels_per_h, speed : float
    faults : tuple of Fault
        Sections of a scenario file.
    """

    seed: int
    protocol: Protocol
    parcels: int
    rate_parcels_per_h: float
    speed: float
    faults: tuple[Fault, ...]

    @property
    def arrivals_s(self) -> float:
        """How long parcels come, in simulated time."""
        return self.parcels * 3600 / self.rate_parcels_per_h

    def parcels_come(self, by_s: float) -> int:
        """Return how many parcels can have come by so many simulated seconds: they come evenly."""
        if by_s >= self.arrivals_s:
            return self.parcels
        return min(self.parcels, int(by_s * self.rate_parcels_per_h / 3600) + 1)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of its faults, each once, in order."""
        return tuple(dict.fromkeys(fault.kind for fault in self.faults))

    def with_faults(self, faults: Sequence[Fault]) -> Story:
        """Return the same story with other faults."""
        return replace(self, faults=tuple(faults))

    def scenario(self, folder: Path, line: Path) -> dict[str, Any]:
        """Return the story as a scenario file in `folder`, as plain values."""
        faults = [fault.model_dump(exclude_unset=True) for fault in self.faults]
        return {
            "kind": "scenario",
            "name": f"chaos-{self.seed}",
            "line": os.path.relpath(line, folder),
            "arrivals": {"process": "regular", "rate_parcels_per_h": self.rate_parcels_per_h},
            "faults": faults,
        }

    def repeat_command(self, file: Path) -> str:
        """Return the command that runs the story again from its file."""
        return (
            f"sorter chaos --story {file} --seed {self.seed} --protocol {self.protocol} "
            f"--parcels {self.parcels} --speed {self.speed:g}"
        )

    def write(self, file: Path, line: Path) -> None:
        """Write the story as a scenario file."""
        folder = file.parent.resolve()
        text = yaml.safe_dump(self.scenario(folder, line.resolve()), sort_keys=False)
        file.write_text(f"# again: {self.repeat_command(file)}\n{text}")


def draw_story(
    seed: int,
    line: Path,
    *,
    parcels: int = PARCELS,
    speed: float = SPEED,
    protocol: Protocol | None = None,
) -> Story:
    """Return the story of a seed.

    Parameters
    ----------
    seed : int
    line : Path
        Line file; names of chutes, zones and eyes come from it.
    parcels : int
    speed : float
        Simulated seconds a second.
    protocol : str, optional
        Drawn as well unless given.
    """
    draw = np.random.default_rng((0xC4A05, seed))
    drawn: Protocol = "modbus" if draw.random() < MODBUS_SHARE else "opcua"
    rate = SLOW_RATE_PARCELS_PER_H if draw.random() < SLOW_SHARE else RATE_PARCELS_PER_H
    shape = LineShape.of(load_yaml_model(line, LineFile), parcels, rate)
    count = int(draw.integers(1, MOST_FAULTS + 1))
    chosen = draw.choice(len(CATALOGUE), size=count)
    faults = [draw_fault(CATALOGUE[index], draw, shape) for index in chosen.tolist()]
    return Story(seed, protocol or drawn, parcels, rate, speed, tuple(faults))


def read_story(file: Path, seed: int, *, parcels: int, speed: float, protocol: Protocol) -> Story:
    """Return the story of a scenario file.

    Raises
    ------
    ConfigError
        The file is no scenario; lists every problem.
    """
    scenario: ScenarioFile = load_scenario(file)
    rate_parcels_per_h = scenario.arrivals.rate_parcels_per_h
    return Story(seed, protocol, parcels, rate_parcels_per_h, speed, scenario.faults)
