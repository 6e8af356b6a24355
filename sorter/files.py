"""Opens files that somebody named: a pipe or a device in their place must not stall anything."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

NOT_A_FILE = "is a folder, a pipe or a device, not a file"


def open_regular(path: Path | str) -> BinaryIO:
    """Open a file for reading.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file: opening a pipe would wait for whoever writes
        it, and some devices never end.
    """
    # Without waiting: what it is, the open descriptor tells, so nothing can be put in its place.
    wait_not = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | wait_not)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def may_be_database(path: Path | str) -> bool:
    """Return whether SQLite can be given this path: a regular file, or nothing yet."""
    there = Path(path)
    return there.is_file() or not there.exists()
