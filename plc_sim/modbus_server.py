"""Modbus/TCP server over the mailbox image, on pymodbus.

Registers are read straight from the image's arrays: nothing is copied per PLC scan. Only the
command block can be written, so a wrong address in a controller never damages the PLC's words.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from plc_sim.image import MailboxImage
from plc_sim.log_ins import LogIns
from sorter.config.link_security import Certificates
from sorter.config.models import ModbusLink
from sorter.model.frames import Words

_READ_HOLDING: Final = 3
_WRITE_MULTIPLE: Final = 16
_READ_WRITE_MULTIPLE: Final = 23
_STOP_DEADLINE_S: Final = 2.0
_ADDRESSES: Final = 0x10000


def _nothing() -> None:
    """Stand in for a callback that nobody asked for."""


class MailboxRegisters(SimCore):
    """Register map of one PLC: four blocks of holding registers on the image's own arrays.

    Parameters
    ----------
    image : MailboxImage
    link : ModbusLink
        Device id and addresses of the blocks.
    fc23 : bool
        Answer FC23; otherwise exception 1, as some PLC stacks do.
    on_command : callable
        Called after each write into the command block.
    """

    def __init__(
        self,
        image: MailboxImage,
        link: ModbusLink,
        *,
        fc23: bool,
        on_command: Callable[[], None],
    ) -> None:
        super().__init__(_PLACEHOLDER)
        self._device_id = link.device_id
        self._on_command = on_command
        self._functions = {_READ_HOLDING, _WRITE_MULTIPLE} | (
            {_READ_WRITE_MULTIPLE} if fc23 else set()
        )
        self._command_address = link.command_address
        self._image = image
        self._blocks = _layout(image, link)

    async def async_getValues(  # noqa: N802  pymodbus calls it by this name
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        """Return `count` registers from `address`, or the exception code to answer."""
        if refusal := self._refusal(device_id, func_code):
            return refusal
        for first, words in self._blocks:
            if first <= address and address + count <= first + len(words):
                start = address - first
                values: list[int] = self._image.shown(words)[start : start + count].tolist()
                return values
        return ExcCodes.ILLEGAL_ADDRESS

    async def async_setValues(  # noqa: N802  pymodbus calls it by this name
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        """Write registers of the command block; all other addresses are refused."""
        if refusal := self._refusal(device_id, func_code):
            return refusal
        start = address - self._command_address
        if start < 0 or start + len(values) > len(self._image.command):
            return ExcCodes.ILLEGAL_ADDRESS
        self._image.write_command(start, [int(value) for value in values])
        self._on_command()
        return None

    def _refusal(self, device_id: int, func_code: int) -> ExcCodes | None:
        if device_id != self._device_id:
            raise NoSuchIdException(f"device id {device_id} is not served here")
        return None if func_code in self._functions else ExcCodes.ILLEGAL_FUNCTION


_PLACEHOLDER: Final = SimDevice(id=0, simdata=SimData(address=0, values=0))
"""pymodbus insists on a device of its own making; no request ever reaches it."""


def _layout(image: MailboxImage, link: ModbusLink) -> list[tuple[int, Words]]:
    """Return ``(first address, words)`` of the four blocks, after checking that they fit."""
    blocks = [
        (link.status_address, image.status),
        (link.command_address, image.command),
        (link.event_address, image.events),
        (link.scan_address, image.scans),
    ]
    end = 0
    for first, words in sorted(blocks, key=lambda block: block[0]):
        if first < end:
            raise ValueError(f"Modbus block at address {first} overlaps the one that ends at {end}")
        end = first + len(words)
    if end > _ADDRESSES:
        raise ValueError(
            f"Modbus blocks end at address {end}, behind the last one, {_ADDRESSES - 1}"
        )
    return blocks


def _listener(server: ModbusTcpServer) -> asyncio.Server:
    """Return the listening socket server, which pymodbus keeps where a transport would be."""
    return cast("asyncio.Server", server.transport)


class ModbusMailboxServer:
    """Serves one mailbox image on Modbus/TCP.

    Parameters
    ----------
    image : MailboxImage
    link : ModbusLink
        Device id and addresses; host and port of it are not used.
    host : str
    port : int
        0 takes a free one, see :attr:`port`.
    fc23 : bool
        Offer FC23 (read/write multiple registers).
    on_command : callable, optional
        Called after each write into the command block.
    certificates : Certificates or None
        Of the PLC, for Modbus/TCP Security; None serves plain Modbus/TCP.
    log_ins : LogIns, optional
        Gets to know who was refused.
    """

    def __init__(
        self,
        image: MailboxImage,
        link: ModbusLink,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        fc23: bool = True,
        on_command: Callable[[], None] = _nothing,
        certificates: Certificates | None = None,
        log_ins: LogIns | None = None,
    ) -> None:
        self._log_ins = log_ins or LogIns()
        self._certificates = certificates
        self._registers = MailboxRegisters(image, link, fc23=fc23, on_command=on_command)
        self._address = (host, port)
        self._server: ModbusTcpServer | None = None

    @property
    def port(self) -> int:
        """TCP port that the server listens on."""
        if self._server is None:
            raise RuntimeError("the Modbus server is not started")
        return int(_listener(self._server).sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raises :class:`OSError` when the address cannot be used."""
        # What a client does wrong is the client's to report; pymodbus prints a traceback for it.
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        server = self._new_server()
        server.context = self._registers
        if not await server.listen():
            raise OSError(f"cannot listen on {self._address[0]}:{self._address[1]} (Modbus/TCP)")
        self._server = server

    def _new_server(self) -> ModbusTcpServer:
        if self._certificates is None:
            return ModbusTcpServer(_PLACEHOLDER, address=self._address)
        # Loads cryptography, which plain Modbus need not wait for.
        from plc_sim.modbus_tls import SecureModbusServer  # noqa: PLC0415

        return SecureModbusServer(_PLACEHOLDER, self._address, self._certificates, self._log_ins)

    async def stop(self) -> None:
        """Close the listener and all connections."""
        if self._server is None:
            return
        server, self._server = self._server, None
        listener = _listener(server)
        async with asyncio.timeout(_STOP_DEADLINE_S):
            await server.shutdown()  # type: ignore[no-untyped-call]
            await listener.wait_closed()
