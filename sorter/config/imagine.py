"""Imagine how a file whose form is wrong may read once it is mended.

Checks beyond form need a whole model. So that one misspelt value does not hide what they would
find elsewhere in the file, the values that cannot be used are replaced by ones that could stand
there, and the rest stays as written. One :class:`Variation` is one way to do so; what is said of
the file must hold in many of them (:mod:`sorter.config.readings`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from zlib import crc32

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sorter.config.schema_walk import Location, Schema, resolve, schema_at, written_path
from sorter.config.section import NAME_PATTERN
from sorter.config.wording import as_written, nearest

ModelType = TypeVar("ModelType", bound=BaseModel)
Mended = tuple[ModelType | None, list[list[str]]]
"""A model, and of each name in it that could not be read, the names that look like it."""
ROUNDS: Final = 4
"""A value put in may need others beside it: the kind of a fault brings its keys."""
MOST_ITEMS: Final = 256
MOST_HOLES: Final = 4
_MOST_NEAR: Final = 4
_MOST_COMPARED: Final = 16
MADE_UP: Final = "Imagined"
"""Begins names that nobody wrote."""
_RENAMED: Final = 1
"""The variation that takes an unknown key for the known one it looks like."""


@dataclass(frozen=True, slots=True)
class Variation:
    """One way to fill the holes of a file.

    Attributes
    ----------
    number : int
        Chooses among the values that could stand in a hole.
    name : str
        What the unreadable name `hole` is taken for; a made-up name if empty.
    hole : int
        Counted over the unreadable names of all holes, in the order pydantic reports them; from
        the fourth on they are all taken for `name`.
    """

    number: int = 0
    name: str = ""
    hole: int = 0


class Imagination:
    """Fills the holes of one file in one way.

    Parameters
    ----------
    model : type of BaseModel
    variation : Variation
    names : sequence of str
        Names that the files at hand use; a list that is missing may define any of them.

    Attributes
    ----------
    unreadable : list of list of str
        Of each hole that wanted a name, in the first variation: the names that look like it.
    """

    def __init__(
        self, model: type[BaseModel], variation: Variation, names: Sequence[str] = ()
    ) -> None:
        self.unreadable: list[list[str]] = []
        self._model = model
        self._variation = variation
        self._names = names[:MOST_ITEMS]
        self._choices = 0

    def mend(self, data: dict[str, Any], found: Sequence[ErrorDetails]) -> None:
        """Put something possible wherever pydantic found something wrong, in place."""
        original = json.loads(json.dumps(data))
        # Unknown keys first: what one of them was meant for is not missing then.
        for details in sorted(found, key=lambda details: details["type"] != "extra_forbidden"):
            location = details["loc"]
            is_key = bool(location) and location[-1] == "[key]"
            if is_key:
                location = location[:-1]
            path = written_path(original, location, details["type"] == "missing")
            parent = _parent(data, path)
            if parent is None or (details["type"] == "missing" and path[-1] in parent):
                continue
            if is_key:
                self._mend_key(parent, path[-1], schema_at(self._model, location[:-1]))
            elif details["type"] == "extra_forbidden":
                self._take_out(parent, path[-1], schema_at(self._model, location[:-1]))
            else:
                schema = schema_at(self._model, location)
                parent[path[-1]] = self._value(schema, written=details["input"])

    # --- keys ------------------------------------------------------------------------------------
    def _mend_key(self, parent: Any, key: str | int, section: Schema) -> None:
        """Take a key that is no name for some name; leave out one that is no code."""
        value = parent.pop(key, None)
        if NAME_PATTERN in section.get("patternProperties", {}):
            parent[self._name(key)] = value

    def _take_out(self, parent: Any, key: str | int, section: Schema) -> None:
        """Take an unknown key out; it may have been meant for any key that is not written."""
        if not isinstance(parent, dict) or key not in parent:
            return
        value = parent.pop(key)
        absent = {k: v for k, v in section.get("properties", {}).items() if k not in parent}
        if self._variation.number == 0:
            return
        near = nearest(str(key), list(absent))
        if self._variation.number == _RENAMED and near is not None:
            parent[near] = value
            return
        for name, schema in absent.items():
            parent[name] = self._value(schema)

    # --- values ----------------------------------------------------------------------------------
    def _value(self, schema: Schema, name: str = "", written: object = None) -> Any:
        """Return something the schema allows; `name` is used for names inside, if given."""
        names_names = NAME_PATTERN in schema.get("patternProperties", {})
        if self._variation.number == 0 and "default" in schema and not names_names:
            return schema["default"]
        if {"type": "null"} in schema.get("anyOf", ()) and self._variation.number % 2:
            return None
        written = written if isinstance(written, str) else None
        schema = resolve(self._model, schema)
        if mapping := schema.get("discriminator", {}).get("mapping", {}):
            return self._value({"$ref": self._one_of(list(mapping.values()))}, name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(schema["enum"])
        match schema.get("type"):
            case "boolean":
                return self._one_of([False, True])
            case "integer" | "number":
                return self._one_of(_numbers(schema))
            case "array":
                return self._list(schema, name)
            case "object":
                return self._mapping(schema, name)
            case "string" if schema.get("pattern") == NAME_PATTERN:
                return name or self._name(written)
            case "string":
                return schema.get("default", f"imagined_{self._variation.number}")
        return None

    def _one_of(self, choices: Sequence[Any]) -> Any:
        """Go through the choices of the first hole; draw those of others, independently."""
        self._choices += 1
        number = self._variation.number
        if self._choices == 1:
            return choices[number % len(choices)]
        return choices[crc32(f"{number} {self._choices}".encode()) % len(choices)]

    def _name(self, written: object = None) -> str:
        number, hole = self._variation.number, len(self.unreadable)
        near: list[str] = []
        if number == 0 and hole < _MOST_COMPARED and isinstance(written, str):
            near = difflib.get_close_matches(written, self._names, n=_MOST_NEAR)
        self.unreadable.append(near)
        if self._variation.name and min(hole, MOST_HOLES - 1) == self._variation.hole:
            return self._variation.name
        return f"{MADE_UP}{number}.{hole}"

    def _list(self, schema: Schema, name: str) -> list[Any]:
        """Return few items, or one, or one for each name that somebody may refer to."""
        items = schema.get("items", {})
        turn, mode = divmod(self._variation.number, 3)
        if mode == 1 and not name and self._names:
            most = min(len(self._names), schema.get("maxItems", MOST_ITEMS))
            start = turn * most % len(self._names)
            names = [*self._names[start:], *self._names[:start]][:most]
            return [self._value(items, each) for each in names]
        least = max(schema.get("minItems", 0), 1 if name or mode else 0)
        return [self._value(items, name) for _ in range(least)]

    def _mapping(self, schema: Schema, name: str) -> dict[str, Any]:
        properties = schema.get("properties", {})
        if NAME_PATTERN in schema.get("patternProperties", {}):
            target = self._name()
            every = self._names if self._variation.number % 3 == 1 or self._variation.name else ()
            return dict.fromkeys(every, target)
        if self._variation.number == 0 or self._variation.name:
            # With a name that is asked for elsewhere, nothing else shall stand in its way.
            properties = {key: properties[key] for key in schema.get("required", ())}
        return {key: self._value(value, name) for key, value in properties.items()}


def imagined(
    data: dict[str, Any],
    model: type[ModelType],
    variation: Variation,
    names: Sequence[str],
) -> Mended[ModelType]:
    """Return `data` with its holes filled, and of those that wanted a name what looks like it.

    Returns
    -------
    model : instance of `model` or None
        None when the holes cannot be filled.
    list of list of str
    """
    imagination = Imagination(model, variation, names)
    mended: dict[str, Any] = json.loads(json.dumps(data))
    for _ in range(ROUNDS):
        try:
            return as_written(mended, model), imagination.unreadable
        except ValidationError as error:
            imagination.mend(mended, error.errors(include_url=False, include_context=False))
    return None, []


def _parent(data: Any, path: Location) -> Any:
    """Return what holds the last part of `path`, None when there is no such thing any more."""
    if not path:
        return None
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    last = path[-1]
    if isinstance(data, list):
        return data if isinstance(last, int) and last < len(data) else None
    return data if isinstance(data, dict) and isinstance(last, str) else None


def _numbers(schema: Schema) -> list[Any]:
    """Return the default, the bounds, and numbers between them."""
    whole = schema.get("type") == "integer"
    nudge = 1 if whole else 1e-3
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0 - nudge) + nudge)
    high = schema.get("maximum", schema.get("exclusiveMaximum", 1_000_000_000 + nudge) - nudge)
    between = [low + (high - low) * part for part in (0.5, 0.0001, 0.01, 0.1)]
    numbers = [schema.get("default", between[0]), low, high, *between]
    return [int(number) if whole else float(number) for number in numbers]
