"""One decorator for every kernel: explicit signature, on-disk cache, no fastmath.

Numba's cache notices a change of the file that holds a kernel, but not of the constants and
helper kernels it takes from other modules. The cache directory is therefore named after a hash of
all the sources a kernel can be made of: any change there starts a new directory. Setting
``NUMBA_CACHE_DIR`` overrides it; ``NUMBA_DISABLE_JIT=1`` runs kernels as plain Python and
``NUMBA_BOUNDSCHECK=1`` checks every index (that code has a cache directory of its own). How code is
kept there, and what becomes of a damaged file, is :mod:`sorter.kernel_cache`'s.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from sorter.kernel_cache import compile_kernel, keep

Kernel = TypeVar("Kernel", bound=Callable[..., object])

_njit: Any = numba.njit  # its stubs do not know every option

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("sorter/model", "sorter/kernels")


def sources_hash() -> str:
    """Return a short hash over every source file whose constants kernels may have compiled in."""
    digest = hashlib.sha256(numba.__version__.encode())
    digest.update(os.environ.get("NUMBA_BOUNDSCHECK", "").encode())
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_directory() -> Path:
    """Return a directory this user can write, the same one for the same sources.

    There may be none, as on a full disk. What is in the one in the home can be loaded even then.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base else Path(os.path.expanduser("~")) / ".cache"
    name = f"numba-{sources_hash()}"
    path = home / "parcel-sorter" / name
    if _is_writable(path):
        return path
    try:
        other = Path(tempfile.gettempdir()) / f"parcel-sorter-{_user()}" / name
    except OSError:  # it writes a file into each to find one
        return path
    # Whoever else can write there could give us machine code.
    return other if _is_writable(other) and _is_own(other.parent) and _is_own(other) else path


def _is_writable(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(path, os.W_OK)


def _is_own(path: Path) -> bool:
    """Whether nobody but this user can put something there."""
    if not hasattr(os, "getuid"):
        return True
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"


_CACHE_DIRECTORY = os.environ.get("NUMBA_CACHE_DIR") or str(_cache_directory())


def kernel(
    signature: str, *, inline: bool = False, entry: bool = False
) -> Callable[[Kernel], Kernel]:
    """Compile the decorated function for exactly this signature.

    Parameters
    ----------
    signature : str
        Numba signature, e.g. ``"int64(int64[:, ::1], int64)"``. Explicit, because compiling on
        the first odd type would stop the line for 100 ms.
    inline : bool
        Compile it into every caller: for small helpers in loops, where passing arrays costs more
        than the work.
    entry : bool
        Python calls it: it is there, compiled or from the cache, when its module is. Others are
        part of those that call them, and wanted by themselves only while such a one is compiled;
        loading each of them from the cache took a third of a start.

    Returns
    -------
    Callable
        The decorator. With ``NUMBA_DISABLE_JIT=1`` it returns the function unchanged.
    """
    # Kernels allocate nothing, so they need no reference counts: counting took most of the time.
    decorator = _njit(error_model="numpy", forceinline=inline, _nrt=False)

    def compiled(function: Kernel) -> Kernel:
        dispatcher: Any = decorator(function)
        if dispatcher is not function:
            keep(dispatcher, _CACHE_DIRECTORY)
            load = _on_first_use(dispatcher, signature)
            if entry:
                load()
        return cast("Kernel", dispatcher)

    return compiled


def _on_first_use(dispatcher: Any, signature: str) -> Callable[[], None]:
    """Have a kernel compiled, or loaded, for its one signature when it is first wanted.

    Returns
    -------
    callable
        Does it now.
    """

    def load() -> None:
        del dispatcher._compile_for_args, dispatcher.get_call_template
        compile_kernel(dispatcher, signature)

    def for_python(*arguments: object) -> Any:  # noqa: ARG001
        load()
        return dispatcher  # numba calls what it gets

    def for_a_kernel(arguments: object, keywords: object) -> Any:
        load()
        return dispatcher.get_call_template(arguments, keywords)

    dispatcher._compile_for_args = for_python
    dispatcher.get_call_template = for_a_kernel
    return load
