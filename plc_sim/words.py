"""Word codec of the simulated PLC: values to mailbox words, and command words to values.

The controller has its own (``sorter.kernels.mailbox``); golden bytes test both. All functions are
compiled; ``low_first`` is 1 when the low half of a u32 lies at the lower address.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sorter.model.frames import Rows, Words
from sorter.model.mailbox import (
    CHECK_SEED,
    COMMAND_HEADER_WORDS,
    COMMAND_SLOT_WORDS,
    EVENT_A,
    EVENT_B,
    EVENT_CHECK,
    EVENT_ENCODER,
    EVENT_KIND,
    EVENT_SEQ,
    EVENT_SOURCE,
    EVENT_TICK,
    SCAN_BYTE_LENGTH,
    SCAN_CHECK,
    SCAN_CODE_COUNT,
    SCAN_ENCODER,
    SCAN_FLAGS,
    SCAN_PAYLOAD,
    SCAN_PAYLOAD_WORDS,
    SCAN_SCANNER,
    SCAN_SEQ,
    SCAN_TICK,
    SLOT_CHECK,
    SLOT_CHUTE,
    SLOT_EXPIRY,
    SLOT_FIRE,
    SLOT_HOLD,
    SLOT_KIND,
    SLOT_PARCEL,
    SLOT_SEQ,
)

from .jit import kernel

Bytes = NDArray[np.uint8]


@kernel("void(uint16[::1], int64, int64, int64)")
def put_u32(words: Words, offset: int, value: int, low_first: int) -> None:
    """Write the low 32 bits of `value` as two words."""
    high = (value >> 16) & 0xFFFF
    low = value & 0xFFFF
    if low_first:
        words[offset] = low
        words[offset + 1] = high
    else:
        words[offset] = high
        words[offset + 1] = low


@kernel("int64(uint16[::1], int64, int64)")
def get_u32(words: Words, offset: int, low_first: int) -> int:
    """Return the unsigned 32-bit value in two words."""
    first = int(words[offset])
    second = int(words[offset + 1])
    if low_first:
        return (second << 16) | first
    return (first << 16) | second


@kernel("int64(uint16[::1], int64, int64)")
def check_word(words: Words, offset: int, count: int) -> int:
    """Return the check of `count` words from `offset`."""
    check = CHECK_SEED
    for index in range(offset, offset + count):
        check = (((check << 1) | (check >> 15)) & 0xFFFF) ^ int(words[index])
    return check


@kernel("void(uint16[::1], int64, int64, int64, int64, int64, int64, int64, int64, int64)")
def encode_event(
    words: Words,
    offset: int,
    seq: int,
    kind: int,
    source: int,
    encoder: int,
    tick: int,
    a: int,
    b: int,
    low_first: int,
) -> None:
    """Write one event slot at `offset`."""
    put_u32(words, offset + EVENT_SEQ, seq, low_first)
    words[offset + EVENT_KIND] = kind & 0xFFFF
    words[offset + EVENT_SOURCE] = source & 0xFFFF
    put_u32(words, offset + EVENT_ENCODER, encoder, low_first)
    put_u32(words, offset + EVENT_TICK, tick, low_first)
    put_u32(words, offset + EVENT_A, a, low_first)
    words[offset + EVENT_B] = b & 0xFFFF
    words[offset + EVENT_CHECK] = check_word(words, offset, EVENT_CHECK)


@kernel(
    "void(uint16[::1], int64, int64, int64, int64, int64, int64, int64, uint8[::1], int64, int64)"
)
def encode_scan(
    words: Words,
    offset: int,
    seq: int,
    scanner: int,
    encoder: int,
    tick: int,
    code_count: int,
    flags: int,
    payload: Bytes,
    byte_length: int,
    low_first: int,
) -> None:
    """Write one scan slot at `offset`; `payload` is as it goes on the wire, `byte_length` used."""
    put_u32(words, offset + SCAN_SEQ, seq, low_first)
    words[offset + SCAN_SCANNER] = scanner & 0xFFFF
    put_u32(words, offset + SCAN_ENCODER, encoder, low_first)
    put_u32(words, offset + SCAN_TICK, tick, low_first)
    words[offset + SCAN_CODE_COUNT] = code_count
    words[offset + SCAN_FLAGS] = flags
    words[offset + SCAN_BYTE_LENGTH] = byte_length
    for index in range(SCAN_PAYLOAD_WORDS):
        high = int(payload[2 * index]) if 2 * index < byte_length else 0
        low = int(payload[2 * index + 1]) if 2 * index + 1 < byte_length else 0
        words[offset + SCAN_PAYLOAD + index] = (high << 8) | low
    words[offset + SCAN_CHECK] = check_word(words, offset, SCAN_CHECK)


COMMAND_VALUES = 7
"""Values of one decoded command: seq, kind, chute, parcel, fire, expiry, hold."""


@kernel("int64(uint16[::1], int64, int64, int64[::1])")
def decode_command(words: Words, slot: int, low_first: int, out: Rows) -> int:
    """Read one slot of the command window into `out`; return 1 when its check word fits."""
    base = COMMAND_HEADER_WORDS + slot * COMMAND_SLOT_WORDS
    out[0] = get_u32(words, base + SLOT_SEQ, low_first)
    out[1] = words[base + SLOT_KIND]
    out[2] = words[base + SLOT_CHUTE]
    out[3] = get_u32(words, base + SLOT_PARCEL, low_first)
    out[4] = get_u32(words, base + SLOT_FIRE, low_first)
    out[5] = get_u32(words, base + SLOT_EXPIRY, low_first)
    out[6] = words[base + SLOT_HOLD]
    if check_word(words, base, SLOT_CHECK) == words[base + SLOT_CHECK]:
        return 1
    return 0


SCAN_PAYLOAD_BYTES = 2 * SCAN_PAYLOAD_WORDS
LONGEST_CODE_BYTES = 255
"""A code's length is one byte."""


def pack_codes(codes: tuple[bytes, ...]) -> tuple[bytes, int, bool]:
    """Return the payload bytes, how many codes are in it, and whether one had to be left out."""
    payload = b""
    kept = 0
    truncated = False
    for code in codes:
        if len(code) <= LONGEST_CODE_BYTES and len(payload) + 1 + len(code) <= SCAN_PAYLOAD_BYTES:
            payload += bytes((len(code),)) + code
            kept += 1
        else:
            truncated = True
    return payload, kept, truncated
