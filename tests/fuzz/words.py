"""Words of the mailboxes as either side reads them: status, rings, scan slots, commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plc_sim.image import MailboxImage
from plc_sim.plc import PENDING_CAPACITY, Plc
from plc_sim.plc_kernels import NO_FIRE, ChuteCell, Memory
from sorter.config.load import load_line
from sorter.kernels.mailbox import (
    OTHER_BOOT,
    Header,
    ScanHeader,
    SlotState,
    check_word,
    decode_ring,
    decode_scans,
    decode_status,
    write_u32,
)
from sorter.model import mailbox as wire
from sorter.model.codes import ChuteBit
from sorter.model.columns import EVENT_WIDTH, EventColumn
from sorter.model.frames import Words
from sorter.runtime.scan_payload import scan_read

from .coverage import ROOT
from .target import Broken, Run, Taker, Target

BOOT = 0x5EED
RING_SLOTS = 10


def words_of(data: bytes, count: int) -> Words:
    """Return bytes as words, high byte first, filled up with zeros."""
    padded = data[: 2 * count].ljust(2 * count, b"\0")
    return np.frombuffer(padded, ">u2").astype(np.uint16)


def bytes_of(words: Words) -> bytes:
    return words.astype(">u2").tobytes()


def mend_checks(words: Words, first: int, slots: int, slot_words: int) -> None:
    """Write the check words of some slots, so that what is in them is looked at."""
    for slot in range(slots):
        at = first + slot * slot_words
        words[at + slot_words - 1] = check_word(words, at, slot_words - 1)


def event_words(seq: int, kind: int, source: int, encoder: int, a: int, b: int) -> Words:
    """Return one event slot with its check."""
    words = np.zeros(wire.EVENT_WORDS, np.uint16)
    write_u32(words, wire.EVENT_SEQ, 0, seq)
    words[wire.EVENT_KIND] = kind & 0xFFFF
    words[wire.EVENT_SOURCE] = source & 0xFFFF
    write_u32(words, wire.EVENT_ENCODER, 0, encoder)
    write_u32(words, wire.EVENT_TICK, 0, encoder * 4)
    write_u32(words, wire.EVENT_A, 0, a)
    words[wire.EVENT_B] = b & 0xFFFF
    mend_checks(words, 0, 1, wire.EVENT_WORDS)
    return words


def status_words(head: int, encoder: int, events: list[Words]) -> Words:
    """Return the status block of a running line."""
    words = np.zeros(wire.STATUS_WORDS, np.uint16)
    words[wire.STATUS_VERSION] = wire.LAYOUT_VERSION
    write_u32(words, wire.STATUS_BOOT_ID, 0, BOOT)
    words[wire.STATUS_LINE_STATE] = 6
    write_u32(words, wire.STATUS_EVENT_HEAD, 0, head)
    write_u32(words, wire.STATUS_ENCODER, 0, encoder)
    for slot, event in enumerate(events):
        at = wire.STATUS_HEADER_WORDS + slot * wire.EVENT_WORDS
        words[at : at + wire.EVENT_WORDS] = event
    return words


def scan_words(seq: int, codes: tuple[bytes, ...], encoder: int = 3000) -> Words:
    """Return one scan slot with its check."""
    words = np.zeros(wire.SCAN_WORDS, np.uint16)
    payload = b"".join(bytes((len(code),)) + code for code in codes)
    write_u32(words, wire.SCAN_SEQ, 0, seq)
    write_u32(words, wire.SCAN_ENCODER, 0, encoder)
    words[wire.SCAN_CODE_COUNT] = len(codes)
    words[wire.SCAN_BYTE_LENGTH] = len(payload)
    words[wire.SCAN_PAYLOAD : wire.SCAN_CHECK] = words_of(payload, wire.SCAN_PAYLOAD_WORDS)
    mend_checks(words, 0, 1, wire.SCAN_WORDS)
    return words


def _header(take: Taker) -> np.ndarray:
    """Return what an exchange before left behind: any counts at all."""
    header = np.zeros(len(Header), np.int64)
    header[Header.BOOT_ID] = BOOT
    header[Header.ENCODER] = take.number(8, signed=True) >> take.number(1) % 64
    header[Header.TICK] = take.number(8, signed=True) >> take.number(1) % 64
    header[Header.LAST_EVENT] = take.number(4)
    header[Header.LAST_SCAN] = take.number(4)
    return header


_HEADER_BYTES = 26
_QUIET_HEADER = bytes(_HEADER_BYTES)


def _status(_folder: Path) -> Run:
    rows = np.zeros((wire.WINDOW_SLOTS, EVENT_WIDTH), np.int64)

    def run(data: bytes) -> str:
        flags = data[0] if data else 0
        header = _header(Taker(data[1 : 1 + _HEADER_BYTES]))
        words = words_of(data[1 + _HEADER_BYTES :], wire.STATUS_WORDS)
        if flags & 1:
            mend_checks(words, wire.STATUS_HEADER_WORDS, wire.WINDOW_SLOTS, wire.EVENT_WORDS)
        last = int(header[Header.LAST_EVENT])
        count = decode_status(words, flags >> 1 & 1, header, rows)
        if count == OTHER_BOOT:
            return "rejected: another boot id"
        _check_rows(rows, count, last, int(header[Header.LAST_EVENT]))
        reread = int(header[Header.REREAD_FROM])
        if reread not in (0, last + count + 1):
            raise Broken(f"reread from {reread} after {last} and {count} rows")
        return f"accepted: {count} events, {'reread' if reread else 'complete'}"

    return run


def _check_rows(rows: np.ndarray, count: int, before: int, after: int) -> None:
    if after != before + count:
        raise Broken(f"{count} rows moved the last event from {before} to {after}")
    if rows[:count, EventColumn.SEQ].tolist() != list(range(before + 1, after + 1)):
        raise Broken("rows are not in sequence")


def _status_seeds() -> list[bytes]:
    events = [event_words(seq, 1, 0, 1000 + seq, 300, 0) for seq in range(1, 9)]
    full = status_words(8, 2000, events)
    behind = status_words(40, 2000, events)
    return [b"\1" + _QUIET_HEADER + bytes_of(words) for words in (full, behind)]


def _event_ring(_folder: Path) -> Run:
    rows = np.zeros((RING_SLOTS, EVENT_WIDTH), np.int64)

    def run(data: bytes) -> str:
        flags = data[0] if data else 0
        header = _header(Taker(data[1 : 1 + _HEADER_BYTES]))
        slots = 1 + (flags >> 2) % RING_SLOTS
        words = words_of(data[1 + _HEADER_BYTES :], slots * wire.EVENT_WORDS)
        if flags & 1:
            mend_checks(words, 0, slots, wire.EVENT_WORDS)
        last = int(header[Header.LAST_EVENT])
        count = decode_ring(words, flags >> 1 & 1, header, rows)
        _check_rows(rows, count, last, int(header[Header.LAST_EVENT]))
        state = SlotState(int(header[Header.SLOT_STATE]))
        if (state == SlotState.GOOD) != (count == slots):
            raise Broken(f"{count} of {slots} slots decoded, the last one {state.name}")
        return f"{'accepted' if count else 'rejected'}: {count} events, then {state.name}"

    return run


def _ring_seeds() -> list[bytes]:
    events = [event_words(seq, 1 + seq % 10, 0, 1000 + seq, 300, 0) for seq in range(1, 11)]
    return [b"\x25" + _QUIET_HEADER + bytes_of(np.concatenate(events))]


def _scan_slot(_folder: Path) -> Run:
    def run(data: bytes) -> str:
        scans = np.zeros((1, len(ScanHeader)), np.int64)
        payloads = np.zeros((1, 2 * wire.SCAN_PAYLOAD_WORDS), np.uint8)
        flags = data[0] if data else 0
        header = _header(Taker(data[1 : 1 + _HEADER_BYTES]))
        words = words_of(data[1 + _HEADER_BYTES :], wire.SCAN_WORDS)
        if flags & 1:
            mend_checks(words, 0, 1, wire.SCAN_WORDS)
        count = decode_scans(words, flags >> 1 & 1, header, scans, payloads)
        state = SlotState(header[Header.SLOT_STATE])
        if (state == SlotState.GOOD) != (count == 1):
            raise Broken(f"{count} slots decoded, the last one {state.name}")
        if not count:
            return f"rejected: {state.name}"
        read = scan_read(scans[0].tolist(), payloads.tobytes())
        if sum(len(code) + 1 for code in read.codes) > 2 * wire.SCAN_PAYLOAD_WORDS:
            raise Broken("more code bytes than a slot holds")
        if not read.truncated and len(read.codes) != scans[0, ScanHeader.CODE_COUNT]:
            raise Broken("codes are missing and nothing says so")
        cut = ", truncated" if read.truncated else ""
        return f"accepted: {min(len(read.codes), 9)}{cut}"

    return run


def _scan_seeds() -> list[bytes]:
    samples: list[tuple[bytes, ...]] = [(), (b"RMA-1",), (b"0" * 227,), (b"a", b"", b"bcd")]
    return [b"\1" + _QUIET_HEADER + bytes_of(scan_words(1, codes)) for codes in samples]


def _command_block(_folder: Path) -> Run:
    line = load_line(ROOT / "config" / "small_line.yaml").line_file.line
    image = MailboxImage(False, 32, 8)
    plc = Plc(image, line, BOOT)
    fresh = plc.memory.copy()
    plc.chutes[ChuteCell.BITS] = ChuteBit.OPEN
    plc.chutes[ChuteCell.BITS, 5:] = ChuteBit.OPEN | ChuteBit.FULL

    def run(data: bytes) -> str:
        take = Taker(data)
        plc.memory[:] = fresh
        image.command[:] = 0
        encoder, posted = take.number(4), 0
        scans = 0
        while take.more and scans < 12:
            flags = take.number(1)
            encoder += take.number(2)
            image.command[:] = words_of(take.bytes(2 * wire.COMMAND_WORDS), wire.COMMAND_WORDS)
            if flags & 1:
                mend_checks(
                    image.command,
                    wire.COMMAND_HEADER_WORDS,
                    wire.COMMAND_SLOTS,
                    wire.COMMAND_SLOT_WORDS,
                )
            if flags & 2:
                plc.memory[Memory.COMMAND_ACK] = take.number(4)
            fired = plc.scan(encoder, 4 * encoder, scans)
            scans += 1
            posted += fired
            _check_plc(plc)
        kinds = int(plc.memory[Memory.EVENT_HEAD]) - posted
        return f"accepted: {min(posted, 3)} fired, {min(kinds, 9)} refused, {plc.pending > 0}"

    return run


def _check_plc(plc: Plc) -> None:
    memory = plc.memory
    if not 0 <= plc.pending <= PENDING_CAPACITY:
        raise Broken(f"{plc.pending} pending commands")
    if not 0 <= memory[Memory.EVENT_HEAD] - memory[Memory.EVENT_ACK] <= memory[Memory.EVENT_SLOTS]:
        raise Broken("events were overwritten that nobody has acknowledged")
    if plc.pending == 0 and memory[Memory.NEXT_FIRE] != NO_FIRE:
        raise Broken("a fire count is due without a command")


def _command_seeds() -> list[bytes]:
    block = np.zeros(wire.COMMAND_WORDS, np.uint16)
    write_u32(block, wire.COMMAND_EPOCH, 0, 7)
    write_u32(block, wire.COMMAND_BOOT_ID, 0, BOOT)
    write_u32(block, wire.COMMAND_HEAD, 0, 3)
    for seq in range(1, 4):
        at = wire.COMMAND_HEADER_WORDS + seq * wire.COMMAND_SLOT_WORDS
        write_u32(block, at + wire.SLOT_SEQ, 0, seq)
        block[at + wire.SLOT_KIND] = 1
        block[at + wire.SLOT_CHUTE] = seq
        write_u32(block, at + wire.SLOT_PARCEL, 0, seq)
        write_u32(block, at + wire.SLOT_FIRE, 0, 2000 + 50 * seq)
        write_u32(block, at + wire.SLOT_EXPIRY, 0, 2000 + 50 * seq)
        block[at + wire.SLOT_HOLD] = 160
    look = b"\1\x64\0" + bytes_of(block)
    return [(1000).to_bytes(4, "little") + look * times for times in (1, 3, 12)]


TARGETS = (
    Target("status", "kernels.mailbox.decode_status", _status_seeds, _status, limit_bytes=267),
    Target("event_ring", "kernels.mailbox.decode_ring", _ring_seeds, _event_ring, limit_bytes=267),
    Target(
        "scan_slot", "kernels.mailbox.decode_scans, scan_read", _scan_seeds, _scan_slot,
        limit_bytes=277,
    ),
    Target(
        "command_block", "plc_sim.plc.Plc.scan", _command_seeds, _command_block, limit_bytes=3000
    ),
)  # fmt: skip
