from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import numpy as np
import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.ua.uaerrors import UaStatusCodeError
from wire_links import Cable, HandClock, command_block, peer_that_says, port_that_drops, small_image

from plc_sim.image import MailboxImage
from plc_sim.opcua_server import OpcUaMailboxServer
from sorter.config.link_security import NONE_AND_ANONYMOUS
from sorter.config.models import Mailbox, OpcUaLink, OpcUaTags
from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import (
    COMMAND_HEARTBEAT,
    COMMAND_WORDS,
    EVENT_WORDS,
    SCAN_WORDS,
    STATUS_WORDS,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]
MAILBOX = Mailbox(event_slots=37, scan_slots=5)
PATIENT_MS = 5000.0
HASTY_MS = 200.0


@dataclass
class Rig:
    """One server for the whole module: building its address space takes seconds."""

    image: MailboxImage
    server: OpcUaMailboxServer
    writes: list[int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Rig]:
    image = small_image()
    writes: list[int] = []
    server = OpcUaMailboxServer(
        image, OpcUaTags(), on_command=lambda: writes.append(int(image.command[0]))
    )
    await server.start()
    yield Rig(image, server, writes)
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def rig(served: Rig) -> Rig:
    fresh = small_image()
    served.image.status[:] = fresh.status
    served.image.command[:] = 0
    served.writes.clear()
    return served


def bus_to(
    port: int, clock: HandClock | None = None, timeout_ms: float = PATIENT_MS, **link: object
) -> OpcUaBus:
    endpoint = f"opc.tcp://127.0.0.1:{port}/parcel-sorter/"
    settings = OpcUaLink.model_validate(
        {
            "endpoint": endpoint,
            "security": NONE_AND_ANONYMOUS,
            "timeout_ms": timeout_ms,
            **link,
        }
    )
    return OpcUaBus(settings, MAILBOX, clock or HandClock())


@pytest_asyncio.fixture(loop_scope="module")
async def bus(rig: Rig) -> AsyncIterator[OpcUaBus]:
    bus = bus_to(rig.server.port)
    await bus.connect()
    yield bus
    await bus.close()


async def test_exchange_writes_the_command_array_and_reads_the_status_array(
    rig: Rig, bus: OpcUaBus
) -> None:
    for first in (1000, 60000):
        status = await bus.exchange(command_block(first))
        assert status.dtype == np.uint16
        assert np.array_equal(status, rig.image.status)
        assert np.array_equal(rig.image.command, command_block(first))
        rig.image.status[3:] += 11
    assert rig.writes == [1000, 60000]


async def test_a_command_array_with_only_a_new_heartbeat_is_written_when_one_is_due(
    rig: Rig,
) -> None:
    clock = HandClock()
    bus = bus_to(rig.server.port, clock)
    await bus.connect()
    block = command_block(1)
    for _ in range(3):
        block[COMMAND_HEARTBEAT] += 1
        await bus.exchange(block)
    assert len(rig.writes) == 1
    clock.ns += 200_000_000
    await bus.exchange(block)
    assert len(rig.writes) == 2
    assert rig.image.command[COMMAND_HEARTBEAT] == block[COMMAND_HEARTBEAT]
    block[-1] += 1
    await bus.exchange(block)
    assert len(rig.writes) == 3
    await bus.connect()
    await bus.exchange(block)
    assert len(rig.writes) == 4, "a new connection may be a new PLC: it gets everything again"
    await bus.close()


@pytest.mark.parametrize(
    ("first", "count"), [(0, 1), (36, 1), (9, 2), (3, 10), (0, 37), (30, 7), (10, 10)]
)
async def test_event_slots_come_out_of_their_pages(
    rig: Rig, bus: OpcUaBus, first: int, count: int
) -> None:
    words = await bus.read_events(first, count)
    expected = rig.image.events[first * EVENT_WORDS : (first + count) * EVENT_WORDS]
    assert np.array_equal(words, expected)


@pytest.mark.parametrize("slot", [0, 4])
async def test_scan_slots_come_from_their_arrays(rig: Rig, bus: OpcUaBus, slot: int) -> None:
    expected = rig.image.scans[slot * SCAN_WORDS : (slot + 1) * SCAN_WORDS]
    assert np.array_equal(await bus.read_scans(slot, 1), expected)


async def test_slots_outside_of_the_ring_are_refused_before_anything_is_sent(
    bus: OpcUaBus,
) -> None:
    for first, count in ((36, 2), (-1, 1), (0, 0)):
        with pytest.raises(ValueError, match="not all in the ring"):
            await bus.read_events(first, count)
    with pytest.raises(ValueError, match="not all in the ring"):
        await bus.read_scans(5, 1)


async def test_publishing_ends_the_wait_long_before_the_poll(rig: Rig) -> None:
    bus = bus_to(rig.server.port, poll_ms=1000)
    await bus.connect()
    assert bus.granted_interval_ms == 5.0
    async with asyncio.timeout(0.9):
        await bus.wait(until_ns=60_000_000_000)  # the first value, published on subscribing
        await bus.exchange(command_block(0))
        for _ in range(3):
            rig.image.status[3] += 1
            await rig.server.publish()
            await bus.wait(until_ns=60_000_000_000)
            status = await bus.exchange(command_block(0))
            assert status[3] == rig.image.status[3]
    await bus.close()


async def test_wait_ends_at_the_callers_deadline(bus: OpcUaBus) -> None:
    async with asyncio.timeout(0.9):
        for _ in range(3):
            status = await bus.exchange(command_block(0))
            await bus.wait(until_ns=0)
            assert len(status) == STATUS_WORDS


async def test_server_grants_no_publishing_interval_of_zero(rig: Rig) -> None:
    bus = bus_to(rig.server.port, publishing_interval_ms=0)
    await bus.connect()
    assert bus.granted_interval_ms == 1.0
    await bus.close()


async def test_silent_subscription_is_noticed_although_reads_work(rig: Rig) -> None:
    clock = HandClock()
    bus = bus_to(rig.server.port, clock)
    await bus.connect()
    await bus.exchange(command_block(0))
    subscriptions = rig.server._server.iserver.subscription_service.subscriptions
    for subscription in subscriptions.values():
        await subscription.stop()
    clock.ns += 60_000_000_000
    await bus.exchange(command_block(0))
    with pytest.raises(LinkTimeout, match="gone silent"):
        await bus.exchange(command_block(0))
    await bus.connect()
    await bus.exchange(command_block(0))
    await bus.close()


async def refusal(call: Awaitable[object]) -> str:
    """Return the name of the status code with which a call is refused."""
    try:
        await call
    except UaStatusCodeError as error:
        return ua.StatusCode(error.code).name
    return "Good"


@pytest_asyncio.fixture(loop_scope="module")
async def client(rig: Rig) -> AsyncIterator[Client]:
    client = Client(rig.server.endpoint, timeout=5)
    client.session_timeout = 15_000
    async with client:
        yield client


async def test_unknown_republish_is_answered_with_an_error(client: Client) -> None:
    """A good but empty answer here sends asyncua clients into an endless loop."""
    subscription = await client.create_subscription(50, object())
    session = client.uaclient.session
    answer = await refusal(session.republish(subscription.subscription_id, 4711))
    assert answer == "BadMessageNotAvailable"
    assert await refusal(session.republish(99_999, 1)) == "BadSubscriptionIdInvalid"
    await subscription.delete()


def words(count: int) -> list[int]:
    return [1] * count


@pytest.mark.parametrize(
    ("variant", "answer"),
    [
        (ua.Variant(words(COMMAND_WORDS), ua.VariantType.UInt16), "Good"),
        (ua.Variant(words(COMMAND_WORDS), ua.VariantType.Int16), "BadTypeMismatch"),
        (ua.Variant(words(COMMAND_WORDS), ua.VariantType.UInt32), "BadTypeMismatch"),
        (ua.Variant(1, ua.VariantType.UInt16), "BadTypeMismatch"),
        (ua.Variant(words(COMMAND_WORDS - 1), ua.VariantType.UInt16), "BadOutOfRange"),
        (ua.Variant(words(COMMAND_WORDS + 1), ua.VariantType.UInt16), "BadOutOfRange"),
        (ua.Variant([], ua.VariantType.UInt16), "BadOutOfRange"),
    ],
)
async def test_command_array_takes_its_own_type_and_length_only(
    rig: Rig, client: Client, variant: ua.Variant, answer: str
) -> None:
    index = await client.get_namespace_index(OpcUaTags().namespace_uri)
    node = client.get_node(ua.NodeId(OpcUaTags().command, index))
    assert await refusal(node.write_value(ua.DataValue(variant))) == answer
    assert (
        rig.image.command.tolist() == words(COMMAND_WORDS) if answer == "Good" else not rig.writes
    )


async def test_nothing_but_the_command_array_can_be_written(rig: Rig, client: Client) -> None:
    tags = OpcUaTags()
    index = await client.get_namespace_index(tags.namespace_uri)
    for tag in (tags.status, tags.event_page.format(page=0), tags.scan_slot.format(slot=0)):
        node = client.get_node(ua.NodeId(tag, index))
        value = await node.read_data_value()
        assert await refusal(node.write_value(ua.DataValue(value.Value))) == "BadUserAccessDenied"
    part = ua.WriteValue(
        NodeId=ua.NodeId(tags.command, index),
        AttributeId=ua.AttributeIds.Value,
        IndexRange="0:1",
        Value=ua.DataValue(ua.Variant([1, 2], ua.VariantType.UInt16)),
    )
    results = await client.uaclient.session.write(ua.WriteParameters(NodesToWrite=[part]))
    assert results[0].name == "BadWriteNotSupported"
    assert not rig.writes


async def test_clients_can_neither_add_nodes_nor_become_administrator(
    rig: Rig, client: Client
) -> None:
    assert await refusal(client.nodes.objects.add_folder(2, "Mine")) == "BadUserAccessDenied"
    admin = Client(rig.server.endpoint, timeout=5)
    admin.set_user("admin")
    admin.set_password("")
    assert await refusal(admin.connect()) == "BadIdentityTokenRejected"


async def test_wrong_tags_and_namespaces_are_named(rig: Rig) -> None:
    port = rig.server.port
    with pytest.raises(LinkRejected, match=r"no namespace urn:other.*namespace_uri"):
        await bus_to(port, tags={"namespace_uri": "urn:other"}).connect()
    with pytest.raises(LinkRejected, match=r"no such node.*io\.opcua\.tags"):
        await bus_to(port, tags={"status": "Nowhere"}).connect()
    with pytest.raises(LinkRejected, match="not a UInt16 array"):
        await bus_to(port, tags={"status": "ns=0;i=2256"}).connect()
    with pytest.raises(LinkRejected, match="125 words, the layout says 120"):
        await bus_to(port, tags={"status": "Mailbox.Scan.0"}).connect()
    bus = bus_to(port, tags={"command": "Mailbox.Status"})
    await bus.connect()
    with pytest.raises(LinkRejected, match="may not"):
        await bus.exchange(command_block(0))
    await bus.close()


@pytest.mark.parametrize(("version", "said"), [(2, "version 2"), (0, "has not started")])
async def test_another_layout_version_is_rejected(rig: Rig, version: int, said: str) -> None:
    rig.image.status[0] = version
    bus = bus_to(rig.server.port)
    with pytest.raises(LinkRejected, match=said):
        await bus.connect()
    with pytest.raises(LinkLost, match="not connected"):
        await bus.exchange(command_block(0))


async def test_frozen_peer_times_out_and_a_new_client_gets_through(rig: Rig) -> None:
    async with Cable(rig.server.port).laid() as cable:
        bus = bus_to(cable.port, timeout_ms=HASTY_MS)
        await bus.connect()
        cable.freeze()
        with pytest.raises(LinkTimeout):
            await bus.exchange(command_block(777))
        with pytest.raises(LinkTimeout):
            await bus.connect()
        cable.thaw()
        await bus.connect()
        assert np.array_equal(await bus.exchange(command_block(5)), rig.image.status)
        await bus.close()


async def test_cut_connection_is_lost(rig: Rig) -> None:
    async with Cable(rig.server.port).laid() as cable:
        bus = bus_to(cable.port, timeout_ms=60_000)
        await bus.connect()
        call = asyncio.create_task(bus.exchange(command_block(0)))
        await cable.swallow_next()
        cable.cut()
        with pytest.raises(LinkLost):
            await call
        with pytest.raises(LinkLost, match="not connected"):
            await bus.exchange(command_block(0))


@pytest.mark.parametrize("answer", [b"", b"\xff" * 64, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_peer_that_never_answers_or_answers_junk_is_a_link_error(answer: bytes) -> None:
    expected: type[LinkError] = LinkError if answer else LinkTimeout
    async with peer_that_says(answer) as port:
        with pytest.raises(expected):
            await bus_to(port, timeout_ms=HASTY_MS).connect()


async def test_a_connection_that_nothing_answers_is_given_up_before_a_request_would_be() -> None:
    with port_that_drops() as port:
        deadline = asyncio.create_task(asyncio.sleep(2.0))
        attempt = asyncio.create_task(bus_to(port, timeout_ms=2000).connect())
        done, _ = await asyncio.wait({attempt, deadline}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {attempt}
        assert isinstance(attempt.exception(), LinkTimeout)
        deadline.cancel()


async def test_closing_leaves_no_task_behind(rig: Rig) -> None:
    def own_tasks() -> set[str]:
        return {
            str(task.get_coro().__qualname__)
            for task in asyncio.all_tasks()
            if not str(task.get_coro().__qualname__).startswith(SERVER_TASKS)
        }

    before = own_tasks()
    bus = bus_to(rig.server.port)
    await bus.connect()
    await bus.exchange(command_block(0))
    assert own_tasks() > before
    await bus.close()
    await bus.close()
    assert own_tasks() == before


SERVER_TASKS = ("OPCUAProtocol", "UaProcessor", "Internal", "BinaryServer")


async def test_stopped_server_is_lost_and_found_again() -> None:
    image = small_image()
    server = OpcUaMailboxServer(image, OpcUaTags())
    await server.start()
    port = server.port
    bus = bus_to(port)
    await bus.connect()
    await server.stop()
    with pytest.raises(LinkLost):
        await bus.exchange(command_block(0))
    with pytest.raises(LinkLost):
        await bus.connect()
    server = OpcUaMailboxServer(image, OpcUaTags(), port=port)
    await server.start()
    await bus.connect()
    assert np.array_equal(await bus.exchange(command_block(9)), image.status)
    await bus.close()
    await server.stop()
