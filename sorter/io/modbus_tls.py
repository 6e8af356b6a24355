"""Modbus/TCP Security on pymodbus' client."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType
from pymodbus.transport import CommParams, CommType

from sorter.config.link_security import Certificates
from sorter.security.tls import client_context
from sorter.security.trust import PeerTrust
from sorter.security.wall_clock import utc_now


class SecureModbusClient(AsyncModbusTcpClient):
    """TLS client whose frames may be cut anywhere.

    pymodbus' own TLS framer takes whatever TLS delivers for one whole frame. TLS keeps no
    boundaries, so the frames are put together by their length field here, as on plain TCP. That
    pymodbus hides why a connection failed is mended too, see :attr:`failure`.

    Parameters
    ----------
    host : str
        Must be in the server's certificate.
    port : int
    certificates : Certificates
    timeout_s : float
    trace_connect : callable

    Attributes
    ----------
    failure : str
        Why the last connect failed, or the connection broke off; empty when it did not.
    """

    def __init__(
        self,
        host: str,
        port: int,
        certificates: Certificates,
        timeout_s: float,
        trace_connect: Callable[[bool], None],
    ) -> None:
        self._trust = PeerTrust.load(certificates)
        self.comm_params = CommParams(
            comm_name="sorter",
            comm_type=CommType.TLS,
            host=host,
            port=port,
            sslctx=client_context(certificates),
            reconnect_delay=0.0,
            timeout_connect=timeout_s,
        )
        super().__init__("", framer=FramerType.SOCKET, retries=0, trace_connect=trace_connect)
        self.failure = ""
        self._disconnected = self.ctx.callback_disconnected
        self.ctx.callback_disconnected = self._lost  # type: ignore[method-assign]
        self._create = self.ctx.call_create
        self.ctx.call_create = self._open

    def _lost(self, exc: Exception | None) -> None:
        """Note why the PLC closed: with TLS 1.3 a refused client hears of it only afterwards.

        Some stacks send the reason, some just close.
        """
        reason = exc.reason if isinstance(exc, ssl.SSLError) else None
        why = (reason or "").lower().replace("_", " ")
        if not self.failure and (why or self.ctx.last_pdu is None):
            self.failure = (
                f"the PLC broke off behind the TLS handshake ({why or 'without a reason'}): is "
                "this controller's certificate trusted there, and neither expired nor revoked?"
            )
        self._disconnected(exc)

    async def _open(self) -> Any:
        self.failure = ""
        try:
            transport, protocol = await self._create()
        except ssl.SSLCertVerificationError as error:
            self.failure = f"the PLC's certificate is refused: {error.verify_message}"
            raise
        except OSError as error:
            self.failure = str(error)
            raise
        der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        refusal = self._trust.refusal_of_der(der, utc_now(), "server")
        if refusal is not None:
            self.failure = f"the PLC's certificate is refused: {refusal}"
            transport.abort()
            raise ConnectionAbortedError(self.failure)
        return transport, protocol
