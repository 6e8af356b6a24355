"""JSON Schema of every kind of configuration file, so that editors complete and check keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from sorter.config.kinds import kind_names, model_of
from sorter.errors import ConfigError
from sorter.files import write_text

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_text(kind: str) -> str:
    """Return the JSON Schema of a kind, as it is kept in a file."""
    model = model_of(kind)
    if model is None:
        raise ConfigError(f"unknown kind {kind!r}; known are: {', '.join(kind_names())}")
    schema = {"$schema": DIALECT, **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write ``<kind>.json`` of every kind into `folder`; return the paths of files that changed."""
    changed = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kind_names():
            path, text = folder / f"{kind}.json", schema_text(kind)
            if not path.is_file() or path.read_text("utf-8") != text:
                write_text(path, text)
                changed.append(path)
    except OSError as error:
        raise ConfigError(f"cannot write schemas into {folder}: {error.strerror}") from error
    return changed
