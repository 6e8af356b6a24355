"""Reads a journal's file; ``journal_schema`` says what is in it, ``journal_writer`` writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sorter.errors import JournalError
from sorter.files import DATABASE_ERRORS, NOT_A_FILE, database_words
from sorter.ports import Acknowledged
from sorter.runtime.journal_checks import damaged, json_object, texts, whole_numbers
from sorter.runtime.journal_codec import Step, decode_group, open_group, reads_of
from sorter.runtime.journal_group import StepHash
from sorter.runtime.journal_info import LineNames, Run
from sorter.runtime.journal_parcels import ParcelBook, ParcelRow
from sorter.runtime.journal_retention import PRUNED_TO
from sorter.runtime.journal_schema import BUSY_TIMEOUT_S, cannot_open, check_schema
from sorter.runtime.journal_snapshots import Snapshot, read_snapshots

MOST_TRACKED: Final = 1_000_000
"""No line tracks more parcels at a time; a larger table is not made because a file says so."""
RUNS_TABLE: Final = "the table of runs"

_RUN_COLUMNS: Final = (
    "run, software, first_step, next_step, first_parcel, last_parcel, open_from_step, boot_id,"
    " event_seq, scan_seq, state_capacity, initial_state, names, notes, sha256, ended_cleanly"
)


def _run_of(path: Path, row: tuple[Any, ...]) -> Run:
    run, software, first_step, next_step, first_parcel, last_parcel, open_from_step, *rest = row
    boot_id, event_seq, scan_seq, capacity, initial_state, names, notes, sha256, clean = rest
    whole_numbers(path, RUNS_TABLE, (*row[2:11], clean))
    texts(path, RUNS_TABLE, (software, names, notes, sha256 or ""))
    if not 0 < capacity <= MOST_TRACKED or not isinstance(initial_state, bytes | None):
        raise ValueError(f"a state for {capacity} parcels")
    return Run(
        run,
        software,
        first_step,
        next_step,
        first_parcel,
        last_parcel,
        open_from_step,
        Acknowledged(boot_id, event_seq, scan_seq),
        capacity,
        initial_state,
        LineNames.from_json(names),
        json_object(notes),
        sha256,
        bool(clean),
    )


def checked_parcel(path: Path | str, row: tuple[Any, ...]) -> ParcelRow:
    """Return a row of the table of parcels.

    Raises
    ------
    JournalError
        A cell holds what it cannot hold.
    """
    parcel, run, code, *numbers = row
    if not isinstance(code, str | None) or {type(cell) for cell in numbers} != {int}:
        what = f"the row of parcel {parcel}"
        texts(path, what, ("" if code is None else code,))
        whole_numbers(path, what, numbers)
    return ParcelRow(parcel, run, code, *numbers)


class JournalReader:
    """Reads a journal file, also while a controller writes it.

    Parameters
    ----------
    path : path
        An existing journal.

    Raises
    ------
    JournalError
        It is missing, or no journal.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            what = NOT_A_FILE if self.path.exists() else "there is no such journal"
            raise JournalError(f"{path}: {what}; check the path")
        try:
            self._connection = sqlite3.connect(
                self.path.absolute().as_uri() + "?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S
            )
        except DATABASE_ERRORS as error:
            raise cannot_open(str(path), error) from error
        try:
            check_schema(self._connection, str(path))
        except DATABASE_ERRORS as error:
            self.close()
            raise cannot_open(str(path), error) from error
        except JournalError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _rows(self, query: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        try:
            # No `yield from`: it would close the cursor once more when the reader is closed.
            for row in self._connection.execute(query, parameters):  # noqa: UP028
                yield row
        except DATABASE_ERRORS as error:
            raise JournalError(
                f"{self.path}: cannot be read ({database_words(error)}); restore the journal "
                "from a copy"
            ) from error

    def line_name(self) -> str:
        """Return the name of the line the journal belongs to."""
        for (value,) in self._rows("SELECT value FROM meta WHERE key = 'line'"):
            return str(value)
        raise JournalError(f"{self.path}: holds no run yet")

    def last_run(self) -> Run | None:
        """Return the newest run; None in a journal without any."""
        return next(iter(self._runs("ORDER BY run DESC LIMIT 1")), None)

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return self._runs("ORDER BY run")

    def snapshots(self, run: Run) -> Iterator[Snapshot]:
        """Yield the snapshots of a run, newest first; damaged ones without their state."""
        try:
            yield from read_snapshots(self._connection, run.run)
        except DATABASE_ERRORS as error:
            raise JournalError(
                f"{self.path}: its snapshots cannot be read ({database_words(error)}); restore the "
                "journal from a copy"
            ) from error

    def _runs(self, which: str) -> list[Run]:
        # S608: what is formatted in are constants of this module.
        query = f"SELECT {_RUN_COLUMNS} FROM runs {which}"  # noqa: S608
        try:
            return [_run_of(self.path, row) for row in self._rows(query)]
        except ValueError as error:
            raise damaged(self.path, RUNS_TABLE, str(error)) from error

    def files(self, run: int) -> dict[str, str]:
        """Return the configuration texts of a run."""
        rows = list(self._rows("SELECT name, content FROM run_files WHERE run = ?", run))
        for row in rows:
            texts(self.path, "the table of configuration files", row)
        return dict(rows)

    def steps(self, first: int, last: int) -> Iterator[Step]:
        """Return the steps `first` to `last` inclusive, in order.

        Raises
        ------
        JournalError
            A step is damaged.
        """
        for step, check, payload in self._groups(first, last):
            yield from decode_group(step, payload, check, first, last)

    def pruned_to_step(self) -> int:
        """Return the oldest step that pruning has left, 0 when the journal was never pruned."""
        for (value,) in self._rows("SELECT value FROM meta WHERE key = ?", PRUNED_TO):
            return int(value)
        return 0

    def sha256_hex(self, run: Run) -> str | None:
        """Return the hash of a run, computed anew from its steps.

        Equal to ``run.sha256`` unless the steps were changed afterwards. None when its first
        steps were pruned: then nobody can compute it any more, and nothing is damaged.
        """
        if self.pruned_to_step() > run.first_step:
            return None
        found = StepHash()
        for step, check, payload in self._groups(run.first_step, run.next_step - 1):
            found.update(open_group(step, payload, check))
        return found.hexdigest()

    def open_parcels(self, run: Run) -> dict[int, ParcelRow]:
        """Return the parcels on the line at the last committed step of a run, by number.

        Of a run that was killed they are read from the steps: rows of parcels on the line are
        written only when a run ends.
        """
        if run.ended_cleanly:
            return {row.parcel: row for row in self._left_on_line(run.run)}
        return {row.parcel: row for row in self._follow(run).still_open()}

    def _left_on_line(self, last_run: int) -> Iterator[ParcelRow]:
        query = "SELECT * FROM parcels WHERE disposition = 0 AND run <= ? ORDER BY parcel"
        return (ParcelRow(*row) for row in self._rows(query, last_run))

    def _follow(self, run: Run) -> ParcelBook:
        """Follow the parcels on the line through a run, group by group.

        The groups need not begin with the run's oldest parcel: of one that ended before, the rows
        tell, and those left over by earlier runs are taken from there.
        """
        book = ParcelBook(run.run, run.last_parcel, self.parcel)
        book.carry_over(self._left_on_line(run.run - 1))
        first = max(run.open_from_step, run.first_step)
        for step, check, payload in self._groups(first, run.next_step - 1):
            group = open_group(step, payload, check).until(run.next_step - step)
            book.take(step, group, reads_of(step, group))
        return book

    def _groups(self, first: int, last: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield number of the first step, check sum and content of the groups with these steps."""
        query = (
            "SELECT step, crc32, payload FROM steps WHERE step <= ?2 AND step >="
            " coalesce((SELECT max(step) FROM steps WHERE step <= ?1), 0) ORDER BY step"
        )
        for step, check, payload in self._rows(query, first, last):
            if not isinstance(payload, bytes):
                raise JournalError(f"journal step {step} is damaged: it holds no record")
            yield step, check, payload

    def parcel(self, number: int) -> ParcelRow | None:
        """Return the row of a parcel that ended, or was on the line when its run ended."""
        query = "SELECT * FROM parcels WHERE parcel = ?"
        for row in self._rows(query, number):
            return checked_parcel(self.path, row)
        return None

    def parcels(self, run: int | None = None) -> Iterator[ParcelRow]:
        """Return the rows of all parcels, of one run or of all, by number."""
        query = "SELECT * FROM parcels WHERE ?1 IS NULL OR run = ?1 ORDER BY parcel"
        for row in self._rows(query, run):
            yield checked_parcel(self.path, row)

    def parcels_with_code(self, code: str) -> list[int]:
        """Return the parcels that carried a code, oldest first.

        Reads the whole table of parcels, a second for some millions. An index would answer at
        once, but codes come in no order: keeping it cost a tenth of the whole control loop.
        """
        query = (
            "SELECT parcel FROM parcels WHERE code = ?1"
            " UNION SELECT parcel FROM more_codes WHERE code = ?1 ORDER BY parcel"
        )
        return [row[0] for row in self._rows(query, code)]

    def nearest_parcels(self, number: int, count: int = 5) -> list[int]:
        """Return the parcel numbers next to one that is not there."""
        below = "SELECT parcel FROM parcels WHERE parcel < ? ORDER BY parcel DESC LIMIT ?"
        above = "SELECT parcel FROM parcels WHERE parcel > ? ORDER BY parcel LIMIT ?"
        found = [*self._rows(below, number, count), *self._rows(above, number, count)]
        near = sorted((row[0] for row in found), key=lambda there: abs(there - number))
        return sorted(near[:count])
