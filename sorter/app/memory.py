"""Takes at the start what memory a long run needs, so that growth means a leak."""

from __future__ import annotations

from typing import Final

import numpy as np

_CACHED_BELOW_BYTES: Final = 1024
_CACHED_OF_A_SIZE: Final = 7


def fill_numpy_cache() -> None:
    """Fill numpy's cache of small blocks: up to seven freed ones of each size below 1 kB.

    It would fill by itself, but with sizes that come up once in many thousand parcels: memory
    then creeps up by some 1 MB per million parcels for weeks, until all 3.7 MB are in it.

    References
    ----------
    ``NBUCKETS`` and ``NCACHE`` in numpy/_core/src/multiarray/alloc.c.
    """
    sizes = range(1, _CACHED_BELOW_BYTES)
    blocks = [np.empty(size, np.uint8) for size in sizes for _ in range(_CACHED_OF_A_SIZE)]
    blocks.clear()
