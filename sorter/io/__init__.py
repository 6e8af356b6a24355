"""Field buses: Modbus/TCP and OPC UA clients that move mailbox words.

They translate what the protocol libraries raise, return and hide into the errors of
:mod:`sorter.errors`. May import ``model``, ``ports``, ``config`` and ``errors``; never ``runtime``
or ``host``.
"""
