"""Reads secrets from files, from systemd's credentials and from the environment.

A secret travels as :class:`pydantic.SecretBytes`, which shows stars wherever it is printed, logged
or put into a traceback.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretBytes

from sorter.errors import ConfigError

CREDENTIAL: Final = "credential:"
CREDENTIALS_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
"""Environment variable in which systemd says where ``LoadCredential=`` puts its files."""
MAX_SECRET_BYTES: Final = 65_536
_OTHERS: Final = 0o077


def located(name: str, base: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the file is that a configuration names.

    Parameters
    ----------
    name : str
        A path, relative to `base` unless absolute, or ``credential:NAME``.
    base : Path
        Folder of the line file.
    environment : mapping

    Raises
    ------
    ConfigError
        A credential is named and systemd has provided none.
    """
    if not name.startswith(CREDENTIAL):
        return Path(os.path.normpath(base / name))
    folder = environment.get(CREDENTIALS_DIRECTORY)
    if not folder:
        raise ConfigError(
            f"{name}: ${CREDENTIALS_DIRECTORY} is not set; put LoadCredential="
            f"{name.removeprefix(CREDENTIAL)}:/path into the systemd unit"
        )
    return Path(folder) / name.removeprefix(CREDENTIAL)


def read_secret(path: Path) -> SecretBytes:
    """Return the content of a secret file.

    Raises
    ------
    ConfigError
        There is no such file, it is empty, too large, or other users can read it.
    """
    if problem := problem_of_secret(path):
        raise ConfigError(f"{path}: {problem}")
    try:
        with path.open("rb") as file:
            return SecretBytes(file.read(MAX_SECRET_BYTES))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def read_password(
    file: Path, variable: str | None, environment: Mapping[str, str] = os.environ
) -> SecretBytes:
    """Return a password: from the environment when a variable is named, else from the file.

    One line break at the end of the file does not belong to the password.
    """
    if variable is not None:
        if not environment.get(variable):
            # Unnamed: somebody may have written the password itself in its place.
            raise ConfigError(
                "the environment variable that io.opcua.security.password_environment names is "
                "not set, or empty"
            )
        return SecretBytes(environment[variable].encode("utf-8", "surrogateescape"))
    content = read_secret(file).get_secret_value()
    password = content.removesuffix(b"\n").removesuffix(b"\r")
    if not password or b"\n" in password:
        raise ConfigError(f"{file}: a password is one line of text")
    return SecretBytes(password)


def problem_of_secret(path: Path) -> str | None:
    """Return why a secret file cannot be used, with the remedy; None when all is well."""
    try:
        about = path.stat()
    except OSError as error:
        return f"the secret file cannot be read ({error.strerror}); `sorter certs init` makes one"
    if not stat.S_ISREG(about.st_mode):
        return "the secret is not a regular file; name a file"
    # systemd guards its credentials with an access list, which shows as a readable group.
    guarded = str(path.parent) == os.environ.get(CREDENTIALS_DIRECTORY)
    if about.st_mode & _OTHERS and not guarded:
        mode = stat.S_IMODE(about.st_mode)
        return f"other users can get at the secret file (mode {mode:04o}); chmod 600 {path}"
    if not 0 < about.st_size <= MAX_SECRET_BYTES:
        return f"the secret file has {about.st_size} bytes, that is none; write the secret into it"
    return None
