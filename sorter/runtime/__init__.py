"""Running the decision step for real: scan loop, mailbox client, clock, journal, replay, metrics.

May import ``core``, ``kernels``, ``model``, ``ports``, ``config`` and ``errors``; never ``io`` or
``host``, which it knows through ``ports`` only.
"""
