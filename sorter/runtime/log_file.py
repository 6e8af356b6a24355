"""Where log lines go: standard error, and optionally a file of bounded size.

Nothing here raises: a log that cannot be written, on a full disk or into a pipe whose reader has
gone, must not stop the line. What could not be written is counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from sorter.files import without_waiting

BYTES_PER_MB: Final = 1_000_000


class LogSink(Protocol):
    """What log lines can be written to: a stream, or a rotating file."""

    def write(self, text: str, /) -> object:
        """Write text."""
        ...

    def flush(self) -> object:
        """Pass on what was written."""
        ...


class RotatingLog:
    """A log file that is renamed to ``.1`` when it is full, ``.1`` to ``.2``, and so on.

    Parameters
    ----------
    path : Path
    max_bytes : int
        Size of one file.
    files : int
        Kept in all, the one being written included.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab", buffering=0, opener=without_waiting)  # noqa: SIM115

    def write(self, text: str) -> None:
        """Write text; begin a new file first when it would not fit."""
        data = text.encode("utf-8", "backslashreplace")
        size = self._file.tell()
        if size and size + len(data) > self._max_bytes:
            self._rotate()
        self._file.write(data)

    def flush(self) -> None:
        """Do nothing: writing is not buffered."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        try:
            for number in range(self._files - 1, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        finally:
            # Written anew where it could not be renamed: bounded comes first.
            self._file = open(self._path, "wb", buffering=0, opener=without_waiting)  # noqa: SIM115

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


class LogSinks:
    """Writes each line to every sink, whatever becomes of it.

    Parameters
    ----------
    *sinks : LogSink

    Attributes
    ----------
    failures : int
        Writes that a sink refused.
    """

    def __init__(self, *sinks: LogSink) -> None:
        self._sinks = sinks
        self.failures = 0

    def write(self, text: str) -> int:
        """Write text to every sink."""
        for sink in self._sinks:
            try:
                sink.write(text)
                sink.flush()
            except (OSError, ValueError):  # ValueError: closed
                self.failures += 1
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is flushed as it is written."""
