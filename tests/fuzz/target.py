"""What the runner needs to know of an entry point."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[bytes], str]
"""Feeds one input and says in a few words what became of it; raises only on a finding."""

_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|[0-9]+")
_QUOTED = re.compile(r"[^ -~]+")


class Broken(AssertionError):
    """An entry point broke a promise without raising: something lost, wrong or unbounded."""


@dataclass(frozen=True, slots=True)
class Target:
    """One entry point.

    Attributes
    ----------
    name : str
    feeds : str
        What of the product gets the bytes.
    seeds : callable
        Returns good inputs to start from.
    build : callable
        Makes the function that takes one input; gets a folder of its own for files.
    tokens : sequence of bytes
        Words of the input's language, for the mutator.
    limit_bytes : int
        Inputs are cut to this length.
    text : bool
        It is text: most inputs are kept UTF-8, or nothing but the decoder would be fuzzed.
    budget_s : float
        An input that takes longer, three times in a row, is a stall.
    traced_every : int
        One input of so many runs under the line tracer, with kernels as plain Python: so seldom
        that it takes no more than about a third of the time.
    """

    name: str
    feeds: str
    seeds: Callable[[], list[bytes]]
    build: Callable[[Path], Run]
    tokens: Sequence[bytes] = ()
    limit_bytes: int = 4096
    text: bool = False
    budget_s: float = 1.0
    traced_every: int = 40


def kind_of(message: str) -> str:
    """Return a message without what is particular to one input, short."""
    first = message.split("\n", 1)[0]
    return _QUOTED.sub("?", _PARTICULAR.sub("#", first))[:70]


class Taker:
    """Takes numbers from bytes; zeros when they are used up."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bytes(self, count: int) -> bytes:
        """Return the next bytes, filled up with zeros."""
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")

    def number(self, count: int, *, signed: bool = False) -> int:
        """Return the next bytes as a number, low byte first."""
        return int.from_bytes(self.bytes(count), "little", signed=signed)

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)
