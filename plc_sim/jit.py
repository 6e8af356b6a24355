"""Compiles the kernels of the simulated PLC; shares nothing with ``sorter.kernels`` on purpose."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config

numba_config: Any = config

Function = TypeVar("Function", bound=Callable[..., object])


def _cache_directory() -> str:
    """Return a per-user directory keyed by the sources whose constants the kernels freeze.

    Numba's own key is the file of the kernel alone; a changed constant in another module would
    go unnoticed.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    here = Path(__file__).parent
    own = [here / name for name in ("jit.py", "words.py", "plc_kernels.py")]
    for source in [*own, *sorted((here.parent / "sorter" / "model").glob("*.py"))]:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(base / "parcel-sorter" / f"plc-{digest.hexdigest()[:16]}")


_CACHE = os.environ.get("NUMBA_CACHE_DIR") or _cache_directory()


def kernel(signature: str) -> Callable[[Function], Function]:
    """Return a decorator that compiles at import, from the cache where possible.

    Parameters
    ----------
    signature : str
        Explicit Numba signature: no stall when an odd argument type comes along.
    """

    def compile_now(function: Function) -> Function:
        before = numba_config.CACHE_DIR
        numba_config.CACHE_DIR = _CACHE
        try:
            return cast(
                "Function", numba.njit(signature, cache=True, error_model="numpy")(function)
            )
        finally:
            numba_config.CACHE_DIR = before

    return compile_now
