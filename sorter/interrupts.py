"""Ends a program at once when Ctrl-C comes while its modules are being loaded.

Imports next to nothing: until the handler stands, Python would print where it was interrupted.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_by_interrupt(program: str) -> Iterator[None]:
    """Let SIGINT end the process with one sentence and exit code 130, without a traceback."""
    before = signal.getsignal(signal.SIGINT)

    def end(*_: object) -> None:
        # Not as an exception: a library that is just being imported may take it for its own.
        sys.stderr.write(f"{program}: interrupted before it was done\n")
        sys.stderr.flush()
        os._exit(128 + signal.SIGINT)

    if before is not signal.default_int_handler:  # a shell lets background jobs ignore it
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
