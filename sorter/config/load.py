"""Load configuration files: a model and its index tables, or every problem at once."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel

from sorter.config.check import CheckRun
from sorter.config.compile import compile_line
from sorter.config.documents import parse, read_text
from sorter.config.models import LineFile, ReturnsPolicyFile, SortPlanFile
from sorter.config.wording import validate
from sorter.errors import ConfigError, Problem
from sorter.model.layout import LineLayout
from sorter.model.plan import ReturnsPolicy, SortPlan

ModelType = TypeVar("ModelType", bound=BaseModel)
LINE: Final = "line"
SORT_PLAN: Final = "sort_plan"
RETURNS_POLICY: Final = "returns_policy"
"""Keys of ``LoadedLine.files``."""


@dataclass(frozen=True, slots=True)
class LoadedLine:
    """A line's configuration: as written and as index tables that fit each other.

    Attributes
    ----------
    line_file, sort_plan_file, returns_policy_file
        As written, with defaults filled in.
    layout, plan, policy
        Compiled.
    line_path, sort_plan_path, returns_policy_path, registry_path, journal_path : Path
        Relative paths of the line file are resolved against its folder.
    log_path : Path or None
        Likewise; None where no log file is named.
    files : mapping of str to str
        Texts of the three files by :data:`LINE`, :data:`SORT_PLAN`, :data:`RETURNS_POLICY`; all
        that :func:`load_line_from_texts` needs.
    """

    line_file: LineFile
    sort_plan_file: SortPlanFile
    returns_policy_file: ReturnsPolicyFile
    layout: LineLayout
    plan: SortPlan
    policy: ReturnsPolicy
    line_path: Path
    sort_plan_path: Path
    returns_policy_path: Path
    registry_path: Path
    journal_path: Path
    log_path: Path | None
    files: Mapping[str, str]


def load_yaml_model(path: Path | str, model: type[ModelType]) -> ModelType:
    """Return the file as an instance of `model`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    name = str(path)
    text = read_text(Path(path), name)
    if isinstance(text, Problem):
        raise ConfigError.of([text])
    return _model_of_text(text, name, model)


def load_line(path: Path | str) -> LoadedLine:
    """Load a line file and the two files it names, check them all, compile them.

    Raises
    ------
    ConfigError
        With every problem of the three files that ``sorter check`` would find.
    """
    run = CheckRun()
    checked = run.check_line(Path(path))
    if checked is None or run.problems:
        raise ConfigError.of(run.sorted_problems())
    texts = {
        LINE: checked.line.document.text,
        SORT_PLAN: checked.plan.document.text,
        RETURNS_POLICY: checked.policy.document.text,
    }
    return _loaded(checked.line.model, checked.plan.model, checked.policy.model, Path(path), texts)


def load_line_from_texts(files: Mapping[str, str], line_path: Path | str = "line") -> LoadedLine:
    """Rebuild a line from the texts kept in ``LoadedLine.files``, e.g. in a journal.

    Only the form is checked: a journal must stay readable when the checks get stricter.

    Parameters
    ----------
    files : mapping of str to str
    line_path : path
        Where relative paths count from.

    Raises
    ------
    ConfigError
        A text is missing or does not fit its model.
    """
    missing = [key for key in (LINE, SORT_PLAN, RETURNS_POLICY) if key not in files]
    if missing:
        raise ConfigError(f"the kept configuration lacks the text of: {', '.join(missing)}")
    return _loaded(
        _model_of_text(files[LINE], LINE, LineFile),
        _model_of_text(files[SORT_PLAN], SORT_PLAN, SortPlanFile),
        _model_of_text(files[RETURNS_POLICY], RETURNS_POLICY, ReturnsPolicyFile),
        Path(line_path),
        files,
    )


def _model_of_text(text: str, name: str, model: type[ModelType]) -> ModelType:
    document, problems = parse(text, name)
    instance: ModelType | None = None
    if document is not None:
        instance, found = validate(document, model)
        problems += found
    if instance is None or problems:
        raise ConfigError.of(problems)
    return instance


def _loaded(
    line_file: LineFile,
    sort_plan_file: SortPlanFile,
    returns_policy_file: ReturnsPolicyFile,
    line_path: Path,
    files: Mapping[str, str],
) -> LoadedLine:
    layout, plan, policy = compile_line(line_file, sort_plan_file, returns_policy_file)
    service = line_file.service

    def beside(name: str) -> Path:
        return Path(os.path.normpath(line_path.parent / name))

    return LoadedLine(
        line_file=line_file,
        sort_plan_file=sort_plan_file,
        returns_policy_file=returns_policy_file,
        layout=layout,
        plan=plan,
        policy=policy,
        line_path=line_path,
        sort_plan_path=beside(service.sort_plan),
        returns_policy_path=beside(service.returns_policy),
        registry_path=beside(service.registry),
        journal_path=beside(service.journal),
        log_path=beside(service.logs.file) if service.logs.file else None,
        files=dict(files),
    )
