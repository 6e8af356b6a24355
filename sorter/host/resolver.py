"""Joins scanner results with return records: the ``HostLink`` of a line with its own registry.

A payload that is the label of a record is found in memory, without reading its bar code: parsing
GS1 costs a hundred times as much as the look-up. Only when that misses is the payload parsed, and
the registry file asked: for the label (a record imported since the start), then for the identity
(the same GS1 key in another notation). In a live run a :class:`~sorter.host.late.LateAsker` asks in
place of the loop, which must not wait for a file; what is not known then it asks again for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from sorter.files import database_words
from sorter.host.barcode import BarcodeReading, read_payload
from sorter.host.late import FILE_ERRORS, AnswerT, LateAsker, find_record
from sorter.host.registry import Registry, identity_hash
from sorter.host.registry_rows import FactsRow
from sorter.host.verdict import MAX_CODES_LOOKED_AT, judge
from sorter.model.codes import NONE, ScanVerdict
from sorter.model.columns import SCAN_WIDTH, ScanColumn
from sorter.model.frames import Rows, ScanRead, no_rows
from sorter.model.plan import ReturnsPolicy

PRELOADED_RECORDS: Final = 250_000
"""Records read into memory at start (the newest); 250,000 take about 1 s and 100 MB."""
REMEMBERED_ALIASES: Final = 100_000
"""Other notations of known labels kept in memory besides."""

CALLS_BETWEEN_CHECKS: Final = 64
"""Asking SQLite whether another process wrote costs more than the look-up itself."""

Facts = tuple[int, ...]
"""Cells of a scan row from the verdict on."""

_ROW = struct.Struct(f"={SCAN_WIDTH}q")
_IDENTITY = ScanColumn.IDENTITY - ScanColumn.VERDICT
_NOTHING = (NONE,) * (SCAN_WIDTH - ScanColumn.GRADE)
_NO_SCANS = no_rows(SCAN_WIDTH)
_NOT_REMEMBERED: Final[tuple[int, Facts | None]] = (-1, None)


def without_record(verdict: ScanVerdict, identity: int = 0) -> Facts:
    """Return the cells of a passage for which there is no record."""
    return (int(verdict), identity, 0, *_NOTHING)


def _newest(source: Registry | LateAsker, limit: int) -> tuple[int, Iterable[FactsRow]]:
    """Return the newest records and the generation of the file that they are of."""
    if isinstance(source, LateAsker):
        return source.records_at_start(limit)
    return source.generation(), source.all_facts(limit)


class RegistryHost:
    """Looks scanner results up in a :class:`~sorter.host.registry.Registry`.

    Records that another process imports while the line runs are noticed: new ones at the first
    look-up, changed ones within ``CALLS_BETWEEN_CHECKS`` calls, because an import makes the
    memory's entries be read again, one by one when they are next needed. No look-up takes longer
    than a few indexed reads; with an asker none takes longer than it says, whatever the file does.

    Parameters
    ----------
    source : Registry or LateAsker
        A registry is asked directly, and unknown is unknown for good. An asker asks its file so
        that nobody waits for it, also not now, and again about what is unknown.
    policy : ReturnsPolicy
        Gives the codes of categories and countries.
    preload : int
        How many records to read into memory now.

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
        source: Registry | LateAsker,
        policy: ReturnsPolicy,
        preload: int = PRELOADED_RECORDS,
    ) -> None:
        self.lookup_errors = 0
        self.last_error = ""
        self._source = source
        self._asker = source if isinstance(source, LateAsker) else None
        self._categories = {name: index for index, name in enumerate(policy.category_names)}
        self._countries = {name: index for index, name in enumerate(policy.country_names)}
        self._generation, records = _newest(source, preload)
        self._calls = 0
        self._most_remembered = preload + REMEMBERED_ALIASES
        # By payload: the generation of the file that was asked, and what it said.
        self._remembered = {
            record[0].encode(): (self._generation, self._facts_of(record)) for record in records
        }

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
            facts = self._find_label(codes[0]) if len(codes) == 1 else None
            if facts is None:
                facts = self._judge_codes(scan)
            # What the scan itself says is in its first four fields, and in the first four cells
            # of the row; packing takes a third of assigning tuples to slices.
            _ROW.pack_into(cells, index * _ROW.size, *scan[:4], *facts)
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
        if isinstance(self._source, LateAsker):
            self._generation = self._source.changes
            return
        try:
            self._generation = self._source.generation()
        except FILE_ERRORS as error:
            self._failed(error)

    def _ask(self, question: Callable[[Registry], AnswerT]) -> AnswerT:
        """Return what the registry file says to a question."""
        if isinstance(self._source, LateAsker):
            return self._source.ask_now(question)
        return question(self._source)

    def _judge_codes(self, scan: ScanRead) -> Facts:
        """Return verdict and facts of a passage, whatever its codes are."""
        found: dict[str, Facts] = {}
        by_reading: dict[int, str] = {}
        readings = []
        for code in scan.codes[:MAX_CODES_LOOKED_AT]:
            reading = read_payload(code)
            readings.append(reading)
            facts = self._find(code, reading)
            if facts is not None:
                identity = f"#{facts[_IDENTITY]}"
                found[identity] = facts
                by_reading[id(reading)] = identity
        result, identity_text = judge(readings, lambda reading: by_reading.get(id(reading)))
        if result != ScanVerdict.READ:
            return without_record(result)
        if identity_text in found:
            return found[identity_text]
        if self._asker is not None:
            self._asker.remember(scan)
        return without_record(result, 0 if identity_text is None else identity_hash(identity_text))

    def _find(self, code: bytes, reading: BarcodeReading) -> Facts | None:
        """Return the facts of the record that a payload belongs to, None without one."""
        facts = self._find_label(code)
        if facts is not None or not reading.legible:
            return facts
        try:
            record = self._ask(lambda registry: find_record(registry, reading))
        except FILE_ERRORS as error:
            self._failed(error)
            return None
        return None if record is None else self._remember(code, record)

    def _find_label(self, code: bytes) -> Facts | None:
        """Return the facts of the record with exactly this label, None without one."""
        generation, facts = self._remembered.get(code, _NOT_REMEMBERED)
        if facts is not None and generation == self._generation:
            return facts
        try:
            label = code.decode()
        except UnicodeDecodeError:
            return None
        try:
            record = self._ask(lambda registry: registry.facts_of(label))
        except FILE_ERRORS as error:
            self._failed(error)
            return facts  # however old
        if record is None:
            self._remembered.pop(code, None)
            return None
        return self._remember(code, record)

    def _facts_of(self, record: FactsRow) -> Facts:
        """Return what a record says as cells of a row."""
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

    def _remember(self, code: bytes, record: FactsRow) -> Facts:
        """Keep the facts of a record in memory under a payload and return them."""
        if len(self._remembered) >= self._most_remembered and code not in self._remembered:
            self._remembered.clear()
        facts = self._facts_of(record)
        self._remembered[code] = (self._generation, facts)
        return facts

    def _failed(self, error: Exception) -> None:
        """Count a look-up that failed."""
        self.lookup_errors += 1
        self.last_error = database_words(error)
