"""The payload of a scan slot: from bytes to codes, whatever a scanner put there."""

from __future__ import annotations

from sorter.model import mailbox as wire
from sorter.model.frames import ScanRead


def scan_read(numbers: list[int], payload: bytes) -> ScanRead:
    """Return one scan record from its decoded numbers and its payload.

    A payload that contradicts its own lengths is cut where it stops making sense and marked as
    truncated: it came from a device, so it is a value and never an error.

    Parameters
    ----------
    numbers : list of int
        In the order of :class:`~sorter.kernels.mailbox.ScanHeader`.
    payload : bytes
        At least as many as the numbers say are used.
    """
    # Unpacked in order: naming each through the enum costs more than decoding.
    seq, scanner, encoder, tick, code_count, flags, used = numbers
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
