"""The HTTP endpoint that Prometheus scrapes."""

from __future__ import annotations

import threading
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

from sorter.errors import SorterError

STOP_DEADLINE_S: Final = 5.0


class MetricsServer:
    """HTTP endpoint ``/metrics`` in a thread of its own.

    Parameters
    ----------
    host : str
    port : int
        0 takes a free one; see :attr:`port`.
    collectors : Collector
    """

    def __init__(self, host: str, port: int, *collectors: Collector) -> None:
        registry = CollectorRegistry(auto_describe=False)
        for collector in collectors:
            registry.register(collector)
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            raise SorterError(
                f"metrics endpoint {host}:{port} cannot be opened: {error.strerror or error}; "
                "is another controller running? Change service.metrics in the line file"
            ) from error
        self._server: WSGIServer = server
        self._thread: threading.Thread = thread

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(STOP_DEADLINE_S)
