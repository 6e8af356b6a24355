"""Which key a registry's customer references were hashed with: a check value that stands for it.

Under another key no hash is found, which would look as if there were nothing to erase. The check
value is in a table of its own, made when it is first needed: registries of older versions have
none and can be used as they are, and older versions can use those that have one.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sorter.errors import ReturnsFileError
from sorter.host.customers import CustomerHash

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS reference_key (
    row INTEGER PRIMARY KEY CHECK (row = 1),
    check_value BLOB NOT NULL
) STRICT
"""
_HAS_TABLE: Final = (
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'reference_key'"
)
_HAS_CUSTOMERS: Final = "SELECT EXISTS (SELECT 1 FROM returns WHERE customer <> x'')"


def problem_of_key(connection: sqlite3.Connection, customers: CustomerHash) -> str:
    """Say that the customer references were hashed with another key; empty when they were not.

    A registry that knows no key, or has no reference any more, contradicts none.
    """
    if _known(connection) in (None, customers.check_value) or not _has_customers(connection):
        return ""
    return f"{customers.name} is not the one that its customer references are stored under"


def refuse_other_key(connection: sqlite3.Connection, name: str, customers: CustomerHash) -> None:
    """Raise :class:`ReturnsFileError` rather than have references under two keys in one registry.

    Parameters
    ----------
    connection : sqlite3.Connection
        In the transaction that is to store references.
    name : str
        Of the registry, for people.
    customers : CustomerHash
    """
    if problem := problem_of_key(connection, customers):
        raise ReturnsFileError(
            f"{name}: {problem}, so nothing is imported; name the file of that key with "
            "--reference-key, or import into another registry"
        )


def remember_key(connection: sqlite3.Connection, customers: CustomerHash) -> None:
    """Keep the check value of the key that references are stored under.

    In the transaction that stored them: whoever imports at the same time with another key waits
    for its end, and then finds the check value.
    """
    if _known(connection) != customers.check_value:
        connection.execute(_TABLE)
        connection.execute(
            "INSERT OR REPLACE INTO reference_key VALUES (1, ?)", (customers.check_value,)
        )


def _known(connection: sqlite3.Connection) -> bytes | None:
    if not connection.execute(_HAS_TABLE).fetchone()[0]:
        return None
    row: tuple[bytes] | None = connection.execute(
        "SELECT check_value FROM reference_key"
    ).fetchone()
    return None if row is None else row[0]


def _has_customers(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute(_HAS_CUSTOMERS).fetchone()[0])
