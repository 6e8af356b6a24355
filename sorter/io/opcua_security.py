"""Encrypts an OPC UA client's channel and tells it who it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from asyncua.client.client import Client
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaprotocol_auto import ApplicationDescription, MessageSecurityMode
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sorter.config.link_security import Certificates, OpcUaSecurity
from sorter.security.certificates import facts_of, load_certificate, load_private_key
from sorter.security.secret_files import read_password, read_secret
from sorter.security.trust import PeerTrust, Refusal
from sorter.security.wall_clock import utc_now

_STATUS_OF: Final = {
    Refusal.UNREADABLE: StatusCodes.BadCertificateInvalid,
    Refusal.OUT_OF_TIME: StatusCodes.BadCertificateTimeInvalid,
    Refusal.WRONG_USE: StatusCodes.BadCertificateUseNotAllowed,
    Refusal.UNTRUSTED: StatusCodes.BadCertificateUntrusted,
    Refusal.REVOKED: StatusCodes.BadCertificateRevoked,
}


async def secure(client: Client, security: OpcUaSecurity, certificates: Certificates) -> None:
    """Prepare a client that is not connected yet.

    The files are read at each connect, so that a renewed certificate needs no restart. asyncua
    asks the server for its certificate on a channel of its own first; what answers there is
    checked when the session is made, before the password is sent.

    Raises
    ------
    ConfigError
        A file is missing or does not fit.
    """
    trust = PeerTrust.load(certificates)

    async def validate(certificate: x509.Certificate, server: ApplicationDescription) -> None:
        refusal = trust.refusal(certificate, utc_now(), "server")
        if refusal is not None:
            raise ServiceError(_STATUS_OF[refusal])
        if facts_of(certificate).application_uri != server.ApplicationUri:
            raise ServiceError(StatusCodes.BadCertificateUriInvalid)

    own = load_certificate(Path(certificates.certificate))
    key_path = Path(certificates.private_key)
    load_private_key(own, key_path)
    key = read_secret(key_path).get_secret_value()
    client.application_uri = security.application_uri
    client.certificate_validator = validate
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=CertProperties(own.public_bytes(Encoding.DER), "der"),
        private_key=CertProperties(key, "pem" if b"-----BEGIN" in key else "der"),
        mode=MessageSecurityMode.SignAndEncrypt,
    )
    if security.identity == "certificate":
        user = load_certificate(Path(security.user_certificate))
        client.user_certificate = user
        client.user_private_key = load_private_key(user, Path(security.user_private_key))
        return
    client.set_user(security.user_name)
    password = read_password(Path(security.password_file), security.password_environment)
    client.set_password(password.get_secret_value().decode("utf-8", "surrogateescape"))
