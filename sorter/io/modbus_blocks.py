"""Modbus requests and responses whose registers are one array of words.

pymodbus packs and unpacks register by register; at 120 registers both ways per poll that is the
larger part of a transaction's processor time.
"""

from __future__ import annotations

import struct

import numpy as np
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU

from sorter.model.frames import Words

_WIRE_WORD = np.dtype(">u2")


class WordsResponse(ModbusPDU):
    """Answer to FC3 and FC23: a byte count and registers."""

    function_code = 3
    rtu_byte_count_pos = 2
    words: Words

    def decode(self, data: bytes) -> None:
        """Take the registers out of the body of the response."""
        byte_count = data[0] if data else 0
        if not byte_count or byte_count % 2 or byte_count + 1 != len(data):
            raise ModbusIOException(f"byte count {byte_count}, but {len(data) - 1} bytes follow")
        self.words = np.frombuffer(data, _WIRE_WORD, byte_count // 2, 1).astype(np.uint16)


class ExchangeResponse(WordsResponse):
    """Answer to FC23."""

    function_code = 23


class ReadRequest(ModbusPDU):
    """FC3: read holding registers."""

    function_code = 3

    def encode(self) -> bytes:
        """Return the body of the request."""
        return struct.pack(">HH", self.address, self.count)


class WriteRequest(ModbusPDU):
    """FC16: write multiple registers."""

    function_code = 16

    def __init__(self, device_id: int, address: int, words: Words) -> None:
        super().__init__(dev_id=device_id, address=address, count=len(words))
        self.words = words

    def encode(self) -> bytes:
        """Return the body of the request."""
        return (
            struct.pack(">HHB", self.address, self.count, 2 * self.count)
            + self.words.astype(_WIRE_WORD).tobytes()
        )


class ExchangeRequest(ModbusPDU):
    """FC23: write one block, then read another."""

    function_code = 23

    def __init__(
        self, device_id: int, write_address: int, words: Words, read_address: int, read_count: int
    ) -> None:
        super().__init__(dev_id=device_id, address=write_address, count=read_count)
        self.words = words
        self.read_address = read_address

    def encode(self) -> bytes:
        """Return the body of the request."""
        count = len(self.words)
        return (
            struct.pack(">HHHHB", self.read_address, self.count, self.address, count, 2 * count)
            + self.words.astype(_WIRE_WORD).tobytes()
        )
