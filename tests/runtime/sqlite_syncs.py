"""Lets a test see, hold up and refuse each sync that SQLite does: a shim over its own file layer.

SQLite lets programs bring a file layer ("VFS") of their own. This one is the system's, with
``xSync`` replaced: the call behind which SQLite takes what it wrote for being on the disk. It is
the default while it is in place, so that the product's code opens its files through it.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
from collections.abc import Callable, Iterator

import pytest

OK = 0
IOERR_FSYNC = 1034
POINTERS_OF_A_VFS = 16
POINTERS_OF_METHODS = 18
"""Of version 3, the newest there is; older tables are shorter, and then nobody reads the rest."""
SYNC_AT = 4
"""Behind xClose, xRead, xWrite and xTruncate."""


class Methods(ctypes.Structure):
    """What can be done with an open file."""

    _fields_ = (("version", ctypes.c_int), ("calls", ctypes.c_void_p * POINTERS_OF_METHODS))


class OpenFile(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(Methods)),)


class Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("calls", ctypes.c_void_p * POINTERS_OF_A_VFS),  # xOpen is the first
    )


OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)

_in_use: list[object] = []
"""SQLite holds on to these for as long as a file is open, which Python cannot know."""


def library() -> ctypes.CDLL:
    """Return the SQLite that Python itself uses; skip the test where it shows no functions."""
    try:
        sqlite = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        sqlite.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        sqlite.sqlite3_vfs_register.argtypes = (ctypes.POINTER(Vfs), ctypes.c_int)
        sqlite.sqlite3_vfs_unregister.argtypes = (ctypes.POINTER(Vfs),)
    except (OSError, AttributeError):
        pytest.skip("this Python hides its SQLite's functions")
    return sqlite


@contextlib.contextmanager
def syncs_seen(of: str, on_sync: Callable[[], int]) -> Iterator[None]:
    """Call `on_sync` at each sync of a file whose name ends with `of`.

    What it returns is SQLite's answer: ``OK`` lets the real sync happen, all else fails it.
    """
    sqlite = library()
    usual = sqlite.sqlite3_vfs_find(None)
    usual_open = OPEN(usual.contents.calls[0])

    # The name goes on as the address it came as: SQLite keeps that, and reads beyond its end.
    def open_file(_vfs: int, name: int, address: int, flags: int, out_flags: int) -> int:
        vfs = ctypes.cast(usual, ctypes.c_void_p)
        code: int = usual_open(vfs, name, address, flags, out_flags)
        if code == OK and name and ctypes.string_at(name).decode().endswith(of):
            file = ctypes.cast(address, ctypes.POINTER(OpenFile)).contents
            file.methods = ctypes.pointer(_with_sync(file.methods.contents, on_sync))
        return code

    shim = Vfs.from_buffer_copy(usual.contents)
    ours = OPEN(open_file)
    shim.name, shim.calls[0] = b"syncs-seen", ctypes.cast(ours, ctypes.c_void_p).value
    _in_use.extend((shim, ours))
    sqlite.sqlite3_vfs_register(ctypes.byref(shim), 1)
    try:
        yield
    finally:
        sqlite.sqlite3_vfs_unregister(ctypes.byref(shim))
        sqlite.sqlite3_vfs_register(usual, 1)


def _with_sync(methods: Methods, on_sync: Callable[[], int]) -> Methods:
    usual_sync = SYNC(methods.calls[SYNC_AT])

    def sync(file: int, flags: int) -> int:
        return on_sync() or usual_sync(file, flags)

    seen, ours = Methods.from_buffer_copy(methods), SYNC(sync)
    seen.calls[SYNC_AT] = ctypes.cast(ours, ctypes.c_void_p).value
    _in_use.extend((seen, ours))
    return seen
