"""Check configuration files: every problem of every file, and of what they refer to, in one go."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sorter.config.checks_chutes import CHUTE_CHECKS
from sorter.config.checks_io import IO_CHECKS, LINE_IO_CHECKS
from sorter.config.checks_line import LINE_CHECKS
from sorter.config.checks_machine import files_of_the_link, files_of_the_metrics
from sorter.config.checks_plan import LINE_PLAN_CHECKS, PLAN_CHECKS
from sorter.config.checks_policy import PLAN_POLICY_CHECKS, POLICY_CHECKS
from sorter.config.checks_service import SERVICE_CHECKS
from sorter.config.documents import Document, KeyPath, parse, read_text
from sorter.config.kinds import ComparedWithLine, kind_names, model_of
from sorter.config.models import (
    Io,
    Line,
    LineFile,
    ReturnsPolicyFile,
    Service,
    SortPlanFile,
)
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

    A broken file or section costs only the checks that need it, or the other problems would come
    to light one repair at a time.

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
    _lines: dict[str, LineFile] = field(default_factory=dict)

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
        """Check a line file with its sort plan and returns policy, alone and together.

        Returns
        -------
        CheckedLine or None
            None when the form of one of the three is wrong.
        """
        document = self._document(path)
        if document is None:
            return None
        whole = self._checked(path, LineFile)
        if whole is None and document.data.get("kind", "line") != "line":
            return None
        file = self._check_sections(document, whole)
        if file is not None:
            self._lines[str(path)] = file
        plan_path, policy_path = (
            self._referred(document, path, ("service", key), Service.model_fields)
            for key in ("sort_plan", "returns_policy")
        )
        plan = self._plan(plan_path) if plan_path else None
        policy = self._policy(policy_path) if policy_path else None
        if file is not None and plan is not None:
            self._note(check(file, plan.model, plan.document) for check in LINE_PLAN_CHECKS)
        if plan is None or policy is None:
            return None
        self._note(
            check(plan.model, plan.document, policy.model, policy.document)
            for check in PLAN_POLICY_CHECKS
        )
        return None if whole is None else CheckedLine(whole, plan, policy)

    def _check_sections(
        self, document: Document, whole: CheckedFile[LineFile] | None
    ) -> LineFile | None:
        """Check the sections of a line file that can be read.

        Returns
        -------
        LineFile or None
            Its section ``line`` is as written, or there is none; others may be defaults.
        """
        line: Line | None
        io: Io | None
        if whole is not None:
            line, io = whole.model.line, whole.model.io
        else:
            line, io = _section(document, "line", Line), _section(document, "io", Io)
        if io is not None:
            self._note(check(io, document) for check in IO_CHECKS)
            if self.now is not None:
                base = Path(document.name).parent
                self._note([files_of_the_link(io, document, base, self.now)])
        if line is None:
            return None
        file = LineFile(line=line) if io is None else LineFile(line=line, io=io)
        self._note(check(file, document) for check in (*LINE_CHECKS, *CHUTE_CHECKS))
        if io is not None:
            self._note(check(file, document) for check in LINE_IO_CHECKS)
        if whole is not None:
            self._note(check(whole.model, document) for check in SERVICE_CHECKS)
            if self.now is not None:
                metrics, base = whole.model.service.metrics, Path(document.name).parent
                self._note([files_of_the_metrics(metrics, document, base, self.now)])
        return file

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
        if "line" not in model.model_fields:
            return
        default = model.model_fields["line"].default
        if not isinstance(document.data.get("line", default), str):
            return
        line_path = self._referred(document, path, ("line",), model.model_fields)
        if line_path is None:
            return
        self.check_line(line_path)
        line_file = self._lines.get(str(line_path))
        if checked and line_file is not None and isinstance(checked.model, ComparedWithLine):
            for key_path, problem, remedy in checked.model.problems_against(line_file):
                self._add(document.problem(key_path, problem, remedy))

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


def _section(document: Document, key: str, model: type[ModelType]) -> ModelType | None:
    """Return one section of a file whose form is wrong elsewhere, or None."""
    data = document.data.get(key, {})
    if not isinstance(data, dict):
        return None
    return validate(replace(document, data=data), model)[0]
