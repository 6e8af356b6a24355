"""Modbus/TCP Security: who gets in, what the role allows, frames cut anywhere and too long."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from secured import (
    PATIENT_MS,
    copied_folder,
    files_of,
    made_folder,
    member,
    modbus_to,
    odd_one,
    raw_tls,
)
from wire_links import Cable, command_block, small_image

from plc_sim.image import MailboxImage
from plc_sim.log_ins import LogIns
from plc_sim.modbus_server import ModbusMailboxServer
from sorter.config.link_security import Certificates
from sorter.config.models import ModbusLink
from sorter.errors import LinkError, LinkLost, LinkRejected
from sorter.security.layout import member_of
from sorter.security.tls import client_context, server_context
from sorter.security.wall_clock import utc_now

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]
READ_TWO_STATUS_WORDS = struct.pack(">HHHBBHH", 0x1234, 0, 6, 1, 3, 0, 2)


@dataclass
class Rig:
    image: MailboxImage
    port: int
    log_ins: LogIns
    refusals: list[dict[str, Any]]

    @contextlib.contextmanager
    def refusing(self, who: str, why: str) -> Iterator[None]:
        """Expect one more refusal meanwhile, and that it is said."""
        self.log_ins.succeeded(who)  # else it may be one that is only counted
        before, said = self.log_ins.refused, len(self.refusals)
        yield
        assert self.log_ins.refused == before + 1
        assert [one["who"] for one in self.refusals[said:]] == [who]
        assert re.search(why, self.refusals[-1]["why"]), self.refusals[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    folder = tmp_path_factory.mktemp("plc") / "certs"
    copied_folder(folder, [odd_one("revoked")], utc_now())
    image = small_image()
    refusals: list[dict[str, Any]] = []
    log_ins = LogIns(refusals.append)
    certificates = member_of(folder, "plc")
    server = ModbusMailboxServer(image, ModbusLink(), certificates=certificates, log_ins=log_ins)
    await server.start()
    yield Rig(image, server.port, log_ins, refusals)
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def rig(served: Rig) -> Rig:
    served.image.command[:] = 0
    return served


async def test_the_controller_gets_in_and_commands(rig: Rig) -> None:
    bus = modbus_to(rig.port)
    await bus.connect()
    try:
        assert bus.uses_fc23
        status = await bus.exchange(command_block(700))
    finally:
        await bus.close()
    assert rig.image.command[0] == 700
    assert status[5] == rig.image.status[5]


async def test_frames_that_the_network_cuts_anywhere_are_put_together(rig: Rig) -> None:
    """Each piece has arrived before the next is sent: another connection's answer shows it."""
    other = modbus_to(rig.port)
    await other.connect()
    request = READ_TWO_STATUS_WORDS
    async with raw_tls(rig.port, client_context(member("controller"))) as (reader, writer):
        for piece in (request[:1], request[1:5], request[5:7], request[7:10], request[10:]):
            writer.write(piece)
            await writer.drain()
            await other.exchange(command_block(1))
        answer = await reader.readexactly(13)
    await other.close()
    words = struct.unpack(">HH", answer[9:])
    assert answer[:9] == struct.pack(">HHHBBB", 0x1234, 0, 7, 1, 3, 4)
    assert list(words) == rig.image.status[:2].tolist()


async def test_an_answer_in_many_pieces_is_put_together(rig: Rig) -> None:
    async with relay_in_pieces(rig.port) as port:
        bus = modbus_to(port)
        await bus.connect()
        status = await bus.exchange(command_block(800))
        await bus.close()
    assert status[5] == rig.image.status[5]


@contextlib.asynccontextmanager
async def relay_in_pieces(target: int) -> AsyncIterator[int]:
    """A TLS server that hands answers on in records of 7 bytes."""
    contexts = server_context(member("plc")), client_context(member("controller"))
    tasks: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, piece: int) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(piece):
                sink.write(data)
                await sink.drain()
        sink.transport.abort()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target, ssl=contexts[1])
        tasks.add(asyncio.create_task(pump(reader, far_writer, 65536)))
        tasks.add(asyncio.create_task(pump(far_reader, writer, 7)))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=contexts[0])
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENT_MS / 1000)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">HHH", 1, 0, 255),  # longer than any frame, known from its header
        struct.pack(">HHH", 1, 0, 1),  # too short for a function code
        struct.pack(">HHHBB", 1, 7, 6, 1, 3),  # another protocol
        struct.pack(">HHHBB", 1, 0, 254, 1, 16) + bytes(300),  # more than it says
    ],
)
async def test_what_cannot_be_a_frame_closes_the_connection(rig: Rig, frame: bytes) -> None:
    async with raw_tls(rig.port, client_context(member("controller"))) as (reader, writer):
        writer.write(frame)
        assert await reader.read() == b""
    await test_the_controller_gets_in_and_commands(rig)


# --- who ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("untrusted", "unable to get local issuer"),
        ("expired", "expired"),
        ("too early", "not yet valid"),
        ("revoked", "revoked"),
    ],
)
async def test_a_certificate_with_something_wrong_is_refused(
    rig: Rig, which: str, why: str, tmp_path: Path
) -> None:
    bus = modbus_to(rig.port, files_of(tmp_path / "own", odd_one(which)))
    with (
        rig.refusing("a Modbus certificate", f"it is refused: .*{why}"),
        pytest.raises(LinkLost, match="is this controller's certificate trusted there"),
    ):
        await bus.connect()
    assert not rig.image.command.any()


async def test_a_client_without_certificate_is_refused(rig: Rig) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(Path(member("plc").trusted) / "authority.pem")

    async def first_byte() -> bytes:
        async with raw_tls(rig.port, context) as (reader, writer):
            writer.write(READ_TWO_STATUS_WORDS)
            return await reader.readexactly(1)

    with (
        rig.refusing("a Modbus connection", "handshake failed: .*not return a certificate"),
        pytest.raises((OSError, asyncio.IncompleteReadError)),
    ):
        await first_byte()


async def test_plain_text_is_refused(rig: Rig) -> None:
    bus = modbus_to(rig.port, tls={"mode": "plain_text"})
    with (
        rig.refusing("a Modbus connection", "handshake failed: wrong version number"),
        pytest.raises(LinkError),
    ):
        await bus.connect()


async def test_who_knocks_all_night_is_counted_and_fills_no_disk(rig: Rig) -> None:
    rig.log_ins.succeeded("a Modbus connection")
    before, said = rig.log_ins.refused, len(rig.refusals)
    for _ in range(40):
        with pytest.raises(LinkError):
            await modbus_to(rig.port, tls={"mode": "plain_text"}).connect()
    assert rig.log_ins.refused == before + 40
    assert [one["in_a_row"] for one in rig.refusals[said:]] == [1, 2, 4, 8, 16, 32]
    await test_the_controller_gets_in_and_commands(rig)


async def test_an_observer_reads_and_does_not_write(rig: Rig) -> None:
    bus = modbus_to(rig.port, member("observer"))
    await bus.connect()
    try:
        assert (await bus.read_events(0, 1)).any()
        with pytest.raises(LinkRejected, match="exception 1"):
            await bus.exchange(command_block(700))
    finally:
        await bus.close()
    assert not rig.image.command.any()


async def test_a_certificate_without_a_role_may_nothing(rig: Rig, tmp_path: Path) -> None:
    bus = modbus_to(rig.port, files_of(tmp_path / "own", odd_one("no role")))
    with (
        rig.refusing("a Modbus certificate", "names no role"),
        pytest.raises(LinkRejected, match="exception 1"),
    ):
        await bus.connect()


# --- the client's side ----------------------------------------------------------------------------
def server_with(folder: Path, which: str) -> Certificates:
    return files_of(folder / "plc", odd_one(which))


@pytest.mark.parametrize("which", ["untrusted", "expired", "other host", "revoked"])
async def test_the_controller_refuses_a_server_and_says_why(which: str, tmp_path: Path) -> None:
    server = ModbusMailboxServer(
        small_image(), ModbusLink(), certificates=server_with(tmp_path, which)
    )
    await server.start()
    own = copied_folder(tmp_path / "certs", [], utc_now()) / "controller"
    listing = own.parent / "plc" / "revoked" / "authority.pem"
    if which == "revoked":
        copied_folder(tmp_path / "more", [odd_one("revoked")], utc_now())
        listing = tmp_path / "more" / "plc" / "revoked" / "authority.pem"
    (own / "revoked" / "authority.pem").write_bytes(listing.read_bytes())
    try:
        with pytest.raises(LinkLost, match="certificate is refused"):
            await modbus_to(server.port, member_of(own.parent, "controller")).connect()
    finally:
        await server.stop()


async def test_the_reason_that_a_plc_sends_is_told(tmp_path: Path) -> None:
    """Other stacks than asyncio's send their alert before they close; this one is OpenSSL's own."""
    context = server_context(member("plc"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENT_MS / 1000)

        def refuse() -> None:
            connection, _ = listening.accept()
            connection.settimeout(PATIENT_MS / 1000)
            with connection, contextlib.suppress(ssl.SSLError):
                context.wrap_socket(connection, server_side=True).close()

        refusing = asyncio.create_task(asyncio.to_thread(refuse))
        bus = modbus_to(
            listening.getsockname()[1], files_of(tmp_path / "own", odd_one("untrusted"))
        )
        with pytest.raises(LinkLost, match=r"\(.*unknown ca\): is this controller's certificate"):
            await bus.connect()
        await refusing


async def test_a_frozen_peer_costs_no_more_than_the_deadline(rig: Rig) -> None:
    async with Cable(rig.port).laid() as cable:
        cable.freeze()
        with pytest.raises(LinkError):
            await modbus_to(cable.port, timeout_ms=200.0).connect()


async def test_old_versions_of_tls_are_off() -> None:
    for context in (client_context(member("controller")), server_context(member("plc"))):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
    assert client_context(member("controller")).check_hostname
    assert made_folder().is_dir()
