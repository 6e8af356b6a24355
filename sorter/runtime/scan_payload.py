"""The payload of a scan slot: from words to codes, whatever a scanner put there."""

from __future__ import annotations

from typing import Final

import numpy as np

from sorter.model import mailbox as wire
from sorter.model.frames import ScanRead, Words

_HIGH_BYTE_FIRST: Final = np.dtype(">u2")
_PAYLOAD_BYTES: Final = 2 * wire.SCAN_PAYLOAD_WORDS


def scan_read(numbers: list[int], words: Words) -> ScanRead:
    """Return one scan record from its decoded numbers and the words that hold its payload.

    A payload that contradicts its own lengths is cut where it stops making sense and marked as
    truncated: it came from a device, so it is a value and never an error.
    """
    # Unpacked in the order of ScanHeader: naming each through the enum costs more than decoding.
    seq, scanner, encoder, tick, code_count, flags, used = numbers
    used = min(used, _PAYLOAD_BYTES)
    end_word = wire.SCAN_PAYLOAD + (used + 1) // 2
    payload = words[wire.SCAN_PAYLOAD : end_word].astype(_HIGH_BYTE_FIRST).tobytes()
    codes: list[bytes] = []
    at = 0
    while len(codes) < code_count and at < used:
        end = at + 1 + payload[at]
        if end > used:
            break
        codes.append(payload[at + 1 : end])
        at = end
    truncated = len(codes) < code_count or flags & wire.SCAN_FLAG_TRUNCATED != 0
    return ScanRead(seq, scanner, encoder, tick, tuple(codes), truncated)
