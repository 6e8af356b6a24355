"""Compiles the kernels of plant and PLC; shares nothing with ``sorter.kernels`` on purpose.

Only how compiled code is kept on the disk is the same: :mod:`sorter.kernel_cache`.

``kernel`` makes a function that Python calls, compiled at import; ``inner`` one that only kernels
call compiled: it becomes part of them, and from Python it runs as the plain function it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.extending import register_jitable

from sorter.kernel_cache import compile_kernel, keep

_njit: Any = numba.njit  # its stubs do not know every option

Function = TypeVar("Function", bound=Callable[..., object])


_ALSO = ("jit.py", "cells.py", "plc_memory.py")
"""Sources of constants, besides those of the kernels themselves."""


_MODEL = ("codes.py", "frames.py", "mailbox.py")
"""All that this package imports of ``sorter.model``."""


def _cache_directory() -> str:
    """Return a per-user directory keyed by the sources whose constants the kernels freeze.

    Numba's own key is the file of the kernel alone; a changed constant in another module would
    go unnoticed.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    digest.update(os.environ.get("NUMBA_BOUNDSCHECK", "").encode())  # other code, same key
    here = Path(__file__).parent
    model = [here.parent / "sorter" / "model" / name for name in _MODEL]
    for source in sorted([*here.glob("*.py"), *model]):
        text = source.read_bytes()
        if source.parent != here or b".jit import" in text or source.name in _ALSO:
            digest.update(source.name.encode())
            digest.update(text)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(base / "parcel-sorter" / f"plc-{digest.hexdigest()[:16]}")


# Kernels allocate nothing, so they need no reference counts.
_OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy", "_nrt": False}

_CACHE = os.environ.get("NUMBA_CACHE_DIR") or _cache_directory()


def kernel(signature: str) -> Callable[[Function], Function]:
    """Return a decorator that compiles at import, from the cache where possible.

    Parameters
    ----------
    signature : str
        Explicit Numba signature: no stall when an odd argument type comes along.
    """

    def compile_now(function: Function) -> Function:
        dispatcher: Any = _njit(**_OPTIONS)(function)
        if dispatcher is not function:  # as it is with NUMBA_DISABLE_JIT=1
            keep(dispatcher, _CACHE)
            compile_kernel(dispatcher, signature)
        return cast("Function", dispatcher)

    return compile_now


def inner(function: Function) -> Function:
    """Let kernels call a function, whatever their argument types are."""
    decorated: Function = register_jitable(**_OPTIONS)(function)
    return decorated
