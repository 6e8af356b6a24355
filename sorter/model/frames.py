"""What goes into one decision step and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sorter.model.columns import (
    CANDIDATE_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    EVENT_WIDTH,
    OUTCOME_WIDTH,
    SCAN_WIDTH,
)

Rows = NDArray[np.int64]
"""``int64[n, width]``, C-contiguous."""

Words = NDArray[np.uint16]
"""16-bit words of a mailbox: values as on the wire, in the machine's own order of bytes.

C-contiguous and writable, also where nobody writes: kernels take no others.
"""


Bytes = NDArray[np.uint8]


def no_rows(width: int) -> Rows:
    """Return an empty row array of the given width."""
    return np.empty((0, width), np.int64)


class ScanRead(NamedTuple):
    """One result of one scanner as it came from the line.

    A tuple, because the loop makes one per scan: a frozen dataclass takes five times as long.

    Attributes
    ----------
    seq : int
        Sequence in the scan ring.
    scanner_idx : int
    encoder_count : int
        Unwrapped count when the parcel's leading edge was at the scanner.
    tick_100us : int
        Unwrapped PLC time.
    codes : tuple of bytes
        Payloads, empty for a no-read. Any bytes: nothing has been checked.
    truncated : bool
        A payload did not fit the slot and is missing.
    """

    seq: int
    scanner_idx: int
    encoder_count: int
    tick_100us: int
    codes: tuple[bytes, ...]
    truncated: bool = False


@dataclass(slots=True)
class Frame:
    """What the line said in one exchange, decoded, in sequence order, each record once.

    Attributes
    ----------
    boot_id : int
        Changes with every start of the PLC.
    line_state : int
        PackML state number.
    encoder_count : int
        Unwrapped count at the PLC scan that answered.
    tick_100us : int
        Unwrapped PLC time.
    events : int64[n, EVENT_WIDTH]
    scans : tuple of ScanRead
    command_ack : int
        Newest command sequence that the PLC took over.
    event_overflow, scan_overflow : int
        Records the PLC could not store, since its start.
    stood_until_tick : int
        Until then the PLC's program stood for a while, and maybe the belt; 0: it never did.
    """

    boot_id: int
    line_state: int
    encoder_count: int
    tick_100us: int
    events: Rows
    scans: tuple[ScanRead, ...]
    command_ack: int
    event_overflow: int = 0
    scan_overflow: int = 0
    stood_until_tick: int = 0


@dataclass(slots=True)
class Inputs:
    """All that :func:`sorter.core.decide.decide` may know, and all that a replay needs.

    Attributes
    ----------
    boot_id, line_state, encoder_count
        As in :class:`Frame`.
    events : int64[n, EVENT_WIDTH]
    scans : int64[m, SCAN_WIDTH]
        Scanner results joined with the facts of the return registry.
    """

    boot_id: int
    line_state: int
    encoder_count: int
    events: Rows = field(default_factory=lambda: no_rows(EVENT_WIDTH))
    scans: Rows = field(default_factory=lambda: no_rows(SCAN_WIDTH))


@dataclass(slots=True)
class Decisions:
    """What one decision step wants done and has found out. Row arrays, see ``columns``.

    The arrays are copies: they stay valid after the next step.
    """

    commands: Rows = field(default_factory=lambda: no_rows(COMMAND_WIDTH))
    decisions: Rows = field(default_factory=lambda: no_rows(DECISION_WIDTH))
    candidates: Rows = field(default_factory=lambda: no_rows(CANDIDATE_WIDTH))
    outcomes: Rows = field(default_factory=lambda: no_rows(OUTCOME_WIDTH))
