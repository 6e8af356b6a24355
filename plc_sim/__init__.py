"""Simulated sorter line: plant physics, PLC program, mailbox servers, truth ledger.

May import ``sorter.model``, ``sorter.config``, ``sorter.ports`` and ``sorter.errors``; only
``closed_loop`` imports ``sorter.app``. Never ``sorter.core``, ``kernels`` or ``runtime``: shared
code would hide shared bugs.
"""
