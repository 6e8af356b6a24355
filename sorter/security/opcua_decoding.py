"""Keeps asyncua's decoder within the message it decodes; for the controller and the simulator.

Without it, an answer of 60 bytes stops the event loop for as long as it likes (asyncua 2.1): it
claims an array of up to 2^31 elements that take no bytes, because they are nulls, or because a
string of negative length moves the reading back to where it was.
"""

from __future__ import annotations

from typing import IO, Final

from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import ua_binary
from asyncua.ua.ua_binary import Primitives1
from asyncua.ua.uaerrors import UaError

MOST_RESHAPED: Final = 4096
"""Elements that the dimensions of an array may claim; missing ones are filled up."""
_READ: Final = Buffer.read
_SKIP: Final = Buffer.skip


def bound_decoder() -> None:
    """Make asyncua refuse lengths below zero, arrays of nulls, and dimensions of millions.

    Every element takes a byte at least then, so that no array is longer than its message. No tag
    of a mailbox is an array of nulls. To be called before the first message is decoded: asyncua
    keeps what it has looked up.
    """
    Buffer.read = _read_forward  # type: ignore[method-assign, assignment]
    Buffer.skip = _skip_forward  # type: ignore[method-assign, assignment]
    Primitives1.Null = _NoArray()  # type: ignore[attr-defined]  # where arrays are looked up
    ua_binary.MAX_RESHAPE_ELEMENTS = MOST_RESHAPED


class _NoArray:
    """Arrays of nulls: no message is too short for any length of them."""

    def pack_array(self, _data: object) -> bytes:
        """Refuse to write one.

        Raises
        ------
        UaError
            Always.
        """
        raise UaError("an array of nulls cannot be written")

    def unpack_array(self, _data: Buffer | IO[bytes], length: int) -> tuple[()]:
        """Return the empty array.

        Raises
        ------
        UaError
            The array has elements.
        """
        if length > 0:
            raise UaError(f"an array of {length} nulls")
        return ()


def _read_forward(buffer: Buffer, size: int) -> bytes:
    if size < 0:
        raise NotEnoughData(f"a length of {size}")
    return _READ(buffer, size)


def _skip_forward(buffer: Buffer, size: int) -> None:
    if size < 0:
        raise NotEnoughData(f"a length of {size}")
    _SKIP(buffer, size)
