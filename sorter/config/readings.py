"""Say of files what holds however they will be mended.

A file whose form is right has one reading, itself. One whose form is wrong has as many as there
are ways to fill its holes, and what a check finds in every one of them does not depend on the
values that could not be used: it is true already, and can be reported in the same go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from sorter.config.documents import Document
from sorter.config.imagine import MADE_UP, MOST_HOLES, Mended, Variation, imagined
from sorter.config.section import NAME_PATTERN
from sorter.errors import Problem

ModelType = TypeVar("ModelType", bound=BaseModel)
VARIATIONS: Final = 12
MOST_PROBLEMS: Final = 100
"""Of form; with more, the file is something else altogether and nothing is made of the rest. The
time that it takes grows with the square: some 3 s for 32 chutes whose names cannot be read."""
_MOST_NAMES: Final = 32
_NAME: Final = re.compile(NAME_PATTERN)
_MADE_UP: Final = re.compile(rf"{MADE_UP}\d+\.\d+, |(, )?{MADE_UP}\d+\.\d+")
_Asked = tuple[Variation, tuple[str, ...]]


@dataclass(slots=True)
class Readings(Generic[ModelType]):
    """One file, as written or in all the ways its holes may be filled.

    Attributes
    ----------
    document : Document
    model : type of BaseModel
    exact : instance of `model` or None
        The file as written; None when its form is wrong.
    problems : sequence of Problem
        Of its form.
    """

    document: Document
    model: type[ModelType]
    exact: ModelType | None
    problems: Sequence[Problem]
    _imagined: dict[tuple[Variation, tuple[str, ...]], tuple[ModelType | None, list[list[str]]]] = (
        field(default_factory=dict)
    )

    def reading(self, variation: Variation, names: tuple[str, ...]) -> ModelType | None:
        """Return one reading, None when there is none."""
        return self.exact or self._filled(variation, names)[0]

    def unreadable_names(self, names: tuple[str, ...]) -> list[list[str]]:
        """Return what looks like each name that cannot be read."""
        return [] if self.exact else self._filled(Variation(), names)[1]

    def _filled(self, variation: Variation, names: tuple[str, ...]) -> Mended[ModelType]:
        if len(self.problems) > MOST_PROBLEMS:
            return None, []
        key = (variation, names)
        if key not in self._imagined:
            self._imagined[key] = imagined(self.document.data, self.model, variation, names)
        return self._imagined[key]

    def is_about_a_hole(self, problem: Problem) -> bool:
        """Say whether a problem is at a value that cannot be used, or within one."""
        return problem.file == self.document.name and any(
            problem.key_path == hole.key_path
            or problem.key_path.startswith((f"{hole.key_path}.", f"{hole.key_path}["))
            for hole in self.problems
        )


def certain(
    files: Sequence[Readings[Any]],
    find: Callable[..., Iterable[Problem]],
) -> list[Problem]:
    """Return what `find` finds in every reading of the files.

    Parameters
    ----------
    files : sequence of Readings
    find : callable
        Takes one model of each file, in their order; returns the problems of these.
    """
    if all(file.exact for file in files):
        return list(find(*(file.exact for file in files)))
    names = names_in(files)
    sure: list[Problem] | None = None
    for variation in (Variation(number) for number in range(VARIATIONS)):
        sure = _still_sure(sure, files, find, variation, names)
    for variation in _of_unreadable_names(files, names, sure or ()):
        sure = _still_sure(sure, files, find, variation, names)
    return [
        replace(one, remedy=_MADE_UP.sub("", one.remedy))
        for one in sure or ()
        if not any(file.is_about_a_hole(one) for file in files)
    ]


def _still_sure(
    sure: list[Problem] | None,
    files: Sequence[Readings[Any]],
    find: Callable[..., Iterable[Problem]],
    variation: Variation,
    names: tuple[str, ...],
) -> list[Problem]:
    """Return what of `sure` is found in one more reading; all of that, if `sure` is None."""
    if sure == []:
        return sure
    models = [file.reading(variation, names) for file in files]
    if None in models:
        return []  # holes that cannot be filled: nothing is known
    found = list(find(*models))
    if sure is None:
        return found
    again = {_without_remedy(one) for one in found}
    return [one for one in sure if _without_remedy(one) in again]


def _without_remedy(problem: Problem) -> Problem:
    """Return what is wrong; what would be right may list names, made-up ones among them."""
    return replace(problem, remedy="")


def _of_unreadable_names(
    files: Sequence[Readings[Any]], names: tuple[str, ...], sure: Iterable[Problem]
) -> Iterator[Variation]:
    """Yield variations that take each unreadable name for one that is used elsewhere.

    For one that looks like it; where none does, first of all for one that a finding speaks of.
    """
    said = " ".join(f"{problem.problem} {problem.key_path}" for problem in sure)
    order = sorted(names, key=lambda name: name not in said)
    for file in files:
        holes = file.unreadable_names(names)
        last = holes[MOST_HOLES - 1 :]
        together = [list(dict.fromkeys(chain.from_iterable(last))) if all(last) else []]
        for hole, near in enumerate(holes[: MOST_HOLES - 1] + (together if last else [])):
            for number, name in enumerate((near or order)[:_MOST_NAMES], start=VARIATIONS):
                yield Variation(number, name, hole)


def names_in(files: Iterable[Readings[Any]]) -> tuple[str, ...]:
    """Return every text of the files that could be a name, once."""
    found: dict[str, None] = {}
    left: list[object] = [file.document.data for file in files]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str) and _NAME.fullmatch(value):
            found[value] = None
    return tuple(sorted(found))
