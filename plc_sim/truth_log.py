"""The truth ledger as a file that is right at every moment, also when its writer is killed.

One JSON object a line, each flushed to the operating system as it happens::

    {"physical_id": 7, "label": "RMA7", "length_mm": 320.0, "weight_g": 800, "at_s": 12.3}
    {"seen": 7, "eye": 0, "count": 31300, "boot_id": 4711, "at_s": 12.5}
    {"read": 7, "scanner": 0, "codes": ["RMA7"], "at_s": 13.3}
    {"ended": 7, "end": "chute", "chute": "A01", "count": 38400, "boot_id": 4711, "at_s": 15.2}

The first says that a parcel was put on the belt. ``at_s`` counts from when parcels began to come;
``faults`` is there when something went wrong with the parcel so far. A line that goes on with the
same file (:mod:`plc_sim.continuation`) appends to it, first of all what became of the parcels that
the one before had on its belt, and ``{"noted": 7, "fault": "plc_restart"}`` of each parcel that
this concerns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sorter.files import without_waiting

from . import cells as c
from .continuation import TruthFileError
from .truth import PLC_RESTART, REMOVED, TruthLedger


class TruthLog:
    """Appends to a file what is new in a ledger.

    Parameters
    ----------
    path : Path
    ledger : TruthLedger
    elapsed_s : float
        For how long parcels had come before, by the lines that wrote the file so far.

    Raises
    ------
    TruthFileError
        The file cannot be written; so do all methods.
    """

    def __init__(self, path: Path, ledger: TruthLedger, elapsed_s: float = 0.0) -> None:
        self._path = path
        with _explained(path):
            _drop_half_a_line(path)
            self._file = open(path, "a", encoding="utf-8", opener=without_waiting)  # noqa: SIM115 - closed by close()
        self._ledger = ledger
        self._elapsed_s = elapsed_s
        self._put_on = 0
        self._logged = 0

    def go_on(self, on_belt: Sequence[int], lately_ended: Sequence[int]) -> None:
        """Note what the end of the line before meant.

        Parameters
        ----------
        on_belt : sequence of int
            Parcels that were on the belt, and are not any more.
        lately_ended : sequence of int
            Parcels whose last record perhaps nobody has read.
        """
        with _explained(self._path):
            for number in on_belt:
                self._write({"ended": number, "end": REMOVED, "at_s": self._elapsed_s})
            for number in (*on_belt, *lately_ended):
                self._write({"noted": number, "fault": PLC_RESTART})
            self._file.flush()

    def update(self) -> None:
        """Write what has happened since the last time."""
        ledger = self._ledger
        memory = ledger.memory
        put_on, logged = len(ledger), memory.logged()
        if put_on == self._put_on and logged == self._logged:
            return
        at_s = round(self._elapsed_s + ledger.at_s, 3)
        with _explained(self._path):
            for row in memory.order[self._put_on :].tolist():
                self._write(ledger.put_on(row) | {"at_s": at_s})
            entries = memory.log_from(self._logged).tolist()
            boot_ids = ledger.boots_of(self._logged, logged).tolist()
            for entry, boot_id in zip(entries, boot_ids, strict=True):
                self._write(self._line(entry, boot_id) | {"at_s": at_s})
            self._put_on, self._logged = put_on, logged
            self._file.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        with _explained(self._path):
            try:
                self.update()
            finally:
                self._file.close()

    def _line(self, entry: list[int], boot_id: int) -> dict[str, Any]:
        row, kind, source, a, b = entry
        ledger = self._ledger
        number = ledger.physical_id(row)
        line: dict[str, Any]
        if kind == c.SIGHTING:
            line = {"seen": number, "eye": source, "count": a, "boot_id": boot_id}
        elif kind == c.READING:
            line = {"read": number, "scanner": source, "codes": ledger.texts(a, b)}
        else:
            line = {"ended": number, **ledger.ending(row), "count": a, "boot_id": boot_id}
        faults = ledger.faults(row)
        return line | {"faults": list(faults)} if faults else line

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the file system raises into one sentence for people."""
    try:
        yield
    except OSError as error:
        raise TruthFileError(
            f"{path}: the truth ledger cannot be written ({error.strerror or error}); name a file "
            "with --truth that may be written, in a folder that is there and on a disk with room"
        ) from error


def _drop_half_a_line(path: Path) -> None:
    """Cut off what a killed writer left behind the last whole line."""
    if not path.is_file():
        return
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
