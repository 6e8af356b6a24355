"""The journal's SQLite file: its tables, and opening it for writing.

=============  =====================================================================================
table          one row per
=============  =====================================================================================
meta           fact about the file: line name, software that made it, how far it was pruned
runs           start of the controller: how far it came, whether it ended cleanly, its hash
run_files      configuration file of a run, as text: a replay needs nothing else
steps          group of decision steps committed together (``journal_codec``)
snapshots      state of the line now and then (``journal_snapshots``)
step_times     minute: which steps were written before it (``journal_retention``)
parcels        parcel, written when it ends, and for those still on the line when a run ends
more_codes     further code read on a parcel
=============  =====================================================================================
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sorter.errors import JournalError
from sorter.files import (
    DATABASE_ERRORS,
    JOURNAL_ID,
    NOT_A_FILE,
    database_words,
    is_damage,
    may_be_database,
    mistaken_database,
)
from sorter.runtime.journal_refusals import kind_of
from sorter.runtime.journal_retention import RETENTION_SCHEMA
from sorter.runtime.journal_snapshots import SNAPSHOT_SCHEMA
from sorter.version import software_version

SCHEMA_VERSION: Final = 3
BUSY_TIMEOUT_S: Final = 5.0
WAL_KEPT_BYTES: Final = 8 << 20
"""The write-ahead log is cut to this when it was longer, e.g. because of somebody reading."""
IN_MEMORY: Final = ":memory:"

SCHEMA: Final = (
    SNAPSHOT_SCHEMA
    + RETENTION_SCHEMA
    + """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    software TEXT NOT NULL,
    first_step INTEGER NOT NULL,
    next_step INTEGER NOT NULL,
    first_parcel INTEGER NOT NULL,
    last_parcel INTEGER NOT NULL,
    open_from_step INTEGER NOT NULL,
    boot_id INTEGER NOT NULL,
    event_seq INTEGER NOT NULL,
    scan_seq INTEGER NOT NULL,
    state_capacity INTEGER NOT NULL,
    initial_state BLOB,
    names TEXT NOT NULL,
    notes TEXT NOT NULL,
    sha256 TEXT,
    ended_cleanly INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE run_files (
    run INTEGER NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE steps (
    step INTEGER PRIMARY KEY,
    step_count INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE parcels (
    parcel INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    code TEXT,
    opened_step INTEGER NOT NULL,
    closed_step INTEGER NOT NULL,
    opened_eye INTEGER NOT NULL,
    opened_encoder INTEGER NOT NULL,
    opened_cause INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    article INTEGER NOT NULL,
    laps INTEGER NOT NULL,
    disposition INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    chute INTEGER NOT NULL,
    closed_encoder INTEGER NOT NULL,
    opened_boot INTEGER NOT NULL
);
CREATE INDEX parcels_on_line ON parcels (parcel) WHERE disposition = 0;
CREATE TABLE more_codes (
    code TEXT NOT NULL, parcel INTEGER NOT NULL, PRIMARY KEY (code, parcel)
) WITHOUT ROWID;
"""
)


def connect_writable(path: str, synchronous: str) -> sqlite3.Connection:
    """Open or create a journal file for one writer.

    Raises
    ------
    JournalError
        It cannot be created, or is something else than a journal of this schema.
    """
    try:
        if not may_be_database(path):
            raise JournalError(f"{path}: {NOT_A_FILE}; name another journal")
        # The connection is handed to the writer thread as a whole, never shared.
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    except (*DATABASE_ERRORS, OSError) as error:
        raise cannot_open(path, error) from error
    try:
        _prepare(connection, path, synchronous)
    except DATABASE_ERRORS as error:
        connection.close()
        raise cannot_open(path, error) from error
    except JournalError:
        connection.close()
        raise
    return connection


def cannot_open(path: str, error: Exception) -> JournalError:
    """Return the error for a file that SQLite cannot open, or cannot make sense of."""
    why = database_words(error)
    if is_damage(error):
        return JournalError(
            f"{path}: is damaged, or no journal ({why}); put a copy of it back, or move it away: "
            "the controller makes a new one"
        )
    return kind_of(error)(  # of a full disk it is a refusal
        f"{path}: cannot be opened as a journal ({why}); check the path, its permissions and the "
        "free space"
    )


def _prepare(connection: sqlite3.Connection, path: str, synchronous: str) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables:
        check_schema(connection, path)
    else:
        # Before the first table: the file can get smaller again.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
    # Some builds overwrite whatever is deleted; nothing here is secret, and it doubles the work.
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    if not tables:
        connection.executescript(
            f"BEGIN; PRAGMA application_id={JOURNAL_ID}; PRAGMA user_version={SCHEMA_VERSION};"
            f"{SCHEMA} COMMIT;"
        )
        connection.execute(
            "INSERT OR REPLACE INTO meta VALUES ('created_by', ?)",
            (f"parcel-sorter {software_version()}",),
        )


def check_schema(connection: sqlite3.Connection, path: str) -> None:
    """Refuse a file that is no journal of this schema.

    Raises
    ------
    JournalError
        It is something else.
    sqlite3.Error
        It cannot be read.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != JOURNAL_ID:
        is_what = mistaken_database(application) or (
            "is an SQLite file but not a journal of this software; name another file"
        )
        raise JournalError(f"{path}: {is_what}")
    if schema != SCHEMA_VERSION:
        raise JournalError(
            f"{path}: is a journal of schema {schema}, this software knows schema "
            f"{SCHEMA_VERSION}; use the version that wrote it, or name another file"
        )
