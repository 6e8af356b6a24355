"""The controller's word codec against words worked out by hand from the contract."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorter.kernels.mailbox import (
    OTHER_BOOT,
    Header,
    ScanHeader,
    SlotState,
    check_word,
    decode_ring,
    decode_scans,
    decode_status,
    encode_command,
    encode_command_header,
    unwrap_u32,
)
from sorter.model import mailbox as wire
from sorter.model.columns import COMMAND_WIDTH, EVENT_WIDTH

# Event 1: PARCEL_PASSED at eye 2, encoder 65,536, tick 10,000, length 300 counts.
# Check by hand: a5a5 -> 4b4b -> 9697 -> 2d2e -> 5a5e -> b4bd -> 697b -> d2f6 -> 82fd -> 05fb
# -> 0ada -> 15b4 (each step: rotate left by one, xor the next word).
EVENT_HIGH_FIRST = (0, 1, 1, 2, 0x0001, 0x0000, 0, 0x2710, 0, 0x012C, 0, 0x15B4)
EVENT_LOW_FIRST = (1, 0, 1, 2, 0x0000, 0x0001, 0x2710, 0, 0x012C, 0, 0, 0x5CBF)
EVENT_ROW = [1, 1, 2, 65_536, 10_000, 300, 0]

# Command 1: FIRE_DIVERT of chute 3 for parcel 7 at count 100,000 (0x186A0), hold 160 counts.
COMMAND_ROW = [1, 1, 3, 7, 100_000, 100_000, 160]
COMMAND_HIGH_FIRST = (0, 1, 1, 3, 0, 7, 1, 0x86A0, 1, 0x86A0, 0x00A0, 0x17BC)
COMMAND_LOW_FIRST = (1, 0, 1, 3, 7, 0, 0x86A0, 1, 0x86A0, 1, 0x00A0, 0x584D)

ORDERS = pytest.mark.parametrize(
    ("low_first", "event", "command"),
    [
        (0, EVENT_HIGH_FIRST, COMMAND_HIGH_FIRST),
        (1, EVENT_LOW_FIRST, COMMAND_LOW_FIRST),
    ],
    ids=["high_first", "low_first"],
)


def u32(value: int, low_first: int) -> tuple[int, int]:
    high, low = value >> 16 & 0xFFFF, value & 0xFFFF
    return (low, high) if low_first else (high, low)


def new_header() -> np.ndarray:
    return np.zeros(len(Header), np.int64)


def status_words(low_first: int, *, boot: int = 7, head: int = 0, encoder: int = 0) -> np.ndarray:
    words = np.zeros(wire.STATUS_WORDS, np.uint16)
    words[wire.STATUS_VERSION] = 1
    words[1:3] = u32(boot, low_first)
    words[5:7] = u32(head, low_first)
    words[13:15] = u32(encoder, low_first)
    return words


def rows(count: int = 16) -> np.ndarray:
    return np.full((count, EVENT_WIDTH), -99, np.int64)


@ORDERS
def test_event_of_the_window(low_first: int, event: tuple, command: tuple) -> None:
    words = status_words(low_first, head=1, encoder=65_600)
    words[24:36] = event
    header, out = new_header(), rows()
    assert decode_status(words, low_first, header, out) == OTHER_BOOT
    assert header[Header.BOOT_ID] == 7
    assert decode_status(words, low_first, header, out) == 1
    assert out[0].tolist() == EVENT_ROW
    assert header[Header.LAST_EVENT] == 1
    assert header[Header.REREAD_FROM] == 0
    assert decode_status(words, low_first, header, out) == 0, "delivered once only"


@ORDERS
def test_header_fields(low_first: int, event: tuple, command: tuple) -> None:
    words = np.zeros(wire.STATUS_WORDS, np.uint16)
    # version, boot, heartbeat, line state, event head, overflow, scan head, overflow,
    # command ack, encoder, tick, event ack, scan ack, epoch: in the order of the contract
    fields = [1, *u32(0x00070009, low_first), 12, 6, *u32(0x10002, low_first), 3]
    fields += [*u32(0x20004, low_first), 5, *u32(0x30006, low_first), *u32(0x40007, low_first)]
    fields += [*u32(0x50008, low_first), *u32(0x10001, low_first), *u32(0x20003, low_first)]
    fields += u32(0xABCD1234, low_first)
    words[: len(fields)] = fields
    header, out = new_header(), rows()
    decode_status(words, low_first, header, out)
    header[Header.LAST_EVENT] = 0x10002
    assert decode_status(words, low_first, header, out) == 0
    wanted = {
        Header.VERSION: 1,
        Header.BOOT_ID: 0x70009,
        Header.HEARTBEAT: 12,
        Header.LINE_STATE: 6,
        Header.EVENT_HEAD: 0x10002,
        Header.EVENT_OVERFLOW: 3,
        Header.SCAN_HEAD: 0x20004,
        Header.SCAN_OVERFLOW: 5,
        Header.COMMAND_ACK: 0x30006,
        Header.ENCODER: 0x40007,
        Header.TICK: 0x50008,
        Header.EVENT_ACK: 0x10001,
        Header.SCAN_ACK: 0x20003,
        Header.EPOCH: 0xABCD1234,
    }
    assert {field: header[field] for field in wanted} == wanted


@ORDERS
def test_command_words(low_first: int, event: tuple, command: tuple) -> None:
    block = np.zeros(wire.COMMAND_WORDS, np.uint16)
    encode_command(block, low_first, COMMAND_ROW[0], np.array(COMMAND_ROW, np.int64))
    # sequence 1 lies in slot 1: words 12 + 12 to 12 + 23
    assert tuple(block[24:36].tolist()) == command
    assert not block[:24].any()
    assert not block[36:].any()
    encode_command_header(block, low_first, 0x00050006, 0x1_0007, 0x20008, 0x30009, 1, 0xA000B)
    head = [*u32(0x50006, low_first), 7, *u32(0x20008, low_first), *u32(0x30009, low_first)]
    assert block[:12].tolist() == [*head, *u32(1, low_first), *u32(0xA000B, low_first), 0]
    assert tuple(block[24:36].tolist()) == command, "the header leaves the slots alone"


def test_command_counts_wrap_and_long_holds_do_not() -> None:
    block = np.zeros(wire.COMMAND_WORDS, np.uint16)
    encode_command(
        block, 0, 9, np.array([9, 1, 0, 1, (1 << 32) + 5, (1 << 32) + 6, 70_000], np.int64)
    )
    slot = block[12:24].tolist()  # sequence 9 lies in slot 0
    assert slot[6:8] == [0, 5]
    assert slot[8:10] == [0, 6]
    assert slot[10] == 0xFFFF
    assert COMMAND_WIDTH == 7


@ORDERS
def test_torn_slot_asks_for_the_ring(low_first: int, event: tuple, command: tuple) -> None:
    for damaged in range(wire.EVENT_WORDS):
        words = status_words(low_first, head=1)
        words[24:36] = event
        words[24 + damaged] ^= 0x0100
        header, out = new_header(), rows()
        decode_status(words, low_first, header, out)
        assert decode_status(words, low_first, header, out) == 0
        assert header[Header.REREAD_FROM] == 1
        assert header[Header.LAST_EVENT] == 0


def test_more_than_the_window_asks_for_the_ring() -> None:
    words = status_words(0, head=9)
    header, out = new_header(), rows()
    decode_status(words, 0, header, out)
    assert decode_status(words, 0, header, out) == 0
    assert header[Header.REREAD_FROM] == 1
    header[Header.LAST_EVENT] = 9
    words[5:7] = (0, 4)
    assert decode_status(words, 0, header, out) == 0, "a head that went back is not news"
    assert header[Header.REREAD_FROM] == 0


def test_ring_stops_at_a_torn_and_at_an_overtaken_slot() -> None:
    ring = np.zeros(3 * wire.EVENT_WORDS, np.uint16)
    ring[:12] = EVENT_HIGH_FIRST
    header, out = new_header(), rows()
    assert decode_ring(ring, 0, header, out) == 1
    assert out[0].tolist() == EVENT_ROW
    assert header[Header.SLOT_STATE] == SlotState.TORN, "an empty slot has no valid check"
    ring[12:24] = EVENT_HIGH_FIRST  # still the older record
    header = new_header()
    assert decode_ring(ring, 0, header, out) == 1
    assert header[Header.SLOT_STATE] == SlotState.TORN
    header[Header.LAST_EVENT] = -3  # wanted is -2, the slot holds 1
    assert decode_ring(ring, 0, header, out) == 0
    assert header[Header.SLOT_STATE] == SlotState.OVERTAKEN


def test_source_ffff_is_none() -> None:
    words = list(EVENT_HIGH_FIRST)
    words[wire.EVENT_SOURCE] = 0xFFFF
    check = 0xA5A5
    for word in words[:-1]:
        check = ((check << 1 | check >> 15) & 0xFFFF) ^ word
    words[-1] = check
    header, out = new_header(), rows()
    assert decode_ring(np.array(words, np.uint16), 0, header, out) == 1
    assert out[0, 2] == -1


def test_scan_slot() -> None:
    words = np.zeros(wire.SCAN_WORDS, np.uint16)
    words[:10] = (0, 1, 2, 0x0001, 0x0000, 0, 0x2710, 1, 0, 4)
    words[10:12] = (0x0341, 0x4243)  # length 3, "ABC"
    check = 0xA5A5
    for word in words[:-1].tolist():
        check = ((check << 1 | check >> 15) & 0xFFFF) ^ word
    words[-1] = check
    header, scans = new_header(), np.zeros((1, len(ScanHeader)), np.int64)
    payloads = np.zeros((1, 2 * wire.SCAN_PAYLOAD_WORDS), np.uint8)

    def state_after(last_scan: int) -> int:
        header[Header.LAST_SCAN] = last_scan
        count = decode_scans(words, 0, header, scans, payloads)
        assert header[Header.LAST_SCAN] == last_scan + count
        return int(header[Header.SLOT_STATE])

    assert state_after(0) == SlotState.GOOD
    assert scans.tolist() == [[1, 2, 65_536, 10_000, 1, 0, 4]]
    assert payloads[0, :4].tobytes() == b"\x03ABC"
    assert state_after(1) == SlotState.TORN
    assert state_after(-1) == SlotState.OVERTAKEN
    words[11] ^= 1
    assert state_after(0) == SlotState.TORN


def test_scan_slots_are_taken_up_to_the_first_bad_one() -> None:
    words = np.zeros((3, wire.SCAN_WORDS), np.uint16)
    for slot, seq in enumerate((7, 8, 8)):  # the third still holds what was there before
        words[slot, :11] = (0, seq, 2, 0, 0, 0, 0, 1, 0, 0xFFFF, 0x0141 + slot)
        words[slot, -1] = check_word(words[slot], 0, wire.SCAN_WORDS - 1)
    header, scans = new_header(), np.zeros((3, len(ScanHeader)), np.int64)
    payloads = np.zeros((3, 2 * wire.SCAN_PAYLOAD_WORDS), np.uint8)
    header[Header.LAST_SCAN] = 6
    assert decode_scans(words.reshape(-1), 0, header, scans, payloads) == 2
    assert (header[Header.LAST_SCAN], header[Header.SLOT_STATE]) == (8, SlotState.TORN)
    assert scans[:2, ScanHeader.SEQ].tolist() == [7, 8]
    # A length beyond the slot is cut to what the slot holds.
    assert scans[:2, ScanHeader.BYTE_LENGTH].tolist() == [2 * wire.SCAN_PAYLOAD_WORDS] * 2
    assert [payload[:2].tobytes() for payload in payloads[:2]] == [b"\x01A", b"\x01B"]


@given(st.integers(0, 1 << 50), st.integers(-(1 << 31), (1 << 31) - 1))
def test_unwrapping_takes_the_shortest_way(near: int, distance: int) -> None:
    assert unwrap_u32((near + distance) % (1 << 32), near) == near + distance


def test_encoder_wraps_between_header_and_event() -> None:
    words = status_words(0, head=1, encoder=3)
    words[24:36] = EVENT_HIGH_FIRST
    header, out = new_header(), rows()
    decode_status(words, 0, header, out)
    header[Header.ENCODER] = (1 << 32) - 7
    decode_status(words, 0, header, out)
    assert header[Header.ENCODER] == (1 << 32) + 3
    assert out[0, 3] == (1 << 32) + 65_536
