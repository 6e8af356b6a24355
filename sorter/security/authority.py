"""Makes certificates: a small authority, certificates of machines and users, a revocation list.

RSA throughout, because the security policy Basic256Sha256 of OPC UA knows nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sorter.security.roles import ROLE_OID, Role

LONGEST_DAYS: Final = 3650
_EARLIER: Final = timedelta(minutes=5)
"""Valid from a little before now: the clocks of two machines differ."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key.

    Attributes
    ----------
    certificate : x509.Certificate
    private_key : RSAPrivateKey
    """

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey

    def certificate_pem(self) -> bytes:
        """Return the certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        """Return the private key as PEM, not encrypted: it is for a service that starts alone."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for.

    Attributes
    ----------
    name : str
        Common name.
    application_uri : str
        OPC UA application URI; empty for a user.
    hosts : sequence of str
        Host names and IP addresses.
    role : Role or None
        What Modbus/TCP Security and the log-in by certificate let it do.
    """

    name: str
    application_uri: str = ""
    hosts: Sequence[str] = ()
    role: Role | None = None


class Authority:
    """Signs certificates with its own.

    Parameters
    ----------
    issued : Issued
    key_bits : int
        Of the keys it makes.
    """

    def __init__(self, issued: Issued, key_bits: int) -> None:
        self.issued = issued
        self._key_bits = key_bits

    @classmethod
    def found(cls, name: str, now: datetime, days: int, key_bits: int) -> Authority:
        """Make a new authority whose certificate is valid for `days`."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=key_bits)
        subject = _name(name)
        builder = _builder(subject, subject, key.public_key(), now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_key_usage(authority=True), True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False
        )
        return cls(Issued(builder.sign(key, hashes.SHA256()), key), key_bits)

    def issue(self, subject: Subject, now: datetime, days: int) -> Issued:
        """Make a key and a certificate for `subject`."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=self._key_bits)
        own = self.issued.certificate
        builder = _builder(_name(subject.name), own.subject, key.public_key(), now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_key_usage(authority=False), True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            False,
        )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key()),  # type: ignore[arg-type]
            False,
        )
        names = _alternative_names(subject)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        if subject.role is not None:
            text = subject.role.value.encode("ascii")
            encoded = bytes((0x0C, len(text))) + text  # ASN.1 UTF8String
            extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(ROLE_OID), encoded)
            builder = builder.add_extension(extension, False)
        return Issued(builder.sign(self.issued.private_key, hashes.SHA256()), key)

    def revocation_list(
        self, revoked: Mapping[int, datetime], now: datetime, days: int, number: int
    ) -> bytes:
        """Return the list of revoked certificates as PEM, as RFC 5280, section 5 wants it.

        Parameters
        ----------
        revoked : mapping of int to datetime
            Serial numbers, and since when.
        now : datetime
            In UTC.
        days : int
            The next list comes within so many.
        number : int
            Of the list; higher than that of the one before.
        """
        own = self.issued.certificate.public_key()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issued.certificate.subject)
            .last_update(now - _EARLIER)
            .next_update(now + timedelta(days=days))
            .add_extension(x509.CRLNumber(number), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), False)  # type: ignore[arg-type]
        )
        for serial, since in revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
            builder = builder.add_revoked_certificate(entry.build())
        signed = builder.sign(self.issued.private_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "parcel-sorter"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _EARLIER)
        .not_valid_after(now.astimezone(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    """Return what OPC 10000-6 table 36 asks for: all four uses for a machine, signing for a CA."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=not authority,
        key_encipherment=not authority,
        data_encipherment=not authority,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(subject: Subject) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    if subject.application_uri:
        names.append(x509.UniformResourceIdentifier(subject.application_uri))
    for host in subject.hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names
