"""After `sorter certs revoke` the real servers refuse whom it names, and nobody else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from secured import files_of, made_folder, modbus_to, odd_one, opcua_to
from typer.testing import CliRunner
from wire_links import command_block, small_image

from plc_sim.modbus_server import ModbusMailboxServer
from plc_sim.opcua_access import OpcUaAccess
from plc_sim.opcua_server import OpcUaMailboxServer
from sorter.cli import build
from sorter.config.link_security import Certificates
from sorter.config.models import ModbusLink, OpcUaTags
from sorter.errors import LinkError
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.security.layout import member_of

pytestmark = pytest.mark.timeout(90)
Bus = ModbusBus | OpcUaBus


class Dial(Protocol):
    def __call__(self, certificates: Certificates, **security: object) -> Bus: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_folder(), tmp_path / "certs"))


@pytest.fixture
def spare(tmp_path: Path) -> Certificates:
    """The same authority's certificate for the same name, with another serial number."""
    return files_of(tmp_path / "spare", odd_one("revoked"))


def revoke(folder: Path, which: object) -> None:
    result = CliRunner().invoke(build("certs"), ["certs", "revoke", str(folder), str(which)])
    assert result.exit_code == 0, result.output


@contextlib.asynccontextmanager
async def served(protocol: str, folder: Path) -> AsyncIterator[Dial]:
    """The simulated PLC's server with the certificates and lists of a folder."""
    server: Any
    if protocol == "modbus":
        server = ModbusMailboxServer(
            small_image(), ModbusLink(), certificates=member_of(folder, "plc")
        )
    else:
        server = OpcUaMailboxServer(small_image(), OpcUaTags(), access=OpcUaAccess.load(folder))
    await server.start()

    def dial(certificates: Certificates, **security: object) -> Bus:
        if protocol == "modbus":
            return modbus_to(server.port, certificates)
        return opcua_to(server.endpoint, certificates, **security)

    try:
        yield dial
    finally:
        await server.stop()


async def is_let_in(bus: Bus) -> bool:
    try:
        await bus.connect()
        await bus.exchange(command_block(1))
    except LinkError:
        return False
    finally:
        await bus.close()
    return True


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
async def test_a_revoked_controller_is_refused_and_another_one_is_not(
    protocol: str, folder: Path, spare: Certificates
) -> None:
    controller = member_of(folder, "controller")
    async with served(protocol, folder) as dial:
        assert [await is_let_in(dial(one)) for one in (controller, spare)] == [True, True]
    revoke(folder, "controller")
    async with served(protocol, folder) as dial:
        assert [await is_let_in(dial(one)) for one in (controller, spare)] == [False, True]


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
async def test_a_revoked_plc_is_refused_at_the_next_connect(protocol: str, folder: Path) -> None:
    controller = member_of(folder, "controller")
    async with served(protocol, folder) as dial:
        bus = dial(controller)
        assert await is_let_in(bus)
        revoke(folder, "plc")
        assert not await is_let_in(bus)


async def test_a_revoked_user_certificate_is_refused_on_a_good_channel(
    folder: Path, spare: Certificates
) -> None:
    own = folder / "controller"
    login = {
        "identity": "certificate",
        "user_certificate": str(own / "user_certificate.pem"),
        "user_private_key": str(own / "user_private_key.pem"),
    }
    revoke(folder, own / "user_certificate.pem")
    async with served("opcua", folder) as dial:
        assert not await is_let_in(dial(spare, **login))
        assert await is_let_in(dial(spare))


def test_the_keys_made_for_the_tests_go_with_the_process() -> None:
    made = "from secured import made_folder; folder = made_folder(); print(folder, folder.is_dir())"
    shown = subprocess.run(
        [sys.executable, "-c", made],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        check=True,
        text=True,
    )
    folder, there = shown.stdout.split()
    assert (there, Path(folder).exists()) == ("True", False)
