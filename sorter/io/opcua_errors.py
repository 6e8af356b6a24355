"""What asyncua raises and what an OPC UA server answers, as link errors."""

from __future__ import annotations

from typing import Final

from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from asyncua.ua.uatypes import StatusCode

from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io import translate

LIBRARY_ERRORS: Final = (*translate.TRANSPORT_ERRORS, UaError)
"""All that a call into asyncua can raise because of the peer or the network."""

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


def from_exception(link: str, error: BaseException) -> LinkError:
    """Return the link error that one of :data:`LIBRARY_ERRORS` means."""
    if isinstance(error, UaStatusCodeError):
        return from_status(link, StatusCode(error.code))
    if isinstance(error, UaError):
        return LinkRejected(link, f"the peer sent something unexpected ({translate.text(error)})")
    return translate.from_transport(link, error)


def from_status(link: str, status: StatusCode) -> LinkError:
    """Return the link error for a bad OPC UA status code."""
    if status.value in _UA_GONE:
        return LinkLost(link, f"the server ended the session ({status.name})")
    if status.value in _UA_LATE:
        return LinkTimeout(link, f"the server gave up on the request ({status.name})")
    return LinkRejected(link, f"{_UA_HELP.get(status.value, status.doc)} ({status.name})")
