"""An OPC UA answer that arrives in the very moment in which its deadline ends.

On Python 3.11 asyncua then raises a kind of ``CancelledError`` that no deadline takes for its own;
it went up through the control loop and ended the controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from asyncua.common.utils import wait_for
from wire_links import small_image

from plc_sim.opcua_server import OpcUaMailboxServer
from sorter.config.link_security import NONE_AND_ANONYMOUS
from sorter.config.models import Mailbox, OpcUaLink, OpcUaTags
from sorter.errors import LinkTimeout
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import COMMAND_WORDS
from sorter.runtime.clock import MonotonicClock

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
BLOCK = np.zeros(COMMAND_WORDS, np.uint16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int]:
    server = OpcUaMailboxServer(small_image(), OpcUaTags())
    await server.start()
    yield server.port
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def bus(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpcUaBus]:
    """Return a connected bus whose next answer comes right behind a deadline that has ended."""
    endpoint = f"opc.tcp://127.0.0.1:{port}/parcel-sorter/"
    link = OpcUaLink(endpoint=endpoint, security=NONE_AND_ANONYMOUS)
    connected = OpcUaBus(link, Mailbox(event_slots=37, scan_slots=5), MonotonicClock())
    await connected.connect()
    assert connected._client is not None
    session = connected._client.uaclient.session

    async def just_too_late(_request: object) -> object:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[object] = loop.create_future()
        loop.call_soon(answer.set_result, [])
        return await wait_for(answer, 30.0)

    monkeypatch.setattr(session, "read", just_too_late)
    monkeypatch.setattr(session, "write", just_too_late)
    yield connected
    await connected.close()


async def test_it_counts_as_late(bus: OpcUaBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "_timeout_s", 0.0)
    with pytest.raises(LinkTimeout):
        await bus.exchange(BLOCK)


async def test_the_deadline_of_whoever_called_the_bus_is_kept(bus: OpcUaBus) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await bus.exchange(BLOCK)
