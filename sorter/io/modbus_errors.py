"""What pymodbus raises and what a Modbus device answers, as link errors."""

from __future__ import annotations

from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from sorter.errors import LinkError, LinkLost, LinkRejected
from sorter.io import translate

LIBRARY_ERRORS: Final = (*translate.TRANSPORT_ERRORS, ModbusException)
"""All that a call into pymodbus can raise because of the peer or the network."""

_MODBUS_HELP: Final[dict[int, str]] = {
    ExcCodes.ILLEGAL_FUNCTION: "the PLC does not know this function code",
    ExcCodes.ILLEGAL_ADDRESS: "no such registers: compare io.modbus.*_address with the PLC",
    ExcCodes.ILLEGAL_VALUE: "the PLC does not accept this many registers",
    ExcCodes.DEVICE_FAILURE: "the PLC reports a device failure",
    ExcCodes.DEVICE_BUSY: "the PLC is busy",
    ExcCodes.GATEWAY_PATH_UNAVIABLE: "no device with this id: compare io.modbus.device_id",
    ExcCodes.GATEWAY_NO_RESPONSE: "no device with this id: compare io.modbus.device_id",
}


def from_exception(link: str, error: BaseException, *, connected: bool) -> LinkError:
    """Return the link error that one of :data:`LIBRARY_ERRORS` means.

    Parameters
    ----------
    link : str
        Name of the link.
    error : BaseException
    connected : bool
        Whether the connection was still open afterwards; pymodbus reports one that closed under a
        call as if the answer were merely late.
    """
    if not isinstance(error, ModbusException):
        return translate.from_transport(link, error)
    if isinstance(error, ConnectionException):
        return translate.lost(link, ConnectionError(error.string))
    if not connected:
        return LinkLost(link, f"connection closed ({error.string})")
    if "No response" in error.string:
        return translate.late(link)
    return LinkLost(link, f"answers are out of step ({error.string})")


def answers(request: ModbusPDU, response: ModbusPDU) -> bool:
    """Say whether a response is of the function that was asked for; pymodbus does not look.

    An exception is an answer whatever its code: some devices do not repeat one they do not know.
    """
    return response.isError() or response.function_code == request.function_code


def from_other_function(link: str, request: ModbusPDU, response: ModbusPDU) -> LinkError:
    """Return the link error for a response to a function that was not asked for."""
    return LinkLost(
        link,
        f"answers are out of step (function {request.function_code} was answered as function "
        f"{response.function_code})",
    )


def from_response(link: str, what: str, response: ModbusPDU) -> LinkError:
    """Return the link error for a Modbus exception response to `what`."""
    code = response.exception_code
    help_text = _MODBUS_HELP.get(code, "the PLC refused it")
    return LinkRejected(link, f"{what} answered with Modbus exception {code}: {help_text}")
