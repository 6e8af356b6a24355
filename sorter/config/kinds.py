"""Kinds of configuration files and their models; installed packages add theirs.

An entry point of the group ``sorter.config_kinds``, named like the kind, gives a pydantic model.
A model with a text field ``line`` refers to a line file, which is checked along with it, and is
compared with it when it is :class:`ComparedWithLine`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol, runtime_checkable

from pydantic import BaseModel

from sorter.config.documents import KeyPath
from sorter.config.models import LineFile, ReturnsPolicyFile, SortPlanFile
from sorter.errors import ConfigError

ENTRY_POINT_GROUP: Final = "sorter.config_kinds"
OWN_KINDS: Final[dict[str, type[BaseModel]]] = {
    "line": LineFile,
    "sort_plan": SortPlanFile,
    "returns_policy": ReturnsPolicyFile,
}


@runtime_checkable
class ComparedWithLine(Protocol):
    """A file that can tell what in it does not fit the line it refers to."""

    def problems_against(self, line_file: LineFile) -> list[tuple[KeyPath, str, str]]:
        """Return key path, what is wrong and what would be right, of each problem.

        Parameters
        ----------
        line_file : LineFile
            Only its section ``line`` is as written; others are defaults where they are broken.
        """
        ...


@cache
def _installed() -> tuple[EntryPoint, ...]:
    """Return the entry points of packages, looked for once: it takes a file a package."""
    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def kind_names() -> tuple[str, ...]:
    """Return the names of all kinds, without loading any package."""
    return (*OWN_KINDS, *sorted({entry.name for entry in _installed()}))


def model_of(kind: str) -> type[BaseModel] | None:
    """Return the model of a kind, or None when nobody provides it."""
    if kind in OWN_KINDS:
        return OWN_KINDS[kind]
    for entry in (entry for entry in _installed() if entry.name == kind):
        try:
            model = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the model of configuration kind {kind!r} ({entry.value}) cannot be loaded: "
                f"{error}; reinstall the package that provides it"
            ) from error
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ConfigError(f"{entry.value} is not a pydantic model; kind {kind!r} needs one")
        return model
    return None
