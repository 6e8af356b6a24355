"""Bounds of numeric options, for all commands: whatever is asked for, no value is nonsense."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel

LAST_PORT: Final = 65_535
MOST_SEED: Final = (1 << 63) - 1
MOST_PARCELS: Final = 100_000_000
MOST_PARCELS_PER_H: Final = 500_000
"""As for ``arrivals.rate_parcels_per_h`` of a scenario."""


def most(section: type[BaseModel], key: str) -> Any:
    """Return the largest value of a configuration key: an option for the same takes no more."""
    bounds = section.model_fields[key].metadata
    return next(bound.le for bound in bounds if hasattr(bound, "le"))


def a_number(value: float | None) -> float | None:
    """Refuse nan, which some versions of typer find within any bounds; a callback."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number; give one, like 2.5")
    return value


SeedOption = Annotated[
    int, typer.Option(min=0, max=MOST_SEED, help="For everything that is drawn.")
]
RateOption = Annotated[
    float,
    typer.Option(
        min=1, max=MOST_PARCELS_PER_H, callback=a_number, help="Parcels per hour of line time."
    ),
]
