"""Every entry point that takes data from outside, by name; modules are loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from .target import Target

TARGETS: Final = {
    "config": "documents",
    "returns_csv": "documents",
    "online_retail": "documents",
    "feed": "documents",
    "truth": "documents",
    "barcode": "codes",
    "escapes": "codes",
    "journal_group": "journals",
    "journal_file": "journals",
    "status": "words",
    "event_ring": "words",
    "scan_slot": "words",
    "command_block": "words",
    "exchange": "loop",
    "decide": "steps",
    "opcua": "links",
    "modbus": "links",
    "cli": "arguments",
}
"""Target by module of this package."""


def target_of(name: str) -> Target:
    """Return a target by its name."""
    module = import_module(f".{TARGETS[name]}", __package__)
    target: Target = next(one for one in module.TARGETS if one.name == name)
    return target
