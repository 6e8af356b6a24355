"""The HTTP endpoint that Prometheus scrapes; HTTPS where a certificate is configured."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.registry import Collector

from sorter.errors import SorterError

STOP_DEADLINE_S: Final = 5.0
SILENCE_LIMIT_S: Final = 10.0
"""A client that neither asks nor takes its answer for so long is dropped."""


class MetricsServer:
    """HTTP endpoint ``/metrics`` in a thread of its own.

    Parameters
    ----------
    host : str
    port : int
        0 takes a free one; see :attr:`port`.
    collectors : Collector
    tls : ssl.SSLContext, optional
        Of a server, for HTTPS.
    """

    def __init__(
        self, host: str, port: int, *collectors: Collector, tls: ssl.SSLContext | None = None
    ) -> None:
        registry = CollectorRegistry(auto_describe=False)
        for collector in collectors:
            registry.register(collector)
        try:
            self._server = _Endpoint(host, port, tls)
        except OSError as error:
            raise SorterError(
                f"metrics endpoint {host}:{port} cannot be opened: {error.strerror or error}; "
                "is another controller running? Change service.metrics in the line file"
            ) from error
        self._server.set_app(make_wsgi_app(registry))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop listening; wait, but not for ever, for scrapes that are being answered.

        Python ends threads that are still at work when it ends in the middle of whatever they call,
        and some libraries abort the whole process then.
        """
        self._server.shutdown()
        self._server.server_close()
        until_s = time.perf_counter() + STOP_DEADLINE_S
        for thread in (self._thread, *self._server.answering):
            thread.join(max(0.0, until_s - time.perf_counter()))


class _Handler(WSGIRequestHandler):
    timeout = SILENCE_LIMIT_S

    def log_message(self, *_: object) -> None:
        """Log no request."""


class _Endpoint(ThreadingMixIn, WSGIServer):
    """A thread for each request; prometheus_client's own would wait for every TLS handshake."""

    daemon_threads = True

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        self.answering: list[threading.Thread] = []
        self._tls = tls
        super().__init__((str(address[0]), port), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake comes with the first read, in the thread that answers: a client that
            # connects and says nothing must hold up neither the others nor the controller's end.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        alive = [thread for thread in self.answering if thread.is_alive()]
        self.answering = [*alive, threading.current_thread()]
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away, are silent, or speak no TLS."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
