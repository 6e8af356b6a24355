"""The files beside a journal: the lock that makes it one controller's, and the reserve on its disk.

The reserve is disk space nobody else can take: given back to the file system when that is full,
it lets the journal drop its oldest steps (which needs space itself) and go on in its own file.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

from sorter.errors import JournalError

if sys.platform != "win32":
    import fcntl


def lock_journal(path: str) -> IO[str] | None:
    """Take the journal for this process; the system frees it however the process ends.

    Raises
    ------
    JournalError
        Another process has it, or its directory cannot be written.
    """
    if sys.platform == "win32":
        return None
    lock_path = Path(path + ".lock")
    try:
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_path.open("a")
    except OSError as error:
        raise JournalError(
            f"{path}: its directory cannot be written ({error.strerror}); "
            "correct service.journal in the line file or pass another --journal"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalError(
            f"{path}: another controller is writing this journal; stop it first, or name another "
            "file (one journal, one controller)"
        ) from error
    return lock


class FileWatch:
    """Notices that somebody removed, replaced or emptied the journal while it is written.

    SQLite does not: it goes on writing what nobody will find again.

    Parameters
    ----------
    path : str
        The journal, already made.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._file = self._identity()

    def check(self) -> None:
        """Look at the name only: opening the file here would free the locks that SQLite has on it.

        Raises
        ------
        JournalError
            The journal is not what its name stands for any more.
        """
        if self._file is None or self._identity() == self._file:
            return
        raise JournalError(
            f"{self._path}: somebody removed, replaced or emptied the journal while it was "
            "written; what it held is lost unless there is a copy. Put that back, or start "
            "without the file, and the parcels now on the line are met again as unexpected ones"
        )

    def _identity(self) -> tuple[int, int] | None:
        """Return what tells a file from another one; None when it is not there or empty."""
        try:
            about = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # a disk that does not answer has removed nothing
            return self._file
        return (about.st_dev, about.st_ino) if about.st_size else None


class DiskReserve:
    """Space on the journal's disk that is kept for the day the disk is full.

    Parameters
    ----------
    path : path
        The journal; the reserve lies beside it.
    size_bytes : int
        0: none is kept.
    """

    def __init__(self, path: Path | str, size_bytes: int) -> None:
        self._path = Path(f"{path}.reserve")
        self._size_bytes = size_bytes

    @property
    def kept(self) -> bool:
        """Whether the space is there; true as well when none is wanted."""
        if not self._size_bytes:
            return True
        try:
            return self._path.stat().st_size >= self._size_bytes
        except OSError:
            return False

    def keep(self) -> bool:
        """Take the space unless it was taken; return whether it is kept now.

        It is taken only where as much again stays free: taking the last of a disk's space would
        make the very trouble it is for.
        """
        if self.kept:
            return True
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * self._size_bytes:
                return False
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the space back to the file system."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
