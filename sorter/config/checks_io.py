"""Checks of the connection to the PLC that pydantic cannot see.

Those of :data:`IO_CHECKS` look at the section ``io`` alone, and can be asked of a link without
its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from string import Formatter
from typing import Final
from urllib.parse import urlsplit

from sorter.config.checks_line import LineCheck
from sorter.config.documents import Document, KeyPath
from sorter.config.link_security import is_loopback
from sorter.config.models import Io, LineFile
from sorter.config.section import HOST_PATTERN
from sorter.errors import Problem
from sorter.model.mailbox import COMMAND_WORDS, EVENT_WORDS, SCAN_WORDS, STATUS_WORDS

IoCheck = Callable[[Io, Document], list[Problem]]
LAST_REGISTER: Final = 65535
_PADDING: Final = re.compile(r"(0?[1-9])?d?")


def mailbox_blocks_are_apart(io: Io, document: Document) -> list[Problem]:
    """Check that the four blocks fit the holding registers and do not share one."""
    modbus, mailbox = io.modbus, io.mailbox
    blocks = sorted(
        (
            (modbus.status_address, STATUS_WORDS, "status"),
            (modbus.command_address, COMMAND_WORDS, "command"),
            (modbus.event_address, EVENT_WORDS * mailbox.event_slots, "event"),
            (modbus.scan_address, SCAN_WORDS * mailbox.scan_slots, "scan"),
        )
    )
    problems = []
    for start, words, name in blocks:
        if start + words - 1 > LAST_REGISTER:
            problems.append(
                document.problem(
                    _address(name),
                    f"the {name} block of {words} registers from {start} ends at "
                    f"{start + words - 1}, beyond {LAST_REGISTER}",
                    f"start it at {LAST_REGISTER + 1 - words} or before, or keep fewer slots",
                )
            )
    for (start, words, name), (next_start, _, next_name) in pairwise(blocks):
        if start + words > next_start:
            problems.append(
                document.problem(
                    _address(next_name),
                    f"the {next_name} block from {next_start} overlaps the {name} block, which "
                    f"takes {start} to {start + words - 1}",
                    f"start it at {start + words} or behind",
                )
            )
    return problems


def _address(block: str) -> KeyPath:
    return ("io", "modbus", f"{block}_address")


def allowance_covers_a_poll(file: LineFile, document: Document) -> list[Problem]:
    """Check that the I/O allowance is longer than the time between two looks at the PLC."""
    allowance_ms = file.line.tracking.io_allowance_ms
    modbus, opcua = file.io.modbus, file.io.opcua
    period_ms = modbus.poll_ms if file.io.protocol == "modbus" else opcua.publishing_interval_ms
    if allowance_ms > period_ms:
        return []
    return [
        document.problem(
            ("line", "tracking", "io_allowance_ms"),
            f"{allowance_ms:g} ms are no longer than one {file.io.protocol} cycle "
            f"({period_ms:g} ms): every deadline would be missed",
            f"more than {period_ms:g}, better {4 * period_ms:g}",
        )
    ]


def tag_names_have_their_index(io: Io, document: Document) -> list[Problem]:
    """Check that pages and slots are told apart, and the names can be filled in."""
    problems = []
    for key, index in (("event_page", "page"), ("scan_slot", "slot")):
        pattern = getattr(io.opcua.tags, key)
        if not _has_just(pattern, index):
            problems.append(
                document.problem(
                    ("io", "opcua", "tags", key),
                    f"{pattern!r} gives every {index} the same node id, or none",
                    f"put {{{index}}} where the number goes, and no other braces",
                )
            )
    return problems


def _has_just(pattern: str, index: str) -> bool:
    """Say whether a pattern has its index, perhaps padded as in ``{slot:03}``, and no other."""
    try:
        parts = [part for part in Formatter().parse(pattern) if part[1] is not None]
    except ValueError:
        return False
    return bool(parts) and all(
        name == index and _PADDING.fullmatch(padding or "") and not conversion
        for _, name, padding, conversion in parts
    )


def endpoint_is_opc_tcp(io: Io, document: Document) -> list[Problem]:
    """Check that the OPC UA endpoint is of the only transport there is."""
    endpoint = io.opcua.endpoint
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        # Of blanks the parser takes no notice.
        whole = parts.scheme == "opc.tcp" and endpoint.split() == [endpoint]
        if whole and re.fullmatch(HOST_PATTERN, host) and parts.port != 0:
            return []
    except ValueError:  # no such port, or half an address in brackets
        pass
    shown = "this" if "@" in endpoint else repr(endpoint)
    return [
        document.problem(
            ("io", "opcua", "endpoint"),
            f"{shown} is not an OPC UA endpoint",
            "like opc.tcp://127.0.0.1:4840/path",
        )
    ]


def plain_text_stays_on_this_machine(io: Io, document: Document) -> list[Problem]:
    """Check that a link without encryption goes no further than loopback, unless so written."""
    key: str
    mode: str
    if io.protocol == "modbus":
        key, mode, peer = "tls", io.modbus.tls.mode, io.modbus.host
        accepted = io.modbus.tls.accept_plain_text_off_loopback
    else:
        key, mode, peer = "security", io.opcua.security.mode, endpoint_host(io.opcua.endpoint)
        accepted = io.opcua.security.accept_plain_text_off_loopback
    if mode not in ("plain_text", "none_and_anonymous") or accepted or is_loopback(peer):
        return []
    return [
        document.problem(
            ("io", io.protocol, key, "mode"),
            f"{mode} to {peer}: whoever is on the way can read and command the line",
            "take mode out to encrypt (`sorter certs init` makes the certificates), or set "
            "accept_plain_text_off_loopback: true beside it",
        )
    ]


def endpoint_names_no_user(io: Io, document: Document) -> list[Problem]:
    """Check that no password stands in the endpoint's address."""
    if "@" not in io.opcua.endpoint:
        return []
    return [
        document.problem(
            ("io", "opcua", "endpoint"),
            "the address holds a user or password",
            "take it out; io.opcua.security has user_name and password_file",
        )
    ]


def endpoint_host(endpoint: str) -> str:
    """Return the host of an ``opc.tcp://`` address."""
    authority = endpoint.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return authority.partition("]")[0] + "]" if "]" in authority else authority.partition(":")[0]


IO_CHECKS: tuple[IoCheck, ...] = (
    plain_text_stays_on_this_machine,
    endpoint_names_no_user,
    mailbox_blocks_are_apart,
    tag_names_have_their_index,
    endpoint_is_opc_tcp,
)
LINE_IO_CHECKS: tuple[LineCheck, ...] = (allowance_covers_a_poll,)
