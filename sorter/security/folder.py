"""The folder that ``sorter certs init`` makes: who has which file.

::

    DIR/authority/           certificate.pem, private_key.pem   take the key away from the line
    DIR/controller/          certificate.pem, private_key.pem, trusted/, revoked/, password,
                             user_certificate.pem, user_private_key.pem, reference_key
    DIR/plc/                 certificate.pem, private_key.pem, trusted/, revoked/, users.json
    DIR/observer/            certificate.pem, private_key.pem, trusted/, revoked/, password, ...
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sorter.errors import ConfigError
from sorter.security.authority import LONGEST_DAYS, Authority, Subject
from sorter.security.layout import LIST_FILE, USERS, member_of
from sorter.security.roles import Role

SCRYPT: Final = {"n": 2**13, "r": 8, "p": 1}
"""About 20 ms for one try."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
REFERENCE_KEY: Final = "controller/reference_key"
"""No part of any certificate: the return registry can be searched for a customer only with it."""


@dataclass(frozen=True, slots=True)
class CertsPlan:
    """What to make.

    Attributes
    ----------
    hosts : sequence of str
        Names and addresses under which the PLC is reached, besides loopback.
    days : int
        How long the certificates of machines and users are valid.
    key_bits : int
        Of every key; 2048 to 4096.
    """

    hosts: Sequence[str] = ()
    days: int = 730
    key_bits: int = 2048


def make_folder(
    folder: Path,
    plan: CertsPlan,
    now: datetime,
    *,
    force: bool = False,
    new_reference_key: bool = False,
) -> bool:
    """Make all certificates, keys and passwords.

    Parameters
    ----------
    folder : Path
    plan : CertsPlan
    now : datetime
        In UTC.
    force : bool
        Replace what is there, but for the reference key: certificates expire, while customers
        that were stored under a key can be found under no other.
    new_reference_key : bool
        Replace that key, too.

    Returns
    -------
    bool
        Whether the reference key that was there has been kept.

    Raises
    ------
    ConfigError
        There already are some and `force` is not set, or the folder cannot be written.
    """
    taken = (
        [path for path in sorted(folder.rglob("*")) if path.is_file()] if folder.exists() else []
    )
    if taken and not force:
        raise ConfigError(
            f"{folder}: {taken[0].relative_to(folder)} is there already and may be in use; "
            "name another folder, or add --force to replace everything but the reference key"
        )
    reference_key = folder / REFERENCE_KEY
    try:
        kept = not new_reference_key and _has_content(reference_key)
        _fill(folder, plan, now)
        if not kept:
            _write(reference_key, secrets.token_bytes(32).hex().encode(), 0o600)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from error
    return kept


def _has_content(path: Path) -> bool:
    """Say whether there is a key to keep; a link counts, whatever it leads to at this moment."""
    try:
        return path.lstat().st_size > 0
    except FileNotFoundError:
        return False


def _fill(folder: Path, plan: CertsPlan, now: datetime) -> None:
    authority = Authority.found("parcel-sorter authority", now, LONGEST_DAYS, plan.key_bits)
    _write(folder / "authority" / "certificate.pem", authority.issued.certificate_pem(), 0o644)
    _write(folder / "authority" / "private_key.pem", authority.issued.key_pem(), 0o600)
    hosts = tuple(dict.fromkeys((*LOOPBACK, *plan.hosts)))
    users = {}
    for name, role in (
        ("controller", Role.OPERATOR),
        ("observer", Role.OBSERVER),
        ("plc", None),
    ):
        member = member_of(folder, name)
        subject = Subject(name, f"urn:parcel-sorter:{name}", hosts, role)
        issued = authority.issue(subject, now, plan.days)
        _write(Path(member.certificate), issued.certificate_pem(), 0o644)
        _write(Path(member.private_key), issued.key_pem(), 0o600)
        trusted = Path(member.trusted) / "authority.pem"
        _write(trusted, authority.issued.certificate_pem(), 0o644)
        revoked = Path(member.revoked) / LIST_FILE
        _write(revoked, authority.revocation_list({}, now, LONGEST_DAYS, 1), 0o644)
        if role is not None:
            users[name] = _user(folder / name, name, role, authority, now, plan.days)
    _write(folder / "plc" / USERS, json.dumps(users, indent=1).encode() + b"\n", 0o600)


def _user(
    folder: Path, name: str, role: Role, authority: Authority, now: datetime, days: int
) -> dict[str, str]:
    """Make a user's password and certificate; return the entry of the PLC's user file."""
    password = secrets.token_urlsafe(24)
    _write(folder / "password", password.encode() + b"\n", 0o600)
    issued = authority.issue(Subject(name, role=role), now, days)
    _write(folder / "user_certificate.pem", issued.certificate_pem(), 0o644)
    _write(folder / "user_private_key.pem", issued.key_pem(), 0o600)
    salt = secrets.token_bytes(16)
    hashed = hashlib.scrypt(password.encode(), salt=salt, **SCRYPT)
    return {"role": role.value, "salt": salt.hex(), "scrypt": hashed.hex()}


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whose mode is right before its first byte is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask says
        file.write(content)
