"""Say pydantic's findings in plain words, each with what would be right.

The remedy comes from the JSON Schema of the model, so it cannot contradict the editor's help.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sorter.config.documents import Document, KeyPath
from sorter.errors import Problem

ModelType = TypeVar("ModelType", bound=BaseModel)
Schema = Mapping[str, Any]

_PATTERNS: Final = {
    r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$": (
        "a name: a letter, then letters, digits, _ . or -, at most 32 characters, like A01"
    ),
    r"^[A-Z]{2}$": "two capital letters, like PL",
}
_EXAMPLES: Final = {
    "number": "a number, like 2500 or 0.5",
    "integer": "a whole number, like 20",
    "string": "text, like A01",
    "boolean": "true or false",
    "array": "a list, like [a, b]",
    "object": "a mapping, like {key: value}",
    "null": "nothing",
}


def validate(document: Document, model: type[ModelType]) -> tuple[ModelType | None, list[Problem]]:
    """Return the model's instance, or None and every problem pydantic sees."""
    try:
        # Through JSON, because only there strict mode takes a list for a tuple; strict, because
        # `parcels: true` must not become 1.
        return model.model_validate_json(json.dumps(document.data), strict=True), []
    except ValidationError as error:
        found = [
            _translate(document, model, details)
            for details in error.errors(include_url=False, include_context=True)
        ]
        return None, list(dict.fromkeys(found))


def closest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return ``did you mean 'x'? known: a, b`` for an unknown name."""
    known = list(dict.fromkeys(known))
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    listing = ", ".join(known[:40]) + (", ..." if len(known) > 40 else "")
    hint = f"did you mean {by_lower[near[0]]!r}? " if near else ""
    return f"{hint}known: {listing}" if known else f"{hint}none is known"


def _translate(document: Document, model: type[BaseModel], details: ErrorDetails) -> Problem:
    kind = details["type"]
    is_key = bool(details["loc"]) and details["loc"][-1] == "[key]"
    location = details["loc"][:-1] if is_key else details["loc"]
    path = _written_path(document.data, location, kind == "missing")
    if kind == "missing":
        expected = _describe(_schema_at(model, location))
        return document.problem(path, "this key is missing", f"add it: {expected}")
    if kind == "extra_forbidden":
        known = sorted(_schema_at(model, location[:-1]).get("properties", {}))
        return document.problem(path, "unknown key", closest(str(location[-1]), known))
    if is_key:
        patterns = list(_schema_at(model, location[:-1]).get("patternProperties", {}))
        remedy = f"expected {_describe({'pattern': patterns[0]} if patterns else {})}"
        return document.problem(path, "the key is not allowed", remedy)
    if kind == "union_tag_invalid":
        context = details.get("ctx", {})
        choices = [tag.strip("' ") for tag in str(context.get("expected_tags", "")).split(",")]
        remedy = closest(str(context.get("tag")), choices)
        return document.problem(path, f"{context.get('tag')!r} is not a known kind", remedy)
    if kind == "union_tag_not_found":
        return document.problem(path, "the entry does not say its kind", "add the key kind")
    schema = _schema_at(model, location)
    remedy = f"expected {_describe(schema)}"
    value = details["input"]
    if "enum" in schema and isinstance(value, str):
        remedy = closest(value, [str(choice) for choice in schema["enum"]])
    elif kind in ("value_error", "assertion_error"):  # a model's own validator: its own words
        message = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return document.problem(path, message, "correct the values named")
    return document.problem(path, _finding(details), remedy)


def _finding(details: ErrorDetails) -> str:
    """Return what was written and why it is wrong."""
    value, context = details["input"], details.get("ctx", {})
    shown = _shown(value)
    comparisons = {
        "greater_than": ("gt", "is not greater than"),
        "greater_than_equal": ("ge", "is less than"),
        "less_than": ("lt", "is not less than"),
        "less_than_equal": ("le", "is greater than"),
    }
    if details["type"] in comparisons:
        key, words = comparisons[details["type"]]
        return f"{shown} {words} {context.get(key)}"
    if details["type"] == "too_short":
        return f"{context.get('actual_length', 0)} items are too few"
    if details["type"] == "too_long":
        return f"{context.get('actual_length', 'so many')} items are too many"
    if details["type"] == "finite_number":
        return f"{shown} is not a finite number"
    return f"{shown} is not allowed here"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _written_path(data: object, location: tuple[str | int, ...], missing: bool) -> KeyPath:
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


# --- walking the JSON Schema ------------------------------------------------------------------
@cache
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _resolve(model: type[BaseModel], schema: Schema) -> Schema:
    """Follow a reference, and take the first branch of a union that is not null."""
    for _ in range(8):
        if "$ref" in schema:
            schema = _json_schema(model)["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        elif len(schema.get("allOf", ())) == 1:
            schema = schema["allOf"][0]
        elif branches := [b for b in schema.get("anyOf", ()) if b.get("type") != "null"]:
            schema = branches[0]
        else:
            break
    return schema


def _schema_at(model: type[BaseModel], location: tuple[str | int, ...]) -> Schema:
    """Return the schema at `location`, empty when it cannot be told."""
    schema = _resolve(model, _json_schema(model))
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
        schema = _resolve(model, step)
    return schema


def _describe(schema: Schema) -> str:
    """Return what the schema expects, in words."""
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in schema["enum"])
    if "const" in schema:
        return repr(schema["const"])
    if "pattern" in schema:
        return _PATTERNS.get(schema["pattern"], f"text matching {schema['pattern']}")
    words = _EXAMPLES.get(str(schema.get("type")), "another value")
    bounds = [
        f"{sign} {schema[key]:g}"
        for key, sign in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    if "minItems" in schema:
        bounds.append(f"at least {schema['minItems']} of them")
    if "maxItems" in schema:
        bounds.append(f"at most {schema['maxItems']} of them")
    if schema.get("type") == "object" and schema.get("properties"):
        words = "a mapping with the keys " + ", ".join(schema["properties"])
    return ", ".join([words, *bounds])
