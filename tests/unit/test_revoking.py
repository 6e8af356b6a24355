"""`sorter certs revoke`: the list it writes, and what it refuses to sign."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner, Result

from sorter.cli import build
from sorter.errors import ConfigError
from sorter.security.authority import Authority
from sorter.security.certificates import load_certificate, load_revoked
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.layout import member_of
from sorter.security.revoking import load_authority, revoke
from sorter.security.trust import PeerTrust, Refusal
from sorter.security.wall_clock import utc_now

MEMBERS = ("controller", "plc", "observer")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build("certs"), ["certs", "revoke", *(str(one) for one in arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs") / "made"
    make_folder(folder, CertsPlan(), utc_now())
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "certs"))


def listing(folder: Path, member: str = "plc") -> x509.CertificateRevocationList:
    (found,) = load_revoked(folder / member / "revoked")
    return found


def refusal(folder: Path, name: str, file: str = "certificate.pem") -> Refusal | None:
    trust = PeerTrust.load(member_of(folder, "plc"))
    return trust.refusal(load_certificate(folder / name / file), utc_now(), "client")


def test_a_name_revokes_all_certificates_of_the_member_for_everybody(folder: Path) -> None:
    result = run(folder, "observer")
    assert result.exit_code == 0, result.output
    assert refusal(folder, "observer") is Refusal.REVOKED
    assert refusal(folder, "observer", "user_certificate.pem") is Refusal.REVOKED
    assert refusal(folder, "controller") is None
    lists = {(folder / one / "revoked" / "authority.pem").read_bytes() for one in MEMBERS}
    assert len(lists) == 1
    files = [path for path in folder.rglob("*") if path.parent.name == "revoked"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}
    assert len(files) == len(MEMBERS), "nothing half written is left"
    for word in ("io.certificates.revoked", "real PLC", "simulated PLC"):
        assert word in result.output


def shown(folder: Path) -> tuple[int, set[str]]:
    """Return the exit code of `certs show`, and the files that it calls revoked."""
    app = build("certs")
    told = CliRunner().invoke(app, ["certs", "show", str(folder)])
    rows = CliRunner().invoke(app, ["certs", "show", str(folder), "--json"])
    assert told.exit_code == rows.exit_code
    lines = [line for line in told.output.splitlines() if line.endswith(", REVOKED")]
    found = {row["file"] for row in json.loads(rows.output)["certificates"] if row["revoked"]}
    assert {line.partition(":")[0] for line in lines} == found
    return told.exit_code, found


def test_show_says_what_a_list_in_the_folder_has_revoked(folder: Path) -> None:
    assert shown(folder) == (0, set())
    revoke(folder, "observer", utc_now())
    observers = {"observer/certificate.pem", "observer/user_certificate.pem"}
    assert shown(folder) == (1, observers)
    # One copy of the list is enough, also one in the other notation.
    content = listing(folder).public_bytes(serialization.Encoding.DER)
    for one in MEMBERS:
        (folder / one / "revoked" / "authority.pem").unlink()
    assert shown(folder) == (0, set())
    (folder / "plc" / "revoked" / "authority.der").write_bytes(content)
    assert shown(folder) == (1, observers)
    # A list that another authority of the same name has signed revokes nobody.
    now, own = utc_now(), load_authority(folder).issued.certificate
    strange = Authority.found("parcel-sorter authority", now, 9, 2048)
    serial = load_certificate(folder / "observer" / "certificate.pem").serial_number
    forged = strange.revocation_list({serial: now}, now, 9, 9)
    assert strange.issued.certificate.subject == own.subject
    (folder / "plc" / "revoked" / "authority.der").unlink()
    (folder / "plc" / "revoked" / "authority.pem").write_bytes(forged)
    assert shown(folder) == (0, set())


def test_a_list_keeps_what_was_on_it_and_its_number_grows(folder: Path) -> None:
    long_ago = utc_now() - timedelta(days=9)
    first = revoke(folder, "observer", long_ago)
    # One member's copy is older, as when it has been put back from a backup.
    shutil.copy(
        member_of(folder, "controller").revoked + "/authority.pem",
        folder / "plc" / "revoked" / "earlier.pem",
    )
    printed = json.loads(run(folder, "observer/certificate.pem", "--json").output)
    assert printed["number"] == first.number + 1
    assert [row["new"] for row in printed["certificates"]] == [False]
    (folder / "plc" / "revoked" / "earlier.pem").unlink()
    revoke(folder, "controller", utc_now())
    found = listing(folder)
    assert len(list(found)) == 4
    assert min(one.revocation_date_utc for one in found) == long_ago.replace(microsecond=0)
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert number == first.number + 2
    own = load_authority(folder).issued.certificate
    assert found.is_signature_valid(own.public_key())  # type: ignore[arg-type]


def test_a_certificate_that_is_pinned_can_be_revoked_as_well(folder: Path) -> None:
    trusted = Path(member_of(folder, "plc").trusted)
    shutil.copy(folder / "controller" / "certificate.pem", trusted / "controller.pem")
    assert refusal(folder, "controller") is None
    revoke(folder, "controller", utc_now())
    assert refusal(folder, "controller") is Refusal.REVOKED


def test_without_the_authoritys_key_nothing_is_written(folder: Path) -> None:
    (folder / "authority" / "private_key.pem").unlink()
    before = listing(folder)
    result = run(folder, "observer")
    assert isinstance(result.exception, ConfigError)
    assert "bring it back" in str(result.exception)
    assert listing(folder) == before


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("nobody", "controller, observer, plc"),
        ("authority", "cannot revoke itself"),
        ("observer/password", "no X.509 certificate"),
        ("stranger.pem", "another authority"),
    ],
)
def test_what_cannot_be_revoked_is_refused(
    folder: Path, tmp_path: Path, which: str, says: str
) -> None:
    make_folder(tmp_path / "strange", CertsPlan(), utc_now())
    shutil.copy(tmp_path / "strange" / "observer" / "certificate.pem", folder / "stranger.pem")
    before = listing(folder)
    result = run(folder, which)
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)
    assert listing(folder) == before


def test_a_damaged_list_is_not_written_over(folder: Path) -> None:
    """What was on it would be let in again."""
    damaged = folder / "controller" / "revoked" / "authority.pem"
    damaged.write_bytes(damaged.read_bytes()[:200])
    result = run(folder, "observer")
    assert isinstance(result.exception, ConfigError)
    assert str(damaged) in str(result.exception)
    assert damaged.stat().st_size == 200
