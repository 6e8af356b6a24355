"""The decision step: state columns, tracking, disposition, routing, divert planning.

Deterministic: no clock, no I/O, no randomness, no logging, no environment. May import ``kernels``
and ``model`` only.
"""
