"""Words that all commands use alike."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 line``, ``8,704 lines``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
