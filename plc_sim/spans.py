"""Faults that last for a while: those of one kind at one thing are in force together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .arrivals import NS_PER_S

if TYPE_CHECKING:
    from .plant import Plant

Key = tuple[str, int]
"""What a fault does, and to which thing."""


class Lasting(Protocol):
    """A fault with a beginning and a duration."""

    @property
    def at_s(self) -> float:
        """When it begins."""
        ...

    @property
    def for_s(self) -> float:
        """How long it lasts."""
        ...


class Spans:
    """Begins and ends faults, and says each time which values are in force.

    Parameters
    ----------
    plant : Plant
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._in_force: dict[Key, list[float]] = defaultdict(list)

    def add(
        self, fault: Lasting, value: float, key: Key, apply: Callable[[list[float]], None]
    ) -> None:
        """Let `value` be in force while the fault lasts; `apply` gets all values of the key."""
        in_force = self._in_force[key]

        def begin(_: None) -> None:
            in_force.append(value)
            apply(in_force)

        def end(_: None) -> None:
            in_force.remove(value)
            apply(in_force)

        self._plant.after(seconds(fault.at_s), begin, None)
        self._plant.after(seconds(fault.at_s) + seconds(fault.for_s), end, None)

    def add_alone(self, fault: Lasting, switch: Callable[[bool], None]) -> None:
        """Switch something on that nothing else switches, and off when the fault is over."""
        self._plant.after(seconds(fault.at_s), switch, True)
        self._plant.after(seconds(fault.at_s) + seconds(fault.for_s), switch, False)


def seconds(value_s: float) -> int:
    """Return a time in ns."""
    return int(value_s * NS_PER_S)
