"""`sorter certs`: what it makes, what it refuses, what it shows."""

from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner, Result

from sorter.cli import build
from sorter.errors import ConfigError
from sorter.security.certificates import facts_of, load_certificate
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.layout import member_of
from sorter.security.roles import ROLE_OID, Role, role_of_extension
from sorter.security.trust import PeerTrust, Refusal
from sorter.security.wall_clock import utc_now

SECRET = {"private_key.pem", "user_private_key.pem", "password", "users.json", "reference_key"}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build("certs"), ["certs", *(str(one) for one in arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs") / "made"
    old = os.umask(0o000)  # the modes must not depend on it
    try:
        result = run("init", folder, "--host", "plc.example", "--host", "10.1.2.3")
    finally:
        os.umask(old)
    assert result.exit_code == 0, result.output
    return folder


def test_secrets_can_be_read_by_the_owner_only(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in files}
    assert {path.name for path, mode in modes.items() if mode == 0o600} == SECRET
    assert set(modes.values()) == {0o600, 0o644}


def test_certificates_say_what_opc_ua_and_modbus_security_want(folder: Path) -> None:
    certificate = load_certificate(folder / "plc" / "certificate.pem")
    facts = facts_of(certificate)
    assert facts.application_uri == "urn:parcel-sorter:plc"
    assert {"127.0.0.1", "localhost", "plc.example", "10.1.2.3"} <= set(facts.hosts)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    controller = load_certificate(folder / "controller" / "certificate.pem")
    oid = x509.ObjectIdentifier(ROLE_OID)
    role = controller.extensions.get_extension_for_oid(oid).value
    assert role.value == b"\x0c\x08operator"
    assert facts_of(controller).role is Role.OPERATOR
    assert facts_of(load_certificate(folder / "observer" / "certificate.pem")).role is Role.OBSERVER


def test_nothing_is_replaced_without_force(folder: Path, tmp_path: Path) -> None:
    before = (folder / "controller" / "private_key.pem").read_bytes()
    assert isinstance(run("init", folder).exception, ConfigError)
    assert (folder / "controller" / "private_key.pem").read_bytes() == before
    other = tmp_path / "other"
    make_folder(other, CertsPlan(), utc_now())
    before = (other / "controller" / "password").read_bytes()
    result = run("init", other, "--force", "--json")
    assert result.exit_code == 0
    assert (other / "controller" / "password").read_bytes() != before
    printed = json.loads(result.output)
    assert "controller/certificate.pem" in printed["files"]
    for name in ("password", "reference_key"):
        secret = (other / "controller" / name).read_text().strip()
        assert secret not in result.output


def test_a_reference_key_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    """Customers that were imported under the key can be found under no other."""
    folder = tmp_path / "certs"
    assert "kept" not in run("init", folder).output
    key, password = folder / "controller" / "reference_key", folder / "controller" / "password"
    before, old_password = key.read_bytes(), password.read_bytes()
    key.chmod(0o400)
    result = run("init", folder, "--force")
    assert (result.exit_code, key.read_bytes()) == (0, before)
    assert (stat.S_IMODE(key.stat().st_mode), password.read_bytes() != old_password) == (0o400, 1)
    assert f"{key}: kept as it is" in result.output
    assert json.loads(run("init", folder, "--force", "--json").output)["reference_key_kept"] is True
    assert isinstance(run("init", folder, "--new-reference-key").exception, ConfigError)
    assert key.read_bytes() == before
    result = run("init", folder, "--force", "--new-reference-key")
    assert (result.exit_code, "kept" in result.output) == (0, False)
    assert key.read_bytes() != before
    assert len(key.read_bytes()) == len(before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.write_bytes(b"")  # what is left when the disk was full: no key to keep
    assert "kept" not in run("init", folder, "--force").output
    assert len(key.read_bytes()) == len(before)


@pytest.mark.parametrize("host", ["192.168.0.10:802", "bad host", "", "opc.tcp://plc", "-\n"])
def test_a_host_is_a_name_or_an_address_without_a_port(host: str, tmp_path: Path) -> None:
    result = run("init", tmp_path / "new", "--host", "fe80::1", "--host", host)
    assert isinstance(result.exception, ConfigError)
    assert repr(host) in str(result.exception)
    assert not (tmp_path / "new").exists()


def test_show_warns_before_a_certificate_expires(folder: Path, tmp_path: Path) -> None:
    assert run("show", folder).exit_code == 0
    result = run("show", folder, "--warn-days", "731")
    assert result.exit_code == 1
    assert "EXPIRES SOON" in result.output
    shown = json.loads(run("show", folder, "--json").output)["certificates"]
    by_file = {one["file"]: one for one in shown}
    assert by_file["controller/certificate.pem"]["role"] == "operator"
    assert by_file["authority/certificate.pem"]["authority"] is True
    make_folder(tmp_path / "old", CertsPlan(days=1), utc_now() - timedelta(days=3))
    result = run("show", tmp_path / "old")
    assert result.exit_code == 1
    assert "EXPIRED" in result.output
    assert isinstance(run("show", tmp_path / "nothing").exception, ConfigError)


def test_an_intermediate_made_by_a_machine_is_not_trusted(folder: Path) -> None:
    """A machine's key must not be good for signing another machine's certificate."""
    trust = PeerTrust.load(member_of(folder, "controller"))
    certificate = load_certificate(folder / "plc" / "certificate.pem")
    assert trust.refusal(certificate, utc_now(), "server") is None
    only_machine = PeerTrust([load_certificate(folder / "observer" / "certificate.pem")], [])
    assert only_machine.refusal(certificate, utc_now(), "server") is Refusal.UNTRUSTED
    pinned = PeerTrust([certificate], [])
    assert pinned.refusal(certificate, utc_now(), "server") is None
    assert trust.refusal_of_der(b"?", utc_now(), "server") is Refusal.UNREADABLE


@pytest.mark.parametrize(
    "value",
    [b"", b"\x0c", b"\x0c\x08operato", b"\x04\x08operator", b"\x0c\x04root", b"\x0c\x01\xff"],
)
def test_a_role_that_is_none_gives_no_rights(value: bytes) -> None:
    assert role_of_extension(value) is None
