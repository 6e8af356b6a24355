"""Checks of a line's belt, eyes and zones that pydantic cannot see, one function a question.

Each takes the line file and its document and returns what is wrong, empty when nothing is.
Distances are of the parcel's leading edge, in mm of belt travel.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from sorter.config.documents import Document, KeyPath
from sorter.config.models import Line, LineFile
from sorter.errors import Problem

LineCheck = Callable[[LineFile, Document], list[Problem]]
LARGEST_COUNT: Final = 2**31 - 1
"""Half of what a 32-bit encoder holds: more could not be told from going backwards."""
LARGEST_HOLD: Final = 2**16 - 1


def names_are_unique(file: LineFile, document: Document) -> list[Problem]:
    """Check that every eye, scanner, scale, zone and chute has a name of its own."""
    problems = []
    for section in ("photo_eyes", "scanners", "scales", "zones", "chutes"):
        first: dict[str, int] = {}
        for index, item in enumerate(getattr(file.line, section)):
            path: KeyPath = ("line", section, index, "name")
            if item.name in first:
                line = document.line_of(("line", section, first[item.name], "name"))
                problems.append(
                    document.problem(
                        path,
                        f"the name {item.name!r} is used twice, first in line {line}",
                        "give each its own name",
                    )
                )
            first.setdefault(item.name, index)
    return problems


def is_on_line(line: Line, position_mm: float) -> bool:
    """Return whether a position is one of the line; what is not must not be measured from."""
    if line.topology == "loop":
        return position_mm < line.length_mm  # the end is the beginning: position 0
    return position_mm <= line.length_mm


def positions_are_on_the_line(file: LineFile, document: Document) -> list[Problem]:
    """Check that nothing stands beyond the length of the line."""
    line = file.line
    problems = []
    for section in ("photo_eyes", "scanners", "scales", "chutes"):
        for index, item in enumerate(getattr(line, section)):
            if not is_on_line(line, item.position_mm):
                problems.append(
                    document.problem(
                        ("line", section, index, "position_mm"),
                        f"{item.name} at {item.position_mm:g} mm is beyond the line's length "
                        f"of {line.length_mm:g} mm",
                        "correct the position or line.length_mm",
                    )
                )
    return problems


def eyes_are_in_order(file: LineFile, document: Document) -> list[Problem]:
    """Check that photo-eyes are listed as parcels meet them, more than a window apart.

    The PLC numbers them by position; another order here would name the wrong ones.
    """
    line = file.line
    window_mm = line.tracking.window_mm
    problems = []
    placed = [pair for pair in enumerate(line.photo_eyes) if is_on_line(line, pair[1].position_mm)]
    for (_, before), (index, eye) in pairwise(placed):
        path: KeyPath = ("line", "photo_eyes", index, "position_mm")
        if eye.position_mm < before.position_mm:
            problems.append(
                document.problem(
                    path,
                    f"{eye.name} at {eye.position_mm:g} mm is listed behind {before.name} "
                    f"at {before.position_mm:g} mm",
                    "list photo-eyes by position",
                )
            )
        elif eye.position_mm - before.position_mm <= window_mm:
            problems.append(
                document.problem(
                    path,
                    f"{eye.name} stands {eye.position_mm - before.position_mm:g} mm behind "
                    f"{before.name}, within one tracking window",
                    f"place them more than tracking.window_mm = {window_mm:g} mm apart",
                )
            )
    return problems


def zones_cover_the_line(file: LineFile, document: Document) -> list[Problem]:
    """Check that every millimetre belongs to exactly one zone.

    Clearing a jam would forget the parcels of a gap.
    """
    line = file.line
    problems = []
    indexed = sorted(enumerate(line.zones), key=lambda pair: pair[1].start_mm)
    covered_to = 0.0
    for index, zone in indexed:
        path: KeyPath = ("line", "zones", index, "start_mm")
        if zone.end_mm <= zone.start_mm:
            problems.append(
                document.problem(
                    ("line", "zones", index, "end_mm"),
                    f"zone {zone.name} ends at {zone.end_mm:g} mm, before it starts",
                    f"end it behind {zone.start_mm:g} mm",
                )
            )
            continue
        if zone.start_mm > covered_to:
            problems.append(
                document.problem(
                    path,
                    f"no zone covers {covered_to:g} to {zone.start_mm:g} mm",
                    f"start {zone.name} at {covered_to:g} mm or add a zone",
                )
            )
        elif zone.start_mm < covered_to:
            problems.append(
                document.problem(
                    path,
                    f"zone {zone.name} overlaps the zone before it, which ends at "
                    f"{covered_to:g} mm",
                    f"start it at {covered_to:g} mm",
                )
            )
        covered_to = max(covered_to, zone.end_mm)
    if covered_to != line.length_mm:
        last = indexed[-1][0]
        problems.append(
            document.problem(
                ("line", "zones", last, "end_mm"),
                f"the zones end at {covered_to:g} mm, the line at {line.length_mm:g} mm",
                f"end the last zone at {line.length_mm:g} mm",
            )
        )
    return problems


def some_eye_inducts(file: LineFile, document: Document) -> list[Problem]:
    """Check that an eye inducts, or no parcel would ever be opened as expected."""
    if any(eye.inducts for eye in file.line.photo_eyes):
        return []
    return [
        document.problem(
            ("line", "photo_eyes"),
            "no photo-eye inducts, so every parcel would be unexpected",
            "write inducts: true on the eye right behind each induction",
        )
    ]


def window_is_unambiguous(file: LineFile, document: Document) -> list[Problem]:
    """Check that two neighbours never fit one tracking window.

    The shortest parcel that the length check tells from nothing is as long as its tolerance.
    """
    tracking = file.line.tracking
    pitch_mm = tracking.min_gap_mm + tracking.length_tolerance_mm
    if tracking.window_mm <= pitch_mm / 2:
        return []
    return [
        document.problem(
            ("line", "tracking", "window_mm"),
            f"a window of +-{tracking.window_mm:g} mm can hold two neighbours: the smallest pitch "
            f"is min_gap_mm + length_tolerance_mm = {pitch_mm:g} mm",
            f"at most {pitch_mm / 2:g} mm, or a larger min_gap_mm",
        )
    ]


def counts_fit_the_wire(file: LineFile, document: Document) -> list[Problem]:
    """Check that a count is fine enough for tracking and coarse enough for its registers."""
    line = file.line
    scale = line.encoder.mm_per_count
    path: KeyPath = ("line", "encoder", "mm_per_count")
    problems = []
    if scale * 2 > line.tracking.window_mm:
        problems.append(
            document.problem(
                path,
                f"one count is {scale:g} mm, too coarse for a tracking window of "
                f"+-{line.tracking.window_mm:g} mm",
                f"at most {line.tracking.window_mm / 2:g} mm a count",
            )
        )
    if line.length_mm > scale * LARGEST_COUNT:
        problems.append(
            document.problem(
                path,
                f"with {scale:g} mm a count the line is longer than a 32-bit encoder can tell",
                f"at least {line.length_mm / LARGEST_COUNT:.3g} mm a count",
            )
        )
    problems += [
        document.problem(
            ("line", "chutes", index, "window_mm"),
            f"{chute.window_mm:g} mm at {scale:g} mm a count do not fit the 16 bits of a command",
            f"at most {int(scale * LARGEST_HOLD)} mm",
        )
        for index, chute in enumerate(line.chutes)
        if chute.window_mm > scale * LARGEST_HOLD
    ]
    return problems


def belt_carries_the_design_rate(file: LineFile, document: Document) -> list[Problem]:
    """Check that the inductions can feed the design rate with longest parcels, smallest gaps."""
    line = file.line
    inductions = sum(eye.inducts for eye in line.photo_eyes)
    pitch_mm = line.limits.length_mm + line.tracking.min_gap_mm
    most = 3600 * line.belt_speed_mm_s / pitch_mm * inductions
    if inductions == 0 or line.design_rate_parcels_per_h <= most:
        return []
    return [
        document.problem(
            ("line", "design_rate_parcels_per_h"),
            f"the belt cannot carry {line.design_rate_parcels_per_h:g} parcels/h: "
            f"{inductions} induction(s) at {line.belt_speed_mm_s:g} mm/s and a pitch of "
            f"{pitch_mm:g} mm (longest parcel + min_gap_mm) feed {most:.0f}",
            f"at most {most:.0f}, a faster belt, or another induction",
        )
    ]


LINE_CHECKS: tuple[LineCheck, ...] = (
    names_are_unique,
    positions_are_on_the_line,
    eyes_are_in_order,
    zones_cover_the_line,
    some_eye_inducts,
    window_is_unambiguous,
    counts_fit_the_wire,
    belt_carries_the_design_rate,
)
