"""The line as built, in encoder counts: the form that core and kernels read."""

from __future__ import annotations

from dataclasses import dataclass

from sorter.model.frames import Rows


@dataclass(frozen=True, slots=True)
class LineLayout:
    """Geometry of one line. Tables are ``int64[columns, n]`` and must not be written.

    Attributes
    ----------
    name : str
    mm_per_count : float
    belt_speed_mm_s : float
        Nominal, for turning counts into time for people, and for noticing an encoder that counts
        wrong; tracking never uses it.
    line : int64[len(LineField)]
    eyes : int64[len(EyeColumn), n]
        Ordered by position.
    scanners, scales : int64[len(StationColumn), n]
    zones : int64[len(ZoneColumn), n]
    chutes : int64[len(ChuteColumn), n]
    eye_names, scanner_names, scale_names, zone_names, chute_names : tuple of str
        Index in the tuple = index on the wire = column in the table.
    belt_speed_tolerance : float
        Share by which the belt may run faster or slower than nominal in EXECUTE.
    """

    name: str
    mm_per_count: float
    belt_speed_mm_s: float
    line: Rows
    eyes: Rows
    scanners: Rows
    scales: Rows
    zones: Rows
    chutes: Rows
    eye_names: tuple[str, ...]
    scanner_names: tuple[str, ...]
    scale_names: tuple[str, ...]
    zone_names: tuple[str, ...]
    chute_names: tuple[str, ...]
    belt_speed_tolerance: float = 1.0

    def counts_to_ms(self, counts: float) -> float:
        """Return the time that the belt needs for `counts` at nominal speed, in ms."""
        return counts * self.mm_per_count / self.belt_speed_mm_s * 1000.0
