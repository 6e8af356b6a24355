"""The controller's ports on a rig in the same process: no sockets, no waiting, virtual time."""

from __future__ import annotations

import math

from sorter.model.frames import Words
from sorter.model.mailbox import EVENT_WORDS, SCAN_WORDS

from .rig import Rig

LOOK_MS = 100.0
"""How often the controller looks at its PLC unless told; see docs/decisions/0007."""


class VirtualClock:
    """Simulated time as a :class:`~sorter.ports.Clock`."""

    __slots__ = ("_plant",)

    def __init__(self, rig: Rig) -> None:
        self._plant = rig.plant

    def now_ns(self) -> int:
        """Return the simulated time."""
        return self._plant.now_ns


class InProcessBus:
    """A :class:`~sorter.ports.FieldBus` straight onto the PLC's memory.

    ``wait`` is what makes simulated time pass. As any bus that polls, it finds news not when they
    happen but when it looks, and then all of them at once.

    Parameters
    ----------
    rig : Rig
    look_ms : float
        Simulated time between two looks; rounded up to whole scans of the PLC.
    """

    __slots__ = ("_image", "_look_ns", "_plant")

    def __init__(self, rig: Rig, look_ms: float = LOOK_MS) -> None:
        self._plant = rig.plant  # asked for everything, several times a step
        self._look_ns = max(math.ceil(look_ms * 1e6 / rig.scan_ns), 1) * rig.scan_ns
        self._image = rig.image

    @property
    def name(self) -> str:
        """Link as a person would name it."""
        return "simulated PLC in this process"

    async def connect(self) -> None:
        """Do nothing: the image is always there."""

    async def exchange(self, command_block: Words) -> Words:
        """Write the command block and return the status block."""
        self._image.write_command(0, command_block)
        self._plant.command_written()
        return self._image.shown(self._image.status)

    async def read_commands(self) -> Words:
        """Return the command block as the PLC has it."""
        return self._image.shown(self._image.command)

    async def read_events(self, first_slot: int, slot_count: int) -> Words:
        """Return slots of the event ring."""
        start = first_slot * EVENT_WORDS
        events = self._image.shown(self._image.events)
        return events[start : start + slot_count * EVENT_WORDS]

    async def read_scans(self, first_slot: int, slot_count: int) -> Words:
        """Return slots of the scan ring."""
        start = first_slot * SCAN_WORDS
        scans = self._image.shown(self._image.scans)
        return scans[start : start + slot_count * SCAN_WORDS]

    async def wait(self, until_ns: int) -> None:
        """Let simulated time pass to the next look that finds news, at most to `until_ns`."""
        self._plant.run(until_ns, self._look_ns)

    async def close(self) -> None:
        """Do nothing."""
