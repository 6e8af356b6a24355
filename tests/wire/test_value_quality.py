"""What a peer may answer in place of a mailbox block: one link error each, and nothing acted on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import pytest_asyncio
from asyncua import ua
from wire_links import Cable, HandClock, command_block, small_image

from plc_sim.image import MailboxImage
from plc_sim.modbus_server import ModbusMailboxServer
from plc_sim.opcua_server import OpcUaMailboxServer, node_id
from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.models import Mailbox, ModbusLink, OpcUaLink, OpcUaTags
from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import SCAN_WORDS, STATUS_HEARTBEAT, STATUS_WORDS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]
MAILBOX = Mailbox(event_slots=37, scan_slots=5)
NOW = datetime(2024, 5, 17, 12, 0, 0, tzinfo=UTC)
Answer = Callable[[list[int]], ua.DataValue]


def good(words: object, kind: ua.VariantType = ua.VariantType.UInt16) -> ua.DataValue:
    return ua.DataValue(ua.Variant(words, kind))


def with_status(code: int) -> Answer:
    return lambda words: ua.DataValue(
        ua.Variant(words, ua.VariantType.UInt16), StatusCode=ua.StatusCode(code)
    )


def aged(milliseconds: float) -> Answer:
    return lambda words: ua.DataValue(
        ua.Variant(words, ua.VariantType.UInt16),
        SourceTimestamp=NOW - timedelta(milliseconds=milliseconds),
        ServerTimestamp=NOW,
    )


@dataclass
class Served:
    image: MailboxImage
    server: OpcUaMailboxServer

    @contextlib.contextmanager
    def answering(self, tag: str, answer: Answer, words: list[int]) -> object:
        internals = self.server._server.iserver
        node = internals.aspace[node_id(tag, 2)].attributes[ua.AttributeIds.Value]
        usual, node.value_callback = node.value_callback, lambda _node, _attribute: answer(words)
        try:
            yield
        finally:
            node.value_callback = usual


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    image = small_image()
    server = OpcUaMailboxServer(image, OpcUaTags(), utc_now=lambda: NOW)
    await server.start()
    yield Served(image, server)
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def bus(served: Served) -> AsyncIterator[OpcUaBus]:
    link = OpcUaLink(endpoint=served.server.endpoint, security=NONE_AND_ANONYMOUS, timeout_ms=5000)
    bus = OpcUaBus(link, MAILBOX, HandClock())
    await bus.connect()
    yield bus
    await bus.close()


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (with_status(ua.StatusCodes.BadNoCommunication), LinkRejected, "BadNoCommunication"),
        (with_status(ua.StatusCodes.BadOutOfService), LinkRejected, "BadOutOfService"),
        (with_status(ua.StatusCodes.UncertainLastUsableValue), LinkRejected, "UncertainLastUsable"),
        (with_status(ua.StatusCodes.BadNotConnected), LinkLost, "BadNotConnected"),
        (aged(1001), LinkTimeout, "1001 ms old"),
        (aged(60_000_000), LinkTimeout, "60000000 ms old"),
        (lambda _: good("120 words", ua.VariantType.String), LinkRejected, "not a UInt16 array"),
        (lambda _: good(None, ua.VariantType.Null), LinkRejected, "not a UInt16 array"),
        (lambda _: ua.DataValue(), LinkRejected, "not a UInt16 array"),
        (lambda _: good(7), LinkRejected, "not a UInt16 array"),
        (lambda _: good([-1] * 120, ua.VariantType.Int16), LinkRejected, "not a UInt16 array"),
        (lambda _: good([1.5] * 120, ua.VariantType.Double), LinkRejected, "not a UInt16 array"),
        (lambda _: good(["1"] * 120, ua.VariantType.String), LinkRejected, "not a UInt16 array"),
        (lambda words: good(words[:-1]), LinkRejected, "119 words, the layout says 120"),
        (lambda words: good([*words, 0]), LinkRejected, "121 words, the layout says 120"),
        (lambda _: good([]), LinkRejected, "0 words, the layout says 120"),
    ],
)
async def test_opc_ua_values_that_are_not_the_status_array(
    served: Served, bus: OpcUaBus, answer: Answer, expected: type[LinkError], said: str
) -> None:
    words = served.image.status.tolist()
    with (
        served.answering(OpcUaTags().status, answer, words),
        pytest.raises(expected, match=said),
    ):
        await bus.exchange(command_block(1))
    await bus.connect()
    assert np.array_equal(await bus.exchange(command_block(2)), served.image.status)


@pytest.mark.parametrize("answer", [aged(0), aged(999), aged(-5000)])
async def test_fresh_opc_ua_values_are_taken(served: Served, bus: OpcUaBus, answer: Answer) -> None:
    words = served.image.status.tolist()
    with served.answering(OpcUaTags().status, answer, words):
        assert (await bus.exchange(command_block(1))).tolist() == words


async def test_a_ring_slot_may_be_as_old_as_its_record(served: Served, bus: OpcUaBus) -> None:
    words = served.image.scans[:SCAN_WORDS].tolist()
    with served.answering(OpcUaTags().scan_slot.format(slot=0), aged(3_600_000), words):
        assert (await bus.read_scans(0, 1)).tolist() == words


async def test_a_frozen_plc_behind_a_living_server_grows_old(served: Served, bus: OpcUaBus) -> None:
    """The server stamps the status array with the time of the scan that wrote it."""
    later = NOW
    served.server._utc_now = lambda: later
    served.image.status[STATUS_HEARTBEAT] += 1
    served.server.scanned()
    later = NOW + timedelta(milliseconds=900)
    await bus.exchange(command_block(1))
    served.server.scanned()  # the heartbeat has not moved: nothing was written
    later = NOW + timedelta(milliseconds=1100)
    with pytest.raises(LinkTimeout, match="1100 ms old"):
        await bus.exchange(command_block(2))
    served.image.status[STATUS_HEARTBEAT] += 1
    served.server.scanned()
    await bus.connect()
    await bus.exchange(command_block(3))
    served.server._utc_now = lambda: NOW


# --- Modbus ---
def frame(pdu: bytes) -> bytes:
    return (len(pdu) + 1).to_bytes(2, "big") + b"\x01" + pdu


@contextlib.asynccontextmanager
async def modbus_answering(pdu: bytes, spoilt: int | None = None) -> AsyncIterator[ModbusBus]:
    """A bus that was connected properly and whose exchanges are then answered with `pdu`."""
    server = ModbusMailboxServer(small_image(), ModbusLink())
    await server.start()
    async with Cable(server.port).laid() as cable:
        link = ModbusLink(tls=PLAIN_TEXT, port=cable.port, timeout_ms=300)
        bus = ModbusBus(link, MAILBOX, HandClock())
        await bus.connect()

        def reply(request: bytes) -> bytes:
            answer = bytearray(request[:4] + frame(pdu))
            if spoilt is not None:
                answer[spoilt] ^= 0x40
            return bytes(answer)

        cable.reply = reply
        yield bus
        await bus.close()
    await server.stop()


WORDS = bytes(2 * STATUS_WORDS)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11, 0x55])
async def test_modbus_exception_responses(code: int) -> None:
    async with modbus_answering(bytes((0x80 | 23, code))) as bus:
        with pytest.raises(LinkRejected, match=f"Modbus exception {code}"):
            await bus.exchange(command_block(1))


@pytest.mark.parametrize(
    "pdu",
    [
        bytes((23, 238)) + WORDS[:-2],
        bytes((23, 242)) + WORDS + b"\0\0",
        bytes((23, 0)),
        bytes((23,)),
        bytes((23, 240)) + WORDS[:-1],
        bytes((23, 239)) + WORDS[:-1],
        bytes((16, 0, 200, 0, 120)),
        bytes((0x80 | 23,)),
        bytes((99, 1, 2, 3)),
    ],
    ids=[
        "one register too few", "one too many", "none", "no byte count", "one byte too few",
        "odd byte count", "answer to a write", "exception without a code", "unknown function",
    ],
)  # fmt: skip
async def test_modbus_answers_that_are_not_the_status_block(
    pdu: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with modbus_answering(pdu) as bus:
        with pytest.raises(LinkError):
            await bus.exchange(command_block(1))
    assert not caplog.records, "no traceback from the event loop either"


async def test_modbus_answer_of_another_device_or_another_request() -> None:
    async with modbus_answering(bytes((23, 240)) + WORDS) as bus:
        assert len(await bus.exchange(command_block(1))) == STATUS_WORDS
    for at in (1, 6):  # transaction id, unit id
        async with modbus_answering(bytes((23, 240)) + WORDS, spoilt=at) as bus:
            with pytest.raises(LinkError):
                await bus.exchange(command_block(1))
