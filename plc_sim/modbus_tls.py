"""Modbus/TCP Security on pymodbus' server: mutual TLS, and the role from the certificate.

pymodbus checks no role, takes whatever TLS delivers for a whole frame, and forgets silently what
is too long. Here frames are put together by their length field, a connection that sends what
cannot be a frame is closed, and a request beyond the role's rights is answered with exception 1,
as the Modbus/TCP Security specification wants it. Who is refused is counted and reported, as on
OPC UA: asyncio itself drops a handshake that fails without a word.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from cryptography import x509
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse
from pymodbus.server import ModbusTlsServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import SimDevice

from plc_sim.log_ins import LogIns
from sorter.config.link_security import Certificates
from sorter.security.certificates import role_of
from sorter.security.roles import Role
from sorter.security.tls import server_context
from sorter.security.trust import PeerTrust
from sorter.security.wall_clock import utc_now

_READS: Final = frozenset({3})
_HEADER_BYTES: Final = 6
_STRANGER: Final = "a Modbus connection"
_CERTIFICATE: Final = "a Modbus certificate"
"""Under these all are counted who were refused: they have no names, and addresses are many."""
_LENGTHS: Final = range(2, 255)
"""What the length field of a Modbus/TCP frame may say: unit id and 1 to 253 bytes of PDU."""


class SecureModbusServer(ModbusTlsServer):
    """TLS server that knows the role of each of its clients.

    Parameters
    ----------
    device : SimDevice
        pymodbus insists on one.
    address : (str, int)
    certificates : Certificates
        The PLC's.
    log_ins : LogIns
        Gets to know who was refused.
    """

    def __init__(
        self,
        device: SimDevice,
        address: tuple[str, int],
        certificates: Certificates,
        log_ins: LogIns,
    ) -> None:
        context = server_context(certificates)
        context.sslobject_class = _handshakes_for(log_ins)
        super().__init__(
            device,
            framer=FramerType.SOCKET,
            address=address,
            sslctx=context,
        )
        self.trust = PeerTrust.load(certificates)
        self.log_ins = log_ins

    def callback_new_connection(self) -> ServerRequestHandler:
        """Return the handler of a new connection."""
        return _Handler(self)


def _handshakes_for(log_ins: LogIns) -> type[ssl.SSLObject]:
    """Return a kind of TLS connection that tells when its handshake fails, and why."""

    class Handshake(ssl.SSLObject):
        """TLS without a socket, as event loops use it."""

        def do_handshake(self) -> None:
            """Go on with the handshake."""
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise  # not failed: the peer's next message has not come yet
            except ssl.SSLCertVerificationError as error:
                log_ins.failed(_CERTIFICATE, f"it is refused: {error.verify_message}")
                raise
            except ssl.SSLError as error:
                why = (error.reason or "it was broken off").lower().replace("_", " ")
                log_ins.failed(_STRANGER, f"the TLS handshake failed: {why}")
                raise

    return Handshake


class _Handler(ServerRequestHandler):
    """One client: a role of its own, and no patience with what cannot be a frame."""

    def __init__(self, server: SecureModbusServer) -> None:
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]
        self._trust = server.trust
        self._log_ins = server.log_ins
        self._role: Role | None = None

    def callback_connected(self) -> None:
        super().callback_connected()
        tls = self.transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        refusal = self._trust.refusal_of_der(der, utc_now(), "client") if der else "there is none"
        if der is None or refusal is not None:
            self._log_ins.failed(_CERTIFICATE, f"it is refused: {refusal}")
            self.close()
            return
        self._role = role_of(x509.load_der_x509_certificate(der))
        if self._role is None:
            self._log_ins.failed(_CERTIFICATE, "it names no role")

    def datagram_received(self, data: bytes, addr: tuple[Any, ...] | None) -> None:
        """Take what TLS delivers: part of a frame, one, or more than a frame can be."""
        received = self.recv_buffer + data
        if len(received) > self.max_buffer_size or not _may_be_a_frame(received):
            self.close()
            return
        super().datagram_received(data, addr)

    async def handle_request(self) -> None:
        """Answer one request, with exception 1 when the role does not allow it."""
        request = self.last_pdu
        if request is None or self._may(request.function_code):
            await super().handle_request()  # type: ignore[no-untyped-call]
            return
        answer = ExceptionResponse(request.function_code, ExcCodes.ILLEGAL_FUNCTION)
        answer.transaction_id, answer.dev_id = request.transaction_id, request.dev_id
        self.server_send(answer, self.last_addr)  # type: ignore[no-untyped-call]

    def _may(self, function_code: int) -> bool:
        if self._role is Role.OPERATOR:
            return True
        return self._role is Role.OBSERVER and function_code in _READS


def _may_be_a_frame(received: bytes) -> bool:
    """Say whether protocol id and length, as far as they are there, are those of a frame."""
    if len(received) < _HEADER_BYTES:
        return True
    protocol = int.from_bytes(received[2:4], "big")
    return protocol == 0 and int.from_bytes(received[4:6], "big") in _LENGTHS
