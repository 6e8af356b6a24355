"""What asyncua raises and what an OPC UA server answers, as link errors."""

from __future__ import annotations

from typing import Final

from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from asyncua.ua.uatypes import StatusCode
from cryptography.exceptions import InvalidSignature

from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io import translate

_PARSER_ERRORS: Final = (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What asyncua's decoder stumbles over when an answer is not what its type says."""
LIBRARY_ERRORS: Final = (*translate.TRANSPORT_ERRORS, UaError, InvalidSignature, *_PARSER_ERRORS)
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
    StatusCodes.BadUserAccessDenied: (
        "user and password are not known there, or this user may not write the mailbox"
    ),
    StatusCodes.BadIdentityTokenRejected: (
        "the server does not take this kind of log-in: compare io.opcua.security.identity"
    ),
    StatusCodes.BadSecurityChecksFailed: (
        "the server refuses this channel: it wants encryption and a certificate that it trusts"
    ),
    StatusCodes.BadCertificateUntrusted: (
        "neither the certificate nor its authority is trusted: put it into io.certificates.trusted "
        "here, or the controller's into the trust list there"
    ),
    StatusCodes.BadCertificateTimeInvalid: "the certificate has expired or is not valid yet",
    StatusCodes.BadCertificateUriInvalid: (
        "the certificate is for another application URI: compare io.opcua.security.application_uri"
    ),
    StatusCodes.BadNotWritable: "the tag cannot be written",
}


def from_exception(link: str, error: BaseException) -> LinkError:
    """Return the link error that one of :data:`LIBRARY_ERRORS` means."""
    if isinstance(error, UaStatusCodeError):
        return from_status(link, StatusCode(error.code))
    if isinstance(error, UaError | InvalidSignature):
        return LinkRejected(link, f"the peer sent something unexpected ({translate.text(error)})")
    return translate.from_transport(link, error)


def from_status(link: str, status: StatusCode) -> LinkError:
    """Return the link error for a bad OPC UA status code."""
    if status.value in _UA_GONE:
        return LinkLost(link, f"the server ended the session ({status.name})")
    if status.value in _UA_LATE:
        return LinkTimeout(link, f"the server gave up on the request ({status.name})")
    return LinkRejected(link, f"{_UA_HELP.get(status.value, status.doc)} ({status.name})")
