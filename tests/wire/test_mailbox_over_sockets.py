"""The PLC program, a server, a socket, a bus and the mailbox client: both ends of the contract."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from wire_links import DEADLINE_S

from plc_sim.image import MailboxImage
from plc_sim.modbus_server import ModbusMailboxServer
from plc_sim.opcua_server import OpcUaMailboxServer
from plc_sim.plc import Plc
from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile, Mailbox, ModbusLink, OpcUaLink, OpcUaTags
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.codes import ChuteBit, CommandKind, EventKind
from sorter.model.columns import EventColumn
from sorter.model.frames import Frame
from sorter.ports import Acknowledged, FieldBus
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.mailbox_client import MailboxClient

pytestmark = pytest.mark.timeout(60)
LINE = load_yaml_model(Path(__file__).parents[2] / "config" / "small_line.yaml", LineFile).line
NOTHING_YET = Acknowledged(0, 0, 0)
NO_COMMANDS = np.empty((0, 7), np.int64)
BOOT_ID = 0x0001_0002
EPOCH = 0xFFFF_0001


@contextlib.asynccontextmanager
async def bus_to(image: MailboxImage, mailbox: Mailbox, protocol: str) -> AsyncIterator[FieldBus]:
    clock = MonotonicClock()
    server: ModbusMailboxServer | OpcUaMailboxServer
    bus: FieldBus
    if protocol == "modbus":
        server = ModbusMailboxServer(image, ModbusLink())
        await server.start()
        bus = ModbusBus(
            ModbusLink(tls=PLAIN_TEXT, port=server.port, timeout_ms=5000), mailbox, clock
        )
    else:
        server = OpcUaMailboxServer(image, OpcUaTags())
        await server.start()
        bus = OpcUaBus(
            OpcUaLink(security=NONE_AND_ANONYMOUS, endpoint=server.endpoint, timeout_ms=5000),
            mailbox,
            clock,
        )
    await bus.connect()
    yield bus
    await bus.close()
    await server.stop()


@pytest.mark.parametrize(
    ("protocol", "word_order"),
    [("modbus", "high_first"), ("modbus", "low_first"), ("opcua", "low_first")],
)
async def test_records_and_commands_get_through(
    protocol: str, word_order: Literal["high_first", "low_first"]
) -> None:
    mailbox = Mailbox(word_order=word_order, event_slots=37, scan_slots=5)
    image = MailboxImage.from_config(mailbox)
    plc = Plc(image, LINE, BOOT_ID)
    plc.latch_chute(3, int(ChuteBit.OPEN), 70_000, 10)
    plc.scan(70_000, 10, 1)
    async with asyncio.timeout(DEADLINE_S), bus_to(image, mailbox, protocol) as bus:
        client = MailboxClient(bus, mailbox, EPOCH)
        frame = await client.exchange(NOTHING_YET, NO_COMMANDS)
        assert (frame.boot_id, frame.encoder_count, frame.tick_100us) == (BOOT_ID, 70_000, 10)
        assert frame.events[:, EventColumn.KIND].tolist() == [EventKind.CHUTE_CHANGED]

        await check_a_backlog(plc, client)
        await check_a_command(plc, client)


async def check_a_backlog(plc: Plc, client: MailboxClient) -> None:
    """More events than the window shows, over the ring's end, and scans of all kinds."""
    for number in range(30):
        plc.latch(EventKind.PARCEL_PASSED, 2, 80_000 + number, 500 + number, 300 + number, 0)
    codes = [(b"RMA1",), (), (b"a" * 20, b"\x1d\xff\x00" * 9)]
    for scanner_codes in codes:
        plc.latch_scan(0, 81_000, 600, scanner_codes)
    plc.scan(82_000, 700, 2)
    events: list[list[int]] = []
    scans: list[tuple[bytes, ...]] = []
    while len(events) < 30 or len(scans) < len(codes):
        frame = await client.exchange(NOTHING_YET, NO_COMMANDS)
        events += frame.events.tolist()
        scans += [scan.codes for scan in frame.scans]
    assert [event[EventColumn.SEQ] for event in events] == list(range(2, 32))
    assert [event[EventColumn.ENCODER] for event in events] == list(range(80_000, 80_030))
    assert [event[EventColumn.A] for event in events] == list(range(300, 330))
    assert scans == codes
    assert client.corrupt_records == 0
    assert plc.event_overflow == 0

    await client.exchange(Acknowledged(BOOT_ID, 31, 3), NO_COMMANDS)
    for number in range(30):  # round the ring: only possible because the others are acknowledged
        plc.latch(EventKind.PARCEL_PASSED, 2, 90_000 + number, 800, 300, 0)
    plc.scan(91_000, 900, 3)
    events.clear()
    while len(events) < 30:
        events += (await client.exchange(Acknowledged(BOOT_ID, 31, 3), NO_COMMANDS)).events.tolist()
    assert [event[EventColumn.SEQ] for event in events] == list(range(32, 62))
    assert plc.event_overflow == 0


async def check_a_command(plc: Plc, client: MailboxClient) -> None:
    """A command fires at its count and comes back as an event with its slack."""
    command = np.array([[1, CommandKind.FIRE_DIVERT, 3, 0x0012_3456, 95_000, 95_000, 160]])
    done = Acknowledged(BOOT_ID, 61, 3)
    await client.exchange(done, command.astype(np.int64))
    assert plc.scan(92_000, 1000, 4) == 0
    assert plc.pending == 1
    frame: Frame = await client.exchange(done, NO_COMMANDS)
    assert frame.command_ack == 1
    assert plc.scan(95_001, 1100, 5) == 1
    frame = await client.exchange(done, NO_COMMANDS)
    (fired,) = frame.events.tolist()
    assert fired[EventColumn.KIND :] == [
        EventKind.DIVERT_FIRED,
        3,
        95_001,
        1100,
        0x0012_3456,
        3000,
    ]
