"""Base of all configuration sections."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$"
"""Of everything on a line that has a name."""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
