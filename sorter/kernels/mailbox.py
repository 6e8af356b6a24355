"""Words of the mailboxes <-> int64 rows, the controller's side of the wire contract.

Written independently of the PLC's side (``plc_sim.words``): a mistake on one side must not be
hidden by the same mistake on the other. What a word means is in ``docs/wire-contract.md``; the
offsets are in :mod:`sorter.model.mailbox`.

Encoder counts and ticks come as 32 bits that wrap. They are unwrapped against the last known
value, which lives in the header vector (:class:`Header`): the difference is taken as the shortest
way round, so a record may be up to 2^31 counts older or newer than the header.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from sorter.kernels.jit import kernel
from sorter.model import mailbox as wire
from sorter.model.columns import CommandColumn, EventColumn
from sorter.model.frames import Bytes, Rows, Words

_U32 = 0xFFFFFFFF
_HALF = 0x80000000
_NO_SOURCE = 0xFFFF

OTHER_BOOT = -1
"""Answer of :func:`decode_status`: the PLC has restarted; only the header is decoded."""


class Header(IntEnum):
    """Header of the status block as ``int64[len(Header)]``; kept from exchange to exchange."""

    # what the client looks at after every exchange
    BOOT_ID = 0
    HEARTBEAT = 1
    LINE_STATE = 2
    ENCODER = 3  # unwrapped
    TICK = 4  # unwrapped
    EPOCH = 5
    COMMAND_ACK = 6
    EVENT_OVERFLOW = 7
    SCAN_OVERFLOW = 8
    SCAN_HEAD = 9  # unwrapped
    LAST_SCAN = 10  # newest scan delivered; moved on by the decoder
    REREAD_FROM = 11  # first event that the window did not give; 0: none
    # and the rest
    VERSION = 12
    EVENT_HEAD = 13  # unwrapped
    EVENT_ACK = 14
    SCAN_ACK = 15
    LAST_EVENT = 16  # newest event delivered; moved on by the decoders
    SLOT_STATE = 17  # SlotState of the slot at which decoding of ring slots stopped


class SlotState(IntEnum):
    """What a ring slot turned out to be."""

    GOOD = 0
    TORN = 1
    """Its check does not fit, or it still holds an older record: read again later."""
    OVERTAKEN = 2
    """It already holds a newer record: the wanted one is gone."""


class ScanHeader(IntEnum):
    """Numbers of one scan slot as ``int64[len(ScanHeader)]``."""

    SEQ = 0  # unwrapped
    SCANNER = 1
    ENCODER = 2  # unwrapped
    TICK = 3  # unwrapped
    CODE_COUNT = 4
    FLAGS = 5
    BYTE_LENGTH = 6  # of the payload; never more than a slot holds


@kernel("int64(uint16[::1], int64, int64)")
def read_u32(words: Words, at: int, low_first: int) -> int:
    """Return the 32-bit number whose first word is ``words[at]``."""
    first = int(words[at])
    second = int(words[at + 1])
    if low_first != 0:
        return (second << 16) | first
    return (first << 16) | second


@kernel("void(uint16[::1], int64, int64, int64)")
def write_u32(words: Words, at: int, low_first: int, value: int) -> None:
    """Write the low 32 bits of `value` to two words from ``words[at]``."""
    high = np.uint16((value >> 16) & 0xFFFF)
    low = np.uint16(value & 0xFFFF)
    if low_first != 0:
        words[at] = low
        words[at + 1] = high
    else:
        words[at] = high
        words[at + 1] = low


@kernel("int64(int64, int64)")
def unwrap_u32(raw: int, near: int) -> int:
    """Return the number with low 32 bits `raw` that is nearest to `near`."""
    distance = (raw - near) & _U32
    if distance >= _HALF:
        distance -= _U32 + 1
    return near + distance


@kernel("int64(uint16[::1], int64, int64)")
def check_word(words: Words, first: int, count: int) -> int:
    """Return the check over ``words[first:first + count]``."""
    check = wire.CHECK_SEED
    for at in range(first, first + count):
        check = (((check << 1) | (check >> 15)) & 0xFFFF) ^ int(words[at])
    return check


@kernel("int64(uint16[::1], int64, int64, int64, int64[::1], int64[:, ::1], int64)")
def decode_event(
    words: Words,
    at: int,
    low_first: int,
    wanted_seq: int,
    header: Rows,
    rows: Rows,
    row: int,
) -> int:
    """Decode the event slot at ``words[at]`` into ``rows[row]``.

    Returns
    -------
    int
        :class:`SlotState`; the row is written only when it is GOOD.
    """
    check = check_word(words, at, wire.EVENT_CHECK)
    if check != int(words[at + wire.EVENT_CHECK]):
        return SlotState.TORN
    seq = unwrap_u32(read_u32(words, at + wire.EVENT_SEQ, low_first), wanted_seq)
    if seq > wanted_seq:
        return SlotState.OVERTAKEN
    if seq < wanted_seq:
        return SlotState.TORN
    source = int(words[at + wire.EVENT_SOURCE])
    rows[row, EventColumn.SEQ] = seq
    rows[row, EventColumn.KIND] = words[at + wire.EVENT_KIND]
    rows[row, EventColumn.SOURCE] = -1 if source == _NO_SOURCE else source
    rows[row, EventColumn.ENCODER] = unwrap_u32(
        read_u32(words, at + wire.EVENT_ENCODER, low_first), header[Header.ENCODER]
    )
    rows[row, EventColumn.TICK] = unwrap_u32(
        read_u32(words, at + wire.EVENT_TICK, low_first), header[Header.TICK]
    )
    rows[row, EventColumn.A] = read_u32(words, at + wire.EVENT_A, low_first)
    rows[row, EventColumn.B] = words[at + wire.EVENT_B]
    return SlotState.GOOD


@kernel("void(uint16[::1], int64, int64[::1])")
def decode_header(status: Words, low_first: int, header: Rows) -> None:
    """Decode the header of a status block of the PLC start that `header` already knows."""
    header[Header.HEARTBEAT] = status[wire.STATUS_HEARTBEAT]
    header[Header.LINE_STATE] = status[wire.STATUS_LINE_STATE]
    header[Header.EVENT_HEAD] = unwrap_u32(
        read_u32(status, wire.STATUS_EVENT_HEAD, low_first), header[Header.LAST_EVENT]
    )
    header[Header.EVENT_OVERFLOW] = status[wire.STATUS_EVENT_OVERFLOW]
    header[Header.SCAN_HEAD] = unwrap_u32(
        read_u32(status, wire.STATUS_SCAN_HEAD, low_first), header[Header.LAST_SCAN]
    )
    header[Header.SCAN_OVERFLOW] = status[wire.STATUS_SCAN_OVERFLOW]
    header[Header.COMMAND_ACK] = read_u32(status, wire.STATUS_COMMAND_ACK, low_first)
    header[Header.ENCODER] = unwrap_u32(
        read_u32(status, wire.STATUS_ENCODER, low_first), header[Header.ENCODER]
    )
    header[Header.TICK] = unwrap_u32(
        read_u32(status, wire.STATUS_TICK, low_first), header[Header.TICK]
    )
    header[Header.EVENT_ACK] = read_u32(status, wire.STATUS_EVENT_ACK, low_first)
    header[Header.SCAN_ACK] = read_u32(status, wire.STATUS_SCAN_ACK, low_first)
    header[Header.EPOCH] = read_u32(status, wire.STATUS_CONTROLLER_EPOCH, low_first)


@kernel("int64(uint16[::1], int64, int64[::1], int64[:, ::1])", entry=True)
def decode_status(status: Words, low_first: int, header: Rows, rows: Rows) -> int:
    """Decode header and new events of a status block.

    Takes the events that follow ``header[LAST_EVENT]`` without a gap. When the window does not
    give all of them up to the head, ``header[REREAD_FROM]`` says from which sequence on the ring
    has to be read.

    Parameters
    ----------
    status : uint16[STATUS_WORDS]
    low_first : int
        1: the low word of a u32 lies at the lower address.
    header : int64[len(Header)]
        In: the last exchange. Out: this one.
    rows : int64[at least WINDOW_SLOTS, EVENT_WIDTH]

    Returns
    -------
    int
        Rows written, or :data:`OTHER_BOOT` (then only VERSION and BOOT_ID were decoded): another
        start of the PLC, or no status block at all.
    """
    boot_id = read_u32(status, wire.STATUS_BOOT_ID, low_first)
    version = int(status[wire.STATUS_VERSION])
    header[Header.VERSION] = version
    # In a map that has shifted, the version may stand where a boot id of 1 was.
    if boot_id != header[Header.BOOT_ID] or version != wire.LAYOUT_VERSION:
        header[Header.BOOT_ID] = boot_id
        return OTHER_BOOT
    decode_header(status, low_first, header)
    head = header[Header.EVENT_HEAD]
    last = header[Header.LAST_EVENT]
    header[Header.REREAD_FROM] = 0
    if head <= last:
        return 0
    if head - last > wire.WINDOW_SLOTS:
        header[Header.REREAD_FROM] = last + 1
        return 0
    count = 0
    for slot in range(wire.WINDOW_SLOTS):
        at = wire.STATUS_HEADER_WORDS + slot * wire.EVENT_WORDS
        if decode_event(status, at, low_first, last + 1, header, rows, count) == SlotState.GOOD:
            last += 1
            count += 1
    header[Header.LAST_EVENT] = last
    if last < head:
        header[Header.REREAD_FROM] = last + 1
    return count


@kernel("int64(uint16[::1], int64, int64[::1], int64[:, ::1])", entry=True)
def decode_ring(words: Words, low_first: int, header: Rows, rows: Rows) -> int:
    """Decode ring slots, the first of which should hold the event after ``header[LAST_EVENT]``.

    Stops at the first slot that does not hold the event due there and leaves its
    :class:`SlotState` in ``header[SLOT_STATE]``; moves ``header[LAST_EVENT]`` on.

    Returns
    -------
    int
        Rows written.
    """
    count = 0
    header[Header.SLOT_STATE] = SlotState.GOOD
    for slot in range(len(words) // wire.EVENT_WORDS):
        wanted = header[Header.LAST_EVENT] + 1
        state = decode_event(words, slot * wire.EVENT_WORDS, low_first, wanted, header, rows, count)
        if state != SlotState.GOOD:
            header[Header.SLOT_STATE] = state
            break
        header[Header.LAST_EVENT] = wanted
        count += 1
    return count


@kernel("int64(uint16[::1], int64, int64, int64[::1], int64[::1], uint8[::1])")
def decode_scan(
    words: Words, at: int, low_first: int, header: Rows, scan: Rows, payload: Bytes
) -> int:
    """Decode the scan slot at ``words[at]``, which should follow ``header[LAST_SCAN]``.

    Returns
    -------
    int
        :class:`SlotState`; `scan` and `payload` are written only when it is GOOD.
    """
    if check_word(words, at, wire.SCAN_CHECK) != int(words[at + wire.SCAN_CHECK]):
        return SlotState.TORN
    wanted = header[Header.LAST_SCAN] + 1
    seq = unwrap_u32(read_u32(words, at + wire.SCAN_SEQ, low_first), wanted)
    if seq > wanted:
        return SlotState.OVERTAKEN
    if seq < wanted:
        return SlotState.TORN
    scan[ScanHeader.SEQ] = seq
    scan[ScanHeader.SCANNER] = words[at + wire.SCAN_SCANNER]
    scan[ScanHeader.ENCODER] = unwrap_u32(
        read_u32(words, at + wire.SCAN_ENCODER, low_first), header[Header.ENCODER]
    )
    scan[ScanHeader.TICK] = unwrap_u32(
        read_u32(words, at + wire.SCAN_TICK, low_first), header[Header.TICK]
    )
    scan[ScanHeader.CODE_COUNT] = words[at + wire.SCAN_CODE_COUNT]
    scan[ScanHeader.FLAGS] = words[at + wire.SCAN_FLAGS]
    used = min(int(words[at + wire.SCAN_BYTE_LENGTH]), 2 * wire.SCAN_PAYLOAD_WORDS)
    scan[ScanHeader.BYTE_LENGTH] = used
    for word in range((used + 1) // 2):
        pair = int(words[at + wire.SCAN_PAYLOAD + word])
        payload[2 * word] = pair >> 8
        payload[2 * word + 1] = pair & 0xFF
    return SlotState.GOOD


@kernel("int64(uint16[::1], int64, int64[::1], int64[:, ::1], uint8[:, ::1])", entry=True)
def decode_scans(words: Words, low_first: int, header: Rows, scans: Rows, payloads: Bytes) -> int:
    """Decode scan slots, the first of which should hold the record after ``header[LAST_SCAN]``.

    Stops at the first slot that does not hold the record due there and leaves its
    :class:`SlotState` in ``header[SLOT_STATE]``; moves ``header[LAST_SCAN]`` on.

    Parameters
    ----------
    words : uint16[n * SCAN_WORDS]
    low_first : int
    header : int64[len(Header)]
    scans : int64[at least n, len(ScanHeader)]
    payloads : uint8[at least n, 2 * SCAN_PAYLOAD_WORDS]
        Bytes in the order in which the scanner sent them.

    Returns
    -------
    int
        Rows written.
    """
    count = 0
    header[Header.SLOT_STATE] = SlotState.GOOD
    for slot in range(len(words) // wire.SCAN_WORDS):
        at = slot * wire.SCAN_WORDS
        state = decode_scan(words, at, low_first, header, scans[count], payloads[count])
        if state != SlotState.GOOD:
            header[Header.SLOT_STATE] = state
            break
        header[Header.LAST_SCAN] += 1
        count += 1
    return count


@kernel("void(uint16[::1], int64, int64, int64, int64, int64, int64, int64)", entry=True)
def encode_command_header(
    block: Words,
    low_first: int,
    epoch: int,
    heartbeat: int,
    event_ack: int,
    scan_ack: int,
    head: int,
    boot_id: int,
) -> None:
    """Write the header of a command block; the slots stay as they are."""
    write_u32(block, wire.COMMAND_EPOCH, low_first, epoch)
    block[wire.COMMAND_HEARTBEAT] = np.uint16(heartbeat & 0xFFFF)
    write_u32(block, wire.COMMAND_EVENT_ACK, low_first, event_ack)
    write_u32(block, wire.COMMAND_SCAN_ACK, low_first, scan_ack)
    write_u32(block, wire.COMMAND_HEAD, low_first, head)
    write_u32(block, wire.COMMAND_BOOT_ID, low_first, boot_id)


@kernel("void(uint16[::1], int64, int64, int64[::1])")
def encode_command(block: Words, low_first: int, seq: int, command: Rows) -> None:
    """Write one command (``int64[COMMAND_WIDTH]``) as wire sequence `seq` to its slot."""
    at = wire.COMMAND_HEADER_WORDS + (seq % wire.COMMAND_SLOTS) * wire.COMMAND_SLOT_WORDS
    write_u32(block, at + wire.SLOT_SEQ, low_first, seq)
    block[at + wire.SLOT_KIND] = np.uint16(command[CommandColumn.KIND] & 0xFFFF)
    block[at + wire.SLOT_CHUTE] = np.uint16(command[CommandColumn.CHUTE] & 0xFFFF)
    write_u32(block, at + wire.SLOT_PARCEL, low_first, command[CommandColumn.PARCEL])
    write_u32(block, at + wire.SLOT_FIRE, low_first, command[CommandColumn.FIRE])
    write_u32(block, at + wire.SLOT_EXPIRY, low_first, command[CommandColumn.EXPIRY])
    hold = command[CommandColumn.HOLD]
    # The slot has 16 bits for it; a longer hold must not wrap round to a short one.
    block[at + wire.SLOT_HOLD] = np.uint16(0xFFFF if hold > 0xFFFF else hold & 0xFFFF)
    check = check_word(block, at, wire.SLOT_CHECK)
    block[at + wire.SLOT_CHECK] = np.uint16(check)


@kernel("void(uint16[::1], int64, int64, int64[:, ::1], int64[::1])", entry=True)
def encode_commands(block: Words, low_first: int, head: int, commands: Rows, slots: Rows) -> None:
    """Write commands to the slots behind wire sequence `head`; there must be room for them.

    Parameters
    ----------
    block : uint16[COMMAND_WORDS]
    low_first, head : int
    commands : int64[n, COMMAND_WIDTH]
        Their own sequences go into `slots`, on the wire they are numbered on from `head`.
    slots : int64[COMMAND_SLOTS]
        Sequence as decided of the command in each slot.
    """
    for index in range(commands.shape[0]):
        command = commands[index]
        slot = (head + 1 + index) % wire.COMMAND_SLOTS
        slots[slot] = command[CommandColumn.SEQ]
        encode_command(block, low_first, head + 1 + index, command)
