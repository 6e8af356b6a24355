"""Posting into the rings of the mailbox, and what can happen to a record on its way there."""

from __future__ import annotations

from sorter.model.frames import Rows, Words
from sorter.model.mailbox import (
    COMMAND_BOOT_ID,
    COMMAND_EPOCH,
    COMMAND_EVENT_ACK,
    COMMAND_SCAN_ACK,
    EVENT_CHECK,
    EVENT_WORDS,
    SCAN_CHECK,
    SCAN_WORDS,
)

from .chance import drawn
from .jit import inner, kernel
from .plc_memory import (
    AT_TAMPERS,
    HELD_A,
    HELD_B,
    HELD_BEHIND_NEXT,
    HELD_CELLS,
    HELD_DUE_TICK,
    HELD_ENCODER,
    HELD_KIND,
    HELD_ROOM,
    HELD_SOURCE,
    HELD_TICK,
    LONGEST_WAIT_TICKS,
    MASK,
    TAMPER_ACTIVE,
    TAMPER_CELLS,
    TAMPER_DELAY_TICKS,
    TAMPER_EVENTS,
    TAMPER_LEFT,
    TAMPER_SALT,
    TAMPER_SOURCE,
    TAMPER_THRESHOLD,
    TAMPER_WHAT,
    Memory,
    Tampering,
)
from .words import Bytes, encode_event, encode_scan, get_u32

DROP = int(Tampering.DROP)
DUPLICATE = int(Tampering.DUPLICATE)
REORDER = int(Tampering.REORDER)
DELAY = int(Tampering.DELAY)
SPOIL_CHECK = int(Tampering.SPOIL_CHECK)
NONSENSE = int(Tampering.NONSENSE)
SPOILED = 0x5A5A
"""Flips half of the bits of a check word."""
NO_KIND = 0x6E6F
"""A kind of event, and a scanner, that there is not."""


# --- events ---------------------------------------------------------------------------------------
@inner
def put_event(
    events: Words,
    memory: Rows,
    kind: int,
    source: int,
    encoder: int,
    tick: int,
    a: int,
    b: int,
) -> int:
    """Write an event into the next slot; return 0 when every slot waits to be acknowledged."""
    head = memory[Memory.EVENT_HEAD]
    if head - memory[Memory.EVENT_ACK] >= memory[Memory.EVENT_SLOTS]:
        return 0
    seq = head + 1
    memory[Memory.EVENT_HEAD] = seq
    offset = (seq % memory[Memory.EVENT_SLOTS]) * EVENT_WORDS
    encode_event(events, offset, seq, kind, source, encoder, tick, a, b, memory[Memory.LOW_FIRST])
    return 1


@inner
def tampering(memory: Rows, kind: int, source: int, encoder: int, tick: int) -> int:
    """Return the row of the table that applies to a record, -1: it is left alone."""
    for row in range(memory[Memory.TAMPERS]):
        cell = AT_TAMPERS + row * TAMPER_CELLS
        if memory[cell + TAMPER_ACTIVE] == 0 or memory[cell + TAMPER_LEFT] == 0:
            continue
        if memory[cell + TAMPER_EVENTS] >> kind & 1 == 0:
            continue
        only = memory[cell + TAMPER_SOURCE]
        if only >= 0 and only != source:
            continue
        bits = drawn(memory[cell + TAMPER_SALT], kind << 16 | source, encoder, tick)
        if bits < memory[cell + TAMPER_THRESHOLD]:
            if memory[cell + TAMPER_LEFT] > 0:
                memory[cell + TAMPER_LEFT] -= 1
            return row
    return -1


@inner
def hold_event(
    memory: Rows,
    due_tick: int,
    behind_next: int,
    kind: int,
    source: int,
    encoder: int,
    tick: int,
    a: int,
    b: int,
) -> bool:
    """Keep an event for later; return whether there was room."""
    held = memory[Memory.HELD]
    if held == HELD_ROOM:
        return False
    if held == 0 or due_tick < memory[Memory.HELD_TICK]:
        memory[Memory.HELD_TICK] = due_tick
    cell = AT_TAMPERS + memory[Memory.TAMPERS] * TAMPER_CELLS + held * HELD_CELLS
    memory[cell + HELD_DUE_TICK] = due_tick
    memory[cell + HELD_BEHIND_NEXT] = behind_next
    memory[cell + HELD_KIND] = kind
    memory[cell + HELD_SOURCE] = source
    memory[cell + HELD_ENCODER] = encoder
    memory[cell + HELD_TICK] = tick
    memory[cell + HELD_A] = a
    memory[cell + HELD_B] = b
    memory[Memory.HELD] = held + 1
    return True


@inner
def release_held(events: Words, memory: Rows, tick: int, another: int) -> None:
    """Post what was held back and is due, oldest first; `another`: one was posted just now."""
    base = AT_TAMPERS + memory[Memory.TAMPERS] * TAMPER_CELLS
    kept = 0
    first_due = 1 << 62
    for row in range(memory[Memory.HELD]):
        cell = base + row * HELD_CELLS
        due = memory[cell + HELD_DUE_TICK]
        if due <= tick or (another and memory[cell + HELD_BEHIND_NEXT]):
            stored = put_event(
                events,
                memory,
                memory[cell + HELD_KIND],
                memory[cell + HELD_SOURCE],
                memory[cell + HELD_ENCODER],
                memory[cell + HELD_TICK],
                memory[cell + HELD_A],
                memory[cell + HELD_B],
            )
            memory[Memory.EVENT_OVERFLOW] += 1 - stored
            continue
        first_due = min(first_due, due)
        target = base + kept * HELD_CELLS
        for index in range(HELD_CELLS):
            memory[target + index] = memory[cell + index]
        kept += 1
    memory[Memory.HELD] = kept
    memory[Memory.HELD_TICK] = first_due


@inner
def spoil_event(events: Words, memory: Rows, what: int) -> None:
    """Damage the newest event in its slot."""
    seq = memory[Memory.EVENT_HEAD]
    offset = (seq % memory[Memory.EVENT_SLOTS]) * EVENT_WORDS
    if what == NONSENSE:
        low_first = memory[Memory.LOW_FIRST]
        encode_event(events, offset, seq, NO_KIND, 0xFFFE, MASK, MASK, MASK, 0xFFFF, low_first)
    else:
        events[offset + EVENT_CHECK] ^= SPOILED


@inner
def post_tampered(
    events: Words,
    memory: Rows,
    row: int,
    kind: int,
    source: int,
    encoder: int,
    tick: int,
    a: int,
    b: int,
) -> int:
    """Do to an event what a row of the table says."""
    cell = AT_TAMPERS + row * TAMPER_CELLS
    what = memory[cell + TAMPER_WHAT]
    memory[Memory.TAMPERED] = what
    if what == DROP:
        return 1
    if what in (REORDER, DELAY):
        wait = LONGEST_WAIT_TICKS if what == REORDER else memory[cell + TAMPER_DELAY_TICKS]
        behind = 1 if what == REORDER else 0
        due = memory[Memory.TICK] + wait
        if hold_event(memory, due, behind, kind, source, encoder, tick, a, b):
            return 1
    stored = put_event(events, memory, kind, source, encoder, tick, a, b)
    if what == DUPLICATE:
        again = put_event(events, memory, kind, source, encoder, tick, a, b)
        memory[Memory.EVENT_OVERFLOW] += 1 - again
    elif stored and what in (SPOIL_CHECK, NONSENSE):
        spoil_event(events, memory, what)
    return stored


@kernel("int64(uint16[::1], int64[::1], int64, int64, int64, int64, int64, int64)")
def post_event(
    events: Words,
    memory: Rows,
    kind: int,
    source: int,
    encoder: int,
    tick: int,
    a: int,
    b: int,
) -> int:
    """Put an event into the ring; return 0 when every slot waits for its acknowledgement."""
    if memory[Memory.TAMPERS] == 0:
        return put_event(events, memory, kind, source, encoder, tick, a, b)
    memory[Memory.TAMPERED] = 0
    if memory[Memory.EVENT_HEAD] - memory[Memory.EVENT_ACK] >= memory[Memory.EVENT_SLOTS]:
        return 0
    row = tampering(memory, kind, source, encoder, tick)
    if row >= 0:
        return post_tampered(events, memory, row, kind, source, encoder, tick, a, b)
    stored = put_event(events, memory, kind, source, encoder, tick, a, b)
    if memory[Memory.HELD] > 0:
        release_held(events, memory, memory[Memory.TICK], 1)
    return stored


# --- scanner results ------------------------------------------------------------------------------
@inner
def put_scan(
    scans: Words,
    memory: Rows,
    scanner: int,
    encoder: int,
    tick: int,
    code_count: int,
    flags: int,
    payload: Bytes,
    byte_length: int,
) -> int:
    """Write a scanner result into the next slot; return 0 when there is none."""
    head = memory[Memory.SCAN_HEAD]
    if head - memory[Memory.SCAN_ACK] >= memory[Memory.SCAN_SLOTS]:
        return 0
    seq = head + 1
    memory[Memory.SCAN_HEAD] = seq
    encode_scan(
        scans,
        (seq % memory[Memory.SCAN_SLOTS]) * SCAN_WORDS,
        seq,
        scanner,
        encoder,
        tick,
        code_count,
        flags,
        payload,
        byte_length,
        memory[Memory.LOW_FIRST],
    )
    return 1


@kernel("int64(uint16[::1], int64[::1], int64, int64, int64, int64, int64, uint8[::1], int64)")
def post_scan(
    scans: Words,
    memory: Rows,
    scanner: int,
    encoder: int,
    tick: int,
    code_count: int,
    flags: int,
    payload: Bytes,
    byte_length: int,
) -> int:
    """Put a scanner result into its ring; return 0 when there is no place."""
    what = 0
    if memory[Memory.TAMPERS] > 0:
        memory[Memory.TAMPERED] = 0
        if memory[Memory.SCAN_HEAD] - memory[Memory.SCAN_ACK] >= memory[Memory.SCAN_SLOTS]:
            return 0
        row = tampering(memory, 0, scanner, encoder, tick)
        if row >= 0:
            what = memory[AT_TAMPERS + row * TAMPER_CELLS + TAMPER_WHAT]
            memory[Memory.TAMPERED] = what
    if what == DROP:
        return 1
    if what == NONSENSE:
        scanner, code_count, byte_length = NO_KIND, 0xFFFF, 0
    stored = put_scan(
        scans, memory, scanner, encoder, tick, code_count, flags, payload, byte_length
    )
    if what == DUPLICATE:
        again = put_scan(
            scans, memory, scanner, encoder, tick, code_count, flags, payload, byte_length
        )
        memory[Memory.SCAN_OVERFLOW] += 1 - again
    elif what == SPOIL_CHECK:
        slot = memory[Memory.SCAN_HEAD] % memory[Memory.SCAN_SLOTS]
        scans[slot * SCAN_WORDS + SCAN_CHECK] ^= SPOILED
    return stored


# --- acknowledgements -----------------------------------------------------------------------------
@kernel("int64(uint16[::1], int64[::1])")
def is_meant(command: Words, memory: Rows) -> int:
    """Return 1 when the command block is for this start of the PLC, and not of a former controller.

    A write that hung in the network arrives late: it must not count for another belt, and not
    bring back the commands of a controller that was replaced.
    """
    low_first = memory[Memory.LOW_FIRST]
    if get_u32(command, COMMAND_BOOT_ID, low_first) != memory[Memory.BOOT_ID]:
        return 0
    epoch = get_u32(command, COMMAND_EPOCH, low_first)
    return 1 if epoch not in (0, memory[Memory.FORMER_EPOCH]) else 0


@kernel("void(uint16[::1], int64[::1])")
def take_acknowledgements(command: Words, memory: Rows) -> None:
    """Note a new controller, and what the controller has safe on disk.

    An acknowledgement outside of what is unacknowledged is of another life of either side.
    """
    if not is_meant(command, memory):
        return
    low_first = memory[Memory.LOW_FIRST]
    epoch = get_u32(command, COMMAND_EPOCH, low_first)
    if epoch != memory[Memory.EPOCH]:
        memory[Memory.FORMER_EPOCH] = memory[Memory.EPOCH]
        memory[Memory.EPOCH] = epoch
        memory[Memory.COMMAND_ACK] = 0
        memory[Memory.BAD_SLOT] = 0
    step = (get_u32(command, COMMAND_EVENT_ACK, low_first) - memory[Memory.EVENT_ACK]) & MASK
    if step <= memory[Memory.EVENT_HEAD] - memory[Memory.EVENT_ACK]:
        memory[Memory.EVENT_ACK] += step
    step = (get_u32(command, COMMAND_SCAN_ACK, low_first) - memory[Memory.SCAN_ACK]) & MASK
    if step <= memory[Memory.SCAN_HEAD] - memory[Memory.SCAN_ACK]:
        memory[Memory.SCAN_ACK] += step
