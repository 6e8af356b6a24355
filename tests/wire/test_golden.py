"""The examples in the wire contract, word for word, against the code of both sides.

PLC and controller each have a codec of their own. What one writes is what the document says, and
what the document says is what the other reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU

from plc_sim import words as plc
from plc_sim.image import MailboxImage
from plc_sim.plc_kernels import write_status
from plc_sim.plc_memory import Memory
from sorter.io.modbus_blocks import ExchangeRequest
from sorter.kernels import mailbox as controller
from sorter.kernels.mailbox import Header, ScanHeader, SlotState
from sorter.model import mailbox as wire
from sorter.model.codes import CommandKind, EventKind, RefusalCause
from sorter.model.columns import COMMAND_WIDTH, EVENT_WIDTH
from sorter.model.frames import Words
from sorter.runtime.scan_payload import scan_read

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire-contract.md"
LEFT_OUT = "…"


@dataclass(frozen=True)
class Example:
    """One example: what it shows, its values, and its words; None where zeros were left out."""

    title: str
    values: dict[str, str]
    words: list[int | None]

    def number(self, name: str) -> int:
        return int(self.values[name])

    def array(self, length: int) -> Words:
        """Return the words with zeros in the gap, if there is one."""
        if None not in self.words:
            return np.array(self.words, np.uint16)
        gap = self.words.index(None)
        filled = self.words[:gap] + [0] * (length - len(self.words) + 1) + self.words[gap + 1 :]
        return np.array(filled, np.uint16)


def examples() -> list[Example]:
    found = []
    for fence in re.findall(r"```text\n(.*?)\n```", DOCUMENT.read_text(), re.DOTALL):
        for block in fence.split("\n\n"):
            head, _, body = block.partition("\n")
            title, _, values = head.partition(": ")
            pairs = dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", values))
            cells = [None if cell == LEFT_OUT else int(cell, 16) for cell in body.split()]
            found.append(Example(title, pairs, cells))
    return found


EXAMPLES = examples()


def titled(title: str) -> list[Example]:
    return [example for example in EXAMPLES if example.title == title]


def name_of(example: Example) -> str:
    return f"{example.title} {example.values.get('kind', '')}".strip()


EVENTS = titled("event") + titled("event low_first")
COMMANDS = titled("command")


def test_document_shows_every_kind_of_record() -> None:
    assert [example.values["kind"] for example in titled("event")] == [
        kind.name for kind in EventKind
    ]
    assert [example.values["kind"] for example in COMMANDS] == [kind.name for kind in CommandKind]
    assert len(titled("event low_first")) == 1
    assert len(titled("scan")) == 2
    assert len(titled("status")) == len(titled("command header")) == 1
    assert len(EXAMPLES) == len(EventKind) + len(CommandKind) + 5


def test_document_names_every_code() -> None:
    text = DOCUMENT.read_text()
    for code in (*EventKind, *RefusalCause):
        assert f"| {code.value} | {code.name} |" in text
    for kind in CommandKind:
        assert f"{kind.value} {kind.name}" in text


@pytest.mark.parametrize("example", EVENTS, ids=name_of)
def test_event(example: Example) -> None:
    low_first = int(example.title.endswith("low_first"))
    words = example.array(wire.EVENT_WORDS)
    kind = EventKind[example.values["kind"]]
    seq, source, encoder, tick, a, b = map(
        example.number, ("seq", "source", "encoder", "tick", "a", "b")
    )
    written = np.zeros(wire.EVENT_WORDS, np.uint16)
    plc.encode_event(written, 0, seq, kind, source, encoder, tick, a, b, low_first)
    assert written.tolist() == words.tolist()

    header = np.zeros(len(Header), np.int64)
    header[Header.ENCODER], header[Header.TICK] = encoder - 900, tick + 900
    rows = np.zeros((1, EVENT_WIDTH), np.int64)
    state = controller.decode_event(words, 0, low_first, seq, header, rows, 0)
    assert state == SlotState.GOOD
    assert rows[0].tolist() == [seq, kind, source, encoder, tick, a, b]
    for at in range(wire.EVENT_WORDS):
        torn = words.copy()
        torn[at] ^= 0x0100
        assert controller.decode_event(torn, 0, low_first, seq, header, rows, 0) == SlotState.TORN


@pytest.mark.parametrize("example", titled("scan"), ids=lambda example: example.values["codes"])
def test_scan(example: Example) -> None:
    words = example.array(wire.SCAN_WORDS)
    shown = example.values["codes"]
    codes = tuple(
        code.replace("<GS>", "\x1d").encode() for code in ([] if shown == "-" else shown.split())
    )
    seq, scanner, encoder, tick = map(example.number, ("seq", "scanner", "encoder", "tick"))
    packed, count, truncated = plc.pack_codes(codes)
    payload = np.zeros(plc.SCAN_PAYLOAD_BYTES, np.uint8)
    payload[: len(packed)] = list(packed)
    written = np.zeros(wire.SCAN_WORDS, np.uint16)
    flags = int(truncated)
    plc.encode_scan(written, 0, seq, scanner, encoder, tick, count, flags, payload, len(packed), 0)
    assert written.tolist() == words.tolist()

    header = np.zeros(len(Header), np.int64)
    header[Header.LAST_SCAN] = seq - 1
    numbers = np.zeros((1, len(ScanHeader)), np.int64)
    payloads = np.zeros((1, 2 * wire.SCAN_PAYLOAD_WORDS), np.uint8)
    assert controller.decode_scans(words, 0, header, numbers, payloads) == 1
    read = scan_read(numbers[0].tolist(), payloads.tobytes())
    assert (read.seq, read.scanner_idx, read.encoder_count, read.tick_100us) == (
        seq,
        scanner,
        encoder,
        tick,
    )
    assert (read.codes, read.truncated) == (codes, False)


@pytest.mark.parametrize("example", COMMANDS, ids=name_of)
def test_command(example: Example) -> None:
    words = example.array(wire.COMMAND_SLOT_WORDS)
    kind = CommandKind[example.values["kind"]]
    values = [example.number("seq"), int(kind)]
    values += [example.number(name) for name in ("chute", "parcel", "fire", "expiry", "hold")]
    slot = values[0] % wire.COMMAND_SLOTS
    at = wire.COMMAND_HEADER_WORDS + slot * wire.COMMAND_SLOT_WORDS
    block = np.zeros(wire.COMMAND_WORDS, np.uint16)
    controller.encode_command(block, 0, values[0], np.array(values, np.int64))
    assert block[at : at + wire.COMMAND_SLOT_WORDS].tolist() == words.tolist()
    assert not block[:at].any()
    assert not block[at + wire.COMMAND_SLOT_WORDS :].any()

    read = np.zeros(COMMAND_WIDTH, np.int64)
    assert plc.decode_command(block, slot, 0, read) == 1
    assert read.tolist() == values
    block[at + wire.SLOT_FIRE] ^= 1
    assert plc.decode_command(block, slot, 0, read) == 0


def test_command_header() -> None:
    (example,) = titled("command header")
    names = ("epoch", "heartbeat", "event_ack", "scan_ack", "head", "boot_id")
    block = np.zeros(wire.COMMAND_WORDS, np.uint16)
    controller.encode_command_header(block, 0, *map(example.number, names))
    words = example.array(wire.COMMAND_HEADER_WORDS)
    assert block[: wire.COMMAND_HEADER_WORDS].tolist() == words.tolist()
    places = (
        wire.COMMAND_EPOCH,
        wire.COMMAND_EVENT_ACK,
        wire.COMMAND_SCAN_ACK,
        wire.COMMAND_HEAD,
        wire.COMMAND_BOOT_ID,
    )
    read = [int(plc.get_u32(words, place, 0)) for place in places]
    assert read == [example.number(name) for name in names if name != "heartbeat"]
    assert words[wire.COMMAND_HEARTBEAT] == example.number("heartbeat")


STATUS_FIELDS = {
    "boot_id": (Memory.BOOT_ID, Header.BOOT_ID),
    "line_state": (Memory.LINE_STATE, Header.LINE_STATE),
    "event_head": (Memory.EVENT_HEAD, Header.EVENT_HEAD),
    "event_overflow": (Memory.EVENT_OVERFLOW, Header.EVENT_OVERFLOW),
    "scan_head": (Memory.SCAN_HEAD, Header.SCAN_HEAD),
    "scan_overflow": (Memory.SCAN_OVERFLOW, Header.SCAN_OVERFLOW),
    "command_ack": (Memory.COMMAND_ACK, Header.COMMAND_ACK),
    "event_ack": (Memory.EVENT_ACK, Header.EVENT_ACK),
    "scan_ack": (Memory.SCAN_ACK, Header.SCAN_ACK),
    "controller_epoch": (Memory.EPOCH, Header.EPOCH),
}


def test_status_header() -> None:
    (example,) = titled("status")
    image = MailboxImage(low_word_first=False, event_slots=64, scan_slots=4)
    memory = np.zeros(len(Memory), np.int64)
    memory[Memory.EVENT_SLOTS] = image.event_slots
    for name, (cell, _) in STATUS_FIELDS.items():
        memory[cell] = example.number(name)
    encoder, tick, heartbeat = map(example.number, ("encoder", "tick", "heartbeat"))
    write_status(image.status, image.events, memory, encoder, tick, heartbeat)
    words = example.array(wire.STATUS_HEADER_WORDS)
    assert image.status[: wire.STATUS_HEADER_WORDS].tolist() == words.tolist()
    assert words[wire.STATUS_VERSION] == wire.LAYOUT_VERSION == example.number("version")

    header = np.zeros(len(Header), np.int64)
    controller.decode_header(words, 0, header)
    header[Header.BOOT_ID] = controller.read_u32(words, wire.STATUS_BOOT_ID, 0)
    for name, (_, field) in STATUS_FIELDS.items():
        assert header[field] == example.number(name), name
    assert header[Header.ENCODER] == encoder
    assert header[Header.TICK] == tick
    assert header[Header.HEARTBEAT] == heartbeat


def test_fc23_frame() -> None:
    fence = re.search(r"```\n(00 01 00 00 .*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert fence is not None
    pattern = r"^((?:[0-9A-F]{2} )+)"
    shown = "".join(re.match(pattern, line).group(1) for line in fence.group(1).splitlines())
    block = np.zeros(wire.COMMAND_WORDS, np.uint16)
    controller.encode_command_header(block, 0, 7, 513, 0, 0, 0, 0)
    request = ExchangeRequest(
        1, wire.DEFAULT_COMMAND_ADDRESS, block, wire.DEFAULT_STATUS_ADDRESS, wire.STATUS_WORDS
    )
    request.transaction_id = 1
    frame = FramerSocket(DecodePDU(False)).buildFrame(request)
    assert frame.startswith(bytes.fromhex(shown))
    assert len(frame) == 6 + int.from_bytes(frame[4:6], "big")
