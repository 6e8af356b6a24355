"""Revokes certificates of a folder that ``sorter certs init`` made: its authority's new list.

Every member gets the whole list, as each of them may be asked by the holder of the certificate.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from sorter.errors import ConfigError
from sorter.security.authority import LONGEST_DAYS, Authority, Issued
from sorter.security.certificates import load_certificate, load_private_key, load_revoked
from sorter.security.layout import LIST_FILE

_OF_A_MEMBER: Final = ("certificate.pem", "user_certificate.pem")


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was done.

    Attributes
    ----------
    certificates : dict
        Serial number by file.
    before : set of int
        Serial numbers that had been revoked already.
    lists : tuple of Path
        The files written.
    number : int
        Of the list; each is higher than the one before.
    """

    certificates: Mapping[Path, int]
    before: frozenset[int]
    lists: tuple[Path, ...]
    number: int


def revoke(folder: Path, which: str, now: datetime) -> Revoked:
    """Revoke one certificate, or all of a member, and hand every member the new list.

    Parameters
    ----------
    folder : Path
        What ``sorter certs init`` made.
    which : str
        A member (``controller``), or a certificate's file.
    now : datetime
        In UTC.

    Raises
    ------
    ConfigError
        The authority's key is not there, `which` is no certificate of this authority, or a list
        cannot be read or written.
    """
    authority = load_authority(folder)
    files = _files_of(folder, which)
    certificates = {path: _serial_of(path, authority) for path in files}
    places = sorted(path.parent / "revoked" for path in folder.glob("*/trusted") if path.is_dir())
    entries, number = _known(places, authority)
    before = frozenset(entries)
    for serial in certificates.values():
        entries.setdefault(serial, now)
    content = authority.revocation_list(entries, now, LONGEST_DAYS, number + 1)
    lists = tuple(place / LIST_FILE for place in places)
    for path in lists:
        _replace(path, content)
    return Revoked(certificates, before, lists, number + 1)


def load_authority(folder: Path) -> Authority:
    """Return the authority of a folder; :class:`ConfigError` when its key is not there."""
    own = folder / "authority"
    certificate = load_certificate(own / "certificate.pem")
    key_path = own / "private_key.pem"
    if not key_path.exists():
        raise ConfigError(
            f"{key_path}: the authority's key is not there, and nobody else can sign the list; "
            "bring it back for this, or run the command where it is kept"
        )
    key = load_private_key(certificate, key_path)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(f"{key_path}: this is no RSA key; `sorter certs init` makes one")
    return Authority(Issued(certificate, key), key.key_size)


def _files_of(folder: Path, which: str) -> list[Path]:
    member = folder / which
    if member.is_dir():
        found = [member / name for name in _OF_A_MEMBER if (member / name).is_file()]
    else:
        found = [path for path in (Path(which), member) if path.is_file()][:1]
    if not found:
        members = sorted(path.parent.name for path in folder.glob("*/certificate.pem"))
        known = ", ".join(name for name in members if name != "authority")
        raise ConfigError(
            f"{which}: neither a member of {folder} ({known}) nor a certificate's file; name one"
        )
    return found


def _serial_of(path: Path, authority: Authority) -> int:
    certificate, own = load_certificate(path), authority.issued.certificate
    if certificate == own:
        raise ConfigError(
            f"{path}: the authority cannot revoke itself; take its certificate out of every "
            "`trusted` folder, or make everything anew with `sorter certs init --force`"
        )
    try:
        certificate.verify_directly_issued_by(own)
    except (ValueError, TypeError, InvalidSignature):
        raise ConfigError(
            f"{path}: another authority has made this certificate, and only that one can revoke "
            "it; put its list into the `revoked` folders"
        ) from None
    return certificate.serial_number


def _known(places: list[Path], authority: Authority) -> tuple[dict[int, datetime], int]:
    """Return when what was revoked by any list of this authority, and the highest number."""
    own = authority.issued.certificate
    entries: dict[int, datetime] = {}
    number = 0
    for listing in (one for place in places for one in load_revoked(place)):
        signed = listing.is_signature_valid(own.public_key())  # type: ignore[arg-type]
        if listing.issuer != own.subject or not signed:
            continue
        for entry in listing:
            entries.setdefault(entry.serial_number, entry.revocation_date_utc)
        for extension in listing.extensions:
            if isinstance(extension.value, x509.CRLNumber):
                number = max(number, extension.value.crl_number)
    return entries, number


def _replace(path: Path, content: bytes) -> None:
    """Replace a list in one step: a peer that reads without a list would let everybody in."""
    written = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(exist_ok=True, mode=0o755)
        with written.open("wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
