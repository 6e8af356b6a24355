"""Whatever listens, listens on loopback unless told otherwise."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from wire_links import small_image

from plc_sim.modbus_server import ModbusMailboxServer, _listener
from plc_sim.opcua_server import OpcUaMailboxServer
from plc_sim.served import ServeOptions
from sorter.config.link_security import is_loopback
from sorter.config.models import Metrics, ModbusLink, OpcUaTags
from sorter.runtime.metrics_server import MetricsServer

pytestmark = pytest.mark.timeout(60)


async def test_the_simulated_plc() -> None:
    assert is_loopback(ServeOptions().host)
    modbus = ModbusMailboxServer(small_image(), ModbusLink())
    await modbus.start()
    opcua = OpcUaMailboxServer(small_image(), OpcUaTags())
    await opcua.start()
    try:
        assert modbus._server is not None
        assert opcua._server is not None
        sockets = [*_listener(modbus._server).sockets, *opcua._server.bserver._server.sockets]
        assert len(sockets) == 2
        assert all(is_loopback(one.getsockname()[0]) for one in sockets)
    finally:
        await modbus.stop()
        await opcua.stop()


def test_the_metrics() -> None:
    server = MetricsServer(Metrics().host, 0, CollectorRegistry())
    try:
        assert is_loopback(server._server.server_address[0])
    finally:
        server.close()
