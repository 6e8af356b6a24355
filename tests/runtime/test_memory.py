"""What numpy keeps of freed memory is taken at the start, not bit by bit for weeks."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
import numpy as np
from sorter.app.memory import fill_numpy_cache

class Use(ctypes.Structure):
    _fields_ = [(str(number), ctypes.c_size_t) for number in range(10)]

heap = ctypes.CDLL(None).mallinfo2
heap.restype = Use
if FILL:
    fill_numpy_cache()
before = getattr(heap(), "7")  # uordblks: bytes in use
for size in range(1, 1024):
    blocks = [np.empty(size, np.uint8) for _ in range(7)]
    del blocks
print(getattr(heap(), "7") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library of Linux")
@pytest.mark.parametrize(("fill", "least", "most"), [(True, -50_000, 50_000), (False, 2e6, 9e6)])
def test_blocks_of_every_size_take_no_more_memory(fill: bool, least: float, most: float) -> None:
    """Without it they do; a numpy that keeps none, or more, is to be noticed."""
    program = PROGRAM.replace("FILL", str(fill))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60, text=True
    )
    assert least < int(done.stdout) < most
