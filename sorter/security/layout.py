"""Where the files are: of a line file, and of a folder that ``sorter certs init`` made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sorter.config.link_security import Certificates, ModbusTls, OpcUaSecurity
from sorter.config.models import Io
from sorter.security.secret_files import located

USERS: Final = "users.json"
"""The simulated PLC's users, with salted hashes of their passwords."""
LIST_FILE: Final = "authority.pem"
"""The authority's revocation list in a member's folder ``revoked``."""
_CERTIFICATE_KEYS: Final = ("certificate", "private_key", "trusted", "revoked")


def placed(io: Io, base: Path) -> Io:
    """Return the section ``io`` with the places of all secret files instead of their names.

    Parameters
    ----------
    io : Io
    base : Path
        Folder of the line file.

    Raises
    ------
    ConfigError
        A credential of systemd is named, and needed for the link in use, and there is none.
    """
    opcua = io.opcua.security
    update: dict[str, object] = {}
    if uses_certificates(io):
        places = {
            key: str(located(getattr(io.certificates, key), base)) for key in _CERTIFICATE_KEYS
        }
        update["certificates"] = io.certificates.model_copy(update=places)
    if io.protocol == "opcua" and opcua.mode == "sign_and_encrypt":
        places = {key: str(located(getattr(opcua, key), base)) for key in login_keys(opcua)}
        security = opcua.model_copy(update=places)
        update["opcua"] = io.opcua.model_copy(update={"security": security})
    return io.model_copy(update=update)


def login_keys(security: OpcUaSecurity) -> tuple[str, ...]:
    """Return the keys of the files that the log-in needs."""
    if security.identity == "certificate":
        return ("user_certificate", "user_private_key")
    return ("password_file",) if security.password_environment is None else ()


def uses_certificates(io: Io) -> bool:
    """Say whether the link in use is encrypted."""
    if io.protocol == "opcua":
        return io.opcua.security.mode == "sign_and_encrypt"
    return io.modbus.tls.mode == "mutual"


def member_of(folder: Path, name: str) -> Certificates:
    """Return where the certificate files of one member of a folder are."""
    own = (folder / name).absolute()
    return Certificates(
        certificate=str(own / "certificate.pem"),
        private_key=str(own / "private_key.pem"),
        trusted=str(own / "trusted"),
        revoked=str(own / "revoked"),
    )


def secured(io: Io, folder: Path) -> Io:
    """Return the section ``io`` with both links encrypted, by the files of a folder."""
    own = (folder / "controller").absolute()
    security = OpcUaSecurity(
        identity=io.opcua.security.identity,
        password_file=str(own / "password"),
        user_certificate=str(own / "user_certificate.pem"),
        user_private_key=str(own / "user_private_key.pem"),
    )
    return io.model_copy(
        update={
            "certificates": member_of(folder, "controller"),
            "opcua": io.opcua.model_copy(update={"security": security}),
            "modbus": io.modbus.model_copy(update={"tls": ModbusTls()}),
        }
    )
