"""The HTTP endpoint that Prometheus scrapes."""

from __future__ import annotations

import threading
import time
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
        self._answering: list[threading.Thread] = []
        answer = server.process_request_thread  # type: ignore[attr-defined]

        def answer_and_be_known(request: object, address: object) -> None:
            alive = [thread for thread in self._answering if thread.is_alive()]
            self._answering = [*alive, threading.current_thread()]
            answer(request, address)

        server.process_request_thread = answer_and_be_known  # type: ignore[attr-defined]

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
        for thread in (self._thread, *self._answering):
            thread.join(max(0.0, until_s - time.perf_counter()))
