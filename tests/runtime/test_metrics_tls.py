"""The metrics endpoint over HTTPS: who asks gets figures, and who is silent holds up nobody."""

from __future__ import annotations

import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sorter.runtime.metrics_server import STOP_DEADLINE_S, MetricsServer
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.tls import open_server_context
from sorter.security.wall_clock import utc_now

PATIENT_S = 10.0


class OneFigure(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("parcels", "", value=7.0)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics") / "certs"
    make_folder(folder, CertsPlan(), utc_now())
    return folder


@pytest.fixture
def server(certs: Path) -> Iterator[MetricsServer]:
    own = certs / "plc"
    tls = open_server_context(own / "certificate.pem", own / "private_key.pem")
    serving = MetricsServer("127.0.0.1", 0, OneFigure(), tls=tls)
    yield serving
    serving.close()


def scrape(server: MetricsServer, trusted: Path) -> bytes:
    context = ssl.create_default_context(cafile=str(trusted))
    url = f"https://localhost:{server.port}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENT_S, context=context) as answer:
        return bytes(answer.read())


def test_who_trusts_the_authority_gets_the_figures(server: MetricsServer, certs: Path) -> None:
    assert b"parcels 7.0" in scrape(server, certs / "authority" / "certificate.pem")


def test_who_does_not_notices(server: MetricsServer, tmp_path: Path) -> None:
    make_folder(tmp_path / "other", CertsPlan(), utc_now())
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        scrape(server, tmp_path / "other" / "authority" / "certificate.pem")


def test_plain_http_gets_nothing_and_leaves_no_traceback(
    server: MetricsServer, certs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENT_S) as plain:
        plain.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b""
        try:
            while part := plain.recv(4096):
                answer += part
        except ConnectionResetError:
            pass
    assert b"parcels" not in answer
    assert b"parcels 7.0" in scrape(server, certs / "authority" / "certificate.pem")
    server.close()
    assert capfd.readouterr().err == ""


def test_a_client_that_never_speaks_holds_up_neither_others_nor_the_end(
    certs: Path, server: MetricsServer
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENT_S):
        assert b"parcels 7.0" in scrape(server, certs / "authority" / "certificate.pem")
        started_s = time.perf_counter()
        server.close()
        assert time.perf_counter() - started_s < 2 * STOP_DEADLINE_S
