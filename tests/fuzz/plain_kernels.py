"""Kernels as plain Python for a while, so that a line tracer sees into them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba.core.dispatcher import Dispatcher

_PACKAGES = ("sorter.", "plc_sim.", f"{__package__}.")  # targets call kernels by themselves


class _Place(NamedTuple):
    """A global name of some module that stands for a kernel."""

    names: dict[str, Any]
    name: str
    kernel: Dispatcher


class PlainKernels:
    """Swaps kernels, where modules of the product and targets name them, for Python functions.

    Kernels that something other than a module holds stay compiled.
    """

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._of_function: dict[FunctionType, Dispatcher] = {}
        self._modules: set[str] = set()
        self._loaded = 0

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Run the body with kernels as plain Python.

        Nothing may be compiled meanwhile, as it would be made of plain functions: what the body
        does must have been done once before.
        """
        self._find()
        for names, name, kernel in self._places:
            names[name] = kernel.py_func
        try:
            # NumPy's scalars warn where a kernel's int64 wraps around.
            with np.errstate(all="ignore"):
                yield
        finally:
            for names, name, kernel in self._places:
                names[name] = kernel
            self._find()

    def _find(self) -> None:
        """Look through the modules that were loaded since the last time."""
        if len(sys.modules) == self._loaded:
            return
        self._loaded = len(sys.modules)
        modules = {name for name in sys.modules if name.startswith(_PACKAGES)} - self._modules
        self._modules |= modules
        spaces = [vars(sys.modules[module]) for module in modules]
        for names in spaces:
            for name, value in names.items():
                if isinstance(value, Dispatcher):
                    self._of_function[value.py_func] = value
                    self._places.append(_Place(names, name, value))
        for names in spaces:
            self._mend(names)

    def _mend(self, names: dict[str, Any]) -> None:
        """Give a module that was loaded while kernels were plain the kernels themselves."""
        for name, value in list(names.items()):
            if isinstance(value, FunctionType) and value in self._of_function:
                names[name] = self._of_function[value]
                self._places.append(_Place(names, name, names[name]))
