"""What can be broken. What merely happens on a line (no-read, full, lost) is a value, not an error.

::

    SorterError
    ├── ConfigError          a configuration that cannot be used; carries every problem found
    ├── ReturnsFileError     a return file that cannot be read at all
    ├── JournalError         the journal cannot be opened, read or written
    │   └── ReplayError      a journal that cannot be replayed (other version, gap)
    └── LinkError            the connection to the PLC
        ├── LinkLost         refused, closed, reset
        ├── LinkTimeout      no answer within the deadline
        └── LinkRejected     the peer answered with an error, or with another layout
"""

from __future__ import annotations


class SorterError(Exception):
    """Base of all errors this project raises on purpose.

    The message says what is wrong, where, and what to do; ``cli`` prints it without a traceback.
    """


class ConfigError(SorterError):
    """A configuration that cannot be used."""


class ReturnsFileError(SorterError):
    """A return file that cannot be read at all; single bad lines are counted rejects."""


class JournalError(SorterError):
    """The journal cannot be opened, read or written."""


class ReplayError(JournalError):
    """The journal cannot be replayed."""


class LinkError(SorterError):
    """The connection to the PLC is broken.

    Parameters
    ----------
    link : str
        Which connection, e.g. ``modbus tcp 127.0.0.1:5020``.
    problem : str
        What happened and, where known, what to do.
    """

    def __init__(self, link: str, problem: str) -> None:
        super().__init__(f"{link}: {problem}")
        self.link = link
        self.problem = problem


class LinkLost(LinkError):
    """Refused, closed or reset."""


class LinkTimeout(LinkError):
    """No answer within the deadline."""


class LinkRejected(LinkError):
    """The peer answered with an error, or speaks another layout version."""
