"""What a peer answers: Modbus frames, and values of the wrong type or quality on OPC UA."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from pymodbus.client import AsyncModbusTcpClient

from sorter.config.models import Mailbox, ModbusLink, ModbusTls, OpcUaLink
from sorter.errors import LinkError, LinkTimeout
from sorter.io import translate
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.mailbox import COMMAND_WORDS, SCAN_WORDS, STATUS_WORDS
from sorter.runtime.clock import MonotonicClock

from .target import Broken, Run, Target, kind_of

BLOCK = np.zeros(COMMAND_WORDS, np.uint16)


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise Broken("waits although the answer is there")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the one event loop of all inputs."""
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


class _Peer:
    """A connected asyncua client whose server answers every read and write with given bytes."""

    def __init__(self) -> None:
        self.answer = b""
        self.takes_writes = False
        session = SimpleNamespace(read=self._read, write=self._write)
        self.uaclient = SimpleNamespace(
            session=session, _publish_task=None, disconnect_socket=lambda: None
        )
        self.disconnect_socket = lambda: None

    async def _read(self, _parameters: object) -> list[ua.DataValue]:
        # As asyncua's session does with the body of a response.
        response = struct_from_binary(ua.ReadResponse, Buffer(self.answer))
        response.ResponseHeader.ServiceResult.check()
        return response.Results

    async def _write(self, _parameters: object) -> list[ua.StatusCode]:
        if self.takes_writes:
            return [ua.StatusCode(0)]  # type: ignore[arg-type]
        response = struct_from_binary(ua.WriteResponse, Buffer(self.answer))
        response.ResponseHeader.ServiceResult.check()
        return response.Results

    async def close_session(self) -> None:
        """Nothing to close."""

    async def disconnect(self) -> None:
        """Nothing to close."""


def _opcua(_folder: Path) -> Run:
    loop = _loop()
    clock = MonotonicClock()
    link = OpcUaLink()
    peer = _Peer()

    async def one(how: int) -> Any:
        bus = OpcUaBus(link, Mailbox(), clock)
        bus._client = peer  # type: ignore[assignment]  # as connect() leaves it
        if how == 0:
            return await bus.exchange(BLOCK), STATUS_WORDS
        if how == 1:
            return await bus.read_scans(3, 1), SCAN_WORDS
        if how == 2:
            return await bus.read_events(8, 4), 48
        await bus._write_command(BLOCK)
        return None, 0

    def run(data: bytes) -> str:
        how = data[0] % 4 if data else 0
        peer.answer, peer.takes_writes = data[1:], how == 0
        try:
            words, wanted = loop.run_until_complete(one(how))
        except LinkError as error:
            return f"rejected: {type(error).__name__}, {kind_of(str(error)[30:])}"
        if wanted and (words.dtype != np.uint16 or words.shape != (wanted,)):
            raise Broken(f"words of the shape {words.shape} and type {words.dtype}")
        return "accepted"

    return run


def _answer(values: list[ua.DataValue]) -> bytes:
    response = ua.ReadResponse()
    response.Results = values
    return bytes(struct_to_binary(response))


def _value(words: int, kind: ua.VariantType = ua.VariantType.UInt16) -> ua.DataValue:
    return ua.DataValue(ua.Variant([1] * words, kind, is_array=True))


def _opcua_seeds() -> list[bytes]:
    shaped = ua.DataValue(
        ua.Variant([1] * STATUS_WORDS, ua.VariantType.UInt16, [STATUS_WORDS, 1], is_array=True)
    )
    bad = ua.DataValue(ua.Variant(), ua.StatusCode(0x80310000))  # type: ignore[arg-type]
    written = ua.WriteResponse()
    written.Results = [ua.StatusCode(0)]  # type: ignore[arg-type]
    dated = _value(STATUS_WORDS)
    return [
        b"\1" + _answer([_value(SCAN_WORDS)]),
        b"\0" + _answer([shaped]),
        b"\1" + _answer([bad]),
        b"\1" + _answer([]),
        b"\1" + _answer([_value(SCAN_WORDS), _value(3)]),
        b"\1" + _answer([_value(SCAN_WORDS, ua.VariantType.Double)]),
        b"\1" + _answer([ua.DataValue(ua.Variant("text"))]),
        b"\2" + _answer([_value(120), _value(120)]),
        b"\2" + _answer([_value(120), shaped]),
        b"\0" + _answer([dated]),
        b"\3" + bytes(struct_to_binary(written)),
    ]


class _Wire:
    """The transport of a connected pymodbus client: what is sent is answered with given bytes."""

    def __init__(self) -> None:
        self.client: AsyncModbusTcpClient | None = None
        self.answer = b""
        self.closed = False

    def write(self, _request: bytes) -> None:
        assert self.client is not None
        self.client.ctx.data_received(self.answer)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def _modbus(_folder: Path) -> Run:
    loop = _loop()
    translate.quiet("pymodbus.logging")
    link = ModbusLink(tls=ModbusTls(mode="plain_text"), timeout_ms=50)
    clock = MonotonicClock()

    async def one(how: int, answer: bytes) -> Any:
        bus = ModbusBus(link, Mailbox(), clock)
        # As connect() makes it.
        client = bus._client = bus._fitted(bus._new_client())
        wire = _Wire()
        wire.client, wire.answer = client, answer
        client.ctx.connection_made(wire)
        bus._fc23 = how != 3
        pending = (
            bus.exchange(BLOCK),
            bus.read_scans(3, 1),
            bus.read_events(8, 4),
            bus._write("command block", 200, BLOCK),
        )
        for other in range(4):
            if other != how:
                pending[other].close()
        wanted = (STATUS_WORDS, SCAN_WORDS, 48, 0)[how]
        running = asyncio.ensure_future(pending[how])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not running.done():  # an answer it does not take for one: the deadline would end it
            running.cancel()
            await asyncio.wait({running})
            await bus.close()
            raise LinkTimeout(bus.name, "the answer is none")
        return await running, wanted

    def run(data: bytes) -> str:
        how = data[0] % 4 if data else 0
        try:
            words, wanted = loop.run_until_complete(one(how, data[1:]))
        except LinkError as error:
            return f"rejected: {type(error).__name__}, {kind_of(str(error)[28:])}"
        if wanted and (words.dtype != np.uint16 or words.shape != (wanted,)):
            raise Broken(f"words of the shape {words.shape} and type {words.dtype}")
        return "accepted"

    return run


def _frame(body: bytes) -> bytes:
    return b"\0\1\0\0" + (len(body) + 1).to_bytes(2, "big") + b"\1" + body


def _modbus_seeds() -> list[bytes]:
    def words(count: int) -> bytes:
        return bytes((2 * count,)) + bytes(2 * count)

    seeds = [
        b"\0" + _frame(b"\x17" + words(STATUS_WORDS)),
        b"\1" + _frame(b"\x03" + words(SCAN_WORDS)),
        b"\2" + _frame(b"\x03" + words(48)),
        b"\3" + _frame(b"\x10\0\xc8\0\x78"),
        b"\1" + _frame(b"\x03" + words(12)),
        b"\1" + _frame(b"\x03"),
        b"\0" + _frame(b"\x10\0\xc8\0\x78"),
    ]
    seeds += [
        bytes((how,)) + _frame(bytes((0x80 + 3, code))) for how in range(4) for code in range(12)
    ]
    return seeds


TARGETS = (
    Target("opcua", "io.opcua.OpcUaBus on any answer", _opcua_seeds, _opcua, limit_bytes=1200),
    Target("modbus", "io.modbus.ModbusBus on any answer", _modbus_seeds, _modbus, limit_bytes=600),
)
