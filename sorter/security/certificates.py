"""Reads certificates, and says what is in them and how long they last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from sorter.errors import ConfigError
from sorter.files import read_regular
from sorter.security.roles import ROLE_OID, Role, role_of_extension
from sorter.security.secret_files import read_secret

MOST_BYTES: Final = 4 << 20
"""A certificate has a few kB; a revocation list of 100,000 entries has these 4 MB."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What people want to know about a certificate.

    Attributes
    ----------
    subject, issuer : str
        Common names.
    application_uri : str
        Empty when there is none.
    hosts : tuple of str
    role : Role or None
    authority : bool
        Whether it may sign others.
    not_before, not_after : datetime
        In UTC.
    """

    subject: str
    issuer: str
    application_uri: str
    hosts: tuple[str, ...]
    role: Role | None
    authority: bool
    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Return whole days until it expires, negative afterwards."""
        return (self.not_after - now).days


def load_certificate(path: Path) -> x509.Certificate:
    """Return the certificate of a PEM or DER file; :class:`ConfigError` when there is none."""
    content = read_certificate_file(path)
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise ConfigError(f"{path}: this is no X.509 certificate") from error


def read_certificate_file(path: Path) -> bytes:
    """Return the content of a certificate or revocation list.

    Raises
    ------
    ConfigError
        It cannot be read, is no regular file, or is larger than any of them.
    """
    try:
        return read_regular(path, MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: the certificate cannot be read: {error.strerror}") from error


def load_trusted(folder: Path) -> list[x509.Certificate]:
    """Return all certificates of a folder (``*.pem``, ``*.der``, ``*.crt``); one there must be."""
    found = [load_certificate(path) for path in certificate_files(folder)]
    if not found:
        raise ConfigError(
            f"{folder}: no trusted certificate there (*.pem, *.der, *.crt); put that of the peer "
            "or of its authority there, or run `sorter certs init`"
        )
    return found


def load_revoked(folder: Path) -> list[x509.CertificateRevocationList]:
    """Return all revocation lists of a folder; none when there is no folder."""
    found = []
    for path in certificate_files(folder):
        listing = revocation_list(read_certificate_file(path))
        if listing is None:
            raise ConfigError(f"{path}: this is no certificate revocation list")
        found.append(listing)
    return found


def revocation_list(content: bytes) -> x509.CertificateRevocationList | None:
    """Return the revocation list, PEM or DER, that a file holds; None when it holds none."""
    load = x509.load_pem_x509_crl if b"-----BEGIN" in content else x509.load_der_x509_crl
    try:
        return load(content)
    except ValueError:
        return None


def certificate_files(folder: Path) -> list[Path]:
    """Return the files of a folder that can be certificates, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix in (".pem", ".der", ".crt"))


def load_private_key(certificate: x509.Certificate, key_path: Path) -> PrivateKeyTypes:
    """Return the certificate's private key; :class:`ConfigError` when the file has another."""
    content = read_secret(key_path).get_secret_value()
    try:
        if b"-----BEGIN" in content:
            key = serialization.load_pem_private_key(content, None)
        else:
            key = serialization.load_der_private_key(content, None)
    except (ValueError, TypeError):
        # Neither cause nor context: a parser's complaint may quote what it was given.
        raise ConfigError(f"{key_path}: this is no private key without a pass phrase") from None
    if key.public_key() != certificate.public_key():
        raise ConfigError(f"{key_path}: the private key does not belong to the certificate")
    return key


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Return what a certificate says."""
    extensions = certificate.extensions
    uri, hosts, authority = "", [], False
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            uri = next(iter(value.get_values_for_type(x509.UniformResourceIdentifier)), "")
            hosts = value.get_values_for_type(x509.DNSName)
            hosts += [str(address) for address in value.get_values_for_type(x509.IPAddress)]
        elif isinstance(value, x509.BasicConstraints):
            authority = value.ca
    return CertificateFacts(
        subject=_common_name(certificate.subject),
        issuer=_common_name(certificate.issuer),
        application_uri=uri,
        hosts=tuple(hosts),
        role=role_of(certificate),
        authority=authority,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def role_of(certificate: x509.Certificate) -> Role | None:
    """Return the role that the certificate gives its owner."""
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.UnrecognizedExtension) and value.oid.dotted_string == ROLE_OID:
            return role_of_extension(value.value)
    return None


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
