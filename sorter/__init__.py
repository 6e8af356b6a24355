"""Controller of a parcel-sorting line for return centres.

The data flows one way: ``cli -> app -> (runtime | io | host) -> core -> kernels -> model``;
``pyproject.toml`` holds the contracts that enforce it. This package never imports ``plc_sim``.
"""
