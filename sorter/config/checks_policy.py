"""Checks of a returns policy, alone and with its sort plan, that pydantic cannot see."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from sorter.config.documents import Document
from sorter.config.models import ReturnsPolicyFile, Rule, SortPlanFile
from sorter.config.wording import closest
from sorter.errors import Problem
from sorter.model.codes import Grade, ReturnReason

PolicyCheck = Callable[[ReturnsPolicyFile, Document], list[Problem]]
PlanPolicyCheck = Callable[[SortPlanFile, Document, ReturnsPolicyFile, Document], list[Problem]]


# --- the policy alone ---------------------------------------------------------------------------
def categories_are_known(policy: ReturnsPolicyFile, document: Document) -> list[Problem]:
    """Check that rules name listed categories, and the list names each once."""
    known = list(policy.categories)
    problems = [
        document.problem(
            ("categories", index), f"{name!r} is listed twice", "list each category once"
        )
        for index, name in enumerate(known)
        if name in known[:index]
    ]
    for index, rule in enumerate(policy.rules):
        problems += [
            document.problem(
                ("rules", index, "categories"),
                f"the category {name!r} is not listed",
                closest(name, known),
            )
            for name in rule.categories
            if name not in known
        ]
    return problems


def values_are_in_order(policy: ReturnsPolicyFile, document: Document) -> list[Problem]:
    """Check that a rule's value range holds something."""
    return [
        document.problem(
            ("rules", index, "value_to_cents"),
            f"no value is from {rule.value_from_cents} to below {rule.value_to_cents} cents",
            f"more than {rule.value_from_cents}",
        )
        for index, rule in enumerate(policy.rules)
        if rule.value_to_cents is not None and rule.value_to_cents <= rule.value_from_cents
    ]


def ungraded_needs_no_rule(policy: ReturnsPolicyFile, document: Document) -> list[Problem]:
    """Check that no rule waits for grade U, which goes to its outlet before any rule."""
    return [
        document.problem(
            ("rules", index, "grades"),
            "grade U never gets here: it goes to the outlet for ungraded articles",
            "leave U out",
        )
        for index, rule in enumerate(policy.rules)
        if "U" in rule.grades
    ]


def rules_can_match(policy: ReturnsPolicyFile, document: Document) -> list[Problem]:
    """Check that no rule is shadowed by those before it, alone or together."""
    bounds = _value_bounds(policy)
    wanted = [_wanted(policy, rule, bounds) for rule in policy.rules]
    taken = np.zeros([len(axis) for axis in wanted[0]], np.bool_)
    problems = []
    for index, axes in enumerate(wanted):
        mask = np.ones((), np.bool_)
        for axis in axes:
            mask = mask[..., np.newaxis] & axis
        if mask.any() and taken[mask].all():
            by = [
                f"rule {other + 1} (line {document.line_of(('rules', other))})"
                for other in range(index)
                if all((one & two).any() for one, two in zip(wanted[other], axes, strict=True))
            ]
            listing = ", ".join(by[:3]) + (", ..." if len(by) > 3 else "")
            problems.append(
                document.problem(
                    ("rules", index),
                    f"rule {index + 1} can never match: {listing} took all it would match",
                    "move it up, narrow the rules before it, or take it out",
                )
            )
        taken |= mask
    return problems


def _value_bounds(policy: ReturnsPolicyFile) -> list[int]:
    """Return where any rule's value range begins or ends; values between two are all alike."""
    begins = {rule.value_from_cents for rule in policy.rules}
    ends = {rule.value_to_cents for rule in policy.rules if rule.value_to_cents is not None}
    return sorted({0} | begins | ends)


def _wanted(
    policy: ReturnsPolicyFile, rule: Rule, bounds: list[int]
) -> tuple[NDArray[np.bool_], ...]:
    """Return which grades, categories, reasons, value ranges and hazmat flags the rule matches.

    The last category stands for all that no rule names.
    """
    upper = rule.value_to_cents
    named = dict.fromkeys(name for other in policy.rules for name in other.categories)
    categories = (*named, "")
    axes: tuple[list[bool], ...] = (
        [grade.name in rule.grades and grade != Grade.U for grade in Grade],
        [not rule.categories or name in rule.categories for name in categories],
        [not rule.reasons or reason.name.lower() in rule.reasons for reason in ReturnReason],
        [rule.value_from_cents <= low and (upper is None or low < upper) for low in bounds],
        [not rule.hazmat, rule.hazmat],
    )
    return tuple(np.array(axis, np.bool_) for axis in axes)


# --- the policy with its plan ---------------------------------------------------------------------
def streams_have_outlets(
    plan: SortPlanFile,
    plan_document: Document,
    policy: ReturnsPolicyFile,
    policy_document: Document,
) -> list[Problem]:
    """Check that every (grade, stream) that a rule gives is routed."""
    routed = {(grade, route.stream) for route in plan.routes for grade in route.grades}
    streams = list(dict.fromkeys(route.stream for route in plan.routes))
    problems = []
    for index, rule in enumerate(policy.rules):
        missing = [g for g in rule.grades if g != "U" and (g, rule.stream) not in routed]
        if not missing:
            continue
        what = f"stream {rule.stream!r} has no outlet"
        if rule.stream in streams:
            what += f" for grade {', '.join(missing)}"
            remedy = f"add a route for it to {plan_document.name}, or leave the grade out"
        else:
            remedy = f"add a route for it to {plan_document.name}; {closest(rule.stream, streams)}"
        problems.append(policy_document.problem(("rules", index, "stream"), what, remedy))
    return problems


def routes_are_used(
    plan: SortPlanFile,
    plan_document: Document,
    policy: ReturnsPolicyFile,
    policy_document: Document,
) -> list[Problem]:
    """Check that each route serves a grade and stream that a rule gives, or the overflow of one."""
    given: set[tuple[str, str]] = {
        (g, rule.stream) for rule in policy.rules for g in rule.grades if g != "U"
    }
    given |= set(_overflow_of(frozenset(given), plan))
    problems = []
    for index, route in enumerate(plan.routes):
        unused = [grade for grade in route.grades if (grade, route.stream) not in given]
        if unused:
            problems.append(
                plan_document.problem(
                    ("routes", index, "grades"),
                    f"no rule of {policy_document.name} sends grade {', '.join(unused)} to "
                    f"{route.stream}",
                    "take it out, or add a rule",
                )
            )
    return problems


def _overflow_of(given: Iterable[tuple[str, str]], plan: SortPlanFile) -> Iterable[tuple[str, str]]:
    for grade, start in given:
        stream = start
        seen = {stream}
        while (target := plan.overflow.get(stream)) is not None and target not in seen:
            yield grade, target
            seen.add(target)
            stream = target


POLICY_CHECKS: tuple[PolicyCheck, ...] = (
    categories_are_known,
    values_are_in_order,
    ungraded_needs_no_rule,
    rules_can_match,
)
PLAN_POLICY_CHECKS: tuple[PlanPolicyCheck, ...] = (streams_have_outlets, routes_are_used)
