"""The bad network, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

from plc_sim.chaos.link_proxy import BUFFER_BYTES, LinkProxy, LinkWeather

PATIENCE_S = 10.0


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.connections = 0
        self.news = asyncio.Condition()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve_one, "127.0.0.1", 0)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65536):
                self.got += data
                writer.write(data)
                await writer.drain()
                async with self.news:
                    self.news.notify_all()
        except ConnectionError:
            pass
        finally:
            writer.close()
            async with self.news:
                self.news.notify_all()

    async def wait_for(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S), self.news:
            await self.news.wait_for(lambda: bytes(self.got) == data)


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    server = Echo()
    listening = await server.serve()
    yield server, listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()


@pytest.fixture
async def proxy(echo: tuple[Echo, int]) -> AsyncIterator[LinkProxy]:
    relay = LinkProxy(echo[1], np.random.default_rng(1))
    await relay.start()
    yield relay
    await relay.close()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]


@pytest.fixture
async def connect(proxy: LinkProxy) -> AsyncIterator[Connect]:
    writers: list[asyncio.StreamWriter] = []

    async def one() -> Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        return reader, writer

    yield one
    for writer in writers:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readexactly(count)


async def test_passes_bytes_both_ways_and_the_end_of_them(
    proxy: LinkProxy, echo: tuple[Echo, int], connect: Connect
) -> None:
    reader, writer = await connect()
    writer.write(b"hello")
    assert await answer(reader, 5) == b"hello"
    writer.close()
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""


async def test_a_cut_resets_connections_and_refuses_new_ones(
    proxy: LinkProxy, connect: Connect
) -> None:
    reader, writer = await connect()
    writer.write(b"x")
    await answer(reader, 1)
    proxy.cut()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        again, _ = await connect()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await again.readexactly(1)
    proxy.mend()
    reader, writer = await connect()
    writer.write(b"back")
    assert await answer(reader, 4) == b"back"


async def test_half_open_holds_everything_back_and_delivers_it_late(
    proxy: LinkProxy, echo: tuple[Echo, int], connect: Connect
) -> None:
    reader, writer = await connect()
    writer.write(b"a")
    await answer(reader, 1)
    proxy.half_open()
    writer.write(b"late")
    later, late_writer = await connect()
    late_writer.write(b"r")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.readexactly(1)
    assert bytes(echo[0].got) == b"a"
    assert echo[0].connections == 1
    proxy.mend()
    assert await answer(reader, 4) == b"late"
    assert await answer(later, 1) == b"r"


async def test_what_a_given_up_connection_had_sent_still_arrives(
    proxy: LinkProxy, echo: tuple[Echo, int], connect: Connect
) -> None:
    reader, writer = await connect()
    writer.write(b"a")
    await answer(reader, 1)
    proxy.half_open()
    writer.write(b"write that failed")
    await writer.drain()
    writer.close()
    near = next(side for side in proxy._sides if side._opened_here)
    await asyncio.wait([near.lost], timeout=PATIENCE_S)
    proxy.mend()
    await echo[0].wait_for(b"awrite that failed")
    assert bytes(echo[0].got) == b"awrite that failed"


async def test_latency_delays_and_keeps_the_order(proxy: LinkProxy, connect: Connect) -> None:
    proxy.set_weather(LinkWeather(latency_s=0.02, jitter_s=0.02))
    reader, writer = await connect()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for number in range(50):
        writer.write(bytes([number]))
        await asyncio.sleep(0)
    assert await answer(reader, 50) == bytes(range(50))
    assert loop.time() - began_s >= 0.04  # there and back


async def test_a_lost_packet_is_a_stall_for_all_behind_it(
    proxy: LinkProxy, connect: Connect
) -> None:
    proxy.set_weather(LinkWeather(loss=1.0, retransmission_s=0.05))
    reader, writer = await connect()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    writer.write(b"1")
    assert await answer(reader, 1) == b"1"
    assert loop.time() - began_s >= 0.1


async def test_buffers_are_bounded(proxy: LinkProxy, connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"a")
    await answer(reader, 1)
    proxy.half_open()
    writer.transport.set_write_buffer_limits(high=0)
    sent = 0
    while await taken(writer, bytes(65536)):  # at last nobody takes any more
        sent += 65536
        assert sent < 1000 * 65536
    assert sum(side._held_bytes for side in proxy._sides) < BUFFER_BYTES + 1024 * 1024


async def taken(writer: asyncio.StreamWriter, data: bytes) -> bool:
    writer.write(data)
    try:
        async with asyncio.timeout(0.3):
            await writer.drain()
    except TimeoutError:
        return False
    return True


async def test_new_connections_follow_a_peer_that_moved(proxy: LinkProxy, connect: Connect) -> None:
    other = Echo()
    listening = await other.serve()
    proxy.point_at(listening.sockets[0].getsockname()[1])
    reader, writer = await connect()
    writer.write(b"new")
    assert await answer(reader, 3) == b"new"
    assert bytes(other.got) == b"new"
    writer.close()
    listening.close()


async def test_a_peer_that_is_not_there_resets(proxy: LinkProxy, connect: Connect) -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    proxy.point_at(listening.sockets[0].getsockname()[1])
    listening.close()
    await listening.wait_closed()
    reader, _ = await connect()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
