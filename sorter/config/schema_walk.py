"""Find the place of a pydantic finding: in the file as written, and in the model's JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from sorter.config.documents import KeyPath

Schema = Mapping[str, Any]
Location = tuple[str | int, ...]
"""Where pydantic found something; unlike a key path, it holds the tags of unions."""


def written_path(data: object, location: Location, missing: bool) -> KeyPath:
    """Return the part of `location` that is in the file; tags of unions are not."""
    path: list[str | int] = []
    for position, part in enumerate(location):
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]  # type: ignore[index]  # just looked
        elif not (missing and position == len(location) - 1):
            continue
        path.append(part)
    return tuple(path)


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema that editors complete keys from."""
    return model.model_json_schema()


def resolve(model: type[BaseModel], schema: Schema) -> Schema:
    """Follow a reference, and take the first branch of a union that is not null."""
    for _ in range(8):
        if "$ref" in schema:
            schema = json_schema(model)["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        elif len(schema.get("allOf", ())) == 1:
            schema = schema["allOf"][0]
        elif branches := [b for b in schema.get("anyOf", ()) if b.get("type") != "null"]:
            schema = branches[0]
        else:
            break
    return schema


def schema_at(model: type[BaseModel], location: Location) -> Schema:
    """Return the schema at `location`, empty when it cannot be told."""
    schema = resolve(model, json_schema(model))
    for part in location:
        tagged = schema.get("discriminator", {}).get("mapping", {})
        if part in tagged:
            step: Schema = {"$ref": tagged[part]}
        elif isinstance(part, int):
            step = schema.get("items", {})
        elif part in schema.get("properties", {}):
            step = schema["properties"][part]
        else:
            patterns = list(schema.get("patternProperties", {}).values())
            more = patterns[0] if patterns else schema.get("additionalProperties")
            step = more if isinstance(more, dict) else {}
        schema = resolve(model, step)
    return schema
