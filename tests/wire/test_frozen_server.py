"""An OPC UA server whose process stands still: it accepts connections and answers nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from asyncua.client.ua_session import UaSession
from test_mailbox_over_sockets import EPOCH, NO_COMMANDS, NOTHING_YET
from wire_links import DEADLINE_S, until

from sorter.config.link_security import NONE_AND_ANONYMOUS
from sorter.config.models import Mailbox, OpcUaLink
from sorter.errors import LinkError
from sorter.io.opcua import OpcUaBus
from sorter.rehearsal.processes import JsonLineProcess
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.supervisor import LinkSupervisor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
MAILBOX = Mailbox(event_slots=37, scan_slots=5)
CLOCK = MonotonicClock()
HASTY_MS = 200.0
A_STORM = 100
"""Requests that nobody sends who waits for anything."""


@contextlib.asynccontextmanager
async def beating_server(folder: Path) -> AsyncIterator[tuple[JsonLineProcess, int]]:
    """A server that can be frozen, and its port."""
    script = Path(__file__).with_name("beating_server.py")
    process = JsonLineProcess("server", [sys.executable, str(script)], folder / "log")
    await process.start()
    try:
        yield process, int((await process.wait_for("listening", 60))["opcua_port"])
    finally:
        if process.running:
            signal_to(process, signal.SIGCONT)
        await process.stop(5)


def signal_to(process: JsonLineProcess, number: signal.Signals) -> None:
    os.kill(process.pid, number)


async def test_a_server_frozen_twice_gets_new_clients_and_no_storm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    for name in ("republish", "read", "write", "create_subscription", "create_session"):
        original = getattr(UaSession, name)

        async def noted(
            self: UaSession, *given: object, name: str = name, original: object = original
        ) -> object:
            requests.append(name)
            return await original(self, *given)  # type: ignore[operator]

        monkeypatch.setattr(UaSession, name, noted)
    async with beating_server(tmp_path) as (process, port):
        endpoint = f"opc.tcp://127.0.0.1:{port}/parcel-sorter/"
        options = OpcUaLink(endpoint=endpoint, security=NONE_AND_ANONYMOUS, timeout_ms=HASTY_MS)
        bus = OpcUaBus(options, MAILBOX, CLOCK)
        link = LinkSupervisor(bus, CLOCK, np.random.default_rng(0))
        client = MailboxClient(bus, MAILBOX, EPOCH)
        await link.connect(10.0)
        clients = {id(bus._client)}
        for freeze in (1, 2):
            client.link_restored()
            await until(lambda: link.up, lambda: beat(client, link))
            signal_to(process, signal.SIGSTOP)
            with pytest.raises(LinkError) as broken:
                await until(lambda: False, lambda: beat(client, link))
            before = len(requests)
            failures = link.failures

            def thawed(failures: int = failures) -> bool:
                if link.failures == failures + 2:
                    signal_to(process, signal.SIGCONT)
                return False

            async with asyncio.timeout(DEADLINE_S):
                assert await link.reconnect(broken.value, thawed)
            client.link_restored()
            await until(lambda: link.up, lambda: beat(client, link))
            assert len(requests) - before < A_STORM
            assert link.reconnects == freeze
            clients.add(id(bus._client))
        assert "republish" not in requests
        await bus.close()


async def beat(client: MailboxClient, link: LinkSupervisor) -> None:
    """One exchange, as the loop makes it."""
    await client.exchange(NOTHING_YET, NO_COMMANDS)
    link.note_heartbeat(client.heartbeat, CLOCK.now_ns())
    await client._bus.wait(CLOCK.now_ns() + 5_000_000)
