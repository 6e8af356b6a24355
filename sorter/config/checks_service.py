"""Checks of the service's files that pydantic cannot see."""

from __future__ import annotations

from os.path import abspath, dirname, join
from typing import Final

from sorter.config.checks_line import LineCheck
from sorter.config.documents import Document, KeyPath
from sorter.config.link_security import is_loopback
from sorter.config.models import LineFile
from sorter.errors import Problem

_WRITTEN: Final = ("registry", "journal")
_CONFIGURATION: Final = ("sort_plan", "returns_policy")
_KEY_PAIR: Final = ("certificate", "private_key")


def written_files_are_no_others(file: LineFile, document: Document) -> list[Problem]:
    """Check that no two of the files that are written are one, nor any one that is read."""
    service = file.service
    taken = _read_files(file, document)
    named: list[tuple[KeyPath, str]] = [
        (("service", key), getattr(service, key)) for key in _WRITTEN
    ]
    if service.logs.file:
        named.append((("service", "logs", "file"), service.logs.file))
    problems = []
    for key_path, name in named:
        path = _absolute(name, document)
        if path in taken:
            problems.append(
                document.problem(
                    key_path,
                    f"{name!r} is {taken[path]} already: one would overwrite the other",
                    "name a file of its own",
                )
            )
        taken.setdefault(path, ".".join(map(str, key_path)))
    return problems


def _read_files(file: LineFile, document: Document) -> dict[str, str]:
    """Return what the line file and each file that it has read is called, by absolute path."""
    service = file.service
    read = {abspath(document.name): "the line file itself"}
    for where, section, keys in (
        ("service", service, _CONFIGURATION),
        ("service.metrics", service.metrics, _KEY_PAIR),
        ("io.certificates", file.io.certificates, _KEY_PAIR),
    ):
        for key in keys:
            name = getattr(section, key)
            if name is not None:
                read.setdefault(_absolute(name, document), f"{where}.{key}")
    return read


def _absolute(name: str, document: Document) -> str:
    return abspath(join(dirname(document.name), name))


def reserve_is_small(file: LineFile, document: Document) -> list[Problem]:
    """Check that the space kept for a full disk is less than what the journal may take."""
    retention = file.service.retention
    if retention.reserve_mb < retention.max_mb:
        return []
    return [
        document.problem(
            ("service", "retention", "reserve_mb"),
            f"the reserve of {retention.reserve_mb} MB is as large as the journal may get "
            f"({retention.max_mb} MB)",
            f"less than {retention.max_mb}, better {min(32, retention.max_mb // 4)}",
        )
    ]


def metrics_are_encrypted_or_stay_here(file: LineFile, document: Document) -> list[Problem]:
    """Check that plain HTTP goes no further than loopback, unless so written."""
    metrics = file.service.metrics
    named = [key for key in ("certificate", "private_key") if getattr(metrics, key) is not None]
    if len(named) == 1:
        return [
            document.problem(
                ("service", "metrics", named[0]),
                f"{named[0]} without its other half: there is no encryption with one of the two",
                "name certificate and private_key, or neither",
            )
        ]
    if named or metrics.accept_plain_text_off_loopback or is_loopback(metrics.host):
        return []
    return [
        document.problem(
            ("service", "metrics", "host"),
            f"plain HTTP on {metrics.host}: whoever is on the way can read and change the figures",
            "127.0.0.1, or certificate and private_key, or accept_plain_text_off_loopback: true",
        )
    ]


SERVICE_CHECKS: tuple[LineCheck, ...] = (
    written_files_are_no_others,
    reserve_is_small,
    metrics_are_encrypted_or_stay_here,
)
