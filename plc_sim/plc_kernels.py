"""The compiled part of the PLC program: one scan."""

from __future__ import annotations

from sorter.model.codes import ChuteBit, CommandKind, EventKind, LineState, RefusalCause
from sorter.model.frames import Rows, Words
from sorter.model.mailbox import (
    COMMAND_HEAD,
    COMMAND_SLOTS,
    EVENT_WORDS,
    LAYOUT_VERSION,
    STATUS_BOOT_ID,
    STATUS_COMMAND_ACK,
    STATUS_CONTROLLER_EPOCH,
    STATUS_ENCODER,
    STATUS_EVENT_ACK,
    STATUS_EVENT_HEAD,
    STATUS_EVENT_OVERFLOW,
    STATUS_HEADER_WORDS,
    STATUS_HEARTBEAT,
    STATUS_LINE_STATE,
    STATUS_SCAN_ACK,
    STATUS_SCAN_HEAD,
    STATUS_SCAN_OVERFLOW,
    STATUS_TICK,
    STATUS_VERSION,
    WINDOW_SLOTS,
)

from .jit import inner, kernel
from .plc_memory import FIRED_LIMIT, HALF, MASK, NO_FIRE, ChuteCell, Memory, Pending
from .plc_rings import is_meant, post_event, release_held, take_acknowledgements
from .words import decode_command, get_u32, put_u32

STOPPED = tuple(
    int(state)
    for state in (
        LineState.CLEARING,
        LineState.STOPPED,
        LineState.STOPPING,
        LineState.ABORTING,
        LineState.ABORTED,
    )
)
"""States in which diverts are refused: somebody has to start the line again on purpose."""


@kernel("int64(uint16[::1], uint16[::1], int64[::1], int64, int64, int64, int64, int64)")
def refuse(
    events: Words,
    command: Words,
    memory: Rows,
    chute: int,
    encoder: int,
    tick: int,
    parcel: int,
    cause: int,
) -> int:
    """Post that a command is not executed, and why."""
    kind = EventKind.DIVERT_REFUSED.value
    stored = post_event(events, memory, kind, chute, encoder, tick, parcel, cause)
    if stored == 0:
        take_acknowledgements(command, memory)
        stored = post_event(events, memory, kind, chute, encoder, tick, parcel, cause)
        memory[Memory.EVENT_OVERFLOW] += 1 - stored
    return stored


@kernel("void(int64[::1], int64[:, ::1], int64)")
def drop_pending(memory: Rows, pending: Rows, row: int) -> None:
    """Take one command out of the table; the last one moves into its place."""
    last = memory[Memory.PENDING] - 1
    for cell in range(pending.shape[0]):
        pending[cell, row] = pending[cell, last]
    memory[Memory.PENDING] = last


@kernel("int64(int64[::1], int64[:, ::1], int64)")
def find_pending(memory: Rows, pending: Rows, parcel: int) -> int:
    """Return the row of a parcel's accepted command, -1 when there is none."""
    for row in range(memory[Memory.PENDING]):
        if pending[Pending.PARCEL, row] == parcel:
            return row
    return -1


@inner
def is_stopped(state: int) -> bool:
    """Return whether diverts are refused in a line state."""
    return state in STOPPED


@kernel("int64(int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64)")
def accept_command(memory: Rows, pending: Rows, chutes: Rows, values: Rows, encoder: int) -> int:
    """Take a well-formed command over; return 0 or the cause of its refusal."""
    kind, chute, parcel, hold = values[1], values[2], values[3], values[6]
    row = find_pending(memory, pending, parcel)
    if kind == CommandKind.CANCEL_DIVERT:
        if row >= 0:
            drop_pending(memory, pending, row)
        return 0
    if kind != CommandKind.FIRE_DIVERT or hold == 0 or chute >= chutes.shape[1]:
        return RefusalCause.BAD_COMMAND.value
    if chutes[ChuteCell.HAS_DIVERTER, chute] == 0:
        return RefusalCause.BAD_COMMAND.value
    if is_stopped(memory[Memory.LINE_STATE]):
        return RefusalCause.LINE_STOPPED.value
    if ((values[5] - encoder + HALF) & MASK) - HALF < 0:
        return RefusalCause.EXPIRED.value
    slack = ((values[4] - encoder + HALF) & MASK) - HALF
    if slack < 0:
        return RefusalCause.TOO_LATE.value
    if row < 0:
        row = memory[Memory.PENDING]
        if row == pending.shape[1]:
            return RefusalCause.TABLE_FULL.value
        memory[Memory.PENDING] = row + 1
    pending[Pending.PARCEL, row] = parcel
    pending[Pending.CHUTE, row] = chute
    pending[Pending.FIRE, row] = encoder + slack
    pending[Pending.HOLD, row] = hold
    pending[Pending.SLACK, row] = min(slack, 0xFFFF)
    return 0


@kernel(
    "void(uint16[::1], uint16[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1],"
    " int64, int64)"
)
def take_commands(
    command: Words,
    events: Words,
    memory: Rows,
    pending: Rows,
    chutes: Rows,
    values: Rows,
    encoder: int,
    tick: int,
) -> None:
    """Take over every command of the window that is new, in sequence order.

    A slot that does not hold the expected sequence is still being written: it waits. One whose
    check does not fit in two scans running is refused, so that it cannot block those behind it.
    """
    memory[Memory.RETRY] = 0
    low_first = memory[Memory.LOW_FIRST]
    head = get_u32(command, COMMAND_HEAD, low_first)
    new = (head - memory[Memory.COMMAND_ACK]) & MASK
    if new == 0 or new >= HALF or not is_meant(command, memory):
        return
    if new > COMMAND_SLOTS:
        memory[Memory.COMMAND_ACK] = (head - COMMAND_SLOTS) & MASK
        new = COMMAND_SLOTS
    for _ in range(new):
        seq = (memory[Memory.COMMAND_ACK] + 1) & MASK
        fits = decode_command(command, seq % COMMAND_SLOTS, low_first, values)
        if values[0] != seq:
            memory[Memory.RETRY] = 1
            return
        if fits == 0:
            if memory[Memory.BAD_SLOT] != seq:
                memory[Memory.BAD_SLOT] = seq
                memory[Memory.RETRY] = 1
                return
            cause = RefusalCause.BAD_COMMAND.value
        else:
            cause = accept_command(memory, pending, chutes, values, encoder)
        memory[Memory.BAD_SLOT] = 0
        memory[Memory.COMMAND_ACK] = seq
        if cause != 0:
            refuse(events, command, memory, values[2], encoder, tick, values[3], cause)


@kernel(
    "int64(uint16[::1], uint16[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64, int64)"
)
def fire_due(
    command: Words,
    events: Words,
    memory: Rows,
    pending: Rows,
    chutes: Rows,
    fired: Rows,
    encoder: int,
    tick: int,
) -> int:
    """Fire or refuse what is due; write (chute, hold, parcel) to `fired`, return how many."""
    count = 0
    next_fire = NO_FIRE
    row = 0
    while row < memory[Memory.PENDING]:
        fire = pending[Pending.FIRE, row]
        if fire > encoder or count == FIRED_LIMIT:
            next_fire = min(next_fire, fire)
            row += 1
            continue
        chute = pending[Pending.CHUTE, row]
        parcel = pending[Pending.PARCEL, row]
        bits = chutes[ChuteCell.BITS, chute]
        cause = 0
        if encoder - fire > pending[Pending.HOLD, row]:
            cause = RefusalCause.TOO_LATE.value  # the program stood: another parcel is there now
        elif bits & ChuteBit.JAMMED.value:
            cause = RefusalCause.CHUTE_JAMMED.value
        elif not bits & ChuteBit.OPEN.value:
            cause = RefusalCause.CHUTE_CLOSED.value
        elif bits & ChuteBit.FULL.value:
            cause = RefusalCause.CHUTE_FULL.value
        if cause != 0:
            refuse(events, command, memory, chute, encoder, tick, parcel, cause)
        else:
            fired[count, 0] = chute
            fired[count, 1] = pending[Pending.HOLD, row]
            fired[count, 2] = parcel
            count += 1
            slack = pending[Pending.SLACK, row]
            kind = EventKind.DIVERT_FIRED.value
            if post_event(events, memory, kind, chute, encoder, tick, parcel, slack) == 0:
                memory[Memory.EVENT_OVERFLOW] += 1
        drop_pending(memory, pending, row)
    memory[Memory.NEXT_FIRE] = next_fire
    return count


@kernel("void(uint16[::1], uint16[::1], int64[::1], int64, int64, int64)")
def write_status(
    status: Words, events: Words, memory: Rows, encoder: int, tick: int, heartbeat: int
) -> None:
    """Write the header and, when there are new events, the window of the newest ones."""
    low_first = memory[Memory.LOW_FIRST]
    status[STATUS_VERSION] = LAYOUT_VERSION
    put_u32(status, STATUS_BOOT_ID, memory[Memory.BOOT_ID], low_first)
    status[STATUS_HEARTBEAT] = heartbeat & 0xFFFF
    status[STATUS_LINE_STATE] = memory[Memory.LINE_STATE]
    put_u32(status, STATUS_EVENT_HEAD, memory[Memory.EVENT_HEAD], low_first)
    status[STATUS_EVENT_OVERFLOW] = memory[Memory.EVENT_OVERFLOW] & 0xFFFF
    put_u32(status, STATUS_SCAN_HEAD, memory[Memory.SCAN_HEAD], low_first)
    status[STATUS_SCAN_OVERFLOW] = memory[Memory.SCAN_OVERFLOW] & 0xFFFF
    put_u32(status, STATUS_COMMAND_ACK, memory[Memory.COMMAND_ACK], low_first)
    put_u32(status, STATUS_ENCODER, encoder, low_first)
    put_u32(status, STATUS_TICK, tick, low_first)
    put_u32(status, STATUS_EVENT_ACK, memory[Memory.EVENT_ACK], low_first)
    put_u32(status, STATUS_SCAN_ACK, memory[Memory.SCAN_ACK], low_first)
    put_u32(status, STATUS_CONTROLLER_EPOCH, memory[Memory.EPOCH], low_first)
    head = memory[Memory.EVENT_HEAD]
    if head == memory[Memory.WINDOW_HEAD]:
        return
    memory[Memory.WINDOW_HEAD] = head
    shown = min(head, WINDOW_SLOTS)
    for slot in range(shown):
        source = ((head - shown + 1 + slot) % memory[Memory.EVENT_SLOTS]) * EVENT_WORDS
        target = STATUS_HEADER_WORDS + slot * EVENT_WORDS
        for word in range(EVENT_WORDS):
            status[target + word] = events[source + word]


@kernel(
    "int64(uint16[::1], uint16[::1], uint16[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[::1], int64, int64, int64)"
)
def plc_scan(
    status: Words,
    command: Words,
    events: Words,
    memory: Rows,
    pending: Rows,
    chutes: Rows,
    fired: Rows,
    values: Rows,
    encoder: int,
    tick: int,
    heartbeat: int,
) -> int:
    """Run one scan: read the command block, fire what is due, write the status block.

    Returns
    -------
    int
        How many diverters were fired.
    """
    memory[Memory.TICK] = tick
    take_acknowledgements(command, memory)
    if memory[Memory.HELD] > 0:
        release_held(events, memory, tick, 0)
    take_commands(command, events, memory, pending, chutes, values, encoder, tick)
    count = fire_due(command, events, memory, pending, chutes, fired, encoder, tick)
    write_status(status, events, memory, encoder, tick, heartbeat)
    return count
