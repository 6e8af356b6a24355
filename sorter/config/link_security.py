"""How the connections to the PLC are protected: encrypted unless the file says otherwise.

No key of these sections takes a secret: secrets are in files or in the environment, and the
configuration says in which. A file name is relative to the line file, or ``credential:NAME`` for
what systemd's ``LoadCredential=`` provides.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal

from pydantic import Field

from sorter.config.section import FileName, Section

ApplicationUri = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*:[!-~]{1,200}$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
UserName = Annotated[str, Field(min_length=1, max_length=128)]


class Certificates(Section):
    """The controller's certificate, and whom it trusts; ``sorter certs init`` makes them.

    One certificate serves OPC UA (application instance certificate) and Modbus/TCP Security.
    """

    certificate: FileName = "../var/certs/controller/certificate.pem"
    private_key: FileName = "../var/certs/controller/private_key.pem"
    """Must not be readable by other users."""
    trusted: FileName = "../var/certs/controller/trusted"
    """Folder with the certificates of authorities, or of single peers, that are trusted."""
    revoked: FileName = "../var/certs/controller/revoked"
    """Folder with certificate revocation lists; may be missing."""


class OpcUaSecurity(Section):
    """OPC UA: Basic256Sha256, signed and encrypted, and who the controller says it is.

    ``none_and_anonymous`` gives all of that up: no encryption, no certificate, no user. It is for
    the simulator on loopback.
    """

    mode: Literal["sign_and_encrypt", "none_and_anonymous"] = "sign_and_encrypt"
    accept_plain_text_off_loopback: bool = False
    """Allow ``none_and_anonymous`` to a peer on another machine."""
    application_uri: ApplicationUri = "urn:parcel-sorter:controller"
    """Must be in the certificate."""
    identity: Literal["password", "certificate"] = "password"
    user_name: UserName = "controller"
    password_file: FileName = "../var/certs/controller/password"  # noqa: S105 - where it is
    password_environment: EnvironmentName | None = None
    """Environment variable with the password, instead of the file."""
    user_certificate: FileName = "../var/certs/controller/user_certificate.pem"
    user_private_key: FileName = "../var/certs/controller/user_private_key.pem"


class ModbusTls(Section):
    """Modbus/TCP Security: TLS with certificates on both sides, the role from the certificate.

    ``plain_text`` is Modbus as it has always been: anybody who reaches the PLC may write.
    """

    mode: Literal["mutual", "plain_text"] = "mutual"
    accept_plain_text_off_loopback: bool = False
    """Allow ``plain_text`` to a peer on another machine."""


NONE_AND_ANONYMOUS: Final = OpcUaSecurity(mode="none_and_anonymous")
PLAIN_TEXT: Final = ModbusTls(mode="plain_text")


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
