"""What the floor is wired to: the PLC's memory, as the kernels of the plant see it."""

from __future__ import annotations

from typing import NamedTuple

from sorter.model.frames import Rows, Words

from .jit import inner
from .plc_memory import Memory
from .plc_rings import post_event, post_scan, take_acknowledgements
from .words import Bytes


class Wires(NamedTuple):
    """Arrays that the plant's sensors end in, and the texts that scanners read.

    Attributes
    ----------
    command, events, scans : uint16 vectors
        Parts of the mailbox image.
    memory : int64[len(Memory)]
    chutes : int64[len(ChuteCell), chutes]
        The PLC's own table.
    payload : uint8[SCAN_PAYLOAD_BYTES]
        Scratch for one scanner result.
    texts : uint8 vector
        Labels of all parcels, end to end.
    """

    command: Words
    events: Words
    scans: Words
    memory: Rows
    chutes: Rows
    payload: Bytes
    texts: Bytes


@inner
def latch(wires: Wires, kind: int, source: int, encoder: int, tick: int, a: int, b: int) -> None:
    """Put an event into the ring."""
    memory = wires.memory
    if post_event(wires.events, memory, kind, source, encoder, tick, a, b) == 0:
        # A scan that was skipped as idle would have taken the acknowledgement over.
        take_acknowledgements(wires.command, memory)
        if post_event(wires.events, memory, kind, source, encoder, tick, a, b) == 0:
            memory[Memory.EVENT_OVERFLOW] += 1


@inner
def latch_scan(
    wires: Wires, scanner: int, encoder: int, tick: int, codes: int, flags: int, length: int
) -> None:
    """Put a scanner's result, whose codes are in the scratch payload, into the scan ring."""
    memory, payload = wires.memory, wires.payload
    for _ in range(2):
        if post_scan(wires.scans, memory, scanner, encoder, tick, codes, flags, payload, length):
            return
        take_acknowledgements(wires.command, memory)
    memory[Memory.SCAN_OVERFLOW] += 1
