"""The simulated PLC takes so many OPC UA connections as docs/security.md says, and no more."""

from __future__ import annotations

import asyncio
import contextlib

from wire_links import DEADLINE_S, small_image

from plc_sim.opcua_server import OpcUaMailboxServer
from sorter.config.models import OpcUaTags

MOST_CONNECTIONS = 32


def hello(endpoint: str) -> bytes:
    """Return the first message of a client: its buffer sizes, and whom it wants to talk to."""
    sizes = (0, 65536, 65536, 0, 0, len(endpoint))
    body = b"".join(size.to_bytes(4, "little") for size in sizes) + endpoint.encode()
    return b"HELF" + (8 + len(body)).to_bytes(4, "little") + body


class Caller:
    """A connection, as raw as it can be."""

    def __init__(self, server: OpcUaMailboxServer) -> None:
        self._server = server

    async def is_answered(self) -> bool:
        """Connect and say hello; return whether the server says anything."""
        async with asyncio.timeout(DEADLINE_S):
            reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port)
            with contextlib.suppress(ConnectionError):
                self._writer.write(hello(self._server.endpoint))
                return (await reader.read(4096)).startswith(b"ACKF")
            return False

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def test_one_connection_too_many_is_refused_and_the_others_go_on() -> None:
    server = OpcUaMailboxServer(small_image(), OpcUaTags())
    await server.start()
    callers = [Caller(server) for _ in range(MOST_CONNECTIONS)]
    try:
        assert [await caller.is_answered() for caller in callers] == [True] * MOST_CONNECTIONS
        for _ in range(3):
            refused = Caller(server)
            assert not await refused.is_answered()
            await refused.close()
        # Refusals take no place, and a place that is given up can be had again.
        await callers.pop().close()
        async with asyncio.timeout(DEADLINE_S):
            while not await (late := Caller(server)).is_answered():
                await late.close()
        callers.append(late)
    finally:
        for caller in callers:
            await caller.close()
        await server.stop()
