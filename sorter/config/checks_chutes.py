"""Checks of chutes, scanners and scales: can each parcel be known, diverted and confirmed in time.

Each takes the line file and its document and returns what is wrong, empty when nothing is.
Distances are of the parcel's leading edge, in mm of belt travel. What stands beyond the line's
length is reported as such by :func:`~sorter.config.checks_line.positions_are_on_the_line`: to
measure from there would accuse its neighbours too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Protocol

from sorter.config.checks_line import LineCheck, is_on_line
from sorter.config.documents import Document, KeyPath
from sorter.config.models import Chute, Line, LineFile, PhotoEye
from sorter.errors import Problem


class Placed(Protocol):
    """Anything with a place on the line."""

    @property
    def position_mm(self) -> float:
        """Return the place."""
        ...


def end_chute_fits_topology(file: LineFile, document: Document) -> list[Problem]:
    """Check that a line has one chute at its end, behind all others; a loop has none."""
    line = file.line
    ends = [(i, chute) for i, chute in enumerate(line.chutes) if chute.side == "end"]
    if line.topology == "loop":
        return [
            document.problem(
                ("line", "chutes", index, "side"),
                f"{chute.name} is at the end of a loop, which has none",
                "side: left or right, or topology: line",
            )
            for index, chute in ends
        ]
    if not ends:
        return [
            document.problem(
                ("line", "chutes"),
                "no chute takes what runs off the end of the line",
                "add a chute with side: end, and make it the plan's fallback",
            )
        ]
    furthest_mm = max((chute.position_mm for _, chute in _placed_chutes(line)), default=0.0)
    return [
        document.problem(
            ("line", "chutes", index, "side"),
            f"{chute.name} is not the end of the line: "
            + ("another chute is" if number else f"a chute stands at {furthest_mm:g} mm"),
            "side: end for the last chute only",
        )
        for number, (index, chute) in enumerate(ends)
        if number or chute.position_mm < furthest_mm
    ]


def chutes_are_between_eyes(file: LineFile, document: Document) -> list[Problem]:
    """Check that on a line, each diverter has an induction before it and an eye behind it.

    On a loop there is always one of each: behind the last eye comes the first. Whether that one
    is near enough or too near is for :func:`diverts_can_be_confirmed`, whether the loop's end is
    in the way for :func:`chutes_are_clear_of_the_seam`.
    """
    line = file.line
    if line.topology == "loop":
        return []
    last = max(line.photo_eyes, key=lambda eye: eye.position_mm)
    first_mm = min((eye.position_mm for eye in _placed_inductions(line)), default=0.0)
    problems = []
    for index, chute in _placed_chutes(line):
        path: KeyPath = ("line", "chutes", index, "position_mm")
        if chute.position_mm <= first_mm:
            problems.append(
                document.problem(
                    path,
                    f"chute {chute.name} is upstream of every induction: no parcel gets there",
                    f"place it behind {first_mm:g} mm",
                )
            )
        elif chute.side != "end" and chute.position_mm >= last.position_mm:
            problems.append(
                document.problem(
                    path,
                    f"chute {chute.name} is beyond the last eye ({last.name} at "
                    f"{last.position_mm:g} mm): a failed divert would go unnoticed",
                    "add a photo-eye behind it",
                )
            )
    return problems


def chutes_are_clear_of_the_seam(file: LineFile, document: Document) -> list[Problem]:
    """Check that on a loop, firing, diverting and entering all happen before the loop's end.

    There positions begin again at 0: a divert that reaches over it would be fired in one lap and
    confirmed in the next.
    """
    line = file.line
    if line.topology == "line":
        return []
    problems = []
    for index, chute in _placed_chutes(line):
        if chute.side == "end":
            continue  # reported as such
        from_mm, to_mm = _acts_from(chute), chute.position_mm + chute.window_mm / 2
        entered_mm = chute.position_mm + chute.entry_distance_mm
        least_mm = chute.actuation_distance_mm + chute.window_mm / 2
        most_mm = line.length_mm - max(chute.window_mm / 2, chute.entry_distance_mm)
        if from_mm < 0 or to_mm > line.length_mm:
            what = (
                f"the divert window of {chute.name}, {from_mm:g} to {to_mm:g} mm "
                f"(actuation_distance_mm + window_mm), crosses the loop's end"
            )
        elif entered_mm > line.length_mm:
            what = (
                f"a parcel has entered {chute.name} at {entered_mm:g} mm (position_mm + "
                f"entry_distance_mm), past the loop's end"
            )
        else:
            continue
        problems.append(
            document.problem(
                ("line", "chutes", index, "position_mm"),
                f"{what} at {line.length_mm:g} mm",
                f"place it from {least_mm:g} to {most_mm:g} mm, or count positions from "
                "another point of the loop",
            )
        )
    return problems


def diverts_can_be_confirmed(file: LineFile, document: Document) -> list[Problem]:
    """Check that a chute's own eye reports a parcel before the next eye could miss it.

    On a loop the eye next to a chute behind the last eye is the first one.
    """
    line = file.line
    problems = []
    for index, chute in _placed_chutes(line):
        distances = list(_downstream(line, chute.position_mm, line.photo_eyes))
        if chute.side == "end" or not distances:
            continue
        distance_mm, eye_index = min(distances)
        needed_mm = chute.entry_distance_mm + line.tracking.window_mm
        if distance_mm < needed_mm:
            eye = line.photo_eyes[eye_index].name
            problems.append(
                document.problem(
                    ("line", "chutes", index, "position_mm"),
                    f"nobody can confirm chute {chute.name}: {eye} stands {distance_mm:g} mm "
                    f"behind it, but entering takes {needed_mm:g} mm "
                    "(entry_distance_mm + tracking.window_mm)",
                    f"keep {needed_mm:g} mm between a chute and the next eye",
                )
            )
    return problems


def divert_windows_are_apart(file: LineFile, document: Document) -> list[Problem]:
    """Check that no two diverters act on the same stretch of belt, on whichever side they are."""
    line = file.line
    stretches = sorted(
        (_acts_from(chute), chute.position_mm + chute.window_mm / 2, index)
        for index, chute in _placed_chutes(line)
        if chute.side != "end"
    )
    if line.topology == "loop" and stretches:  # the last one may reach over the seam
        start, end, index = stretches[0]
        stretches.append((start + line.length_mm, end + line.length_mm, index))
    problems = []
    for (_, end_mm, first), (start_mm, _, second) in pairwise(stretches):
        if start_mm < end_mm and first != second:
            one, other = line.chutes[first], line.chutes[second]
            problems.append(
                document.problem(
                    ("line", "chutes", second, "position_mm"),
                    f"the divert windows of {one.name} and {other.name} overlap by "
                    f"{end_mm - start_mm:g} mm (actuation_distance_mm + window_mm)",
                    "place the chutes further apart or shorten the windows",
                )
            )
    return problems


def operator_chutes_get_full(file: LineFile, document: Document) -> list[Problem]:
    """Check that bags have a capacity, or they would never be reported full."""
    return [
        document.problem(
            ("line", "chutes", index, "capacity"),
            f"chute {chute.name} is emptied by an operator but has no capacity",
            "write capacity: {parcels: 60} or {length_mm: 20000}",
        )
        for index, chute in enumerate(file.line.chutes)
        if chute.emptied_by == "operator"
        and chute.side != "end"
        and chute.capacity.parcels == 0
        and chute.capacity.length_mm == 0
    ]


# --- scanners and scales --------------------------------------------------------------------------
def facts_come_before_the_commit_point(file: LineFile, document: Document) -> list[Problem]:
    """Check that from each induction the scan is complete before the first commit point."""
    line = file.line
    problems = []
    for index, eye in enumerate(line.photo_eyes):
        if not is_on_line(line, eye.position_mm):
            continue
        scanner = min(_downstream(line, eye.position_mm, line.scanners), default=None)
        chute = min(_downstream(line, eye.position_mm, line.chutes), default=None)
        if not eye.inducts or chute is None:
            continue
        path: KeyPath = ("line", "photo_eyes", index)
        if scanner is None or scanner[0] >= chute[0]:
            if _all_placed(line, line.scanners):
                problems.append(
                    document.problem(
                        path,
                        f"no scanner stands between induction {eye.name} and the first chute, "
                        f"{line.chutes[chute[1]].name}",
                        "place a scanner there",
                    )
                )
            continue
        commit_mm = chute[0] - _commit_distance(line, line.chutes[chute[1]])
        known_mm = scanner[0] + line.tracking.window_mm + line.limits.length_mm
        if commit_mm < known_mm:
            problems.append(
                document.problem(
                    ("line", "chutes", chute[1], "position_mm"),
                    f"the commit point of {line.chutes[chute[1]].name} is {commit_mm:g} mm behind "
                    f"{eye.name}, before the scan by {line.scanners[scanner[1]].name} is complete "
                    f"at {known_mm:g} mm (scanner + tracking window + longest parcel)",
                    f"move the chute downstream by {known_mm - commit_mm:g} mm or the scanner "
                    "upstream",
                )
            )
    return problems


def stations_are_clear_of_the_induction(file: LineFile, document: Document) -> list[Problem]:
    """Check that a parcel has left the inducting eye before a scanner or scale reports it."""
    line = file.line
    longest_mm = line.limits.length_mm
    problems = []
    for section, stations in (("scanners", line.scanners), ("scales", line.scales)):
        for eye in _placed_inductions(line):
            near = min(_downstream(line, eye.position_mm, stations), default=None)
            if near is not None and near[0] < longest_mm:
                problems.append(
                    document.problem(
                        ("line", section, near[1], "position_mm"),
                        f"{stations[near[1]].name} stands {near[0]:g} mm behind {eye.name}, closer "
                        f"than the longest parcel ({longest_mm:g} mm)",
                        f"place it {longest_mm:g} mm or more behind the induction's eye",
                    )
                )
    return problems


def scales_are_before_scanners(file: LineFile, document: Document) -> list[Problem]:
    """Check that scales are between an induction and its scanner.

    Only then a decision waits for the measurement.
    """
    line = file.line
    if not (_all_placed(line, line.scanners) and _all_placed(line, line.photo_eyes)):
        return []
    useful: set[int] = set()
    for eye in _placed_inductions(line):
        scanner = min(_downstream(line, eye.position_mm, line.scanners), default=None)
        useful |= {
            index
            for distance_mm, index in _downstream(line, eye.position_mm, line.scales)
            if scanner is not None and distance_mm < scanner[0]
        }
    return [
        document.problem(
            ("line", "scales", index, "position_mm"),
            f"{scale.name} is not between an induction and its scanner: no decision waits for it",
            "place it upstream of the scanner",
        )
        for index, scale in enumerate(line.scales)
        if index not in useful and is_on_line(line, scale.position_mm)
    ]


# --- distances ------------------------------------------------------------------------------------
def _downstream(line: Line, from_mm: float, items: Iterable[Placed]) -> Iterator[tuple[float, int]]:
    """Yield distance and index of what a parcel at `from_mm` still gets to."""
    for index, item in enumerate(items):
        if not is_on_line(line, item.position_mm):
            continue
        distance_mm = item.position_mm - from_mm
        if line.topology == "loop":
            yield distance_mm % line.length_mm, index
        elif distance_mm >= 0:
            yield distance_mm, index


def _placed_chutes(line: Line) -> Iterator[tuple[int, Chute]]:
    """Yield index and chute of those that stand on the line."""
    for index, chute in enumerate(line.chutes):
        if is_on_line(line, chute.position_mm):
            yield index, chute


def _placed_inductions(line: Line) -> list[PhotoEye]:
    return [eye for eye in line.photo_eyes if eye.inducts and is_on_line(line, eye.position_mm)]


def _all_placed(line: Line, items: Iterable[Placed]) -> bool:
    return all(is_on_line(line, item.position_mm) for item in items)


def _acts_from(chute: Chute) -> float:
    return chute.position_mm - chute.window_mm / 2 - chute.actuation_distance_mm


def _commit_distance(line: Line, chute: Chute) -> float:
    """Return how far before the chute the PLC must have been told."""
    allowance_mm = line.tracking.io_allowance_ms / 1000 * line.belt_speed_mm_s
    if chute.side == "end":
        return allowance_mm
    return chute.actuation_distance_mm + chute.window_mm / 2 + allowance_mm


CHUTE_CHECKS: tuple[LineCheck, ...] = (
    end_chute_fits_topology,
    chutes_are_between_eyes,
    chutes_are_clear_of_the_seam,
    diverts_can_be_confirmed,
    divert_windows_are_apart,
    operator_chutes_get_full,
    facts_come_before_the_commit_point,
    stations_are_clear_of_the_induction,
    scales_are_before_scanners,
)
