"""Read a misspelt word as the one it looks like, where only few are known.

What stands in ``chuts:`` is then checked in the same go as if it were ``chutes:``, and a line of
``topology: lop`` as a loop. Keys of numbers are not taken so: the number may be in another unit,
too.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ValidationError

from sorter.config.documents import Document
from sorter.config.schema_walk import Schema, resolve, schema_at, written_path
from sorter.config.wording import as_written, nearest

_MOST: Final = 16
"""Put right in one file; each may hold another."""
_TYPES: Final = {"object": dict, "array": list, "string": str}


def as_meant(document: Document, model: type[BaseModel]) -> list[Document]:
    """Return the document with one misspelt word after the other put right; none: empty."""
    steps: list[Document] = []
    while len(steps) < _MOST and (better := _one_put_right(document, model)):
        document = better
        steps.append(document)
    return steps


def _one_put_right(document: Document, model: type[BaseModel]) -> Document | None:
    try:
        as_written(document.data, model)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
    else:
        return None
    for details in found:
        location = details["loc"]
        path = written_path(document.data, location, missing=False)
        if details["type"] == "literal_error":
            choices = [str(one) for one in schema_at(model, location).get("enum", ())]
            if near := nearest(str(details["input"]), choices):
                return document.with_value(path, near)
        elif details["type"] == "extra_forbidden":
            section = document.value_at(path[:-1])
            absent = [
                key
                for key, schema in schema_at(model, location[:-1]).get("properties", {}).items()
                if key not in section and _holds(model, schema, section[path[-1]])
            ]
            if near := nearest(str(path[-1]), absent):
                return document.renamed(path, near)
    return None


def _holds(model: type[BaseModel], schema: Schema, value: object) -> bool:
    """Say whether the schema is that of a section, list or text like `value`."""
    kind = resolve(model, schema).get("type")
    return kind in _TYPES and isinstance(value, _TYPES[kind])
