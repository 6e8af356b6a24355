"""Rehearsing the real thing: a served ``plc_sim`` and a ``sorter run``, each its own process.

The simulator is started by module name and never imported. May import ``app`` and what is below.
"""
