"""Photo-eyes that always see the same, and what the PLC's program makes of a dark one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arrivals import NS_PER_S
from .fault_sections import StuckEyeFault
from .spans import Spans

if TYPE_CHECKING:
    from .plant import Plant

LONGEST_PARCEL_MM = 2000.0
"""An eye that stays dark for more belt than this is no parcel's doing."""
LOOK_NS = 100_000_000
REPEAT_NS = NS_PER_S


class StuckEyes:
    """Blinds eyes, and posts EYE_BLOCKED for those that stay dark.

    Parameters
    ----------
    plant : Plant
    spans : Spans
    """

    def __init__(self, plant: Plant, spans: Spans) -> None:
        self._plant = plant
        self._spans = spans
        self._dark_since: dict[int, int] = {}

    def schedule(self, fault: StuckEyeFault, eye: int) -> None:
        """Let an eye be stuck while the fault lasts."""
        stick = self._plant.controls.stick_eye
        self._spans.add(fault, 1, ("eye", eye), lambda all_: stick(eye, bool(all_)))
        if fault.state == "blocked":
            self._spans.add(fault, 1, ("dark", eye), lambda all_: self._darken(eye, bool(all_)))

    def _darken(self, eye: int, dark: bool) -> None:
        if not dark:
            del self._dark_since[eye]
        elif eye not in self._dark_since:
            self._dark_since[eye] = self._plant.encoder_now()
            self._look((eye, self._dark_since[eye]))

    def _look(self, what: tuple[int, int]) -> None:
        """Post when the eye has been dark for too long; look again in a while."""
        eye, since = what
        if self._dark_since.get(eye) != since:
            return
        plant = self._plant
        counts = abs(plant.encoder_now() - since)
        blocked = counts * plant.line.encoder.mm_per_count > LONGEST_PARCEL_MM
        if blocked:
            plant.controls.report_blocked(eye, counts)
        plant.after(REPEAT_NS if blocked else LOOK_NS, self._look, what)
