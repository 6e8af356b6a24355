"""Benchmarks: one module per question, each with ``measure(quick) -> dict[str, float]``.

``python -m benchmarks`` runs them and compares with ``budgets.toml``. Figures live here and never
in a test: timing on a shared machine is noise, and a test must not fail because of it.
"""
