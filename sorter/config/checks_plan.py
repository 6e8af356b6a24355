"""Checks of a sort plan, alone and on its line, that pydantic cannot see."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Final

from sorter.config.compile import effective_limits
from sorter.config.documents import Document, KeyPath
from sorter.config.flow import unserved
from sorter.config.models import Chute, ExceptionOutlets, Line, LineFile, SortPlanFile
from sorter.config.wording import closest
from sorter.errors import Problem

PlanCheck = Callable[[SortPlanFile, Document], list[Problem]]
LinePlanCheck = Callable[[LineFile, SortPlanFile, Document], list[Problem]]
OUTLET_KEYS: Final = tuple(ExceptionOutlets.model_fields)


# --- the plan alone ---------------------------------------------------------------------------
def overflow_has_no_cycle(plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that following overflow always comes to an end."""
    problems = []
    reported: set[str] = set()
    for start in plan.overflow:
        trail = [start]
        while (stream := plan.overflow.get(trail[-1])) is not None and stream not in trail:
            trail.append(stream)
        if stream == start and start not in reported:
            reported.update(trail)
            problems.append(
                document.problem(
                    ("overflow", start),
                    "overflow goes round in a cycle: " + " -> ".join([*trail, start]),
                    "take one of these lines out",
                )
            )
    return problems


def overflow_streams_have_routes(plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that overflow joins routed streams that have a grade in common."""
    grades: dict[str, set[str]] = {}
    for route in plan.routes:
        grades.setdefault(route.stream, set()).update(route.grades)
    problems = []
    for source, target in plan.overflow.items():
        unknown = [name for name in (source, target) if name not in grades]
        for name in unknown:
            problems.append(
                document.problem(
                    ("overflow", source),
                    f"the stream {name!r} has no route",
                    closest(name, list(grades)),
                )
            )
        if not unknown and not grades[source] & grades[target]:
            problems.append(
                document.problem(
                    ("overflow", source),
                    f"{target} has no route for a grade of {source} "
                    f"({', '.join(sorted(grades[source]))}), so it never helps",
                    f"route one of these grades of {target}, or take the line out",
                )
            )
    return problems


def shares_add_up(plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that the routes expect no more than all parcels."""
    total = sum(route.expected_share for route in plan.routes)
    if total <= 1 + 1e-9:
        return []
    last = max(i for i, route in enumerate(plan.routes) if route.expected_share)
    return [
        document.problem(
            ("routes", last, "expected_share"),
            f"the expected shares add up to {total:.4g}, more than all parcels",
            "at most 1 in all; what is left is for the exception outlets",
        )
    ]


def cells_are_routed_once(plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that a grade of a stream has one route, without empty groups or repeated chutes."""
    problems = []
    first: dict[tuple[str, str], int] = {}
    for index, route in enumerate(plan.routes):
        for grade in route.grades:
            before = first.setdefault((route.stream, grade), index)
            if before != index:
                line = document.line_of(("routes", before))
                problems.append(
                    document.problem(
                        ("routes", index, "grades"),
                        f"grade {grade} of {route.stream} is routed twice, first in line {line}",
                        "join the two routes' groups in one",
                    )
                )
        named: set[str] = set()
        for number, group in enumerate(route.groups):
            path: KeyPath = ("routes", index, "groups", number)
            if not group:
                problems.append(
                    document.problem(path, "the group names no chute", "name one or remove it")
                )
            for chute in group:
                if chute in named:
                    problems.append(
                        document.problem(
                            path, f"{chute} is in this route twice", "name each chute once"
                        )
                    )
                named.add(chute)
    return problems


def outlets_are_their_own(plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that no exception outlet is shared, neither with another cause nor with a route."""
    problems = []
    first: dict[str, str] = {}
    routed = {
        chute: route.stream for route in plan.routes for group in route.groups for chute in group
    }
    for key in OUTLET_KEYS:
        chute = getattr(plan.exceptions, key)
        if chute in first:
            problems.append(
                document.problem(
                    ("exceptions", key),
                    f"{key} shares chute {chute} with {first[chute]}",
                    "give every exception cause an outlet of its own",
                )
            )
        elif chute in routed:
            problems.append(
                document.problem(
                    ("exceptions", key),
                    f"chute {chute} is also used by the route of {routed[chute]}",
                    "give every exception cause an outlet of its own",
                )
            )
        first.setdefault(chute, key)
    return problems


# --- the plan on its line -----------------------------------------------------------------------
def chutes_are_known(file: LineFile, plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that every chute that the plan names is built.

    Where the line gives one name to several chutes, as many names of the plan may be missing for
    no other reason; these are not reported a second time.
    """
    known = [chute.name for chute in file.line.chutes]
    named: list[tuple[KeyPath, str]] = [
        (("routes", index, "groups", number, place), chute)
        for index, route in enumerate(plan.routes)
        for number, group in enumerate(route.groups)
        for place, chute in enumerate(group)
    ]
    named += [(("exceptions", key), getattr(plan.exceptions, key)) for key in OUTLET_KEYS]
    built = set(known)
    missing = {chute for _, chute in named} - built
    if len(missing) <= len(known) - len(built):
        return []
    return [
        document.problem(path, f"the line has no chute {chute!r}", closest(chute, known))
        for path, chute in named
        if chute not in built
    ]


def routes_have_diverters(file: LineFile, plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that only the fallback is bound for the end of the line, where no diverter is."""
    ends = {chute.name for chute in file.line.chutes if chute.side == "end"}
    named: list[tuple[KeyPath, str]] = [
        (("routes", index, "groups", number), chute)
        for index, route in enumerate(plan.routes)
        for number, group in enumerate(route.groups)
        for chute in group
    ]
    named += [
        (("exceptions", key), getattr(plan.exceptions, key))
        for key in OUTLET_KEYS
        if key != "fallback"
    ]
    return [
        document.problem(
            path,
            f"{chute} is the end of the line: whatever was not diverted falls into it",
            "name a chute with a diverter; only exceptions.fallback may be the end",
        )
        for path, chute in named
        if chute in ends
    ]


def capacity_suffices(file: LineFile, plan: SortPlanFile, document: Document) -> list[Problem]:
    """Check that the chutes can be emptied as fast as the expected shares fill them.

    Routes share chutes, so this is a flow from routes to chutes; what cannot flow is too much.
    """
    line = file.line
    chutes = {chute.name: chute for chute in line.chutes}
    order = {name: index for index, name in enumerate(chutes)}
    # Of a name given twice nobody can tell which chute is meant: the line's own checks say so.
    twice = {name for name, times in Counter(one.name for one in line.chutes).items() if times > 1}
    rates = [
        math.inf if chute.name in twice else _emptied_per_h(chute, line)
        for chute in chutes.values()
    ]
    choices = [
        sorted({order[name] for group in route.groups for name in group if name in order})
        for route in plan.routes
    ]
    demands = [
        # An unknown chute may be the one that has another's name.
        0.0
        if twice and not set(chain.from_iterable(route.groups)) <= set(order)
        else route.expected_share * line.design_rate_parcels_per_h
        for route in plan.routes
    ]
    problems = []
    for index, missing in enumerate(unserved(demands, choices, rates)):
        if missing <= 1e-6 * max(1.0, demands[index]):
            continue
        route = plan.routes[index]
        problems.append(
            document.problem(
                ("routes", index, "expected_share"),
                f"{route.stream} needs more capacity than there is: {demands[index]:.0f} parcels/h "
                f"expected (share {route.expected_share:g} of "
                f"{line.design_rate_parcels_per_h:g}), its chutes can be emptied of "
                f"{demands[index] - missing:.0f} parcels/h",
                "add a chute, a larger capacity or shorter bag_change_every_min",
            )
        )
    return problems


def limits_are_within_the_line(
    file: LineFile, plan: SortPlanFile, document: Document
) -> list[Problem]:
    """Check that over-size and over-weight outlets take more than the line, others no more."""
    line = file.line
    chutes = {chute.name: chute for chute in line.chutes}
    if len(chutes) < len(line.chutes):
        return []
    problems = []
    size = ("length_mm", "width_mm", "height_mm")
    for key, fields in (("over_size", size), ("over_weight", ("weight_g",))):
        chute = chutes.get(getattr(plan.exceptions, key))
        if chute is None:
            continue
        limits = effective_limits(chute, line)
        tight = [name for name in fields if getattr(limits, name) <= getattr(line.limits, name)]
        if tight:
            problems.append(
                document.problem(
                    ("exceptions", key),
                    f"{chute.name} takes nothing larger than the line does ({', '.join(tight)})",
                    f"larger limits for chute {chute.name} in the line file, or another chute",
                )
            )
    for index, route in enumerate(plan.routes):
        for name in dict.fromkeys(name for group in route.groups for name in group):
            if name in chutes and (wide := _wider_than_line(chutes[name], line)):
                problems.append(
                    document.problem(
                        ("routes", index, "groups"),
                        f"{name} claims larger limits than the line ({', '.join(wide)}): larger "
                        "parcels never get there",
                        f"limits of chute {name} within line.limits",
                    )
                )
    return problems


def _wider_than_line(chute: Chute, line: Line) -> list[str]:
    limits = effective_limits(chute, line)
    return [
        name
        for name in type(limits).model_fields
        if getattr(limits, name) > getattr(line.limits, name)
    ]


def _emptied_per_h(chute: Chute, line: Line) -> float:
    """Return how many parcels an hour the chute can be rid of, full of the longest ones."""
    parcels = float("inf")
    if chute.capacity.parcels:
        parcels = chute.capacity.parcels
    if chute.capacity.length_mm:
        longest_mm = effective_limits(chute, line).length_mm
        parcels = min(parcels, chute.capacity.length_mm / longest_mm)
    return parcels * 60 / chute.bag_change_every_min


PLAN_CHECKS: tuple[PlanCheck, ...] = (
    overflow_has_no_cycle,
    overflow_streams_have_routes,
    shares_add_up,
    cells_are_routed_once,
    outlets_are_their_own,
)
LINE_PLAN_CHECKS: tuple[LinePlanCheck, ...] = (
    chutes_are_known,
    routes_have_diverters,
    capacity_suffices,
    limits_are_within_the_line,
)
