"""A deadline for calls into asyncua, also when the answer comes in the very moment it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Give what is inside so many seconds.

    On Python 3.11 asyncua waits with ``wait_for2``. When it is cancelled just as its answer
    arrives, that raises ``CancelledWithResultError``, a kind of ``CancelledError``; but
    :func:`asyncio.timeout` takes nothing but the latter for its own doing, and the error went up
    through the control loop. Here the answer counts as late, whosever deadline it was.

    Raises
    ------
    TimeoutError
        The time was up.
    """
    async with asyncio.timeout(seconds):
        try:
            yield
        except asyncio.CancelledError as cancelled:
            if type(cancelled) is asyncio.CancelledError:
                raise
            raise asyncio.CancelledError from cancelled
