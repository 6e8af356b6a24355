"""Two controllers at one PLC over real sockets: one commands, the other says why it does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from wire_links import DEADLINE_S

from plc_sim.image import MailboxImage
from plc_sim.modbus_server import ModbusMailboxServer
from plc_sim.opcua_server import OpcUaMailboxServer
from plc_sim.plc import Plc
from plc_sim.plc_memory import Memory
from sorter.config.link_security import NONE_AND_ANONYMOUS, PLAIN_TEXT
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile, Mailbox, ModbusLink, OpcUaLink, OpcUaTags
from sorter.errors import LinkContested
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.model.codes import EventKind
from sorter.model.columns import COMMAND_WIDTH, EventColumn
from sorter.model.frames import no_rows
from sorter.model.mailbox import COMMAND_HEARTBEAT
from sorter.ports import Acknowledged, FieldBus
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.contest import STILL_LOOKS, Contest
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.supervisor import LinkSupervisor

pytestmark = pytest.mark.timeout(60)
LINE = load_yaml_model(Path(__file__).parents[2] / "config" / "small_line.yaml", LineFile).line
NOTHING_YET = Acknowledged(0, 0, 0)
NO_COMMANDS = no_rows(COMMAND_WIDTH)
MAILBOX = Mailbox(word_order="low_first", event_slots=37, scan_slots=5)
FIRST, SECOND, THIRD = 0x0001_F001, 0x0002_F001, 0x0003_F001
CLOCK = MonotonicClock()


class ServedPlc:
    """The PLC program behind a real server; a scan runs when it is told to."""

    def __init__(self, protocol: str) -> None:
        self.image = MailboxImage.from_config(MAILBOX)
        self.plc = Plc(self.image, LINE, 0x0001_0002)
        self.scans = 0
        self.server: ModbusMailboxServer | OpcUaMailboxServer
        if protocol == "opcua":
            self.server = OpcUaMailboxServer(self.image, OpcUaTags())
        else:
            self.server = ModbusMailboxServer(
                self.image, ModbusLink(), fc23=protocol == "modbus_fc23"
            )
        self.scan()

    def scan(self) -> None:
        self.scans += 1
        self.plc.scan(1000 * self.scans, 10 * self.scans, self.scans)

    @property
    def followed(self) -> int:
        """Epoch of the controller that the PLC follows."""
        return int(self.plc.memory[Memory.EPOCH])

    def bus(self) -> FieldBus:
        """Return a bus of its own for one more controller."""
        server = self.server
        if isinstance(server, OpcUaMailboxServer):
            link = OpcUaLink(security=NONE_AND_ANONYMOUS, endpoint=server.endpoint, timeout_ms=5000)
            return OpcUaBus(link, MAILBOX, CLOCK)
        return ModbusBus(
            ModbusLink(tls=PLAIN_TEXT, port=server.port, timeout_ms=5000), MAILBOX, CLOCK
        )


class Controller:
    """What a controller commands a PLC with; others act while it pauses, instead of waiting."""

    def __init__(self, plc: ServedPlc, epoch: int) -> None:
        self.plc = plc
        self.bus = plc.bus()
        self.client = MailboxClient(self.bus, MAILBOX, epoch)
        self.pauses = 0
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        contest = Contest(self.client, self.bus, low_first=True, pause=self.pause)
        self.link = LinkSupervisor(
            self.bus, CLOCK, np.random.default_rng(1), pause=self.pause, contest=contest
        )

    async def pause(self, _seconds: float) -> None:
        self.pauses += 1
        if self.meanwhile is not None:
            await self.meanwhile()

    async def start(self) -> None:
        await self.link.connect(10.0)
        self.client.link_restored()
        for _ in range(3):
            await self.beat()

    async def beat(self) -> list[int]:
        """Exchange until the PLC has seen a newer heartbeat; return sequences of new events."""
        seen = int(self.plc.image.command[COMMAND_HEARTBEAT])
        seqs: list[int] = []
        while int(self.plc.image.command[COMMAND_HEARTBEAT]) == seen:
            frame = await self.client.exchange(NOTHING_YET, NO_COMMANDS)
            seqs += frame.events[:, EventColumn.SEQ].tolist()
            await asyncio.sleep(0)
        self.plc.scan()
        return seqs


@contextlib.asynccontextmanager
async def served(protocol: str) -> AsyncIterator[tuple[ServedPlc, Controller, Controller]]:
    plc = ServedPlc(protocol)
    await plc.server.start()
    first, second = Controller(plc, FIRST), Controller(plc, SECOND)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield plc, first, second
    finally:
        await first.bus.close()
        await second.bus.close()
        await plc.server.stop()


@pytest.mark.parametrize("protocol", ["modbus_fc23", "modbus_fc16", "opcua"])
async def test_one_commands_and_the_other_one_does_not(protocol: str) -> None:
    async with served(protocol) as (plc, first, second):
        await first.start()
        await the_second_one_is_not_let_in(plc, first, second)
        await a_dead_one_is_replaced(plc, first, second)
        await who_is_overtaken_steps_aside_and_comes_back(plc, first, second)
        assert plc.followed == second.client.epoch != SECOND


async def the_second_one_is_not_let_in(
    plc: ServedPlc, first: Controller, second: Controller
) -> None:
    second.meanwhile = first.beat
    with pytest.raises(LinkContested, match=f"epoch {FIRST}\\) commands this PLC"):
        await second.link.connect(10.0)
    await first.beat()
    assert plc.followed == FIRST


async def a_dead_one_is_replaced(plc: ServedPlc, first: Controller, second: Controller) -> None:
    await first.bus.close()
    second.meanwhile, second.pauses = None, 0
    await second.start()
    assert second.pauses == STILL_LOOKS
    assert plc.followed == SECOND
    assert not second.link.contested


async def who_is_overtaken_steps_aside_and_comes_back(
    plc: ServedPlc, former: Controller, present: Controller
) -> None:
    """The former one comes again without looking whether somebody is there."""
    former.client = MailboxClient(former.bus, MAILBOX, THIRD)
    await former.bus.connect()
    await former.beat()
    await former.beat()
    assert plc.followed == THIRD
    for number in range(12):  # more than the window shows
        plc.plc.latch(EventKind.PARCEL_PASSED, 2, 9000 + number, 500, 300, 0)
    plc.scan()
    with pytest.raises(LinkContested, match=f"follows another controller .epoch {THIRD}") as said:
        await present.client.exchange(NOTHING_YET, NO_COMMANDS)
    present.meanwhile = former.beat
    attempts = iter(range(1000))

    def give_up() -> bool:
        if next(attempts) == 4:
            present.meanwhile = None  # the other one dies
        return False

    with capture_logs() as logs:
        assert await present.link.reconnect(said.value, give_up)
    assert [entry["event"] for entry in logs] == ["controller_contested", "controller_alone"]
    present.client.link_restored()
    seqs: list[int] = []
    while len(seqs) < 12:
        seqs += await present.beat()
    assert seqs == list(range(1, 13)), "each event of the time between, once"
    await present.beat()
