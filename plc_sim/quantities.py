"""Bounded numbers that several sections of a scenario use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=1e7)]
PositiveSeconds = Annotated[float, Field(gt=0, le=1e7)]
Milliseconds = Annotated[float, Field(ge=0, le=60_000)]
