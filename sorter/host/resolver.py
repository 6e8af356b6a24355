"""Joins scanner results with return records: the ``HostLink`` of a line with its own registry.

A payload that is the label of a record is found in memory, without reading its bar code: parsing
GS1 costs a hundred times as much as the look-up. Only when that misses is the payload parsed, and
the registry file asked: for the label (a record imported since the start), then for the identity
(the same GS1 key in another notation). In a live run a :class:`~sorter.host.late.LateAsker` asks in
place of the loop, which must not wait for a file; what is not known then it asks again for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from sorter.host.barcode import BarcodeReading, read_payload
from sorter.host.late import FILE_ERRORS, AnswerT, LateAsker, find_record
from sorter.host.registry import FactsRow, Registry, identity_hash
from sorter.host.verdict import MAX_CODES_LOOKED_AT, judge
from sorter.model.codes import NONE, ScanVerdict
from sorter.model.columns import SCAN_WIDTH, ScanColumn
from sorter.model.frames import Rows, ScanRead, no_rows
from sorter.model.plan import ReturnsPolicy

PRELOADED_RECORDS: Final = 250_000
"""Records read into memory at start (the newest); 250,000 take about 1 s and 80 MB."""
REMEMBERED_ALIASES: Final = 100_000
"""Other notations of known labels kept in memory besides."""

CALLS_BETWEEN_CHECKS: Final = 64
"""Asking SQLite whether another process wrote costs more than the look-up itself."""

_VERDICT = int(ScanColumn.VERDICT)
_SCAN_CELLS = struct.Struct("=4q")
_ROW_BYTES = 8 * SCAN_WIDTH
_NO_SCANS = no_rows(SCAN_WIDTH)


def is_unknown(row: Rows) -> bool:
    """Return whether a scan row names a parcel that no record is known for."""
    return bool(row[ScanColumn.VERDICT] == ScanVerdict.READ and row[ScanColumn.KNOWN] != 1)


class RegistryHost:
    """Looks scanner results up in a :class:`~sorter.host.registry.Registry`.

    Records that another process imports while the line runs are noticed: new ones at the first
    look-up, changed ones within ``CALLS_BETWEEN_CHECKS`` calls, because an import makes the
    memory's entries be read again, one by one when they are next needed. No look-up takes longer
    than a few indexed reads; with an asker none takes longer than it says, whatever the file does.

    Parameters
    ----------
    registry : Registry
    policy : ReturnsPolicy
        Gives the codes of categories and countries.
    preload : int
        How many records to read into memory now.
    asker : LateAsker, optional
        Asks the file, and again about what is unknown; without one the file is asked directly,
        and unknown is unknown for good.

    Attributes
    ----------
    lookup_errors : int
        Look-ups that the registry file failed; the parcel counts as unknown (no-data), the line
        keeps sorting.
    last_error : str
        What the file said last.
    """

    def __init__(
        self,
        registry: Registry,
        policy: ReturnsPolicy,
        preload: int = PRELOADED_RECORDS,
        asker: LateAsker | None = None,
    ) -> None:
        self.lookup_errors = 0
        self.last_error = ""
        self._registry = registry
        self._asker = asker
        self._categories = {name: index for index, name in enumerate(policy.category_names)}
        self._countries = {name: index for index, name in enumerate(policy.country_names)}
        self._rows: dict[bytes, int] = {}
        self._facts = np.zeros((1024, SCAN_WIDTH), np.int64)
        self._seen: list[int] = []
        self._generation = registry.generation() if asker is None else asker.changes
        self._calls = 0
        self._row_limit = preload + REMEMBERED_ALIASES
        self._preload(list(registry.all_facts(preload)))

    def resolve(self, scans: Sequence[ScanRead]) -> Rows:
        """Return ``int64[len(scans), SCAN_WIDTH]``: verdict and facts of each result."""
        if not scans:
            return _NO_SCANS
        self._calls += 1
        if self._calls % CALLS_BETWEEN_CHECKS == 0:
            self._notice_imports()
        out = np.empty((len(scans), SCAN_WIDTH), np.int64)
        cells = out.data
        for index, scan in enumerate(scans):
            codes = scan.codes
            known = self._find_label(codes[0]) if len(codes) == 1 else -1
            if known >= 0:
                out[index] = self._facts[known]
            else:
                row = out[index]
                self._judge_codes(codes[:MAX_CODES_LOOKED_AT], row)
                if self._asker is not None and is_unknown(row):
                    self._asker.remember(scan)
            # What the scan itself says is in its first four fields, and in the first four cells
            # of the row; packing them takes a third of assigning a tuple to a slice.
            _SCAN_CELLS.pack_into(cells, index * _ROW_BYTES, *scan[:4])
        return out

    def late_reads(self) -> Sequence[ScanRead]:
        """Return earlier results for which a record has come since; resolve them once more."""
        if self._asker is None:
            return ()
        reads = []
        for scan, records in self._asker.answers():
            for code, record in records:
                self._remember(code, record)
            reads.append(scan)
        return reads

    def forget_unknown(self) -> None:
        """Ask about no earlier result any more: the scanners begin to count anew."""
        if self._asker is not None:
            self._asker.forget()

    @property
    def reachable(self) -> bool:
        """Whether the registry file answers."""
        return self._asker is None or self._asker.reachable

    @property
    def problem(self) -> str:
        """What the file said last when it did not answer."""
        asked = "" if self._asker is None else self._asker.problem
        return asked or self.last_error or "it has not answered yet"

    def figures(self) -> dict[str, int]:
        """Return counters by name, for metrics."""
        asker = self._asker
        return {
            "lookup_errors": self.lookup_errors,
            "answered_late": 0 if asker is None else asker.answered,
            "given_up": 0 if asker is None else asker.given_up,
            "waiting": 0 if asker is None else asker.waiting,
        }

    def _notice_imports(self) -> None:
        """Make entries be read again if any process has written since."""
        if self._asker is not None:
            self._generation = self._asker.changes
            return
        try:
            self._generation = self._registry.generation()
        except FILE_ERRORS as error:
            self._failed(error)

    def _ask(self, question: Callable[[Registry], AnswerT]) -> AnswerT:
        """Return what the registry file says to a question."""
        if self._asker is not None:
            return self._asker.ask_now(question)
        return question(self._registry)

    def _judge_codes(self, codes: tuple[bytes, ...], row: Rows) -> None:
        """Fill in verdict and facts of a passage, whatever its codes are."""
        row[:] = NONE
        row[ScanColumn.IDENTITY] = 0
        row[ScanColumn.KNOWN] = 0
        found: dict[str, Rows] = {}
        by_reading: dict[int, str] = {}
        readings = []
        for code in codes:
            reading = read_payload(code)
            readings.append(reading)
            known = self._find(code, reading)
            if known >= 0:
                identity = f"#{self._facts[known, ScanColumn.IDENTITY]}"
                found[identity] = self._facts[known].copy()
                by_reading[id(reading)] = identity
        result, identity_text = judge(readings, lambda reading: by_reading.get(id(reading)))
        row[ScanColumn.VERDICT] = result
        if result != ScanVerdict.READ or identity_text is None:
            return
        if identity_text in found:
            row[:] = found[identity_text]
        else:
            row[ScanColumn.IDENTITY] = identity_hash(identity_text)

    def _find(self, code: bytes, reading: BarcodeReading) -> int:
        """Return the memory row of the record that a payload belongs to, -1 for none."""
        known = self._find_label(code)
        if known >= 0 or not reading.legible:
            return known
        try:
            record = self._ask(lambda registry: find_record(registry, reading))
        except FILE_ERRORS as error:
            return self._failed(error)
        return -1 if record is None else self._remember(code, record)

    def _find_label(self, code: bytes) -> int:
        """Return the memory row of the record with exactly this label, -1 for none."""
        known = self._rows.get(code, -1)
        if known >= 0 and self._seen[known] == self._generation:
            return known
        try:
            label = code.decode()
            record = self._ask(lambda registry: registry.facts_of(label))
        except UnicodeDecodeError:
            return -1
        except FILE_ERRORS as error:
            return self._failed(error, known)
        if record is None:
            self._rows.pop(code, None)
            return -1
        return self._remember(code, record)

    def _preload(self, records: list[FactsRow]) -> None:
        """Put records into the empty memory, all at once: one by one takes three times as long."""
        count = len(records)
        self._rows = {record[0].encode(): row for row, record in enumerate(records)}
        self._seen = [self._generation] * count
        while len(self._facts) < count:
            self._facts = np.zeros((2 * len(self._facts), SCAN_WIDTH), np.int64)
        if count:
            self._facts[:count, _VERDICT:] = [self._cells(record) for record in records]

    def _cells(self, record: FactsRow) -> tuple[int, ...]:
        """Return what a record says as cells of a row, from the verdict on."""
        _, hashed, grade, category, reason, hazmat, value_cents, country, days_held = record
        return (
            int(ScanVerdict.READ),
            hashed,
            1,
            grade,
            self._categories.get(category, NONE),
            reason,
            hazmat,
            value_cents,
            self._countries.get(country, NONE),
            days_held,
        )

    def _remember(self, code: bytes, record: FactsRow) -> int:
        """Put a record into memory under a payload and return its row."""
        row = self._rows.get(code, -1)
        if row < 0:
            if len(self._seen) >= self._row_limit:
                self._rows.clear()
                self._seen.clear()
            row = len(self._seen)
            self._seen.append(self._generation)
            self._rows[code] = row
            if row == len(self._facts):
                self._facts = np.concatenate((self._facts, np.zeros_like(self._facts)))
        self._facts[row, _VERDICT:] = self._cells(record)
        self._seen[row] = self._generation
        return row

    def _failed(self, error: Exception, known: int = -1) -> int:
        """Count a failed look-up; what is in memory, however old, is the answer then."""
        self.lookup_errors += 1
        self.last_error = str(error)
        return known
