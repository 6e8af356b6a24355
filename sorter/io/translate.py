"""Turns what the protocol libraries raise or answer into this project's three link errors.

An illegal Modbus address *returns* an error response while a dead server *raises*; asyncua raises
one class per status code, plus whatever the socket and the parser raise. Nothing of that leaves
this module: adapters catch :data:`LIBRARY_ERRORS` and raise what comes back from here.
"""

from __future__ import annotations

import logging
import struct
from typing import Final

from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from asyncua.ua.uatypes import StatusCode
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.model.mailbox import LAYOUT_VERSION

LIBRARY_ERRORS: Final = (
    TimeoutError,
    OSError,
    EOFError,
    ModbusException,
    UaError,
    struct.error,
    ValueError,
)
"""All that a call into pymodbus or asyncua can raise because of the peer or the network."""

_MODBUS_HELP: Final[dict[int, str]] = {
    ExcCodes.ILLEGAL_FUNCTION: "the PLC does not know this function code",
    ExcCodes.ILLEGAL_ADDRESS: "no such registers: compare io.modbus.*_address with the PLC",
    ExcCodes.ILLEGAL_VALUE: "the PLC does not accept this many registers",
    ExcCodes.DEVICE_FAILURE: "the PLC reports a device failure",
    ExcCodes.DEVICE_BUSY: "the PLC is busy",
    ExcCodes.GATEWAY_PATH_UNAVIABLE: "no device with this id: compare io.modbus.device_id",
    ExcCodes.GATEWAY_NO_RESPONSE: "no device with this id: compare io.modbus.device_id",
}

_UA_GONE: Final = frozenset(
    {
        StatusCodes.BadCommunicationError,
        StatusCodes.BadConnectionClosed,
        StatusCodes.BadConnectionRejected,
        StatusCodes.BadDisconnect,
        StatusCodes.BadNotConnected,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadServerHalted,
        StatusCodes.BadServerNotConnected,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadSessionNotActivated,
        StatusCodes.BadShutdown,
    }
)
_UA_LATE: Final = frozenset({StatusCodes.BadTimeout, StatusCodes.BadRequestTimeout})
_UA_HELP: Final[dict[int, str]] = {
    StatusCodes.BadNodeIdUnknown: "no such node: compare io.opcua.tags with the PLC",
    StatusCodes.BadNodeIdInvalid: "no such node: compare io.opcua.tags with the PLC",
    StatusCodes.BadTypeMismatch: "the tag is not a UInt16 array of the mailbox's length",
    StatusCodes.BadUserAccessDenied: "this user may not read or write the mailbox",
    StatusCodes.BadNotWritable: "the tag cannot be written",
}


def quiet_libraries() -> None:
    """Silence the libraries' own logs: every link error is reported once, by the supervisor."""
    for name in ("pymodbus.logging", "asyncua"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def translate(link: str, error: BaseException, *, connected: bool = True) -> LinkError:
    """Return the link error that `error` means.

    Parameters
    ----------
    link : str
        Name of the link.
    error : BaseException
        One of :data:`LIBRARY_ERRORS`.
    connected : bool
        Whether the transport was still open after the error; pymodbus reports a connection that
        closed under a call as if the answer were merely late.
    """
    if isinstance(error, LinkError):
        return error
    if isinstance(error, TimeoutError):
        return LinkTimeout(link, "no answer within the deadline")
    if isinstance(error, ConnectionException | OSError | EOFError):
        return LinkLost(link, f"connection refused, closed or reset ({_text(error)})")
    if isinstance(error, ModbusException):
        return _from_modbus(link, error, connected)
    if isinstance(error, UaStatusCodeError):
        return from_status(link, StatusCode(error.code))
    return LinkRejected(link, f"the peer sent something unexpected ({_text(error)})")


def _from_modbus(link: str, error: ModbusException, connected: bool) -> LinkError:
    text = _text(error)
    if not connected:
        return LinkLost(link, f"connection closed ({text})")
    if "No response" in text:
        return LinkTimeout(link, "no answer within the deadline")
    return LinkLost(link, f"answers are out of step ({text})")


def from_status(link: str, status: StatusCode) -> LinkError:
    """Return the link error for a bad OPC UA status code."""
    if status.value in _UA_GONE:
        return LinkLost(link, f"the server ended the session ({status.name})")
    if status.value in _UA_LATE:
        return LinkTimeout(link, f"the server gave up on the request ({status.name})")
    return LinkRejected(link, f"{_UA_HELP.get(status.value, status.doc)} ({status.name})")


def from_response(link: str, what: str, response: ModbusPDU) -> LinkError:
    """Return the link error for a Modbus exception response to `what`."""
    code = response.exception_code
    help_text = _MODBUS_HELP.get(code, "the PLC refused it")
    return LinkRejected(link, f"{what} answered with Modbus exception {code}: {help_text}")


def wrong_length(link: str, what: str, words: int, expected: int) -> LinkRejected:
    """Return the error for a block of another size than the layout's."""
    return LinkRejected(link, f"{what} has {words} words, the layout says {expected}")


def check_version(link: str, version: int, where: str) -> None:
    """Raise :class:`LinkRejected` unless the PLC speaks this layout version.

    Parameters
    ----------
    link : str
    version : int
        First word of the status block.
    where : str
        Where the status block was looked for.
    """
    if version == LAYOUT_VERSION:
        return
    if version == 0:
        problem = f"no mailbox at {where}: its first word is 0, the PLC program has not started"
    else:
        problem = (
            f"{where} has mailbox layout version {version}, this controller speaks "
            f"{LAYOUT_VERSION}: load the PLC program that belongs to it, or check the address"
        )
    raise LinkRejected(link, problem)


def _text(error: BaseException) -> str:
    if isinstance(error, ModbusException):
        return error.string
    return str(error) or type(error).__name__
