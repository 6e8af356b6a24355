"""What somebody who has logged in may do with the mailbox."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

ROLE_OID: Final = "1.3.6.1.4.1.50316.802.1"
"""Certificate extension of the Modbus/TCP Security specification; its value is a UTF8String."""


class Role(StrEnum):
    """Names of roles, as they stand in certificates and in the user file."""

    OPERATOR = "operator"
    """Reads, and writes the command block."""
    OBSERVER = "observer"
    """Only reads."""


def role_of_extension(value: bytes) -> Role | None:
    """Return the role in the DER value of the extension; None when it holds no known one."""
    if len(value) < 2 or value[0] != 0x0C or value[1] != len(value) - 2 or value[1] > 127:
        return None
    try:
        return Role(value[2:].decode("utf-8"))
    except ValueError:
        return None
