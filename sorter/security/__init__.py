"""Secrets and certificates: where they are, how they are read and made; what a peer may send.

No secret is ever returned as plain text that a log or a traceback could show, and nothing here
logs. May import ``config`` and ``errors``; ``certificates``, ``authority`` and ``folder`` load
``cryptography`` and ``opcua_decoding`` loads ``asyncua``, so they are imported late by those who
start fast.
"""
