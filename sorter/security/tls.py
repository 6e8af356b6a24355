"""TLS as Modbus/TCP Security wants it: 1.2 or newer, certificates on both sides."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from sorter.config.link_security import Certificates
from sorter.errors import ConfigError
from sorter.security.certificates import load_certificate, load_private_key, load_trusted


def client_context(certificates: Certificates) -> ssl.SSLContext:
    """Return the context of a client, which also checks that the server's name is as dialled."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, certificates)


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """Return the context of a server that talks to nobody without a trusted certificate."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificates)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def open_server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server that tells its figures to whoever asks, encrypted."""
    return _with_own_certificate(ssl.PROTOCOL_TLS_SERVER, certificate, key)


def _context(protocol: int, certificates: Certificates) -> ssl.SSLContext:
    certificate, key = Path(certificates.certificate), Path(certificates.private_key)
    trusted = load_trusted(Path(certificates.trusted))
    context = _with_own_certificate(protocol, certificate, key)
    try:
        context.load_verify_locations(
            cadata=b"".join(one.public_bytes(Encoding.DER) for one in trusted)
        )
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"{certificates.trusted}: cannot be used for TLS: {error}") from error
    return context


def _with_own_certificate(protocol: int, certificate: Path, key: Path) -> ssl.SSLContext:
    load_private_key(load_certificate(certificate), key)
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"{certificate}: cannot be used for TLS: {error}") from error
    return context
