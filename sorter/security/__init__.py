"""Secrets and certificates: where they are, how they are read and made.

No secret is ever returned as plain text that a log or a traceback could show, and nothing here
logs. May import ``config`` and ``errors``; ``certificates``, ``authority`` and ``folder`` load
``cryptography``, so they are imported late by those who start fast.
"""
