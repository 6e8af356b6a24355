"""Decision steps as bytes, and back.

A step is a fixed head and the arrays behind it, little-endian, int64 cells, nothing between::

    version u16 | line_state u16 | boot_id u32 | encoder_count i64 | now_ns i64    not hashed
    rows of events, scans, commands, decisions, candidates, outcomes,        7 x u32 ]
        bytes of raw scans                                                           ] hashed:
    events | scans | commands | decisions | candidates | outcomes                    ] same seed,
    raw scans, each: truncated u8, codes u16, per code: length u32, bytes            ] same hash

The hash leaves out clock, encoder reading and the PLC's boot id: when the loop happened to look is
not part of what was decided. Steps committed together are kept as one *group*, one behind the
other; a CRC-32 of the group is kept beside it, so that damage is found before it is believed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sorter.errors import JournalError
from sorter.model.columns import (
    CANDIDATE_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    EVENT_WIDTH,
    OUTCOME_WIDTH,
    SCAN_WIDTH,
    ScanColumn,
)
from sorter.model.frames import Decisions, Inputs, Rows, ScanRead

CODEC_VERSION: Final = 1

_HEAD = struct.Struct("<HHIqq7I")
_HASHED_FROM: Final = 24
_FIRST_COUNT: Final = 5
_READ = struct.Struct("<BH")
_LENGTH = struct.Struct("<I")
_I64 = struct.Struct("<q")
_WIDTHS: Final = (
    EVENT_WIDTH,
    SCAN_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    CANDIDATE_WIDTH,
    OUTCOME_WIDTH,
)
_CELL_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One decision step as it was recorded.

    Attributes
    ----------
    step : int
        Row number in the journal.
    now_ns : int
        The clock at the step; its zero means nothing.
    inputs : Inputs
    reads : tuple of ScanRead
        What the scanners sent, row for row with ``inputs.scans``.
    decided : Decisions
    """

    step: int
    now_ns: int
    inputs: Inputs
    reads: tuple[ScanRead, ...]
    decided: Decisions


def encode_step(
    now_ns: int, inputs: Inputs, scans: Sequence[ScanRead], decided: Decisions
) -> bytes:
    """Return one step as bytes.

    Raises
    ------
    JournalError
        A value does not fit the format.
    """
    events = inputs.events
    scan_rows = inputs.scans
    commands = decided.commands
    decisions = decided.decisions
    candidates = decided.candidates
    outcomes = decided.outcomes
    raw = _encode_reads(scans, len(scan_rows)) if len(scan_rows) or scans else b""
    counts = (
        len(events),
        len(scan_rows),
        len(commands),
        len(decisions),
        len(candidates),
        len(outcomes),
    )
    try:
        head = _HEAD.pack(
            CODEC_VERSION,
            inputs.line_state,
            inputs.boot_id,
            inputs.encoder_count,
            now_ns,
            *counts,
            len(raw),
        )
    except struct.error as error:
        raise JournalError(
            f"journal: step at encoder {inputs.encoder_count} does not fit the record format: "
            f"boot id {inputs.boot_id}, line state {inputs.line_state} ({error})"
        ) from error
    parts = [head]
    # Most arrays of most steps are empty; asking first costs less than an empty copy.
    if counts[0]:
        parts.append(events.tobytes())
    if counts[1]:
        parts.append(scan_rows.tobytes())
    if counts[2]:
        parts.append(commands.tobytes())
    if counts[3]:
        parts.append(decisions.tobytes())
    if counts[4]:
        parts.append(candidates.tobytes())
    if counts[5]:
        parts.append(outcomes.tobytes())
    if raw:
        parts.append(raw)
    return b"".join(parts)


def _encode_reads(scans: Sequence[ScanRead], row_count: int) -> bytes:
    if len(scans) != row_count:
        raise JournalError(
            f"journal: {len(scans)} scanner results were joined to {row_count} registry answers; "
            "the host link must answer each result with one row"
        )
    parts = []
    for read in scans:
        parts.append(_READ.pack(read.truncated, len(read.codes)))
        for code in read.codes:
            parts.append(_LENGTH.pack(len(code)))
            parts.append(code)
    return b"".join(parts)


def group_check(payload: bytes) -> int:
    """Return the CRC-32 that is kept beside a group of steps."""
    return zlib.crc32(payload)


def join_hashed(payloads: Iterable[bytes]) -> bytes:
    """Return the hashed parts of many payloads in order, for one call of the hash function."""
    return b"".join([p[_HASHED_FROM:] for p in payloads if len(p) > _HEAD.size])


def split_group(first_step: int, payload: bytes, check: int) -> list[bytes]:
    """Return the payloads of a group's steps, undecoded; raises as :func:`decode_group`."""
    if group_check(payload) != check:
        raise _damaged(first_step, "the check sum of its group does not fit the content")
    parts: list[bytes] = []
    offset = 0
    while offset < len(payload):
        _, end = _measure(first_step + len(parts), payload, offset)
        parts.append(payload[offset:end])
        offset = end
    return parts


def last_event_seq(payload: bytes) -> int:
    """Return the sequence of the newest event in a payload, 0 when it has none."""
    event_count = _HEAD.unpack_from(payload)[_FIRST_COUNT]
    if not event_count:
        return 0
    offset = _HEAD.size + (event_count - 1) * EVENT_WIDTH * _CELL_BYTES
    return int(_I64.unpack_from(payload, offset)[0])


def decode_group(
    first_step: int, payload: bytes, check: int, first: int = 0, last: int | None = None
) -> Iterator[Step]:
    """Return the steps of a group, in order.

    Parameters
    ----------
    first_step : int
        Number of the group's first step.
    payload : bytes
    check : int
        CRC-32 kept beside the payload.
    first, last : int
        Numbers of the steps that are wanted; others are passed over.

    Raises
    ------
    JournalError
        The group is damaged or of another version; the message names the step.
    """
    if group_check(payload) != check:
        raise _damaged(first_step, "the check sum of its group does not fit the content")
    offset = 0
    step = first_step
    while offset < len(payload) and (last is None or step <= last):
        counts, end = _measure(step, payload, offset)
        if step >= first:
            yield _decode(step, payload, offset, end, counts)
        offset = end
        step += 1


def _measure(step: int, payload: bytes, offset: int) -> tuple[list[int], int]:
    if len(payload) - offset < _HEAD.size:
        raise _damaged(step, f"{len(payload) - offset} bytes are too few for its head")
    head = _HEAD.unpack_from(payload, offset)
    if head[0] != CODEC_VERSION:
        raise JournalError(
            f"journal step {step} is written in format {head[0]}, this software reads format "
            f"{CODEC_VERSION}; use the version of the software that wrote it"
        )
    *counts, raw_bytes = head[_FIRST_COUNT:]
    cells = sum(count * width for count, width in zip(counts, _WIDTHS, strict=True))
    end = offset + _HEAD.size + cells * _CELL_BYTES + raw_bytes
    if end > len(payload):
        raise _damaged(step, f"{end - len(payload)} of the bytes its head announces are missing")
    return counts, end


def _decode(step: int, payload: bytes, offset: int, end: int, counts: list[int]) -> Step:
    _, line_state, boot_id, encoder_count, now_ns, *_ = _HEAD.unpack_from(payload, offset)
    arrays: list[Rows] = []
    offset += _HEAD.size
    for count, width in zip(counts, _WIDTHS, strict=True):
        flat = np.frombuffer(payload, "<i8", count * width, offset)
        arrays.append(flat.astype(np.int64).reshape(count, width))
        offset += count * width * _CELL_BYTES
    events, scan_rows, commands, decisions, candidates, outcomes = arrays
    return Step(
        step,
        now_ns,
        Inputs(boot_id, line_state, encoder_count, events, scan_rows),
        _decode_reads(step, scan_rows, payload[offset:end]),
        Decisions(commands, decisions, candidates, outcomes),
    )


def _decode_reads(step: int, scan_rows: Rows, raw: bytes) -> tuple[ScanRead, ...]:
    reads = []
    offset = 0
    try:
        for row in scan_rows.tolist():
            truncated, code_count = _READ.unpack_from(raw, offset)
            offset += _READ.size
            codes = []
            for _ in range(code_count):
                (length,) = _LENGTH.unpack_from(raw, offset)
                offset += _LENGTH.size
                code = raw[offset : offset + length]
                if len(code) != length:
                    raise _damaged(step, "a scanned code is cut short")
                codes.append(code)
                offset += length
            reads.append(
                ScanRead(
                    row[ScanColumn.SEQ],
                    row[ScanColumn.SCANNER],
                    row[ScanColumn.ENCODER],
                    row[ScanColumn.TICK],
                    tuple(codes),
                    bool(truncated),
                )
            )
    except struct.error as error:
        raise _damaged(step, "its scanned codes are cut short") from error
    if offset != len(raw):
        raise _damaged(step, f"{len(raw) - offset} bytes follow its last scanned code")
    return tuple(reads)


def _damaged(step: int, problem: str) -> JournalError:
    return JournalError(
        f"journal step {step} is damaged: {problem}; restore the journal from a copy, or start a "
        "new one (the line can go on with an empty journal)"
    )
