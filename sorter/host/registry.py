"""The return registry: one SQLite table of announced returns, looked up by label or identity.

The table holds no name and no address, and of a customer reference only a keyed hash. It is in WAL
mode, so that an import in one process never blocks the look-ups of a running line in another.
What is deleted is overwritten in the file, and the log that still has it is emptied.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sorter.errors import ReturnsFileError
from sorter.files import JOURNAL_ID, NOT_A_FILE, REGISTRY_ID, may_be_database, mistaken_database
from sorter.host.customers import CustomerHash
from sorter.host.erasing import (
    ERASURES_SCHEMA,
    NOTHING_ERASED,
    Erased,
    count_replaced,
    delete,
    is_traceless,
    leave_no_trace,
)
from sorter.host.reference_keys import problem_of_key, refuse_other_key, remember_key
from sorter.host.registry_errors import explained
from sorter.host.registry_rows import FactsRow, can_be, check_others, checked
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord

SCHEMA_VERSION: Final = 2
BUSY_TIMEOUT_S: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS returns (
    row INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL UNIQUE,
    identity_hash INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    category TEXT NOT NULL,
    reason INTEGER NOT NULL,
    hazmat INTEGER NOT NULL,
    value_cents INTEGER NOT NULL,
    country TEXT NOT NULL,
    days_held INTEGER NOT NULL,
    units INTEGER NOT NULL,
    length_mm INTEGER NOT NULL,
    width_mm INTEGER NOT NULL,
    height_mm INTEGER NOT NULL,
    weight_g INTEGER NOT NULL,
    announced_at TEXT NOT NULL,
    customer BLOB NOT NULL,
    imported_day INTEGER NOT NULL
) STRICT;
"""
_INDEXES: Final = (
    "CREATE INDEX returns_customer ON returns (customer) WHERE customer <> x''",
    "CREATE INDEX returns_imported_day ON returns (imported_day)",
)
_COLUMNS: Final = (
    "identity, label, identity_hash, grade, category, reason, hazmat, value_cents, country,"
    " days_held, units, length_mm, width_mm, height_mm, weight_g, announced_at"
)
_UPSERT: Final = (
    f"INSERT INTO returns ({_COLUMNS}, customer, imported_day)"  # noqa: S608
    f" VALUES ({', '.join('?' * 17)}, CAST(strftime('%s', 'now') AS INTEGER) / 86400)"
    " ON CONFLICT (identity) DO UPDATE SET imported_day = excluded.imported_day,"
    " customer = iif(excluded.customer = x'', customer, excluded.customer), "
    + ", ".join(f"{name.strip()} = excluded.{name.strip()}" for name in _COLUMNS.split(",")[1:])
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM returns"  # noqa: S608
_FACTS: Final = (
    "SELECT label, identity_hash, grade, category, reason, hazmat, value_cents, country, days_held"
    " FROM returns"
)
_FACTS_BY_LABEL: Final = _FACTS + " WHERE label = ?"
_FACTS_BY_IDENTITY: Final = _FACTS + " WHERE identity = ?"


def identity_hash(identity: str) -> int:
    """Return the stable 63-bit number, never 0, that stands for an identity in scan rows."""
    digest = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 1) or 1


@dataclass(frozen=True, slots=True)
class AnnouncedReturn:
    """A return record with what else the announcement said; 0 is unknown.

    Attributes
    ----------
    record : ReturnRecord
    units : int
        Articles in the parcel.
    length_mm, width_mm, height_mm, weight_g : int
        Of the parcel, 0 when the announcement did not say.
    announced_at : str
        ISO 8601 time, empty when unknown.
    customer : bytes
        Keyed hash of the customer reference, empty when none is known; written, never read back.
    """

    record: ReturnRecord
    units: int = 1
    length_mm: int = 0
    width_mm: int = 0
    height_mm: int = 0
    weight_g: int = 0
    announced_at: str = ""
    customer: bytes = b""


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What an import did to the registry."""

    inserted: int
    updated: int


class Registry:
    """Return records in one SQLite file. Use :meth:`create` or :meth:`open`.

    A return announced again (same identity) replaces the older record.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._own_changes = 0

    @classmethod
    def create(cls, path: Path | str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Open a registry for writing; make the file and its folder if they are not there.

        Parameters
        ----------
        path : Path or str
            File, or ``:memory:``.
        busy_timeout_s : float
            How long to wait for another process that has locked the file.
        """
        name = str(path)
        with explained(name):
            if name != ":memory:":
                if not may_be_database(name):
                    raise ReturnsFileError(f"{name}: {NOT_A_FILE}; name another registry")
                Path(name).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(name, timeout=busy_timeout_s, isolation_level=None)
            try:
                is_new = _is_new(connection, name)  # first: what is not ours stays as it is
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA secure_delete = ON")
                if is_new:
                    connection.execute("BEGIN IMMEDIATE")
                    for statement in (_SCHEMA, *_INDEXES, ERASURES_SCHEMA, NOTHING_ERASED):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                    connection.execute(f"PRAGMA application_id = {REGISTRY_ID}")
                    connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        return cls(connection, name)

    @classmethod
    def open(cls, path: Path | str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Open an existing registry; a missing file is an error that says how to make one."""
        name = str(path)
        if not Path(name).is_file():
            raise ReturnsFileError(
                f"{name}: no return registry there; make one with"
                f" `sorter returns import FILE --format csv --registry {name}`"
            )
        return cls.create(path, busy_timeout_s)

    @property
    def name(self) -> str:
        """File name, for people."""
        return self._name

    def import_many(
        self, returns: Iterable[AnnouncedReturn], customers: CustomerHash | None = None
    ) -> ImportCount:
        """Store all returns in one transaction: all or, on any error, none.

        Parameters
        ----------
        returns : iterable of AnnouncedReturn
            Consumed once; may be larger than memory.
        customers : CustomerHash or None
            What made their customer hashes; one of another key than those in the file is refused.
        """
        before = self.count()
        with explained(self._name):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if customers is not None:
                    refuse_other_key(self._connection, self._name, customers)
                count_replaced(self._connection)
                cursor = self._connection.executemany(_UPSERT, map(_to_row, returns))
                if customers is not None:
                    remember_key(self._connection, customers)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        self._own_changes += 1
        inserted = self.count() - before
        return ImportCount(inserted, cursor.rowcount - inserted if cursor.rowcount > 0 else 0)

    def erase_customer(self, customer: bytes) -> Erased:
        """Delete all records with this keyed hash, without a trace."""
        return self._erase("customer = ? AND customer <> x''", customer)

    def problem_of_key(self, customers: CustomerHash) -> str:
        """Say that another key made the customer hashes in the file; empty when none did."""
        with explained(self._name):
            return problem_of_key(self._connection, customers)

    def erase_label(self, text: str) -> Erased:
        """Delete the record whose label or identity is exactly `text`, without a trace."""
        return self._erase("? IN (label, identity)", _storable(text))

    def erase_imported_before(self, day: int) -> Erased:
        """Delete all records imported before a day, counted from 1970-01-01, without a trace."""
        with explained(self._name):
            deleted = self._delete("imported_day < ?", day)
            # Of the imports that come in between, nobody wants to be rid.
            traceless = is_traceless(self._connection) or leave_no_trace(self._connection)
        return Erased(deleted, traceless)

    def _erase(self, where: str, value: bytes | str | int) -> Erased:
        with explained(self._name):
            deleted = self._delete(where, value)
            return Erased(deleted, traceless=leave_no_trace(self._connection))

    def _delete(self, where: str, value: bytes | str | int) -> int:
        deleted = delete(self._connection, where, value)
        self._own_changes += bool(deleted)
        return deleted

    def lookup(self, text: str) -> AnnouncedReturn | None:
        """Return the record whose label or identity is exactly `text`."""
        with explained(self._name):
            for where in (" WHERE label = ?", " WHERE identity = ?"):
                row = self._connection.execute(_SELECT + where, (_storable(text),)).fetchone()
                if row is not None:
                    return _from_row(row)
        return None

    def facts_of(self, label: str) -> FactsRow | None:
        """Return what a decision needs about the parcel with this label; about 5 us."""
        row = self._connection.execute(_FACTS_BY_LABEL, (_storable(label),)).fetchone()
        return None if row is None else checked(row)

    def facts_of_identity(self, identity: str) -> FactsRow | None:
        """Return what a decision needs about the parcel with this identity."""
        row = self._connection.execute(_FACTS_BY_IDENTITY, (_storable(identity),)).fetchone()
        return None if row is None else checked(row)

    def all_facts(self, limit: int) -> Iterator[FactsRow]:
        """Yield the newest `limit` rows of facts, without those that cannot be."""
        with explained(self._name):
            newest = self._connection.execute(_FACTS + " ORDER BY row DESC LIMIT ?", (limit,))
            yield from filter(can_be, newest)

    def count(self) -> int:
        """Return how many records there are."""
        with explained(self._name):
            row = self._connection.execute("SELECT count(*) FROM returns").fetchone()
        return int(row[0])

    def returns(self, limit: int = -1) -> Iterator[AnnouncedReturn]:
        """Yield records by time of announcement, those without one in order of import."""
        with explained(self._name):
            order = " ORDER BY announced_at, row LIMIT ?"
            for row in self._connection.execute(_SELECT + order, (limit,)):
                yield _from_row(row)

    def __iter__(self) -> Iterator[AnnouncedReturn]:
        return self.returns()

    def generation(self) -> int:
        """Return a number that differs after any import, by this or another process; 1 us."""
        row = self._connection.execute("PRAGMA data_version").fetchone()
        return (self._own_changes << 32) + int(row[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def store(
    returns: Iterable[AnnouncedReturn], where: Registry | Path, customers: CustomerHash | None
) -> ImportCount:
    """Store returns in a registry, see :meth:`Registry.import_many`.

    Parameters
    ----------
    returns : iterable of AnnouncedReturn
    where : Registry or Path
        A registry given by its path is made only when there is something to store: an import
        that fails before its first good line leaves nothing behind.
    customers : CustomerHash or None
    """
    if isinstance(where, Registry):
        return where.import_many(returns, customers)
    rest = iter(returns)
    for first in rest:
        with Registry.create(where) as registry:
            return registry.import_many(chain((first,), rest), customers)
    return ImportCount(0, 0)


def _is_new(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether the table must be made; a file that is no registry of ours is refused."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if tables and application == JOURNAL_ID:
        raise ReturnsFileError(f"{name}: {mistaken_database(application)}")
    if tables and (version != SCHEMA_VERSION or application != REGISTRY_ID):
        raise ReturnsFileError(
            f"{name}: not a return registry of this version (it says version {version},"
            f" this program writes {SCHEMA_VERSION}); import the return file into a new registry"
        )
    return tables == 0


def _storable(text: str) -> str:
    """Return text that SQLite can bind: lone surrogates cannot be stored, so match nothing."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _to_row(announced: AnnouncedReturn) -> tuple[Any, ...]:
    record = announced.record
    return (
        record.identity,
        record.label,
        identity_hash(record.identity),
        int(record.grade),
        record.category,
        int(record.reason),
        int(record.hazmat),
        record.value_cents,
        record.country,
        record.days_held,
        announced.units,
        announced.length_mm,
        announced.width_mm,
        announced.height_mm,
        announced.weight_g,
        announced.announced_at,
        announced.customer,
    )


def _from_row(row: tuple[Any, ...]) -> AnnouncedReturn:
    checked(row[1:10])
    check_others(row[:1], row[10:])
    record = ReturnRecord(
        identity=row[0],
        label=row[1],
        grade=Grade(row[3]),
        category=row[4],
        reason=ReturnReason(row[5]),
        hazmat=bool(row[6]),
        value_cents=row[7],
        country=row[8],
        days_held=row[9],
    )
    return AnnouncedReturn(record, *row[10:16])
