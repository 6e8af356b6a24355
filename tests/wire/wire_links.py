"""Real sockets for the wire tests: a clock to turn by hand and a cable to freeze or cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import numpy as np

from plc_sim.image import MailboxImage
from sorter.model.frames import Words
from sorter.model.mailbox import COMMAND_WORDS, LAYOUT_VERSION, STATUS_VERSION

DEADLINE_S = 45.0


async def until(holds: Callable[[], bool], busy: Callable[[], Awaitable[object]]) -> None:
    """Do something over and over until a condition holds; fail at the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await busy()
            await asyncio.sleep(0)


class HandClock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns


def small_image() -> MailboxImage:
    """Image of a PLC that runs, with rings whose sizes do not divide evenly; no word repeats."""
    image = MailboxImage(low_word_first=False, event_slots=37, scan_slots=5)
    image.status[:] = np.arange(len(image.status)) + 7000
    image.status[STATUS_VERSION] = LAYOUT_VERSION
    image.events[:] = np.arange(len(image.events)) + 100
    image.scans[:] = np.arange(len(image.scans)) + 9000
    return image


@contextlib.contextmanager
def port_that_drops() -> Iterator[int]:
    """Yield a port at which nothing is answered, not even the first packet: its queue is full."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = int(listening.getsockname()[1])
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def command_block(first: int) -> Words:
    return np.arange(first, first + COMMAND_WORDS, dtype=np.uint16)


class Cable:
    """TCP forwarder that can hold everything back, cut the line, swallow or answer requests."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.swallow: Callable[[bytes], bool] = lambda _request: False
        self.reply: Callable[[bytes], bytes] | None = None
        self.port = 0
        self.connections = 0

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def swallow_next(self) -> None:
        """Return when the next request has got this far, and no further."""
        arrived = asyncio.Event()

        def swallow(_request: bytes) -> bool:
            arrived.set()
            return True

        self.swallow = swallow
        async with asyncio.timeout(DEADLINE_S):
            await arrived.wait()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers |= {writer, far_writer}
        for source, sink, back in ((reader, far_writer, writer), (far_reader, writer, None)):
            task = asyncio.create_task(self._pump(source, sink, back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        back: asyncio.StreamWriter | None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._flowing.wait()
                if back is not None and self.reply is not None:
                    back.write(self.reply(data))
                elif back is None or not self.swallow(data):
                    sink.write(data)
        sink.close()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[Cable]:
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            self.cut()
            pumps = set(self._tasks)
            for task in pumps:
                task.cancel()
            if pumps:
                await asyncio.wait(pumps, timeout=DEADLINE_S)


@contextlib.asynccontextmanager
async def peer_that_says(answer: bytes) -> AsyncIterator[int]:
    """Listen, send `answer` to whatever comes (nothing, if it is empty); yields the port."""

    writers: set[asyncio.StreamWriter] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
