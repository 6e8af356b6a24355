"""Checks of files that only the line's own machine has: certificates, keys, passwords, output.

``sorter check`` runs them and ``sorter run`` before it connects; a simulation or a replay of the
same configuration elsewhere needs none of these files.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from sorter.config.documents import Document, KeyPath, is_confidential
from sorter.config.link_security import Certificates, OpcUaSecurity
from sorter.config.models import Io, Metrics, Service
from sorter.errors import ConfigError, Problem
from sorter.files import NOT_A_FILE, may_be_database

MAKE: str = "`sorter certs init` makes one, or correct the path"
NOT_HERE: Final = (
    "set it where the controller is started, or name another one; the password itself does not "
    "belong into this file"
)
_SECURITY: Final = ("io", "opcua", "security")


def files_of_the_link(io: Io, document: Document, base: Path, now: datetime) -> list[Problem]:
    """Check the files of the link in use.

    Parameters
    ----------
    io : Io
    document : Document
    base : Path
        Folder of the line file.
    now : datetime
        For the validity of certificates.
    """
    # Imported late, and cryptography only for a link that needs it.
    from sorter.security.layout import login_keys, placed, uses_certificates  # noqa: PLC0415

    if not uses_certificates(io):
        return []
    try:
        io = placed(io, base)
    except ConfigError as error:
        return [document.problem(("io",), str(error), "or name a file")]
    certificates = io.certificates
    problems = _trust_problems(document, certificates)
    problems += _pair_problems(
        document,
        ("io", "certificates"),
        (certificates.certificate, certificates.private_key),
        ("certificate", "private_key"),
        now,
    )
    security = io.opcua.security
    if io.protocol != "opcua":
        return problems
    if security.identity == "password":
        problems += _password_problems(document, security)
    else:
        pair = (security.user_certificate, security.user_private_key)
        problems += _pair_problems(document, _SECURITY, pair, login_keys(security), now)
    return problems


def files_of_the_metrics(
    metrics: Metrics, document: Document, base: Path, now: datetime
) -> list[Problem]:
    """Check the files of an encrypted metrics endpoint; arguments as :func:`files_of_the_link`."""
    if metrics.certificate is None or metrics.private_key is None:
        return []
    from sorter.security.secret_files import located  # noqa: PLC0415

    section = ("service", "metrics")
    try:
        certificate = str(located(metrics.certificate, base))
        key = str(located(metrics.private_key, base))
    except ConfigError as error:
        return [document.problem(section, str(error), "or name a file")]
    return _pair_problems(
        document, section, (certificate, key), ("certificate", "private_key"), now
    )


def files_that_are_written(service: Service, document: Document, base: Path) -> list[Problem]:
    """Check that where a file is to be written nothing else lies: a folder, a pipe, a device."""
    named: list[tuple[KeyPath, str]] = [
        (("service", "registry"), service.registry),
        (("service", "journal"), service.journal),
        (("service", "logs", "file"), service.logs.file),
    ]
    problems = []
    for key_path, name in named:
        try:
            found = "" if not name or may_be_database(base / name) else NOT_A_FILE
        except PermissionError:  # the service may look there, and who checks may not
            continue
        except OSError as error:
            found = f"cannot be written ({error.strerror})"
        if found:
            problems.append(document.problem(key_path, f"{base / name}: {found}", "name a file"))
    return problems


def _pair_problems(
    document: Document,
    section: KeyPath,
    paths: tuple[str, str],
    keys: tuple[str, ...],
    now: datetime,
) -> list[Problem]:
    from sorter.security.certificates import (  # noqa: PLC0415
        facts_of,
        load_certificate,
        load_private_key,
    )

    try:
        certificate = load_certificate(Path(paths[0]))
    except ConfigError as error:
        return [_file_problem(document, (*section, keys[0]), paths[0], str(error), MAKE)]
    problems = []
    facts = facts_of(certificate)
    if not facts.not_before <= now <= facts.not_after:
        problems.append(
            _file_problem(
                document,
                (*section, keys[0]),
                paths[0],
                f"{paths[0]}: valid from {facts.not_before:%Y-%m-%d} to {facts.not_after:%Y-%m-%d}",
                "make a new one: `sorter certs init --force`, or ask whoever signed it",
            )
        )
    try:
        load_private_key(certificate, Path(paths[1]))
    except ConfigError as error:
        key = (*section, keys[1])
        problems.append(_file_problem(document, key, paths[1], str(error), MAKE))
    return problems


def _trust_problems(document: Document, certificates: Certificates) -> list[Problem]:
    from sorter.security.certificates import load_revoked, load_trusted  # noqa: PLC0415

    problems = []
    lists = (
        ("trusted", load_trusted, MAKE),
        ("revoked", load_revoked, "ask the authority for a new list, or take the file out"),
    )
    for key, load, remedy in lists:
        try:
            load(Path(getattr(certificates, key)))
        except ConfigError as error:
            problems.append(document.problem(("io", "certificates", key), str(error), remedy))
    return problems


def _password_problems(document: Document, security: OpcUaSecurity) -> list[Problem]:
    from sorter.security.secret_files import read_password  # noqa: PLC0415

    variable = security.password_environment
    try:
        read_password(Path(security.password_file), variable)
    except ConfigError as error:
        if variable is None:
            key, path = (*_SECURITY, "password_file"), security.password_file
            return [_file_problem(document, key, path, str(error), MAKE)]
        return [document.problem((*_SECURITY, "password_environment"), str(error), NOT_HERE)]
    return []


def _file_problem(document: Document, key: KeyPath, path: str, found: str, remedy: str) -> Problem:
    """Return a problem of a file, without its name where that may be a password."""
    # A name that is not written there comes from --certs or is the default: it must be told.
    if is_confidential(key) and key in document.lines:
        found = found.removeprefix(f"{path}: ").replace(path, "the file")
    return document.problem(key, found, remedy)
