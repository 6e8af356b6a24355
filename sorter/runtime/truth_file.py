"""Reads the truth ledger that a simulated line leaves behind, also one that was killed.

The file is a log, one JSON object a line: a parcel was put on the belt (``physical_id``), was
``seen`` by an eye, ``read`` by a scanner, or has ``ended``; ``noted`` adds a fault to it. A line
that begins a parcel may hold more of it. Several lives of the simulator
may have written to one file, one behind the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sorter.errors import SorterError
from sorter.files import open_regular
from sorter.model.codes import NONE

TruthRow = Mapping[str, Any]


def read_truth(path: Path | str) -> list[TruthRow]:
    """Return what became of each parcel, in the order in which they were put on the belt.

    Raises
    ------
    SorterError
        The file is missing or no truth ledger.
    """
    rows: dict[int, dict[str, Any]] = {}
    try:
        with open_regular(path) as file:
            text = file.read().decode("utf-8")
    except OSError as error:
        raise SorterError(f"{path}: the truth ledger cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise SorterError(f"{path}: is no text: {error}") from error
    lines = text.split("\n")
    if not lines[-1] or (lines[-1].startswith("{") and not _is_whole(lines[-1])):
        lines.pop()  # its writer was killed, or there is nothing behind the last line feed
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SorterError(f"{path}:{number}: is not JSON: {error}") from error
        try:
            if problem := _problem_of(_take(rows, entry)):
                raise ValueError(problem)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SorterError(
                f"{path}:{number}: is no row of a truth ledger: {error or 'nothing is known of it'}"
            ) from error
    return list(rows.values())


def _problem_of(row: Mapping[str, Any]) -> str:
    """Return what a parcel lacks, or holds that it cannot; empty: nothing."""
    if not isinstance(row["end"], str):
        return "it has no end"
    if not isinstance(row["chute"], str | None):
        return "chute is no name"
    if row["chute"] is not None and row["end_count"] == NONE:
        return "it went into a chute at no count"
    counts = [row["physical_id"], row["induct_eye"], row["induct_count"], row["end_boot"]]
    counts += [row["end_count"]] if row["chute"] is not None else []
    sightings = row["sightings"]
    if not isinstance(sightings, list) or any(
        not isinstance(sighting, list) or len(sighting) not in (2, 3) for sighting in sightings
    ):
        return "sightings are not eye, count and boot id"
    counts += [number for sighting in sightings for number in sighting]
    if any(type(number) is not int for number in counts):
        return "a count is not a whole number"
    if not isinstance(row["faults"], list) or any(
        not isinstance(name, str) for name in row["faults"]
    ):
        return "faults are no names"
    return ""


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _take(rows: dict[int, dict[str, Any]], entry: dict[str, Any]) -> dict[str, Any]:
    """Add one line of the file to the parcel that it is about, and return that."""
    if not isinstance(entry, dict):
        raise TypeError("it is no object")
    entry = dict(entry)
    entry.pop("at_s", None)
    if "physical_id" in entry:
        row = rows[entry["physical_id"]] = _new_row() | entry
        return row
    if "noted" in entry:
        row = rows[entry["noted"]]
        row["faults"].append(entry["fault"])
        return row
    faults = entry.pop("faults", None)
    if "seen" in entry:
        row = rows[entry["seen"]]
        if row["induct_eye"] == NONE:
            row["induct_eye"], row["induct_count"] = entry["eye"], entry["count"]
        row["sightings"].append([entry["eye"], entry["count"], entry["boot_id"]])
    elif "read" in entry:
        row = rows[entry["read"]]
        row["codes_read"].append([entry["scanner"], entry["codes"]])
    else:
        row = rows[entry["ended"]]
        row["end"], row["chute"] = entry["end"], entry.get("chute")
        row["end_count"] = entry.get("count", NONE)
        row["end_boot"] = entry.get("boot_id", NONE)
    if faults is not None:
        row["faults"] = faults
    return row


def _new_row() -> dict[str, Any]:
    return {
        "induct_eye": NONE,
        "induct_count": NONE,
        "sightings": [],
        "codes_read": [],
        "end": "on_line",
        "chute": None,
        "end_count": NONE,
        "end_boot": NONE,
        "faults": [],
    }
