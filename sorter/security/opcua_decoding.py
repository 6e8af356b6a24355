"""Keeps asyncua's decoder within the size of the message it decodes; controller and simulator."""

from __future__ import annotations

from typing import IO

from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives1
from asyncua.ua.uaerrors import UaError


class _NoArray:
    """Arrays of nulls: their elements take no bytes, so no message is too short for any length."""

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


def refuse_arrays_of_nulls() -> None:
    """Make asyncua refuse arrays whose elements are all nulls.

    For an answer of 60 bytes it makes a list of as many elements as the answer claims, up to
    2^31: 168 million took 14 s of the event loop and 1.3 GB (asyncua 2.1). No tag of a mailbox has
    this type. To be called before the first message is decoded.
    """
    Primitives1.Null = _NoArray()  # type: ignore[attr-defined]  # where arrays are looked up
