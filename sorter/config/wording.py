"""Say pydantic's findings in plain words, each with what would be right.

The remedy comes from the JSON Schema of the model, so it cannot contradict the editor's help.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sorter.config.documents import Document, is_confidential
from sorter.config.schema_walk import Schema, schema_at, written_path
from sorter.config.section import FILE_NAME_PATTERN, HOST_PATTERN, NAME_PATTERN
from sorter.errors import Problem

ModelType = TypeVar("ModelType", bound=BaseModel)

_PATTERNS: Final = {
    NAME_PATTERN: (
        "a name: a letter, then letters, digits, _ . or -, at most 32 characters, like A01"
    ),
    FILE_NAME_PATTERN: "a file name without control characters, like ../var/journal.sqlite",
    HOST_PATTERN: "a DNS name or an address without the port, like 192.168.0.10",
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
        return as_written(document.data, model), []
    except ValidationError as error:
        all_found = error.errors(include_url=False, include_context=True)
        # pydantic counts what could be read of a list: where nothing could, the items say why.
        with_items = {one["loc"][:end] for one in all_found for end in range(len(one["loc"]))}
        found = [
            _translate(document, model, details)
            for details in all_found
            if details["type"] != "too_short" or details["loc"] not in with_items
        ]
        return None, list(dict.fromkeys(found))


def as_written(data: object, model: type[ModelType]) -> ModelType:
    """Return the model's instance; raises pydantic's ValidationError."""
    # Through JSON, because only there strict mode takes a list for a tuple; strict, because
    # `parcels: true` must not become 1.
    return model.model_validate_json(json.dumps(data), strict=True)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that looks like `name`, if any does; letters may be large or small."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    # Of two letters, one wrong or both exchanged is as near as can be.
    cutoff = 0.6 if len(name) > 2 else 0.5
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def closest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return ``did you mean 'x'? known: a, b`` for an unknown name."""
    known = list(dict.fromkeys(known))
    near = nearest(name, known)
    listing = ", ".join(known[:40]) + (", ..." if len(known) > 40 else "")
    hint = f"did you mean {near!r}? " if near is not None else ""
    return f"{hint}known: {listing}" if known else f"{hint}none is known"


def _translate(document: Document, model: type[BaseModel], details: ErrorDetails) -> Problem:
    kind = details["type"]
    is_key = bool(details["loc"]) and details["loc"][-1] == "[key]"
    location = details["loc"][:-1] if is_key else details["loc"]
    path = written_path(document.data, location, kind == "missing")
    if kind == "missing":
        expected = _describe(schema_at(model, location))
        return document.problem(path, "this key is missing", f"add it: {expected}")
    if kind == "extra_forbidden":
        known = sorted(schema_at(model, location[:-1]).get("properties", {}))
        return document.problem(path, "unknown key", closest(str(location[-1]), known))
    if is_key:
        patterns = list(schema_at(model, location[:-1]).get("patternProperties", {}))
        remedy = f"expected {_describe({'pattern': patterns[0]} if patterns else {})}"
        return document.problem(path, "the key is not allowed", remedy)
    if kind == "union_tag_invalid":
        context = details.get("ctx", {})
        choices = [tag.strip("' ") for tag in str(context.get("expected_tags", "")).split(",")]
        remedy = closest(str(context.get("tag")), choices)
        return document.problem(path, f"{context.get('tag')!r} is not a known kind", remedy)
    if kind == "union_tag_not_found":
        return document.problem(path, "the entry does not say its kind", "add the key kind")
    schema = schema_at(model, location)
    remedy = f"expected {_describe(schema)}"
    value = details["input"]
    if "enum" in schema and isinstance(value, str):
        remedy = closest(value, [str(choice) for choice in schema["enum"]])
    elif kind in ("value_error", "assertion_error"):  # a model's own validator: its own words
        message = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return document.problem(path, message, "correct the values named")
    return document.problem(path, _finding(details, is_confidential(path)), remedy)


def _finding(details: ErrorDetails, confidential: bool) -> str:
    """Return what was written, unless it is confidential, and why it is wrong."""
    value, context = details["input"], details.get("ctx", {})
    shown = "the value" if confidential else _shown(value)
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


# --- what the schema expects ----------------------------------------------------------------------
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
