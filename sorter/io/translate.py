"""Turns what the protocol libraries raise or answer into this project's three link errors.

An illegal Modbus address *returns* an error response while a dead server *raises*; asyncua raises
one class per status code, plus whatever the socket and the parser raise. Nothing of that leaves
the adapters. What both protocols share is here; the rest is in ``modbus_errors`` and
``opcua_errors``, so that a controller on Modbus need not load asyncua.
"""

from __future__ import annotations

import logging
import struct
from typing import Final

from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.model.mailbox import LAYOUT_VERSION

TRANSPORT_ERRORS: Final = (TimeoutError, OSError, EOFError, struct.error, ValueError, RuntimeError)
"""What sockets and parsers raise because of the peer or the network.

``RuntimeError`` is uvloop's for writing to a connection that was reset a moment ago, of which the
protocol library has not been told yet.
"""


def quiet(logger_name: str) -> None:
    """Silence a library's own log: every link error is reported once, by the supervisor."""
    logging.getLogger(logger_name).setLevel(logging.CRITICAL + 1)


def from_transport(link: str, error: BaseException) -> LinkError:
    """Return the link error that one of :data:`TRANSPORT_ERRORS` means."""
    if isinstance(error, TimeoutError):
        return late(link)
    if isinstance(error, OSError | EOFError) or type(error) is RuntimeError:
        return lost(link, error)
    return LinkRejected(link, f"the peer sent something unexpected ({text(error)})")


def late(link: str) -> LinkTimeout:
    """Return the error for an answer that did not come in time."""
    return LinkTimeout(link, "no answer within the deadline")


def lost(link: str, error: BaseException) -> LinkLost:
    """Return the error for a connection that is gone, or never was."""
    return LinkLost(link, f"connection refused, closed or reset ({text(error)})")


def wrong_length(link: str, what: str, words: int, expected: int) -> LinkRejected:
    """Return the error for a block of another size than the layout's."""
    return LinkRejected(link, f"{what} has {words} words, the layout says {expected}")


def check_version(link: str, version: int, where: str) -> None:
    """Raise :class:`LinkRejected` unless the PLC speaks this layout version.

    Parameters
    ----------
    link : str
    version : int
        First word of the status block.
    where : str
        Where the status block was looked for.
    """
    if version == LAYOUT_VERSION:
        return
    if version == 0:
        problem = f"no mailbox at {where}: its first word is 0, the PLC program has not started"
    else:
        problem = (
            f"{where} has mailbox layout version {version}, this controller speaks "
            f"{LAYOUT_VERSION}: load the PLC program that belongs to it, or check the address"
        )
    raise LinkRejected(link, problem)


def text(error: BaseException) -> str:
    """Return what an exception says, or what it is called."""
    return str(error) or type(error).__name__
