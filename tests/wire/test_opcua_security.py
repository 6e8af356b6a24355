"""Who gets in over OPC UA, who does not, and that a None channel is no way around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from secured import copied_folder, files_of, made_folder, member, odd_one, opcua_to
from wire_links import command_block, small_image

from plc_sim.image import MailboxImage
from plc_sim.log_ins import LogIns
from plc_sim.opcua_access import OpcUaAccess
from plc_sim.opcua_server import OpcUaMailboxServer
from sorter.config.models import OpcUaTags
from sorter.errors import LinkError, LinkRejected
from sorter.security.wall_clock import utc_now

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]


@dataclass
class Rig:
    image: MailboxImage
    server: OpcUaMailboxServer
    log_ins: LogIns
    refusals: list[dict[str, Any]]

    @property
    def written(self) -> bool:
        return bool(self.image.command.any())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    folder = tmp_path_factory.mktemp("plc") / "certs"
    copied_folder(folder, [odd_one("revoked")], utc_now())
    image = small_image()
    refusals: list[dict[str, Any]] = []
    log_ins = LogIns(refusals.append)
    access = OpcUaAccess.load(folder)
    server = OpcUaMailboxServer(image, OpcUaTags(), access=access, log_ins=log_ins)
    await server.start()
    yield Rig(image, server, log_ins, refusals)
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def rig(served: Rig) -> Rig:
    served.image.command[:] = 0
    served.refusals.clear()
    served.log_ins._failures.clear()
    return served


def password_of(name: str) -> str:
    return (made_folder() / name / "password").read_text().strip()


async def client_to(rig: Rig, who: str = "controller") -> Client:
    """asyncua's own client, with one thing or another left out by the test."""
    client = Client(rig.server.endpoint, timeout=5)
    client.application_uri = f"urn:parcel-sorter:{who}"
    certificates = member(who)
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=Path(certificates.certificate),
        private_key=Path(certificates.private_key),
    )
    client.set_user(who)
    client.set_password(password_of(who))
    return client


async def command_node(client: Client) -> object:
    index = await client.get_namespace_index(OpcUaTags().namespace_uri)
    return client.get_node(ua.NodeId(OpcUaTags().command, index))


@pytest.mark.parametrize("identity", ["password", "certificate"])
async def test_the_controller_gets_in_and_commands(rig: Rig, identity: str) -> None:
    bus = opcua_to(rig.server.endpoint, identity=identity)
    await bus.connect()
    try:
        await bus.exchange(command_block(700))
    finally:
        await bus.close()
    assert rig.image.command[0] == 700


async def test_a_password_from_the_environment(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLC_PASSWORD", password_of("controller"))
    bus = opcua_to(rig.server.endpoint, password_environment="PLC_PASSWORD", password_file="no")
    await bus.connect()
    try:
        await bus.exchange(command_block(800))
    finally:
        await bus.close()
    assert rig.image.command[0] == 800


async def test_a_channel_is_renewed_while_it_is_encrypted(rig: Rig) -> None:
    client = await client_to(rig)
    async with client:
        node = await command_node(client)
        await client.open_secure_channel(renew=True)
        assert len(await node.read_value()) == len(rig.image.command)


# --- the None channel -----------------------------------------------------------------------------
async def test_a_none_channel_with_user_and_password_neither_reads_nor_writes(rig: Rig) -> None:
    client = Client(rig.server.endpoint, timeout=5)
    client.set_user("controller")
    client.set_password(password_of("controller"))
    with pytest.raises(UaStatusCodeError, match="BadSecurityChecksFailed"):
        await client.connect()
    assert not rig.written


@pytest.mark.parametrize("with_channel", [True, False])
async def test_no_service_but_discovery_is_done_on_a_none_channel(
    rig: Rig, with_channel: bool
) -> None:
    client = Client(rig.server.endpoint, timeout=5)
    await client.connect_socket()
    try:
        await client.send_hello()
        if with_channel:
            await client.open_secure_channel()
        session = client.uaclient.session
        node = ua.NodeId(OpcUaTags().command, 2)
        item = ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value)
        value = ua.DataValue(ua.Variant([7] * 120, ua.VariantType.UInt16))
        write = ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=value)
        for service in (
            lambda: session.create_session(ua.CreateSessionParameters()),
            lambda: session.activate_session(ua.ActivateSessionParameters()),
            lambda: session.read(ua.ReadParameters(NodesToRead=[item])),
            lambda: session.write(ua.WriteParameters(NodesToWrite=[write])),
        ):
            with pytest.raises(UaStatusCodeError, match="BadSecurityChecksFailed"):
                await service()
        if with_channel:
            endpoints = await client.get_endpoints()
            assert {one.SecurityMode for one in endpoints} == {
                ua.MessageSecurityMode.SignAndEncrypt
            }
    finally:
        client.disconnect_socket()
    assert not rig.written


async def test_a_channel_that_is_only_signed_is_not_offered(rig: Rig) -> None:
    client = Client(rig.server.endpoint, timeout=2)
    with pytest.raises(UaError, match="No matching endpoints"):
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=Path(member("controller").certificate),
            private_key=Path(member("controller").private_key),
            mode=ua.MessageSecurityMode.Sign,
        )


# --- who ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("user", "password"),
    [("controller", "wrong"), ("nobody", "wrong"), ("admin", ""), ("", "")],
)
async def test_an_unknown_user_or_a_wrong_password_is_refused(
    rig: Rig, user: str, password: str
) -> None:
    client = await client_to(rig)
    client.set_user(user)
    client.set_password(password)
    with pytest.raises(UaStatusCodeError):
        await client.connect()


async def test_who_is_refused_is_counted_and_named_and_gets_in_with_the_right_password(
    rig: Rig,
) -> None:
    before = rig.log_ins.refused
    for _ in range(2):
        client = await client_to(rig)
        client.set_password("Sesame")
        with pytest.raises(UaStatusCodeError, match="BadUserAccessDenied"):
            await client.connect()
    plain = Client(rig.server.endpoint, timeout=5)
    with pytest.raises(UaStatusCodeError, match="BadSecurityChecksFailed"):
        await plain.connect()
    named = [(said["who"], said["why"], said["in_a_row"]) for said in rig.refusals]
    assert named[:2] == [
        ("controller", "name or password wrong", 1),
        ("controller", "name or password wrong", 2),
    ]
    assert ("a channel", "it is not encrypted", 1) in named
    assert rig.log_ins.refused >= before + 3
    assert "Sesame" not in str(rig.refusals)
    async with await client_to(rig) as client:
        assert len(await (await command_node(client)).read_value()) == len(rig.image.command)
    assert "controller" not in rig.log_ins._failures


async def test_anonymous_is_refused_on_an_encrypted_channel(rig: Rig) -> None:
    client = await client_to(rig)
    client._username = None

    def anonymous(params: ua.ActivateSessionParameters, *_args: object) -> None:
        params.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")

    client._add_anonymous_auth = anonymous  # type: ignore[method-assign]
    with pytest.raises(UaStatusCodeError, match="BadIdentityTokenRejected"):
        await client.connect()


async def test_an_observer_reads_and_does_not_write(rig: Rig) -> None:
    async with await client_to(rig, "observer") as client:
        node = await command_node(client)
        assert len(await node.read_value()) == len(rig.image.command)
        with pytest.raises(UaStatusCodeError, match="BadUserAccessDenied"):
            await node.write_value(ua.Variant([7] * 120, ua.VariantType.UInt16))
    assert not rig.written


@pytest.mark.parametrize("which", ["untrusted", "expired", "too early", "revoked", "other uri"])
async def test_a_certificate_with_something_wrong_is_refused(
    rig: Rig, which: str, tmp_path: Path
) -> None:
    bus = opcua_to(rig.server.endpoint, files_of(tmp_path / "own", odd_one(which)))
    with pytest.raises(LinkRejected):
        await bus.connect()
    assert not rig.written


async def test_leaving_the_certificate_out_of_the_session_is_no_way_around_the_trust_list(
    rig: Rig, tmp_path: Path
) -> None:
    certificates = files_of(tmp_path / "own", odd_one("untrusted"))
    client = await client_to(rig)
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=Path(certificates.certificate),
        private_key=Path(certificates.private_key),
    )
    create = client.uaclient.session.create_session

    async def without_certificate(params: ua.CreateSessionParameters) -> object:
        params.ClientCertificate = None
        return await create(params)

    client.uaclient.create_session = without_certificate  # type: ignore[method-assign]
    with pytest.raises(UaStatusCodeError, match="BadSecurityChecksFailed"):
        await client.connect()


# --- the client's side ----------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["untrusted", "expired"])
async def test_the_controller_sends_no_password_to_a_server_it_does_not_trust(
    which: str, tmp_path: Path
) -> None:
    folder = copied_folder(tmp_path / "certs", [], utc_now())
    wrong = odd_one(which)
    (folder / "plc" / "certificate.pem").write_bytes(wrong.certificate_pem())
    (folder / "plc" / "private_key.pem").write_bytes(wrong.key_pem())
    asked: list[str | None] = []
    access = OpcUaAccess.load(folder)
    server = OpcUaMailboxServer(small_image(), OpcUaTags(), access=access)
    await server.start()
    try:
        users = server._server.iserver.user_manager  # type: ignore[union-attr]
        users.get_user = lambda *_args, **kw: asked.append(kw.get("password"))
        with pytest.raises(LinkRejected, match=r"trusted|expired"):
            await opcua_to(server.endpoint).connect()
    finally:
        await server.stop()
    assert asked == []


@pytest.mark.parametrize("missing", ["certificate", "private_key", "trusted"])
async def test_a_missing_file_is_a_link_error_that_names_it(rig: Rig, missing: str) -> None:
    certificates = member("controller").model_copy(update={missing: "/nowhere/at.pem"})
    with pytest.raises(LinkError, match=r"/nowhere/at\.pem"):
        await opcua_to(rig.server.endpoint, certificates).connect()
