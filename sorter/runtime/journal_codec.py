"""Groups of decision steps as bytes, and back.

Steps committed together are one *group* (``journal_group``), kept little-endian, nothing between::

    version u32 | step count u32
    per step: boot id, line state, encoder count, clock    4 x i64                not hashed
              rows of events, scans, commands, decisions,  7 x u32               ]
              candidates, outcomes; bytes of raw scans                           ] hashed:
    events | scans | commands | decisions                  i64 cells, the rows   ] same seed,
           | candidates | outcomes                         of all steps in order ] same hash
    raw scans, each: truncated u8, codes u16, per code: length u32, bytes        ]

A CRC-32 is kept beside each group, so that damage is found before it is believed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from sorter.errors import JournalError
from sorter.model.columns import ScanColumn
from sorter.model.frames import Decisions, Inputs, Rows, ScanRead
from sorter.runtime.journal_group import (
    CODE_LENGTH,
    READ_HEAD,
    STEP_HEAD,
    STEP_HEAD_TYPE,
    WIDTHS,
    Group,
)

CODEC_VERSION: Final = 2

_HEAD = struct.Struct("<II")
_SCANS_AT = 1
"""Where a group counts the scanner results of a step."""


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


def encode_group(group: Group) -> bytes:
    """Return a group as bytes."""
    head = _HEAD.pack(CODEC_VERSION, len(group))
    tables = [table.tobytes() for table in group.tables]
    return b"".join((head, group.heads.tobytes(), *tables, group.raw))


def group_check(payload: bytes) -> int:
    """Return the CRC-32 that is kept beside a group of steps."""
    return zlib.crc32(payload)


def open_group(first_step: int, payload: bytes, check: int) -> Group:
    """Return a kept group.

    Parameters
    ----------
    first_step : int
        Number of the group's first step.
    payload : bytes
    check : int
        CRC-32 kept beside the payload.

    Raises
    ------
    JournalError
        The group is damaged or of another version; the message names its first step.
    """
    if group_check(payload) != check:
        raise _damaged(first_step, "the check sum of its group does not fit the content")
    if len(payload) < _HEAD.size:
        raise _damaged(first_step, f"{len(payload)} bytes are too few for its head")
    version, length = _HEAD.unpack_from(payload)
    if version != CODEC_VERSION:
        raise JournalError(
            f"journal step {first_step} is written in format {version}, this software reads format "
            f"{CODEC_VERSION}; use the version of the software that wrote it"
        )
    at = _HEAD.size + length * STEP_HEAD.size
    if at > len(payload):
        raise _damaged(first_step, "the bytes its group announces are missing")
    heads = np.frombuffer(payload, STEP_HEAD_TYPE, length, _HEAD.size)
    totals = heads["counts"].sum(axis=0, dtype=np.int64).tolist()
    cells = [total * width for total, width in zip(totals[:-1], WIDTHS, strict=True)]
    expected = at + 8 * sum(cells) + totals[-1]
    if expected != len(payload):
        raise _damaged(
            first_step, f"its group has {len(payload)} bytes where {expected} are announced"
        )
    tables = []
    for cell_count, width in zip(cells, WIDTHS, strict=True):
        flat = np.frombuffer(payload, "<i8", cell_count, at)
        tables.append(flat.astype(np.int64).reshape(-1, width))
        at += flat.nbytes
    return Group(heads, tuple(tables), payload[at:])


def decode_group(
    first_step: int, payload: bytes, check: int, first: int = 0, last: int | None = None
) -> Iterator[Step]:
    """Return the steps of a kept group, in order.

    Parameters
    ----------
    first_step, payload, check
        As for :func:`open_group`.
    first, last : int
        Numbers of the steps that are wanted; others are passed over.

    Raises
    ------
    JournalError
        The group is damaged or of another version; the message names the step.
    """
    group = open_group(first_step, payload, check)
    ends = np.cumsum(group.counts, axis=0, dtype=np.int64).tolist()
    starts = [[0] * (len(WIDTHS) + 1), *ends]
    for index, (look, start, end) in enumerate(
        zip(group.looks.tolist(), starts, ends, strict=False)
    ):
        step = first_step + index
        if step < first:
            continue
        if last is not None and step > last:
            return
        yield _decode(step, group, look, start, end)


def reads_of(first_step: int, group: Group) -> dict[int, tuple[ScanRead, ...]]:
    """Return the scanner results of a group by step, counted from its first; only where any are.

    Raises
    ------
    JournalError
        The group is damaged; the message names the step.
    """
    found = {}
    scan_counts, raw_counts = group.counts[:, _SCANS_AT], group.counts[:, -1]
    scan_ends = np.cumsum(scan_counts, dtype=np.int64)
    raw_ends = np.cumsum(raw_counts, dtype=np.int64)
    for index in np.flatnonzero(scan_counts).tolist():
        scans = group.scans[scan_ends[index] - scan_counts[index] : scan_ends[index]]
        raw = group.raw[raw_ends[index] - raw_counts[index] : raw_ends[index]]
        found[index] = _decode_reads(first_step + index, scans, raw)
    return found


def _decode(step: int, group: Group, look: list[int], start: list[int], end: list[int]) -> Step:
    boot_id, line_state, encoder_count, now_ns = look
    events, scans, commands, decisions, candidates, outcomes = (
        table[start[index] : end[index]] for index, table in enumerate(group.tables)
    )
    return Step(
        step,
        now_ns,
        Inputs(boot_id, line_state, encoder_count, events, scans),
        _decode_reads(step, scans, group.raw[start[-1] : end[-1]]),
        Decisions(commands, decisions, candidates, outcomes),
    )


def _decode_reads(step: int, scan_rows: Rows, raw: bytes) -> tuple[ScanRead, ...]:
    reads = []
    offset = 0
    try:
        for row in scan_rows.tolist():
            truncated, code_count = READ_HEAD.unpack_from(raw, offset)
            offset += READ_HEAD.size
            codes = []
            for _ in range(code_count):
                (length,) = CODE_LENGTH.unpack_from(raw, offset)
                offset += CODE_LENGTH.size
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
