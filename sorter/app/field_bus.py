"""The field bus that a line file asks for, encrypted unless it says otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sorter.config.checks_io import IO_CHECKS
from sorter.config.checks_machine import files_of_the_link
from sorter.config.documents import Document, parse
from sorter.config.load import LINE, LoadedLine
from sorter.config.models import Io
from sorter.errors import ConfigError, Problem
from sorter.options import LAST_PORT
from sorter.ports import Clock, FieldBus
from sorter.security.layout import placed, secured
from sorter.security.wall_clock import utc_now

Protocol = Literal["modbus", "opcua"]


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What a command line may say differently from the line file's section ``io``.

    Attributes
    ----------
    protocol : str or None
    peer : str or None
        ``HOST:PORT`` for Modbus, an endpoint URL for OPC UA.
    certs : Path or None
        Folder that ``sorter certs init`` made: encrypt, with the controller's files in it.
    """

    protocol: Protocol | None = None
    peer: str | None = None
    certs: Path | None = None


def link_of(loaded: LoadedLine, options: LinkOptions) -> Io:
    """Return the section ``io`` as the command line wants it, with the places of its files.

    Raises
    ------
    ConfigError
        With every problem: a peer that cannot be one, plain text to another machine, files that
        are missing, readable by others or expired.
    """
    io = loaded.line_file.io
    io = io.model_copy(update={"protocol": options.protocol or io.protocol})
    if options.peer is not None:
        io = _with_peer(io, options.peer)
    if options.certs is not None:
        io = secured(io, options.certs)
    base = loaded.line_path.parent
    document = Document(str(loaded.line_path), loaded.files[LINE], {}, {})
    problems = _problems(io, document, base)
    if problems and options.certs is None:  # else the files' names do not stand in the line file
        # Again with the lines to point at: reading them takes longer than all checks.
        problems = _problems(io, parse(document.text, document.name)[0] or document, base)
    if problems:
        raise ConfigError.of(problems)
    return placed(io, base)


def _problems(io: Io, document: Document, base: Path) -> list[Problem]:
    problems = [problem for check in IO_CHECKS for problem in check(io, document)]
    return problems + files_of_the_link(io, document, base, utc_now())


def field_bus(io: Io, clock: Clock) -> FieldBus:
    """Return the bus; each protocol library takes half a second to import, so only that one is."""
    if io.protocol == "opcua":
        from sorter.io.opcua import OpcUaBus  # noqa: PLC0415

        return OpcUaBus(io.opcua, io.mailbox, clock, io.certificates)
    from sorter.io.modbus import ModbusBus  # noqa: PLC0415

    return ModbusBus(io.modbus, io.mailbox, clock, io.certificates)


def _with_peer(io: Io, peer: str) -> Io:
    if io.protocol == "opcua":
        return io.model_copy(update={"opcua": io.opcua.model_copy(update={"endpoint": peer})})
    host, _, port = peer.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= LAST_PORT:
        raise ConfigError(f"peer '{peer}' is not HOST:PORT, e.g. 192.168.0.10:802")
    modbus = io.modbus.model_copy(update={"host": host, "port": int(port)})
    return io.model_copy(update={"modbus": modbus})
