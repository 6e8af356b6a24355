"""Field bus over Modbus/TCP, on pymodbus' client.

In the steady state one poll is one FC23 transaction: it writes the command block and reads the
status block. A PLC without FC23 gets FC16 and FC3 instead; which one is found out at connect.

Never two transactions at once (servers drop the second of two pipelined requests), never a
cancelled call (its answer would be taken for the next one's): the deadline is the client's own
timeout, and after any error the connection is given up.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Final

import numpy as np
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.pdu import ModbusPDU

from sorter.config.link_security import Certificates
from sorter.config.models import Mailbox, ModbusLink
from sorter.errors import ConfigError, LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io import modbus_errors, translate
from sorter.io.modbus_blocks import (
    ExchangeRequest,
    ExchangeResponse,
    ReadRequest,
    WordsResponse,
    WriteRequest,
)
from sorter.model.frames import Words
from sorter.model.mailbox import (
    COMMAND_RESERVED,
    COMMAND_WORDS,
    EVENT_WORDS,
    SCAN_WORDS,
    STATUS_VERSION,
    STATUS_WORDS,
)
from sorter.ports import Clock

_MAX_READ: Final = 125
_EVENTS_PER_READ: Final = _MAX_READ // EVENT_WORDS
_NS_PER_MS: Final = 1_000_000


class ModbusBus:
    """Moves mailbox words over Modbus/TCP; implements :class:`sorter.ports.FieldBus`.

    Parameters
    ----------
    link : ModbusLink
        Peer, deadlines, poll period and addresses.
    mailbox : Mailbox
        Ring sizes.
    clock : Clock
        Times of :meth:`wait` are on it.
    certificates : Certificates
        Places of the files; not used when the link is plain_text.
    """

    def __init__(
        self,
        link: ModbusLink,
        mailbox: Mailbox,
        clock: Clock,
        certificates: Certificates = Certificates(),  # noqa: B008 - frozen
    ) -> None:
        self._link = link
        self._certificates = certificates
        self._mailbox = mailbox
        self._clock = clock
        self._poll_ns = max(1, round(link.poll_ms * _NS_PER_MS))
        scheme = "modbus tls" if link.tls.mode == "mutual" else "modbus tcp"
        self._name = f"{scheme} {link.host}:{link.port}"
        self._client: AsyncModbusTcpClient | None = None
        self._in_flight = False
        self._fc23 = False
        self._fc23_unanswered = False

    @property
    def name(self) -> str:
        """Link as a person would name it."""
        return self._name

    @property
    def uses_fc23(self) -> bool:
        """Whether the connected PLC does a poll in one transaction."""
        return self._fc23

    async def connect(self) -> None:
        """Open a new connection, check the layout version and find out about FC23."""
        await self.close()
        translate.quiet("pymodbus.logging")
        link = self._link
        client = self._client = self._fitted(self._new_client())
        try:
            connected = await client.connect()
        except modbus_errors.LIBRARY_ERRORS as error:
            await self.close()
            raise modbus_errors.from_exception(self._name, error, connected=False) from error
        if not connected:
            await self.close()
            raise LinkLost(self._name, f"cannot connect: {_why(client)}")
        try:
            status = await self._read("status block", link.status_address, STATUS_WORDS)
            where = f"holding register {link.status_address}"
            translate.check_version(self._name, int(status[STATUS_VERSION]), where)
            self._fc23 = await self._find_fc23()
        except LinkError:
            await self.close()
            raise

    async def exchange(self, command_block: Words) -> Words:
        """Write the command block and read the status block."""
        link = self._link
        if not self._fc23:
            await self._write("command block", link.command_address, command_block)
            return await self._read("status block", link.status_address, STATUS_WORDS)
        request = ExchangeRequest(
            link.device_id, link.command_address, command_block, link.status_address, STATUS_WORDS
        )
        return await self._words("exchange of the mailbox blocks", request, STATUS_WORDS)

    async def read_commands(self) -> Words:
        """Return the command block as the PLC has it."""
        return await self._read("command block", self._link.command_address, COMMAND_WORDS)

    async def read_events(self, first_slot: int, slot_count: int) -> Words:
        """Return `slot_count` slots of the event ring, in as many reads as that takes."""
        _check_slots("event", first_slot, slot_count, self._mailbox.event_slots)
        parts = []
        for slot in range(first_slot, first_slot + slot_count, _EVENTS_PER_READ):
            count = min(_EVENTS_PER_READ, first_slot + slot_count - slot)
            address = self._link.event_address + slot * EVENT_WORDS
            parts.append(await self._read("event ring", address, count * EVENT_WORDS))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    async def read_scans(self, first_slot: int, slot_count: int) -> Words:
        """Return `slot_count` slots of the scan ring; each fills a read."""
        _check_slots("scan", first_slot, slot_count, self._mailbox.scan_slots)
        parts = []
        for slot in range(first_slot, first_slot + slot_count):
            address = self._link.scan_address + slot * SCAN_WORDS
            parts.append(await self._read("scan ring", address, SCAN_WORDS))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    async def wait(self, until_ns: int) -> None:
        """Return at the next tick of the poll grid, at `until_ns` at the latest.

        The grid is absolute: a late poll does not delay the ones after it.
        """
        now_ns = self._clock.now_ns()
        next_poll_ns = (now_ns // self._poll_ns + 1) * self._poll_ns
        await asyncio.sleep(max(0, min(until_ns, next_poll_ns) - now_ns) / 1e9)

    async def close(self) -> None:
        """Close the connection; never raises."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _new_client(self) -> AsyncModbusTcpClient:
        link = self._link
        timeout_s = link.timeout_ms / 1000
        if link.tls.mode == "mutual":
            # Loads cryptography, which a plain link need not wait for.
            from sorter.io.modbus_tls import SecureModbusClient  # noqa: PLC0415

            try:
                return SecureModbusClient(
                    link.host, link.port, self._certificates, timeout_s, self._on_connection
                )
            except ConfigError as error:
                raise LinkRejected(self._name, str(error)) from error
        return AsyncModbusTcpClient(
            link.host,
            port=link.port,
            timeout=timeout_s,
            retries=0,
            # The supervisor reconnects; a library task doing so behind its back could not be told
            # from a PLC restart.
            reconnect_delay=0,
            trace_connect=self._on_connection,
        )

    def _fitted(self, client: AsyncModbusTcpClient) -> AsyncModbusTcpClient:
        """Return the client with the answers of mailbox blocks known to it, and guarded."""
        client.register(WordsResponse)
        client.register(ExchangeResponse)
        client.ctx.callback_data = self._guarded(client.ctx.callback_data)  # type: ignore[method-assign]
        return client

    def _on_connection(self, connected: bool) -> None:
        """Fail the call in flight when the connection goes; pymodbus would let it time out."""
        if not connected:
            why = getattr(self._client, "failure", "") or "closed by the peer"
            self._fail_call(ConnectionException(why))

    def _guarded(self, take: Callable[..., int]) -> Callable[..., int]:
        """Return `take`, which decodes what arrives, so that nothing it raises gets away.

        The event loop would print a traceback for it and drop the connection, with no word about
        why to the call in flight.
        """

        def guarded(data: bytes, addr: tuple[str, int] | None = None) -> int:
            try:
                return take(data, addr=addr)
            except (ModbusException, LookupError, ValueError, struct.error) as error:
                self._fail_call(ModbusIOException(translate.text(error)))
                return len(data)

        return guarded

    def _fail_call(self, error: ModbusException) -> None:
        client = self._client
        if client is None or not self._in_flight:
            return
        answer = client.ctx.response_future
        if not answer.done():
            answer.set_exception(error)

    async def _find_fc23(self) -> bool:
        """Try FC23 on the reserved words of the command block, where a write changes nothing."""
        if self._fc23_unanswered:
            self._fc23_unanswered = False
            return False
        link = self._link
        nothing = np.zeros(1, np.uint16)
        address = link.command_address + COMMAND_RESERVED
        request = ExchangeRequest(link.device_id, address, nothing, link.status_address, 1)
        try:
            response = await self._execute(request)
        except LinkTimeout:
            # FC3 was answered a moment ago: this PLC ignores functions it does not know, or the
            # link froze just now. The next connect does not ask, the one after it does.
            self._fc23_unanswered = True
            raise
        if not response.isError():
            return True
        if response.exception_code == ExcCodes.ILLEGAL_FUNCTION:
            return False
        raise modbus_errors.from_response(self._name, "writing the command block", response)

    async def _read(self, what: str, address: int, count: int) -> Words:
        request = ReadRequest(dev_id=self._link.device_id, address=address, count=count)
        return await self._words(f"reading the {what}", request, count)

    async def _write(self, what: str, address: int, words: Words) -> None:
        response = await self._execute(WriteRequest(self._link.device_id, address, words))
        if response.isError():
            raise modbus_errors.from_response(self._name, f"writing the {what}", response)

    async def _words(self, what: str, request: ModbusPDU, count: int) -> Words:
        response = await self._execute(request)
        if not isinstance(response, WordsResponse):
            raise modbus_errors.from_response(self._name, what, response)
        if len(response.words) != count:
            raise translate.wrong_length(self._name, what, len(response.words), count)
        return response.words

    async def _execute(self, request: ModbusPDU) -> ModbusPDU:
        client = self._client
        if client is None:
            raise LinkLost(self._name, "not connected")
        self._in_flight = True
        try:
            response: ModbusPDU = await client.execute(False, request)
        except modbus_errors.LIBRARY_ERRORS as error:
            problem = modbus_errors.from_exception(self._name, error, connected=client.connected)
            # What is still under way on this connection must never be taken for a later answer.
            await self.close()
            raise problem from error
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            self._in_flight = False
        if not modbus_errors.answers(request, response):
            await self.close()
            raise modbus_errors.from_other_function(self._name, request, response)
        return response


def _why(client: AsyncModbusTcpClient) -> str:
    """Return why a connect failed, as far as the client knows."""
    failure: str = getattr(client, "failure", "")
    return failure or "nothing answers there"


def _check_slots(ring: str, first_slot: int, slot_count: int, slots: int) -> None:
    if first_slot < 0 or slot_count < 1 or first_slot + slot_count > slots:
        last = first_slot + slot_count - 1
        raise ValueError(f"{ring} slots {first_slot}..{last} are not all in 0..{slots - 1}")
