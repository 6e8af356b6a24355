"""Keeps compiled kernels on the disk, so that no file of them can end a start.

Numba does not wait for the disk when it writes its cache, and believes what it reads there. What a
power cut leaves (a file that is empty, half there, or has a block of zeros in it) raised whatever
``pickle`` made of it, or ended the process: machine code with a hole in it is run like any other.
With every start the same file was met again. Here what is kept has a check sum, and is on the disk
before it has its name; what cannot be loaded is compiled anew, and what cannot be kept is used all
the same.

Controller and simulator both keep their kernels by this. It knows nothing of what is in them and
changes nothing of it, so it is not among the sources their folders are named after.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numba.core.typeinfer
from numba.core import caching, config

_config: Any = config
_numba: Any = caching  # it declares no types


class DamagedError(Exception):
    """Compiled code that is not what was kept."""


class _OneFolder(_numba.UserProvidedCacheLocator):  # type: ignore[misc]
    """Looks for kernels in the folder it is told, whether or not anything can be written there.

    Numba would go on to a folder beside the source or in the user's home, where the name of the
    folder no longer says which sources the code was made of; and it would make a file in the
    folder, at every start for every kernel, to see whether it can.
    """

    @classmethod
    def from_function(cls, py_func: Callable[..., object], py_file: str) -> _OneFolder:
        return cls(py_func, py_file)


class _Kept(_numba.CompileResultCacheImpl):  # type: ignore[misc]
    """Turns compiled code into what is kept of it and back."""

    _locator_classes = (_OneFolder,)


class _Files(_numba.IndexDataCacheFile):  # type: ignore[misc]
    """The files of one kernel: an index, and the code for each kind of processor."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._version += " with check sums"  # files that Numba wrote by itself are passed over

    def save(self, key: object, data: object) -> None:
        """Keep compiled code, together with what it was made of.

        The index is written before the code. Between the two a power cut or a full disk would have
        left the code of an older source under the name that the index has for the new one.
        """
        code = self._dump(data)
        super().save(key, (self._source_stamp, key, zlib.crc32(code), code))
        with contextlib.suppress(OSError):  # not every system can do this for a folder
            _write_through(self._cache_path)

    def load(self, key: object) -> Any:
        """Return compiled code; ``None`` when there is none of this source.

        Raises
        ------
        Exception
            Whatever reading a damaged file comes to.
        """
        entry = super().load(key)
        if entry is None:
            return None
        *made_of, check_sum, code = entry
        if made_of != [self._source_stamp, key]:
            return None
        if zlib.crc32(code) != check_sum:
            raise DamagedError("its check sum is another one")
        return pickle.loads(code)  # noqa: S301 - as trusted as the sources are: it is code

    def throw_away(self, why: Exception) -> None:
        """Have the kernel compiled and kept anew."""
        _tell("kernel_cache_damaged", file=self._index_path, problem=repr(why), then="compiled")
        with contextlib.suppress(OSError):
            os.unlink(self._index_path)

    def _load_index(self) -> dict[object, str]:
        try:
            names: dict[object, str] = super()._load_index()
        except Exception as error:
            self.throw_away(error)
            return {}
        return names

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BinaryIO]:
        with super()._open_for_write(filepath) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the file gets its name behind this


class _KernelCache(_numba.FunctionCache):  # type: ignore[misc]
    """What Numba asks for compiled code before it compiles, and gives it to afterwards."""

    _impl_class = _Kept

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _Files(
            locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp()
        )

    def _load_overload(self, sig: object, target_context: object) -> Any:
        try:
            return super()._load_overload(sig, target_context)
        except Exception as error:
            self._cache_file.throw_away(error)
            return None

    def _save_overload(self, sig: object, data: object) -> None:
        try:
            super()._save_overload(sig, data)
        except OSError as error:
            _tell("kernel_not_kept", folder=self.cache_path, problem=str(error), then="used")


def keep(dispatcher: Any, folder: str) -> None:
    """Have a kernel loaded from a folder instead of compiled, where it is there, and kept in it.

    Parameters
    ----------
    dispatcher : Dispatcher
        What ``numba.njit`` made of the function, without ``cache=True``; not compiled yet.
    folder : str
        Made when there is something to keep.
    """
    before = _config.CACHE_DIR  # Numba has no other way to name it. Others keep theirs elsewhere.
    _config.CACHE_DIR = folder
    try:
        dispatcher._cache = _KernelCache(dispatcher.py_func)
    finally:
        _config.CACHE_DIR = before


def compile_kernel(dispatcher: Any, signature: str) -> None:
    """Compile a kernel for its one signature, or load it, and refuse every other one."""
    # As Numba's own decorator does where it is given a signature.
    with numba.core.typeinfer.register_dispatcher(dispatcher):
        dispatcher.compile(signature)
    dispatcher.disable_compile()


def _write_through(folder: str) -> None:
    """Have the names in a folder on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tell(event: str, **facts: str) -> None:
    """Log a warning; where no logs are set up, on standard error: standard output has reports.

    What it takes is imported here: a start that finds its kernels has nothing to tell.
    """
    import structlog  # noqa: PLC0415

    if structlog.is_configured():
        log = structlog.get_logger("sorter.kernel_cache")
    else:
        log = structlog.wrap_logger(structlog.WriteLogger(sys.stderr))
    log.warning(event, **facts)
