"""Check configuration files: every problem of every file, and of what they refer to, in one go."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from sorter.config.checks_chutes import CHUTE_CHECKS
from sorter.config.checks_io import IO_CHECKS
from sorter.config.checks_line import LINE_CHECKS
from sorter.config.checks_plan import LINE_PLAN_CHECKS, PLAN_CHECKS
from sorter.config.checks_policy import PLAN_POLICY_CHECKS, POLICY_CHECKS
from sorter.config.documents import Document, parse, read_text
from sorter.config.kinds import kind_names, model_of
from sorter.config.models import LineFile, ReturnsPolicyFile, SortPlanFile
from sorter.config.wording import closest, validate
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


def check_files(paths: Iterable[Path | str]) -> list[Problem]:
    """Return every problem of the files and of those they refer to; empty when all is well."""
    run = CheckRun()
    for path in paths:
        run.check(Path(path))
    return run.sorted_problems()


@dataclass(slots=True)
class CheckRun:
    """One go over some files; each file is read once, however often it is referred to.

    Attributes
    ----------
    problems : dict of Problem
        Used as an ordered set.
    """

    problems: dict[Problem, None] = field(default_factory=dict)
    _documents: dict[str, Document | None] = field(default_factory=dict)
    _order: dict[str, int] = field(default_factory=dict)

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
        if kind == "line":
            self.check_line(path)
        elif kind == "sort_plan":
            self._plan(path)
        elif kind == "returns_policy":
            self._policy(path)
        elif kind is not None:
            self._check_other(document, path, kind)

    def check_line(self, path: Path) -> CheckedLine | None:
        """Check a line file with its sort plan and returns policy, alone and together."""
        line = self._checked(path, LineFile)
        if line is None:
            return None
        line_checks = (*LINE_CHECKS, *CHUTE_CHECKS, *IO_CHECKS)
        self._note(check(line.model, line.document) for check in line_checks)
        service = line.model.service
        plan_path = self._referred(line.document, path, ("service", "sort_plan"), service.sort_plan)
        policy_path = self._referred(
            line.document, path, ("service", "returns_policy"), service.returns_policy
        )
        plan = self._plan(plan_path) if plan_path else None
        policy = self._policy(policy_path) if policy_path else None
        if plan is not None:
            self._note(check(line.model, plan.model, plan.document) for check in LINE_PLAN_CHECKS)
        if plan is None or policy is None:
            return None
        self._note(
            check(plan.model, plan.document, policy.model, policy.document)
            for check in PLAN_POLICY_CHECKS
        )
        return CheckedLine(line, plan, policy)

    def _plan(self, path: Path) -> CheckedFile[SortPlanFile] | None:
        plan = self._checked(path, SortPlanFile)
        if plan is not None:
            self._note(check(plan.model, plan.document) for check in PLAN_CHECKS)
        return plan

    def _policy(self, path: Path) -> CheckedFile[ReturnsPolicyFile] | None:
        policy = self._checked(path, ReturnsPolicyFile)
        if policy is not None:
            self._note(check(policy.model, policy.document) for check in POLICY_CHECKS)
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
            return
        checked = self._checked(path, model)
        line = getattr(checked.model, "line", None) if checked else None
        if isinstance(line, str):
            line_path = self._referred(document, path, ("line",), line)
            if line_path is not None:
                self.check_line(line_path)

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
        return None

    def _referred(
        self, document: Document, path: Path, key: tuple[str, ...], target: str
    ) -> Path | None:
        """Return the path a file refers to, or None with a problem where it is referred to."""
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
                self._note([problems])
        return self._documents[name]

    def _checked(self, path: Path, model: type[ModelType]) -> CheckedFile[ModelType] | None:
        document = self._document(path)
        if document is None:
            return None
        instance, problems = validate(document, model)
        self._note([problems])
        return None if instance is None else CheckedFile(document, instance)

    def _add(self, problem: Problem) -> None:
        self.problems[problem] = None

    def _note(self, found: Iterable[Sequence[Problem]]) -> None:
        for problems in found:
            self.problems.update(dict.fromkeys(problems))
