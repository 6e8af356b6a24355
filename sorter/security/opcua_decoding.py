"""Keeps asyncua's decoder within the message it decodes; for the controller and the simulator.

Without it, an answer of 60 bytes stops the event loop for as long as it likes (asyncua 2.1): it
claims an array of up to 2^31 elements that take no bytes, because they are nulls, or because a
string of negative length moves the reading back to where it was; or it gives an array hundreds of
dimensions, and asyncua fills up what they claim and goes through all of it once for each.
"""

from __future__ import annotations

import math
from typing import IO, Any, Final

from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import ua_binary
from asyncua.ua.ua_binary import Primitives1
from asyncua.ua.uaerrors import UaError

MOST_DIMENSIONS: Final = 4
"""Of an array; those of a mailbox have one."""
_READ: Final = Buffer.read
_SKIP: Final = Buffer.skip
_RESHAPE: Final = ua_binary._reshape


def bound_decoder() -> None:
    """Make asyncua refuse lengths below zero, arrays of nulls, and dimensions that do not fit.

    Every element takes a byte at least then, so that no array is longer than its message. No tag
    of a mailbox is an array of nulls. To be called before the first message is decoded: asyncua
    keeps what it has looked up.
    """
    Buffer.read = _read_forward  # type: ignore[method-assign, assignment]
    Buffer.skip = _skip_forward  # type: ignore[method-assign, assignment]
    Primitives1.Null = _NoArray()  # type: ignore[attr-defined]  # where arrays are looked up
    ua_binary._reshape = _in_shape


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


def _in_shape(flat: list[Any], dims: list[int]) -> list[Any]:
    """Return an array in its dimensions, which must be those of the elements that are there."""
    if not dims:  # asyncua gives None for what is null, here and for the array
        return flat
    elements = len(flat) if isinstance(flat, list) else 1
    if len(dims) > MOST_DIMENSIONS or math.prod(dims) != elements:
        shown = ", ".join(map(str, dims[:MOST_DIMENSIONS]))
        raise UaError(f"{len(dims)} dimensions ({shown} ...) for {elements} elements")
    return _RESHAPE(flat, dims) if elements > 1 else flat
