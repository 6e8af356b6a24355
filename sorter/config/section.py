"""Base of all configuration sections."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$"
"""Of everything on a line that has a name."""
FILE_NAME_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""No control characters: no file has a zero byte in its name, and the others forge log lines."""
HOST_PATTERN: Final = r"^([A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Za-z.:%_-]*)$"
"""A DNS name, an IPv4 or an IPv6 address; a name with a port has one colon, and no place here."""

FileName = Annotated[str, Field(pattern=FILE_NAME_PATTERN)]
HostName = Annotated[str, Field(pattern=HOST_PATTERN)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
