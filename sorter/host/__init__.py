"""What the line knows about parcels: bar codes, return registry, return files.

May import ``model``, ``ports``, ``config`` and ``errors``; never ``runtime`` or ``io``.
"""
