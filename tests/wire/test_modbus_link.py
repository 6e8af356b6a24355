from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient
from wire_links import Cable, HandClock, command_block, peer_that_says, small_image

from plc_sim.image import MailboxImage
from plc_sim.modbus_server import ModbusMailboxServer
from sorter.config.link_security import PLAIN_TEXT
from sorter.config.models import Mailbox, ModbusLink
from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io.modbus import ModbusBus
from sorter.model.mailbox import COMMAND_WORDS, EVENT_WORDS, SCAN_WORDS, STATUS_WORDS

pytestmark = pytest.mark.timeout(30)
MAILBOX = Mailbox(event_slots=37, scan_slots=5)
PATIENT_MS = 5000.0
HASTY_MS = 150.0


@pytest.fixture
def image() -> MailboxImage:
    return small_image()


@pytest.fixture
async def server(image: MailboxImage) -> AsyncIterator[ModbusMailboxServer]:
    server = ModbusMailboxServer(image, ModbusLink())
    await server.start()
    yield server
    await server.stop()


def bus_to(port: int, timeout_ms: float = PATIENT_MS, **link: int) -> ModbusBus:
    return ModbusBus(
        ModbusLink(tls=PLAIN_TEXT, port=port, timeout_ms=timeout_ms, **link), MAILBOX, HandClock()
    )


@pytest.fixture
async def bus(server: ModbusMailboxServer) -> AsyncIterator[ModbusBus]:
    bus = bus_to(server.port)
    await bus.connect()
    yield bus
    await bus.close()


@pytest.mark.parametrize("fc23", [True, False])
async def test_exchange_writes_the_command_block_and_reads_the_status_block(
    image: MailboxImage, fc23: bool
) -> None:
    writes: list[int] = []
    server = ModbusMailboxServer(
        image, ModbusLink(), fc23=fc23, on_command=lambda: writes.append(int(image.command[0]))
    )
    await server.start()
    bus = bus_to(server.port)
    await bus.connect()
    assert bus.uses_fc23 is fc23
    writes.clear()
    for first in (1000, 60000):
        status = await bus.exchange(command_block(first))
        assert status.dtype == np.uint16
        assert np.array_equal(status, image.status)
        assert np.array_equal(image.command, command_block(first))
        image.status[3:] += 11
    assert writes == [1000, 60000]
    await bus.close()
    await server.stop()


async def test_fc23_reads_after_it_has_written(image: MailboxImage) -> None:
    heartbeats: list[int] = []

    def scan() -> None:
        heartbeats.append(int(image.command[2]))
        image.status[3] = image.command[2]

    server = ModbusMailboxServer(image, ModbusLink(), on_command=scan)
    await server.start()
    bus = bus_to(server.port)
    await bus.connect()
    status = await bus.exchange(command_block(500))
    assert status[3] == 502 == heartbeats[-1]
    await bus.close()
    await server.stop()


async def test_probing_for_fc23_changes_nothing(bus: ModbusBus, image: MailboxImage) -> None:
    assert bus.uses_fc23
    assert not image.command.any()


@pytest.mark.parametrize(("first", "count"), [(0, 1), (36, 1), (3, 10), (5, 11), (0, 37)])
async def test_event_slots_come_from_their_addresses(
    bus: ModbusBus, image: MailboxImage, first: int, count: int
) -> None:
    words = await bus.read_events(first, count)
    assert np.array_equal(words, image.events[first * EVENT_WORDS : (first + count) * EVENT_WORDS])


@pytest.mark.parametrize("slot", [0, 4])
async def test_scan_slots_come_from_their_addresses(
    bus: ModbusBus, image: MailboxImage, slot: int
) -> None:
    expected = image.scans[slot * SCAN_WORDS : (slot + 1) * SCAN_WORDS]
    assert np.array_equal(await bus.read_scans(slot, 1), expected)


async def test_slots_outside_of_the_ring_are_refused_before_anything_is_sent(
    bus: ModbusBus,
) -> None:
    for first, count in ((36, 2), (-1, 1), (0, 0)):
        with pytest.raises(ValueError, match="not all in"):
            await bus.read_events(first, count)
    with pytest.raises(ValueError, match="not all in"):
        await bus.read_scans(5, 1)


async def test_only_whole_writes_inside_the_command_block_are_taken(
    server: ModbusMailboxServer, image: MailboxImage
) -> None:
    before = image.status.copy(), image.events.copy(), image.scans.copy()
    client = AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=5, retries=0)
    await client.connect()
    link = ModbusLink()
    end = link.command_address + COMMAND_WORDS
    answers = [
        await client.write_registers(link.status_address, [1]),
        await client.write_registers(link.event_address, [1]),
        await client.write_registers(link.scan_address, [1]),
        await client.write_registers(link.command_address - 1, [1, 1]),
        await client.write_registers(end - 1, [1, 1]),
        await client.read_holding_registers(STATUS_WORDS, count=1),
        await client.read_holding_registers(link.status_address, count=STATUS_WORDS + 1),
    ]
    assert [answer.exception_code for answer in answers] == [2] * len(answers)
    other_functions = [
        await client.write_register(link.command_address, 1),
        await client.read_input_registers(link.status_address, count=1),
        await client.read_coils(0, count=1),
    ]
    assert [answer.exception_code for answer in other_functions] == [1, 1, 1]
    assert not image.command.any()
    for words, old in zip((image.status, image.events, image.scans), before, strict=True):
        assert np.array_equal(words, old)
    client.close()


async def test_wrong_address_and_wrong_device_are_named(server: ModbusMailboxServer) -> None:
    bus = bus_to(server.port, event_address=700)
    await bus.connect()
    with pytest.raises(LinkRejected, match=r"event ring.*exception 2.*_address"):
        await bus.read_events(0, 1)
    await bus.close()
    with pytest.raises(LinkRejected, match=r"exception 11.*device_id"):
        await bus_to(server.port, device_id=9).connect()
    with pytest.raises(LinkRejected, match=r"writing the command block.*exception 2"):
        await bus_to(server.port, command_address=4000).connect()


@pytest.mark.parametrize(("version", "said"), [(2, "version 2"), (0, "has not started")])
async def test_another_layout_version_is_rejected(
    server: ModbusMailboxServer, image: MailboxImage, version: int, said: str
) -> None:
    image.status[0] = version
    bus = bus_to(server.port)
    with pytest.raises(LinkRejected, match=said):
        await bus.connect()
    with pytest.raises(LinkLost, match="not connected"):
        await bus.exchange(command_block(0))


async def test_stopped_server_is_lost_and_found_again(image: MailboxImage) -> None:
    server = ModbusMailboxServer(image, ModbusLink())
    await server.start()
    port = server.port
    bus = bus_to(port)
    await bus.connect()
    await server.stop()
    with pytest.raises(LinkLost):
        await bus.exchange(command_block(0))
    with pytest.raises(LinkLost, match="cannot connect"):
        await bus.connect()
    server = ModbusMailboxServer(image, ModbusLink(), port=port)
    await server.start()
    await bus.connect()
    assert np.array_equal(await bus.exchange(command_block(9)), image.status)
    await bus.close()
    await server.stop()


async def test_connection_that_closes_under_a_call_is_lost_not_late(
    server: ModbusMailboxServer,
) -> None:
    async with Cable(server.port).laid() as cable:
        bus = bus_to(cable.port, timeout_ms=60_000)
        await bus.connect()
        call = asyncio.create_task(bus.exchange(command_block(0)))
        await cable.swallow_next()
        cable.cut()
        with pytest.raises(LinkLost):
            await call


async def test_frozen_peer_times_out_and_its_late_write_still_arrives(
    server: ModbusMailboxServer, image: MailboxImage
) -> None:
    """Why commands carry an expiry: the write that "failed" is carried out after the thaw."""
    async with Cable(server.port).laid() as cable:
        bus = bus_to(cable.port, timeout_ms=HASTY_MS)
        await bus.connect()
        cable.freeze()
        with pytest.raises(LinkTimeout):
            await bus.exchange(command_block(777))
        assert not image.command.any()
        with pytest.raises(LinkLost, match="not connected"):
            await bus.exchange(command_block(778))
        cable.thaw()
        await bus.connect()
        while image.command[0] != 777:
            await bus.read_scans(0, 1)
        await bus.close()


async def test_peer_that_never_answers_or_answers_junk_is_a_link_error() -> None:
    async with peer_that_says(b"") as port:
        with pytest.raises(LinkTimeout):
            await bus_to(port, timeout_ms=HASTY_MS).connect()
    for junk in (b"\xff" * 40, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\1\0\0\0\3\1\3\1"):
        async with peer_that_says(junk) as port:
            with pytest.raises(LinkError):
                await bus_to(port, timeout_ms=HASTY_MS).connect()


async def test_plc_that_ignores_fc23_is_not_asked_twice(server: ModbusMailboxServer) -> None:
    async with Cable(server.port).laid() as cable:
        cable.swallow = lambda request: request[7] == 23
        bus = bus_to(cable.port, timeout_ms=HASTY_MS)
        with pytest.raises(LinkTimeout):
            await bus.connect()
        await bus.connect()
        assert not bus.uses_fc23
        assert len(await bus.exchange(command_block(3))) == STATUS_WORDS
        await bus.close()


async def test_wait_is_bounded_by_the_caller_and_by_the_poll_grid() -> None:
    clock = HandClock()
    slow = ModbusBus(ModbusLink(tls=PLAIN_TEXT, poll_ms=1000), MAILBOX, clock)
    clock.ns = 3_000_000_000
    async with asyncio.timeout(0.5):
        await slow.wait(until_ns=clock.ns + 1_000_000)
        await slow.wait(until_ns=0)
    clock.ns = 4_000_000_000 - 1_000_000  # 1 ms before the next tick of the grid
    async with asyncio.timeout(0.5):
        await slow.wait(until_ns=clock.ns + 60_000_000_000)
    # Early in the second nothing but its end is near: the wait would be a long one.
    clock.ns = 4_000_000_000
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await slow.wait(until_ns=clock.ns + 60_000_000_000)


async def test_closing_leaves_no_task_behind(server: ModbusMailboxServer) -> None:
    before = asyncio.all_tasks()
    bus = bus_to(server.port)
    await bus.connect()
    await bus.exchange(command_block(0))
    await bus.close()
    await bus.close()
    assert asyncio.all_tasks() <= before


def test_overlapping_blocks_are_refused(image: MailboxImage) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        ModbusMailboxServer(image, ModbusLink(command_address=119))
    with pytest.raises(ValueError, match="behind the last one"):
        ModbusMailboxServer(image, ModbusLink(scan_address=65000))
