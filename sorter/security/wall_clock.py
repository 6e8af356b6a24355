"""Wall time, which certificates and retention are about; never used for control."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the machine's wall time."""
    return datetime.now(UTC)  # noqa: TID251 - certificates and retention count in dates
