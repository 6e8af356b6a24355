"""A bad network between a controller and a PLC: a TCP relay that delays, stalls, cuts and swallows.

Knows nothing of what passes, so it serves Modbus/TCP and OPC UA alike. What it does to a
connection is what networks do: bytes keep their order and none is changed, they only come later,
or the connection ends. A lost packet shows as the wait for its retransmission.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

import numpy as np

BUFFER_BYTES: Final = 256 * 1024
"""Held back for one direction of one connection; then the sender has to wait."""
CONNECT_DEADLINE_S: Final = 5.0
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class LinkState(Enum):
    """What becomes of bytes and connections."""

    PASSING = "passing"
    CUT = "cut"
    """Connections are reset, new ones at once."""
    HALF_OPEN = "half_open"
    """Connections stay and are accepted, and nothing passes until the link is mended."""


@dataclass(frozen=True, slots=True)
class LinkWeather:
    """How bytes travel while the link passes.

    Attributes
    ----------
    latency_s, jitter_s : float
        One way: at least the latency, and up to the jitter more.
    loss : float
        Share of chunks that are lost once, 0 to 1.
    retransmission_s : float
        How much later a lost one comes; what is behind it waits, as in TCP.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    retransmission_s: float = 0.2


FAIR: Final = LinkWeather()


class LinkProxy:
    """Relays one listening port to one peer.

    Parameters
    ----------
    peer_port : int
        Where the PLC listens.
    generator : numpy Generator
        Draws jitter and losses.
    host : str
        Address to listen on and of the peer.

    Attributes
    ----------
    connections : int
        Accepted so far.
    """

    def __init__(
        self, peer_port: int, generator: np.random.Generator, host: str = "127.0.0.1"
    ) -> None:
        self._host = host
        self._peer_port = peer_port
        self._generator = generator
        self._weather = FAIR
        self._state = LinkState.PASSING
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._sides: set[_Side] = set()
        self._openings: set[asyncio.Task[None]] = set()
        self.connections = 0

    @property
    def port(self) -> int:
        """The port it listens on; known once started."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def state(self) -> LinkState:
        """What becomes of bytes at present."""
        return self._state

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self), self._host, 0)

    async def close(self) -> None:
        """End every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        for task in list(self._openings):
            task.cancel()
        await asyncio.gather(*self._openings, return_exceptions=True)
        lost = [side.lost for side in self._sides]
        for side in list(self._sides):
            side.reset()
        if lost:
            await asyncio.wait(lost, timeout=CONNECT_DEADLINE_S)

    def point_at(self, peer_port: int) -> None:
        """Relay new connections to another port: the PLC has started again."""
        self._peer_port = peer_port

    # --- what the network does --------------------------------------------------------------------
    def cut(self) -> None:
        """Reset every connection, and each new one, until mended."""
        self._state = LinkState.CUT
        self._passing.clear()
        for side in list(self._sides):
            side.reset()

    def half_open(self) -> None:
        """Keep and accept connections, and let nothing pass, until mended."""
        self._state = LinkState.HALF_OPEN
        self._passing.clear()

    def mend(self) -> None:
        """Let bytes pass again; what was held back arrives now, late."""
        self._state = LinkState.PASSING
        self._passing.set()
        for side in list(self._sides):
            side.forward()

    def set_weather(self, weather: LinkWeather) -> None:
        """Change how bytes travel from now on."""
        self._weather = weather

    # --- for the connections ----------------------------------------------------------------------
    def delay_s(self) -> float:
        """Draw how long a chunk is under way."""
        weather = self._weather
        if weather == FAIR:
            return 0.0
        delay_s = weather.latency_s + weather.jitter_s * float(self._generator.random())
        if weather.loss and self._generator.random() < weather.loss:
            delay_s += weather.retransmission_s
        return delay_s

    def accepted(self, side: _Side) -> None:
        """Take in a connection of a controller."""
        self.connections += 1
        self._sides.add(side)
        if self._state is LinkState.CUT:
            side.reset()
            return
        task = asyncio.get_running_loop().create_task(self._open(side))
        self._openings.add(task)
        task.add_done_callback(self._openings.discard)

    def forget(self, side: _Side) -> None:
        """Let go of an end whose connection is gone."""
        self._sides.discard(side)

    async def _open(self, near: _Side) -> None:
        """Connect onwards to the peer, as soon as anything passes."""
        await self._passing.wait()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                _, far = await loop.create_connection(
                    lambda: _Side(self, near), self._host, self._peer_port
                )
        except (OSError, TimeoutError):
            near.reset()
            return
        self._sides.add(far)
        if self._state is LinkState.CUT:
            far.reset()
            near.reset()
        else:
            near.join(far)
            far.join(near)


class _Side(asyncio.Protocol):
    """One end of a relayed connection: what arrives here leaves at the other end.

    Parameters
    ----------
    link : LinkProxy
    near : _Side, optional
        The controller's end, for which this one was opened.
    """

    def __init__(self, link: LinkProxy, near: _Side | None = None) -> None:
        self._link = link
        self._opened_here = near is None
        self._other: _Side | None = near
        self._transport: asyncio.Transport | None = None
        self._under_way: deque[tuple[float, bytes | None]] = deque()
        self._held_bytes = 0
        self._newest_due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own
        if self._opened_here:
            self._link.accepted(self)

    def join(self, other: _Side) -> None:
        """Hand on to `other` from now on, what has arrived so far included."""
        self._other = other
        self.forward()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        # The other end hears of it as of everything else: when the link passes, in its turn.
        self._take(None)
        if self._other is None:
            self._link.forget(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._other is not None:
            self._other.forward()

    def reset(self) -> None:
        """End the connection with a reset; what was under way is gone."""
        self._under_way.clear()
        if self._timer is not None:
            self._timer.cancel()
        transport = self._transport
        if transport is None:
            self._link.forget(self)
        if transport is not None:
            handle = transport.get_extra_info("socket")
            if handle is not None and handle.fileno() >= 0:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()

    def forward(self) -> None:
        """Hand on what is due; come back for the rest."""
        other = self._other
        if other is None or self._link.state is not LinkState.PASSING:
            return
        now_s = asyncio.get_running_loop().time()
        while self._under_way and other._writable and self._under_way[0][0] <= now_s:
            _, data = self._under_way.popleft()
            if data is None:
                other.end()
                self._link.forget(self)
                return
            self._held_bytes -= len(data)
            other.send(data)
        if self._held_bytes < BUFFER_BYTES and self._transport is not None:
            self._transport.resume_reading()
        if self._under_way and other._writable:
            self._come_back(self._under_way[0][0])

    def send(self, data: bytes) -> None:
        """Let bytes out at this end."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def end(self) -> None:
        """Close this end: the other one was closed."""
        if self._transport is not None:
            self._transport.close()

    def _take(self, data: bytes | None) -> None:
        due_s = asyncio.get_running_loop().time() + self._link.delay_s()
        self._newest_due_s = max(self._newest_due_s, due_s)
        self._under_way.append((self._newest_due_s, data))
        self._held_bytes += len(data or b"")
        if self._held_bytes >= BUFFER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self.forward()

    def _come_back(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due_s, self.forward)
