"""Check configuration files: every problem of every file, and of what they refer to, in one go."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sorter.config.as_meant import as_meant
from sorter.config.checks_chutes import CHUTE_CHECKS
from sorter.config.checks_io import IO_CHECKS, LINE_IO_CHECKS
from sorter.config.checks_line import LINE_CHECKS, LineCheck
from sorter.config.checks_machine import (
    files_of_the_link,
    files_of_the_metrics,
    files_that_are_written,
)
from sorter.config.checks_plan import LINE_PLAN_CHECKS, PLAN_CHECKS
from sorter.config.checks_policy import PLAN_POLICY_CHECKS, POLICY_CHECKS
from sorter.config.checks_service import SERVICE_CHECKS
from sorter.config.documents import Document, KeyPath, parse, read_text
from sorter.config.kinds import ComparedWithLine, kind_names, model_of
from sorter.config.models import (
    LineFile,
    ReturnsPolicyFile,
    Service,
    SortPlanFile,
)
from sorter.config.readings import MOST_PROBLEMS, Readings, certain
from sorter.config.wording import closest, nearest, validate
from sorter.errors import ConfigError, Problem

ModelType = TypeVar("ModelType", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CheckedFile(Generic[ModelType]):
    """A file whose form is right."""

    document: Document
    model: ModelType


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """A line file and the two it refers to."""

    line: CheckedFile[LineFile]
    plan: CheckedFile[SortPlanFile]
    policy: CheckedFile[ReturnsPolicyFile]


def check_files(paths: Iterable[Path | str], now: datetime | None = None) -> list[Problem]:
    """Return every problem of the files and of those they refer to; empty when all is well.

    Parameters
    ----------
    paths : iterable of path
    now : datetime, optional
        When given, certificates, keys and passwords are checked too, as of this time.
    """
    run = CheckRun(now)
    for path in paths:
        run.check(Path(path))
    return run.sorted_problems()


@dataclass(slots=True)
class CheckRun:
    """One go over some files; each file is read once, however often it is referred to.

    Of a file whose form is wrong, what holds however it will be mended is reported all the same,
    or the other problems would come to light one repair at a time.

    Attributes
    ----------
    now : datetime or None
        When given, what only the line's own machine has is checked too.
    problems : dict of Problem
        Used as an ordered set.
    """

    now: datetime | None = None
    problems: dict[Problem, None] = field(default_factory=dict)
    _documents: dict[str, Document | None] = field(default_factory=dict)
    _order: dict[str, int] = field(default_factory=dict)
    _read: dict[tuple[str, str], Readings[Any]] = field(default_factory=dict)

    def sorted_problems(self) -> list[Problem]:
        """Return the problems by file in the order the files were met, then by line."""
        return sorted(
            self.problems,
            key=lambda problem: (
                self._order.get(problem.file, len(self._order)),
                problem.line,
                problem.key_path,
            ),
        )

    def check(self, path: Path) -> None:
        """Check one file of any kind."""
        document = self._document(path)
        if document is None:
            return
        kind = self._kind(document)
        if kind is not None:
            self._check_as(document, path, kind)

    def _check_as(self, document: Document, path: Path, kind: str) -> None:
        if kind == "line":
            self.check_line(path)
        elif kind == "sort_plan":
            self._plan(path)
        elif kind == "returns_policy":
            self._policy(path)
        else:
            self._check_other(document, path, kind)

    def check_line(self, path: Path) -> CheckedLine | None:
        """Check a line file with its sort plan and returns policy, alone and together.

        Returns
        -------
        CheckedLine or None
            None when the form of one of the three is wrong.
        """
        line = self._readings(path, LineFile, "line")
        if line is None:
            return None
        document = line.document
        self._sure([line], LINE_FILE_CHECKS, document)
        self._check_machine(line)
        plan_path, policy_path = (
            self._referred(document, path, ("service", key), Service.model_fields)
            for key in ("sort_plan", "returns_policy")
        )
        plan = self._plan(plan_path) if plan_path else None
        policy = self._policy(policy_path) if policy_path else None
        if plan is not None:
            self._sure([line, plan], LINE_PLAN_CHECKS, plan.document)
        if plan is None or policy is None:
            return None
        between = (plan.document, policy.document)
        self._note(
            certain(
                [plan, policy],
                lambda one, other: chain.from_iterable(
                    check(one, between[0], other, between[1]) for check in PLAN_POLICY_CHECKS
                ),
            )
        )
        if line.exact is None or plan.exact is None or policy.exact is None:
            return None
        return CheckedLine(
            CheckedFile(document, line.exact),
            CheckedFile(plan.document, plan.exact),
            CheckedFile(policy.document, policy.exact),
        )

    def _check_machine(self, line: Readings[LineFile]) -> None:
        """Check what the line file names on the machine that this runs on."""
        now, document = self.now, line.document
        if now is None:
            return
        base = Path(document.name).parent

        def find(file: LineFile) -> list[Problem]:
            return [
                *files_of_the_link(file.io, document, base, now),
                *files_of_the_metrics(file.service.metrics, document, base, now),
                *files_that_are_written(file.service, document, base),
            ]

        self._note(certain([line], find))

    def _plan(self, path: Path) -> Readings[SortPlanFile] | None:
        plan = self._readings(path, SortPlanFile, "sort_plan")
        if plan is not None:
            self._sure([plan], PLAN_CHECKS, plan.document)
        return plan

    def _policy(self, path: Path) -> Readings[ReturnsPolicyFile] | None:
        policy = self._readings(path, ReturnsPolicyFile, "returns_policy")
        if policy is not None:
            self._sure([policy], POLICY_CHECKS, policy.document)
        return policy

    def _check_other(self, document: Document, path: Path, kind: str) -> None:
        try:
            model = model_of(kind)
        except ConfigError as error:
            self._add(document.problem(("kind",), str(error), "or use another kind"))
            return
        if model is None:
            remedy = closest(kind, kind_names())
            self._add(document.problem(("kind",), f"{kind!r} is unknown", remedy))
            if near := nearest(kind, kind_names()):
                self._check_as(document, path, near)
            elif isinstance(document.data.get("line"), dict):
                self.check_line(path)
            return
        other = self._readings(path, model, kind)
        if other is None or "line" not in model.model_fields:
            return
        document = other.document
        default = model.model_fields["line"].default
        if not isinstance(document.data.get("line", default), str):
            return
        line_path = self._referred(document, path, ("line",), model.model_fields)
        if line_path is None:
            return
        self.check_line(line_path)
        line = self._readings(line_path, LineFile, "line")
        if line is not None and issubclass(model, ComparedWithLine):
            self._note(
                certain(
                    [other, line],
                    lambda one, line_file: (
                        document.problem(*found) for found in one.problems_against(line_file)
                    ),
                )
            )

    def _kind(self, document: Document) -> str | None:
        data = document.data
        kind = data.get("kind")
        if "kind" not in data and isinstance(data.get("line"), dict):
            return "line"
        if isinstance(kind, str):
            return kind
        choices = ", ".join(f"kind: {name}" for name in kind_names())
        self._add(
            document.problem(
                ("kind",), "the file does not say what it is", f"write one of: {choices}"
            )
        )
        return "line" if isinstance(data.get("line"), dict) else None

    def _referred(
        self, document: Document, path: Path, key: KeyPath, fields: Mapping[str, FieldInfo]
    ) -> Path | None:
        """Return the path a file refers to, or None with a problem where it is referred to.

        Taken from what is written, so that a file refers to others even when its form is wrong.

        Parameters
        ----------
        document : Document
        path : Path
            Of the document; others count from its folder.
        key : key path
            Where the reference stands.
        fields : mapping of str to FieldInfo
            What the section that holds it may hold.
        """
        section: object = document.data
        for part in key[:-1]:
            section = section.get(part, {}) if isinstance(section, dict) else None
        name = str(key[-1])
        if not isinstance(section, dict) or (name not in section and set(section) - set(fields)):
            return None  # an unknown key may be the misspelt reference: do not guess
        target = section.get(name, fields[name].default)
        if not isinstance(target, str):
            return None
        found = Path(os.path.normpath(path.parent / target))
        try:
            exists = found.exists()
        except (OSError, ValueError):
            exists = False
        if exists:
            return found
        remedy = f"correct the path; it counts from {path.parent}"
        self._add(document.problem(key, f"there is no file {found}", remedy))
        return None

    def _document(self, path: Path) -> Document | None:
        name = str(path)
        if name not in self._documents:
            self._order.setdefault(name, len(self._order))
            text = read_text(path, name)
            if isinstance(text, Problem):
                self._documents[name] = None
                self._add(text)
            else:
                document, problems = parse(text, name)
                self._documents[name] = document
                self._note(problems)
        return self._documents[name]

    def _readings(
        self, path: Path, model: type[ModelType], kind: str
    ) -> Readings[ModelType] | None:
        """Return what the file may say, None when it is no such file; its form is checked."""
        document = self._document(path)
        if document is None:
            return None
        said = document.data.get("kind")
        is_another = isinstance(said, str) and said != kind and said in kind_names()
        if (document.name, kind) not in self._read:
            exact, problems = validate(document, model)
            found, meant = list(problems), document
            if problems and not is_another and len(problems) <= MOST_PROBLEMS:
                for meant in as_meant(document, model):
                    exact, problems = validate(meant, model)
                    found += problems
            self._note(one for one in found if not self._is_said(one))
            self._read[document.name, kind] = Readings(meant, model, exact, problems)
        return None if is_another else self._read[document.name, kind]

    def _is_said(self, problem: Problem) -> bool:
        """Say whether the kind of a file is a problem already: pydantic would repeat that."""
        return problem.key_path == "kind" and any(
            (one.file, one.key_path) == (problem.file, "kind") for one in self.problems
        )

    def _sure(
        self,
        files: Sequence[Readings[Any]],
        checks: Iterable[Callable[..., list[Problem]]],
        document: Document,
    ) -> None:
        """Note what the checks find in every reading of the files."""
        self._note(
            certain(
                files,
                lambda *models: chain.from_iterable(check(*models, document) for check in checks),
            )
        )

    def _add(self, problem: Problem) -> None:
        self.problems[problem] = None

    def _note(self, problems: Iterable[Problem]) -> None:
        self.problems.update(dict.fromkeys(problems))


def _io_alone(file: LineFile, document: Document) -> list[Problem]:
    return [problem for check in IO_CHECKS for problem in check(file.io, document)]


LINE_FILE_CHECKS: Final[tuple[LineCheck, ...]] = (
    _io_alone,
    *LINE_CHECKS,
    *CHUTE_CHECKS,
    *LINE_IO_CHECKS,
    *SERVICE_CHECKS,
)
