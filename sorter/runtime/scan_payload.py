"""The payload of a scan slot: from words to codes, whatever a scanner put there."""

from __future__ import annotations

from sorter.kernels.mailbox import ScanHeader
from sorter.model import mailbox as wire
from sorter.model.frames import ScanRead, Words


def scan_read(numbers: list[int], words: Words) -> ScanRead:
    """Return one scan record from its decoded numbers and the words that hold its payload.

    A payload that contradicts its own lengths is cut where it stops making sense and marked as
    truncated: it came from a device, so it is a value and never an error.
    """
    used = min(numbers[ScanHeader.BYTE_LENGTH], 2 * wire.SCAN_PAYLOAD_WORDS)
    payload = words[wire.SCAN_PAYLOAD : wire.SCAN_CHECK].astype(">u2").tobytes()[:used]
    codes: list[bytes] = []
    at = 0
    while len(codes) < numbers[ScanHeader.CODE_COUNT] and at < used:
        end = at + 1 + payload[at]
        if end > used:
            break
        codes.append(payload[at + 1 : end])
        at = end
    missing = len(codes) < numbers[ScanHeader.CODE_COUNT]
    return ScanRead(
        numbers[ScanHeader.SEQ],
        numbers[ScanHeader.SCANNER],
        numbers[ScanHeader.ENCODER],
        numbers[ScanHeader.TICK],
        tuple(codes),
        missing or bool(numbers[ScanHeader.FLAGS] & wire.SCAN_FLAG_TRUNCATED),
    )
