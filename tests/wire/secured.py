"""A folder of certificates made once, and certificates with something wrong."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from sorter.config.link_security import Certificates, ModbusTls, OpcUaSecurity
from sorter.config.models import Io, Mailbox, ModbusLink, OpcUaLink
from sorter.io.modbus import ModbusBus
from sorter.io.opcua import OpcUaBus
from sorter.runtime.clock import MonotonicClock
from sorter.security.authority import Authority, Issued, Subject
from sorter.security.certificates import load_certificate, load_private_key
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.layout import member_of, secured
from sorter.security.roles import Role
from sorter.security.wall_clock import utc_now

MAILBOX = Mailbox(event_slots=37, scan_slots=5)
PATIENT_MS = 5000.0
URI = "urn:parcel-sorter:controller"
HOSTS = ("localhost", "127.0.0.1")


@cache
def made_folder() -> Path:
    """What `sorter certs init` makes; shared by all tests of a run, so never changed by one."""
    folder = Path(mkdtemp(prefix="sorter-certs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # there are keys in it
    make_folder(folder, CertsPlan(), utc_now())
    return folder


@cache
def authority() -> Authority:
    """The authority of that folder, to sign what `sorter certs init` would not."""
    own = made_folder() / "authority"
    certificate = load_certificate(own / "certificate.pem")
    key = load_private_key(certificate, own / "private_key.pem")
    return Authority(Issued(certificate, key), 2048)


@cache
def stranger() -> Authority:
    return Authority.found("parcel-sorter authority", utc_now(), 30, 2048)


@cache
def odd_one(which: str) -> Issued:
    """A certificate like the controller's, but for one thing."""
    subject = Subject("controller", URI, HOSTS, Role.OPERATOR)
    now = utc_now()
    if which == "untrusted":
        return stranger().issue(subject, now, 30)
    if which == "expired":
        return authority().issue(subject, now - timedelta(days=31), 30)
    if which == "too early":
        return authority().issue(subject, now + timedelta(days=1), 30)
    if which == "other uri":
        other = Subject("controller", "urn:somebody:else", HOSTS, Role.OPERATOR)
        return authority().issue(other, now, 30)
    if which == "other host":
        return authority().issue(Subject("plc", URI, ("plc.example",)), now, 30)
    if which == "no role":
        return authority().issue(Subject("controller", URI, HOSTS), now, 30)
    assert which == "revoked"
    return authority().issue(subject, now, 30)


def files_of(folder: Path, issued: Issued) -> Certificates:
    """Write a certificate as one would find it in a folder; trusts as the controller does."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "certificate.pem").write_bytes(issued.certificate_pem())
    key = folder / "private_key.pem"
    key.touch(0o600)
    key.write_bytes(issued.key_pem())
    shutil.copytree(made_folder() / "controller" / "trusted", folder / "trusted")
    (folder / "revoked").mkdir()
    return Certificates(
        certificate=str(folder / "certificate.pem"),
        private_key=str(key),
        trusted=str(folder / "trusted"),
        revoked=str(folder / "revoked"),
    )


def copied_folder(target: Path, revoked: list[Issued], when: datetime) -> Path:
    """A copy of the folder whose PLC knows that some certificates are revoked."""
    shutil.copytree(made_folder(), target)
    serials = {one.certificate.serial_number: when for one in revoked}
    listing = authority().revocation_list(serials, when, 30, 2)
    (target / "plc" / "revoked" / "authority.pem").write_bytes(listing)
    return target


def controller_io() -> Io:
    return secured(Io(), made_folder())


def opcua_to(
    endpoint: str, certificates: Certificates | None = None, **security: object
) -> OpcUaBus:
    io = controller_io()
    settings = io.opcua.security.model_dump() | security
    link = OpcUaLink(
        endpoint=endpoint,
        timeout_ms=PATIENT_MS,
        security=OpcUaSecurity.model_validate(settings),
    )
    return OpcUaBus(link, MAILBOX, MonotonicClock(), certificates or io.certificates)


def modbus_to(port: int, certificates: Certificates | None = None, **link: object) -> ModbusBus:
    settings = {"port": port, "timeout_ms": PATIENT_MS, "tls": ModbusTls(), **link}
    return ModbusBus(
        ModbusLink.model_validate(settings),
        MAILBOX,
        MonotonicClock(),
        certificates or controller_io().certificates,
    )


def member(name: str) -> Certificates:
    return member_of(made_folder(), name)


@contextlib.asynccontextmanager
async def raw_tls(
    port: int, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(PATIENT_MS / 1000):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1"
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
