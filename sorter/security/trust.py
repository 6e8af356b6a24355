"""Whether a peer's certificate is trusted: one judgement for OPC UA and for Modbus/TCP Security."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from sorter.config.link_security import Certificates
from sorter.security.certificates import load_revoked, load_trusted

Purpose = Literal["client", "server"]


class Refusal(StrEnum):
    """Why a certificate is refused."""

    UNREADABLE = "it is no X.509 certificate"
    OUT_OF_TIME = "it has expired or is not valid yet"
    WRONG_USE = "its key usage does not allow this"
    UNTRUSTED = "neither it nor its authority is in the folder of trusted certificates"
    REVOKED = "it has been revoked"


@dataclass(frozen=True, slots=True)
class PeerTrust:
    """Trusted certificates and revocation lists.

    A certificate is trusted when it is in the list itself, as most PLCs' own ones must be, or when
    an authority in the list has signed it. Longer chains are not followed.
    """

    trusted: Sequence[x509.Certificate]
    revoked: Sequence[x509.CertificateRevocationList]

    @classmethod
    def load(cls, certificates: Certificates) -> PeerTrust:
        """Read the two folders; raises :class:`ConfigError` when nobody is trusted."""
        trusted = load_trusted(Path(certificates.trusted))
        return cls(trusted, load_revoked(Path(certificates.revoked)))

    def refusal_of_der(self, der: bytes | None, now: datetime, purpose: Purpose) -> Refusal | None:
        """Return why a peer with this certificate is refused; None when it is trusted."""
        try:
            certificate = x509.load_der_x509_certificate(der or b"")
        except ValueError:
            return Refusal.UNREADABLE
        return self.refusal(certificate, now, purpose)

    def refusal(
        self, certificate: x509.Certificate, now: datetime, purpose: Purpose
    ) -> Refusal | None:
        """Return why a peer with this certificate is refused; None when it is trusted.

        Parameters
        ----------
        certificate : x509.Certificate
        now : datetime
        purpose : str
            What the peer is: a ``client`` or a ``server``.
        """
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return Refusal.OUT_OF_TIME
        authority = self._authority_of(certificate, now)
        if authority is None and certificate not in self.trusted:
            return Refusal.UNTRUSTED
        if authority is not None and is_revoked(certificate, authority, self.revoked):
            return Refusal.REVOKED
        return None if _may_be(certificate, purpose) else Refusal.WRONG_USE

    def _authority_of(
        self, certificate: x509.Certificate, now: datetime
    ) -> x509.Certificate | None:
        for authority in self.trusted:
            in_time = authority.not_valid_before_utc <= now <= authority.not_valid_after_utc
            if not in_time or not _is_authority(authority):
                continue
            if has_signed(authority, certificate):
                return authority
        return None


def is_revoked(
    certificate: x509.Certificate,
    authority: x509.Certificate,
    lists: Sequence[x509.CertificateRevocationList],
) -> bool:
    """Say whether a list of the authority that has signed a certificate revokes it.

    A list that somebody else has signed revokes nothing.
    """
    for revoked in lists:
        if revoked.issuer != authority.subject:
            continue
        signed = revoked.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        serial = certificate.serial_number
        if signed and revoked.get_revoked_certificate_by_serial_number(serial) is not None:
            return True
    return False


def has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Say whether a certificate is signed by this authority, with a hash that still counts."""
    if not isinstance(
        certificate.signature_hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512
    ):
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return basic.ca and usage.key_cert_sign


def _may_be(certificate: x509.Certificate, purpose: Purpose) -> bool:
    """Say whether the key usages, where they are stated, allow a client or a server."""
    wanted = (
        ExtendedKeyUsageOID.CLIENT_AUTH if purpose == "client" else ExtendedKeyUsageOID.SERVER_AUTH
    )
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.ExtendedKeyUsage) and wanted not in value:
            return False
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            return False
    return True
