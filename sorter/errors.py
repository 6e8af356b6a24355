"""What can be broken. What merely happens on a line (no-read, full, lost) is a value, not an error.

::

    SorterError
    ├── ConfigError          a configuration that cannot be used; carries every problem found
    ├── ReturnsFileError     a return file that cannot be read at all
    │   └── RegistryUnusable the return registry does not answer, or is damaged
    ├── JournalError         the journal cannot be opened, read or written
    │   ├── JournalRefused   the disk takes nothing more for now: full, busy, not answering
    │   └── ReplayError      a journal that cannot be replayed (other version, gap)
    └── LinkError            the connection to the PLC
        ├── LinkLost         refused, closed, reset
        ├── LinkTimeout      no answer within the deadline
        ├── LinkRejected     the peer answered with an error, or with another layout
        └── LinkContested    another controller commands the PLC
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one configuration file.

    Attributes
    ----------
    file : str
    key_path : str
        Like ``line.chutes[3].position_mm``; empty for the file as a whole.
    line : int
        Line in the file, from 1; 0 when the file could not be read.
    problem : str
        What is wrong.
    remedy : str
        What would be right.
    """

    file: str
    key_path: str
    line: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key_path}:" if self.key_path else ""
        return f"{where}:{key} {self.problem}; {self.remedy}"


class SorterError(Exception):
    """Base of all errors this project raises on purpose.

    The message says what is wrong, where, and what to do; ``cli`` prints it without a traceback.

    Attributes
    ----------
    exit_code : int
        With which a command ends that cannot go on because of it.
    """

    exit_code: ClassVar[int] = 2


class ConfigError(SorterError):
    """A configuration that cannot be used.

    Parameters
    ----------
    message : str
        For a person; names every problem.
    problems : sequence of Problem
        The same for a program; empty when the error is not about files.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ConfigError:
        """Return the error that lists these problems, one on each line."""
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listing = "\n".join(f"  {problem}" for problem in problems)
        return cls(f"{count} in the configuration:\n{listing}", problems)


class ReturnsFileError(SorterError):
    """A return file that cannot be read at all; single bad lines are counted rejects."""


class RegistryUnusable(ReturnsFileError):
    """The return registry does not answer, or is damaged: to a line that runs, its host is down."""


class JournalError(SorterError):
    """The journal cannot be opened, read or written."""


class JournalRefused(JournalError):
    """The disk takes nothing more for now; the same may be written later."""


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


class LinkContested(LinkError):
    """Another controller commands the PLC: this one must not."""

    exit_code: ClassVar[int] = 3
