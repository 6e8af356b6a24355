"""The controller runs on uvloop, which raises where asyncio's own loop only warns."""

import numpy as np
import pytest
import uvloop
from wire_links import HandClock

from plc_sim.chaos.link_proxy import LinkProxy
from sorter.config.link_security import PLAIN_TEXT
from sorter.config.models import Mailbox, ModbusLink
from sorter.errors import LinkLost
from sorter.io.modbus import ModbusBus

NOBODY = 1
ATTEMPTS = 200


async def knock_where_every_connection_is_reset() -> int:
    """Return how often that was a lost link.

    pymodbus takes a connection that was reset while it was being made for an open one.
    """
    proxy = LinkProxy(NOBODY, np.random.default_rng(1))
    await proxy.start()
    proxy.cut()
    link = ModbusLink(tls=PLAIN_TEXT, port=proxy.port, timeout_ms=5000)
    bus = ModbusBus(link, Mailbox(event_slots=37, scan_slots=5), HandClock())
    lost = 0
    try:
        for _ in range(ATTEMPTS):
            with pytest.raises(LinkLost):
                await bus.connect()
            lost += 1
    finally:
        await bus.close()
        await proxy.close()
    return lost


def test_a_connection_reset_while_it_is_made_is_a_lost_link() -> None:
    assert uvloop.run(knock_where_every_connection_is_reset()) == ATTEMPTS
