"""What `sorter check` says about encryption, secret files and passwords in the wrong place."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from sorter.app.field_bus import LinkOptions, link_of
from sorter.app.live import LiveOptions, run_live
from sorter.app.metrics_files import metrics_of
from sorter.config.check import check_files
from sorter.config.link_security import OpcUaSecurity, is_loopback
from sorter.config.load import load_line
from sorter.config.models import Io, Metrics, ModbusLink, OpcUaLink
from sorter.errors import ConfigError
from sorter.security.certificates import MOST_BYTES
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.layout import placed
from sorter.security.secret_files import read_password, read_secret
from sorter.security.wall_clock import utc_now

PLAIN_MODBUS = "    tls: {mode: plain_text}\n"
PLAIN_OPCUA = "    security: {mode: none_and_anonymous}\n"
ENCRYPTED = ((PLAIN_MODBUS, ""), (PLAIN_OPCUA, ""))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "certs"
    make_folder(folder, CertsPlan(), utc_now())
    return folder


@pytest.fixture
def certs(config: Path, made: Path) -> Path:
    """Where the line file's defaults look for them."""
    folder = config.parent / "var" / "certs"
    shutil.copytree(made, folder)
    return folder


@pytest.fixture
def line(config: Path) -> Path:
    return config / "line.yaml"


def write(line: Path, *changes: tuple[str, str]) -> None:
    text = line.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    line.write_text(text, "utf-8")


def problems(line: Path, days: int = 0) -> list[str]:
    return [str(one) for one in check_files([line], utc_now() + timedelta(days=days))]


def test_encrypted_is_the_default_of_both_links() -> None:
    assert ModbusLink().tls.mode == "mutual"
    assert ModbusLink().port == 802
    assert OpcUaLink().security.mode == "sign_and_encrypt"
    assert OpcUaLink().security.identity == "password"


def test_everything_is_on_loopback_by_default() -> None:
    io = Io()
    assert is_loopback(io.modbus.host)
    assert io.opcua.endpoint.startswith("opc.tcp://127.0.0.1:")
    assert is_loopback(Metrics().host)
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("plc.example")
    assert is_loopback("[::1]")


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
def test_a_link_that_says_nothing_needs_certificates(line: Path, protocol: str) -> None:
    write(
        line, (PLAIN_MODBUS, ""), (PLAIN_OPCUA, ""), ("protocol: modbus", f"protocol: {protocol}")
    )
    found = problems(line)
    assert any("io.certificates.certificate" in one and "sorter certs init" in one for one in found)
    assert any("io.certificates.trusted" in one for one in found)
    assert any("password_file" in one for one in found) == (protocol == "opcua")


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
def test_what_certs_init_makes_is_clean(line: Path, certs: Path, protocol: str) -> None:
    write(
        line, (PLAIN_MODBUS, ""), (PLAIN_OPCUA, ""), ("protocol: modbus", f"protocol: {protocol}")
    )
    assert problems(line) == []


def other_key(certs: Path) -> None:
    key = certs / "controller" / "private_key.pem"
    key.write_bytes((certs / "plc" / "private_key.pem").read_bytes())


@pytest.mark.parametrize(
    ("break_it", "days", "said"),
    [
        (lambda c: (c / "controller/private_key.pem").chmod(0o640), 0, "chmod 600"),
        (lambda c: (c / "controller/password").chmod(0o604), 0, "chmod 600"),
        (lambda c: (c / "controller/password").write_text("\n"), 0, "one line of text"),
        (lambda c: (c / "controller/trusted/authority.pem").unlink(), 0, "no trusted certificate"),
        (lambda c: (c / "controller/certificate.pem").write_text("?"), 0, "no X.509 certificate"),
        (lambda c: (c / "controller/private_key.pem").write_text("?"), 0, "no private key"),
        (
            lambda c: (c / "controller/revoked/x.pem").write_text("?"),
            0,
            "no certificate revoca",
        ),
        (other_key, 0, "does not belong to the certificate"),
        (lambda c: None, 731, "valid from"),
    ],
)
def test_a_broken_secret_file_is_a_problem(
    line: Path, certs: Path, break_it: Callable[[Path], object], days: int, said: str
) -> None:
    write(line, *ENCRYPTED, ("protocol: modbus", "protocol: opcua"))
    break_it(certs)
    assert any(said in one for one in problems(line, days)), problems(line, days)


@pytest.mark.parametrize("where", ["certificate.pem", "trusted/x.pem", "revoked/x.pem"])
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (os.mkfifo, "a pipe or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
        (lambda path: path.write_bytes(bytes(MOST_BYTES + 1)), "larger than"),
    ],
)
def test_a_pipe_or_a_device_in_place_of_a_certificate_stalls_nothing(
    line: Path, certs: Path, where: str, put: Callable[[Path], object], said: str
) -> None:
    write(line, *ENCRYPTED, ("protocol: modbus", "protocol: opcua"))
    path = certs / "controller" / where
    path.unlink(missing_ok=True)
    put(path)
    assert any(said in one and where in one for one in problems(line)), problems(line)


@pytest.mark.parametrize(
    ("protocol", "old", "new"),
    [
        ("modbus", "host: 127.0.0.1\n    port: 5020", "host: 192.168.0.10\n    port: 502"),
        ("opcua", "opc.tcp://127.0.0.1:4840/", "opc.tcp://plc.example:4840/"),
    ],
)
def test_plain_text_to_another_machine_is_a_problem_unless_written(
    line: Path, protocol: str, old: str, new: str
) -> None:
    write(line, (old, new), ("protocol: modbus", f"protocol: {protocol}"))
    assert any("accept_plain_text_off_loopback" in one for one in problems(line))
    for mode in ("plain_text}", "none_and_anonymous}"):
        accepted = mode.replace("}", ", accept_plain_text_off_loopback: true}")
        write(line, (f"mode: {mode}", f"mode: {accepted}"))
    assert problems(line) == []


METRICS = "metrics: {host: 127.0.0.1, port: 9464}"
OWN = "certificate: ../var/certs/plc/certificate.pem, private_key: ../var/certs/plc/private_key.pem"


def test_metrics_leave_the_machine_encrypted_or_as_written(line: Path, certs: Path) -> None:
    write(line, (METRICS, "metrics: {host: 0.0.0.0}"))
    assert any("accept_plain_text_off_loopback" in one for one in problems(line))
    accepted = "metrics: {host: 0.0.0.0, accept_plain_text_off_loopback: true}"
    write(line, ("metrics: {host: 0.0.0.0}", accepted))
    assert problems(line) == []
    write(line, (accepted, f"metrics: {{host: 0.0.0.0, {OWN}}}"))
    assert problems(line) == []
    assert any("service.metrics.certificate" in one for one in problems(line, 731))
    (certs / "plc" / "private_key.pem").chmod(0o640)
    assert any("service.metrics.private_key" in one for one in problems(line))
    with pytest.raises(ConfigError, match="chmod 600"):
        metrics_of(load_line(line))


def test_the_files_of_the_metrics_are_counted_from_the_line_file(line: Path, certs: Path) -> None:
    assert metrics_of(load_line(line)).context() is None
    write(line, (METRICS, f"metrics: {{host: 0.0.0.0, {OWN}}}"))
    files = metrics_of(load_line(line))
    assert files.certificates == (certs / "plc" / "certificate.pem",)
    context = files.context()
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE, "whoever scrapes needs no certificate"


def test_what_the_controller_refuses_of_its_link_has_a_line(line: Path) -> None:
    write(line, (PLAIN_MODBUS, "    tls: {}\n"))
    section = line.read_text("utf-8").splitlines().index("io:") + 1  # no file of it is named
    with pytest.raises(ConfigError) as caught:
        link_of(load_line(line), LinkOptions())
    assert {problem.line for problem in caught.value.problems} == {section}


SECRETS = ("'hunter2 hunter2'", "hunter2", "!hunter2", "*hunter2", "&hunter2 [hunter2]", "'\\'")
SECRETS += ("!!int hunter2", "!!float hunter2", "{1: hunter2}", "{hunter2}", "[hunter2]")
NOT_ALWAYS_REFUSED = ("user_name", "application_uri")


@pytest.mark.parametrize("key", ["password", "pasword_environment", *OpcUaSecurity.model_fields])
def test_a_password_in_the_file_is_impossible_and_not_repeated(
    line: Path, key: str, certs: Path
) -> None:
    identity = "certificate" if key.startswith("user_") else "password"
    beside = "" if key == "identity" else f", identity: {identity}"
    whole = line.read_text("utf-8")
    for secret in SECRETS:
        line.write_text(whole, "utf-8")
        written = f"    security: {{{key}: {secret}{beside}}}\n"
        write(
            line,
            (PLAIN_OPCUA, written),
            (PLAIN_MODBUS, ""),
            ("protocol: modbus", "protocol: opcua"),
        )
        found = problems(line)
        assert found or key in NOT_ALWAYS_REFUSED, secret
        assert "hunter2" not in "".join(found), secret
        if found:
            with pytest.raises(ConfigError) as caught:
                link_of(load_line(line), LinkOptions("opcua"))
            assert "hunter2" not in str(caught.value), secret


@pytest.mark.parametrize("secret", [one for one in SECRETS if one != "{hunter2}"])
def test_a_password_in_place_of_the_section_is_not_repeated(line: Path, secret: str) -> None:
    write(line, (PLAIN_OPCUA, f"    security: {secret}\n"))
    found = problems(line)
    assert found
    assert "hunter2" not in "".join(found)


def test_a_password_that_looks_like_a_variable_is_refused_before_the_journal(
    line: Path, certs: Path
) -> None:
    written = "    security: {password_environment: hunter2}\n"
    write(line, (PLAIN_OPCUA, written), ("protocol: modbus", "protocol: opcua"))
    found = problems(line)
    assert len(found) == 1
    assert "io.opcua.security.password_environment: the environment variable" in found[0]
    journal = certs.parent / "journal.sqlite"
    with pytest.raises(ConfigError, match="password_environment") as caught:
        run_live(load_line(line), LiveOptions(LinkOptions(), journal=journal), print)
    assert "hunter2" not in str(caught.value)
    assert not journal.exists()


def test_a_password_in_the_endpoint_is_a_problem_and_not_repeated(line: Path) -> None:
    write(line, ("opc.tcp://127.0.0.1", "opc.tcp://me:hunter2@127.0.0.1"))
    found = [one for one in problems(line) if "password" in one]
    assert found
    assert "hunter2" not in "".join(found)


# --- secrets --------------------------------------------------------------------------------------
def test_a_secret_shows_stars(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text("hunter2\n")
    secret = read_secret(path)
    assert "hunter2" not in f"{secret} {secret!r}"
    assert read_password(path, None).get_secret_value() == b"hunter2"
    with pytest.raises(ValidationError) as caught:
        OpcUaLink.model_validate({"security": {"password_environment": 7}})
    assert "hunter2" not in str(caught.value)


def test_a_systemd_credential_is_found_where_systemd_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    io = Io.model_validate(
        {
            "protocol": "opcua",
            "opcua": {"security": {"password_file": "credential:plc_password"}},
        }
    )
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="LoadCredential=plc_password"):
        placed(io, tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "plc_password").write_text("hunter2")
    (tmp_path / "plc_password").chmod(0o440)  # as systemd does it, with an access list
    security = placed(io, Path("/etc/sorter")).opcua.security
    assert read_password(Path(security.password_file), None).get_secret_value() == b"hunter2"


@pytest.mark.parametrize("content", [b"", b"two\nlines\n"])
def test_what_is_no_password_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        read_password(path, None)
    with pytest.raises(ConfigError, match="password_environment names is not set"):
        read_password(path, "SORTER_NOBODY", {})
