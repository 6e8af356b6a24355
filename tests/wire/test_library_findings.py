"""Six things the protocol libraries do that a control link must survive; see the design's facts.

Each test shows the library doing it, against the same server or network, and ours standing it.
Finding 2 (a None channel on a server that demands encryption) is in ``test_opcua_security.py``;
finding 1 on a server that is frozen as a process, in ``test_frozen_server.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from asyncua import Client
from asyncua.common.subscription import Subscription
from asyncua.server.subscription_service import SubscriptionService
from pymodbus.client import AsyncModbusTcpClient
from test_mailbox_over_sockets import BOOT_ID, EPOCH, LINE, NO_COMMANDS, NOTHING_YET
from wire_links import DEADLINE_S, Cable, small_image, until

from plc_sim.chaos.link_proxy import LinkProxy
from plc_sim.image import MailboxImage
from plc_sim.modbus_server import ModbusMailboxServer
from plc_sim.opcua_server import OpcUaMailboxServer
from plc_sim.plc import Plc
from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.models import Mailbox, ModbusLink, OpcUaLink, OpcUaTags
from sorter.errors import LinkLost, LinkTimeout
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.codes import ChuteBit, CommandKind, EventKind, RefusalCause
from sorter.model.columns import EventColumn
from sorter.model.mailbox import COMMAND_HEAD, COMMAND_WORDS, STATUS_WORDS
from sorter.ports import FieldBus
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.supervisor import LinkPolicy, LinkSupervisor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
MAILBOX = Mailbox(event_slots=37, scan_slots=5)
CLOCK = MonotonicClock()
HASTY_MS = 200.0
A_STORM = 200
"""Requests that nobody sends who waits for anything."""


def modbus_to(port: int, timeout_ms: float = HASTY_MS) -> ModbusBus:
    return ModbusBus(ModbusLink(tls=PLAIN_TEXT, port=port, timeout_ms=timeout_ms), MAILBOX, CLOCK)


def opcua_to(port: int, timeout_ms: float = HASTY_MS) -> OpcUaBus:
    endpoint = f"opc.tcp://127.0.0.1:{port}/parcel-sorter/"
    link = OpcUaLink(endpoint=endpoint, security=NONE_AND_ANONYMOUS, timeout_ms=timeout_ms)
    return OpcUaBus(link, MAILBOX, CLOCK)


@contextlib.asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[LinkProxy]:
    proxy = LinkProxy(port, np.random.default_rng(0))
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


@contextlib.asynccontextmanager
async def modbus_server(image: MailboxImage) -> AsyncIterator[ModbusMailboxServer]:
    server = ModbusMailboxServer(image, ModbusLink())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_opcua() -> AsyncIterator[tuple[MailboxImage, OpcUaMailboxServer]]:
    """One server for all: building its address space takes seconds."""
    image = MailboxImage.from_config(MAILBOX)
    server = OpcUaMailboxServer(image, OpcUaTags())
    await server.start()
    yield image, server
    await server.stop()


class RunningPlc:
    """The PLC program on an image, its belt moved by hand."""

    def __init__(self, image: MailboxImage) -> None:
        for words in (image.status, image.command, image.events, image.scans):
            words[:] = 0
        self.image = image
        self.plc = Plc(image, LINE, BOOT_ID)
        self.encoder, self.scans = 70_000, 0
        self.plc.latch_chute(3, int(ChuteBit.OPEN), self.encoder, 0)
        self.scan()

    def scan(self, counts: int = 10) -> int:
        self.scans += 1
        self.encoder += counts
        return self.plc.scan(self.encoder, self.scans * 100, self.scans)


async def nothing() -> None:
    """Wait for the others."""


# --- 1: a reconnect that re-uses the session asks for lost messages for ever --------------------
async def republishes_until_content(server: OpcUaMailboxServer, limit: int) -> int:
    """Let asyncua's own client fill its gaps; return how many Republish requests that took."""
    client = Client(server.endpoint, timeout=5)
    client.session_timeout = 15_000
    async with client:
        subscription = await client.create_subscription(50, object())
        count = 0
        ask = client.uaclient.session.republish

        async def counted(subscription_id: int, sequence: int) -> object:
            nonlocal count
            count += 1
            if count == limit:
                raise ConnectionError("enough")
            return await ask(subscription_id, sequence)

        client.uaclient.session.republish = counted  # type: ignore[method-assign,assignment]
        await Subscription._republish_gaps(subscription, [])
        client.uaclient.session.republish = ask  # type: ignore[method-assign]
        await subscription.delete()
    return count


async def test_finding_1_our_server_ends_the_republish_loop(
    shared_opcua: tuple[MailboxImage, OpcUaMailboxServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, server = shared_opcua
    assert await republishes_until_content(server, A_STORM) < 5
    service = type(server._server.iserver.subscription_service)
    monkeypatch.setattr(service, "republish", SubscriptionService.republish)
    assert await republishes_until_content(server, A_STORM) == A_STORM, "as the library does"


# --- 3: a write that timed out is carried out later ---------------------------------------------
@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
@pytest.mark.parametrize("in_time", [False, True], ids=["expired", "in time"])
async def test_finding_3_a_write_that_timed_out_arrives_later_and_its_expiry_decides(
    shared_opcua: tuple[MailboxImage, OpcUaMailboxServer], protocol: str, in_time: bool
) -> None:
    """The network freezes, not the belt. Delete the check of the expiry, and it would fire."""
    image, opcua = shared_opcua
    running = RunningPlc(image)
    expiry = running.encoder + 1000
    fire = expiry if in_time else expiry + 4000
    command = np.array([[1, CommandKind.FIRE_DIVERT, 3, 4711, fire, expiry, 160]], np.int64)
    async with contextlib.AsyncExitStack() as stack:
        bus: FieldBus
        if protocol == "modbus":
            server = await stack.enter_async_context(modbus_server(image))
            proxy = await stack.enter_async_context(proxy_to(server.port))
            bus = modbus_to(proxy.port)
        else:
            proxy = await stack.enter_async_context(proxy_to(opcua.port))
            bus = opcua_to(proxy.port)
        await bus.connect()
        client = MailboxClient(bus, MAILBOX, EPOCH)
        await client.exchange(NOTHING_YET, NO_COMMANDS)
        proxy.half_open()
        with pytest.raises(LinkTimeout):
            await client.exchange(NOTHING_YET, command)
        running.scan(900 if in_time else 2000)
        assert running.plc.pending == 0
        proxy.mend()
        head = int(COMMAND_HEAD) + 1
        await until(lambda: bool(image.command[head]), nothing)  # the "failed" write is there
        fired = running.scan()
        assert fired == 0
        assert running.plc.pending == int(in_time)
        await bus.connect()
        client.link_restored()
        events: list[list[int]] = []
        for _ in range(4):  # the command goes out again, and is not taken twice
            frame = await client.exchange(NOTHING_YET, NO_COMMANDS)
            events += frame.events.tolist()
            running.scan(200)
        told = [event for event in events if event[EventColumn.A] == 4711]
        if in_time:
            assert [event[EventColumn.KIND] for event in told] == [EventKind.DIVERT_FIRED]
        else:
            assert [(event[EventColumn.KIND], event[EventColumn.B]) for event in told] == [
                (EventKind.DIVERT_REFUSED, RefusalCause.EXPIRED)
            ]
        assert frame.command_ack == 1
        await bus.close()


# --- 4: pipelined requests are dropped, cancelled calls poison the connection -------------------
async def test_finding_4_three_requests_in_one_segment_get_one_answer() -> None:
    """What the server does to whoever pipelines: the reason why nobody here may."""
    async with modbus_server(small_image()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        request = bytes.fromhex("0000 0006 01 03 0000 0001")
        writer.write(b"".join(number.to_bytes(2, "big") + request for number in (1, 2, 3)))
        answers = await reader.readexactly(11)
        writer.write((4).to_bytes(2, "big") + request)
        async with asyncio.timeout(DEADLINE_S):
            answers += await reader.readexactly(11)
        writer.close()
        await writer.wait_closed()
    assert [answers[0:2].hex(), answers[11:13].hex()] != ["0001", "0002"], "it answers all by now"


async def test_finding_4_callers_that_overlap_are_sent_one_after_the_other() -> None:
    image = small_image()
    async with modbus_server(image) as server, Cable(server.port).laid() as cable:
        segments: list[int] = []

        def noted(request: bytes) -> bool:
            segments.append(len(request) - 6 - int.from_bytes(request[4:6], "big"))
            return False

        cable.swallow = noted
        bus = modbus_to(cable.port, timeout_ms=5000)
        await bus.connect()
        block = np.zeros(COMMAND_WORDS, np.uint16)
        status, scan, events = await asyncio.gather(
            bus.exchange(block), bus.read_scans(3, 1), bus.read_events(0, 37)
        )
        assert np.array_equal(status, image.status)
        assert scan[0] == image.scans[3 * 125]
        assert np.array_equal(events, image.events)
        assert set(segments) == {0}, "each segment is one whole request"
        await bus.close()


async def test_finding_4_a_cancelled_call_takes_its_connection_with_it() -> None:
    """Its answer is still under way, and pymodbus would hand it to the next caller's request."""
    image = small_image()
    async with modbus_server(image) as server, proxy_to(server.port) as proxy:
        bus = modbus_to(proxy.port, timeout_ms=5000)
        await bus.connect()
        proxy.half_open()
        call = asyncio.create_task(bus.read_scans(0, 1))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        proxy.mend()
        with pytest.raises(LinkLost, match="not connected"):
            await bus.read_scans(1, 1)
        await bus.connect()
        assert (await bus.read_scans(1, 1))[0] == image.scans[125]
        await bus.close()


# --- 5: the defaults of the client --------------------------------------------------------------
async def test_finding_5_a_frozen_peer_is_noticed_while_the_default_client_still_waits() -> None:
    image = small_image()
    async with modbus_server(image) as server, proxy_to(server.port) as proxy:
        library = AsyncModbusTcpClient("127.0.0.1", port=proxy.port)
        await library.connect()
        bus = modbus_to(proxy.port)
        link = LinkSupervisor(bus, CLOCK, np.random.default_rng(0))
        await link.connect(5.0)
        proxy.half_open()
        waiting = asyncio.create_task(library.read_holding_registers(0, count=1))
        with pytest.raises(LinkTimeout) as late:
            await bus.exchange(np.zeros(COMMAND_WORDS, np.uint16))

        def mended() -> bool:
            if link.failures == 2:
                proxy.mend()
            return False

        proxy.cut()  # what is held back is gone; nothing answers either
        proxy.half_open()
        async with asyncio.timeout(DEADLINE_S):
            assert await link.reconnect(late.value, mended)
        status = await bus.exchange(np.zeros(COMMAND_WORDS, np.uint16))
        assert len(status) == STATUS_WORDS
        assert not waiting.done(), "the default client still waits for its first answer"
        waiting.cancel()
        library.close()
        await bus.close()


async def test_finding_5_nobody_connects_but_who_was_asked_to() -> None:
    """By itself the library is back behind 0.1 s, and nobody learns that the PLC was away."""
    async with (
        modbus_server(small_image()) as server,
        Cable(server.port).laid() as ours,
        Cable(server.port).laid() as theirs,
    ):
        library = AsyncModbusTcpClient("127.0.0.1", port=theirs.port)
        bus = modbus_to(ours.port, timeout_ms=5000)
        await library.connect()
        await bus.connect()
        ours.cut()

        async def cut() -> None:
            theirs.cut()

        # Cut later than the bus was each time, and waiting as long: who comes back, came before.
        await until(lambda: theirs.connections >= 5, cut)
        assert ours.connections == 1
        with pytest.raises(LinkLost):
            await bus.exchange(np.zeros(COMMAND_WORDS, np.uint16))
        await bus.connect()
        assert ours.connections == 2
        await bus.exchange(np.zeros(COMMAND_WORDS, np.uint16))
        library.close()
        await bus.close()


async def test_finding_5_an_unanswered_call_ends_its_connection_at_once() -> None:
    """The library would try on for as many calls as its retries and three more."""
    async with modbus_server(small_image()) as server, Cable(server.port).laid() as cable:
        bus = modbus_to(cable.port)
        await bus.connect()
        cable.swallow = lambda _request: True
        with pytest.raises(LinkTimeout):
            await bus.read_scans(0, 1)
        cable.swallow = lambda _request: False
        with pytest.raises(LinkLost, match="not connected"):
            await bus.read_scans(0, 1)
        assert cable.connections == 1
        await bus.close()


async def test_finding_5_attempts_are_bounded_both_ways() -> None:
    """The library's reconnect pause grows to 300 s, and starts anew on each accepted connection."""
    policy = LinkPolicy()
    link = LinkSupervisor(modbus_to(1), CLOCK, np.random.default_rng(0))
    pauses = [link._next_delay_s() for _ in range(50)]
    assert policy.longest_delay_s < 0.5
    assert max(pauses) <= policy.longest_delay_s
    assert min(pauses[5:]) > policy.longest_delay_s / 2, "never a busy loop"
    assert len(set(pauses)) > 40, "jitter"


# --- 6: a lost subscription is silent -------------------------------------------------------------
async def test_finding_6_a_lost_subscription_is_noticed_rebuilt_and_the_ring_read_again(
    shared_opcua: tuple[MailboxImage, OpcUaMailboxServer],
) -> None:
    image, server = shared_opcua
    running = RunningPlc(image)
    library = Client(server.endpoint, timeout=5)
    library.session_timeout = 15_000
    await library.connect()
    theirs = await library.create_subscription(10, object())
    bus = opcua_to(server.port, timeout_ms=5000)
    link = LinkSupervisor(bus, CLOCK, np.random.default_rng(0))
    client = MailboxClient(bus, MAILBOX, EPOCH)
    await link.connect(10.0)
    await client.exchange(NOTHING_YET, NO_COMMANDS)
    service = server._server.iserver.subscription_service
    for subscription in tuple(service.subscriptions.values()):
        await subscription.stop()
    lost = set(service.subscriptions)
    seen: list[int] = []
    numbers = itertools.count()

    async def step() -> None:
        if next(numbers) % 10 == 0 and running.plc.event_overflow == 0 and len(seen) < 20:
            running.plc.latch(EventKind.PARCEL_PASSED, 0, running.encoder, 1, 300, 0)
        running.scan()
        frame = await client.exchange(NOTHING_YET, NO_COMMANDS)
        seen.extend(frame.events[:, EventColumn.SEQ].tolist())
        await bus.wait(CLOCK.now_ns() + 50_000_000)

    with pytest.raises(LinkTimeout, match="subscription has gone silent") as silent:
        await until(lambda: False, step)
    for _ in range(9):  # meanwhile: more than the window of newest events shows
        running.plc.latch(EventKind.PARCEL_PASSED, 0, running.encoder, 1, 300, 0)
    running.scan()
    assert not theirs._deleted, "asyncua's client believes in its subscription to this moment"
    async with asyncio.timeout(DEADLINE_S):
        assert await link.reconnect(silent.value, lambda: False)
    client.link_restored()
    assert set(service.subscriptions) - lost
    await step()
    assert seen == list(range(2, 2 + len(seen)))
    assert len(seen) >= 9
    await bus.exchange(np.zeros(COMMAND_WORDS, np.uint16))
    running.scan()
    bus._news.clear()
    await server.publish()
    async with asyncio.timeout(DEADLINE_S):
        await bus._news.wait()  # the new subscription publishes
    await bus.close()
    with contextlib.suppress(Exception):
        await library.disconnect()
