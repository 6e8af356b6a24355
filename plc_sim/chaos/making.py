"""Makes the faults of link, host and disk: what a simulated line cannot do to itself."""

from __future__ import annotations

import contextlib
import fcntl
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from plc_sim.chaos.link_proxy import LinkProxy, LinkState, LinkWeather
from plc_sim.runner_faults import (
    LinkCutFault,
    LinkHalfOpenFault,
    LinkLatencyFault,
    LinkLossFault,
    RunnerFault,
)

FULL_DISK_BYTES: Final = 64 * 1024
"""No file can grow beyond it, which leaves room for the log and none for the journal."""
_WAL_READ_LOCKS: Final = (123, 5)
"""First byte and number of SQLite's read locks in a ``-shm`` file (file format, section 4.1)."""
MS_PER_S: Final = 1000

LINK_FAULTS: Final = (LinkCutFault, LinkHalfOpenFault, LinkLatencyFault, LinkLossFault)


class LinkFaults:
    """Faults of the link that hold at the same time; the worst of them counts.

    Parameters
    ----------
    proxy : LinkProxy
    """

    def __init__(self, proxy: LinkProxy) -> None:
        self._proxy = proxy
        self._active: list[RunnerFault] = []

    def begin(self, fault: RunnerFault) -> None:
        """Let a fault hold from now on."""
        self._active.append(fault)
        self._apply()

    def end(self, fault: RunnerFault) -> None:
        """Let it be over."""
        self._active.remove(fault)
        self._apply()

    def _apply(self) -> None:
        proxy = self._proxy
        latency_ms = jitter_ms = share = stall_ms = 0.0
        wanted = LinkState.PASSING
        for fault in self._active:
            if isinstance(fault, LinkCutFault):
                wanted = LinkState.CUT
            elif isinstance(fault, LinkHalfOpenFault) and wanted is not LinkState.CUT:
                wanted = LinkState.HALF_OPEN
            elif isinstance(fault, LinkLatencyFault):
                latency_ms += fault.latency_ms
                jitter_ms += fault.jitter_ms
            elif isinstance(fault, LinkLossFault):
                share = max(share, fault.share)
                stall_ms = max(stall_ms, fault.stall_ms)
        proxy.set_weather(
            LinkWeather(latency_ms / MS_PER_S, jitter_ms / MS_PER_S, share, stall_ms / MS_PER_S)
        )
        if wanted is proxy.state:
            return
        if wanted is LinkState.CUT:
            proxy.cut()
        elif wanted is LinkState.HALF_OPEN:
            proxy.half_open()
        else:
            proxy.mend()


def limit_disk(pid: int, *, full: bool) -> None:
    """Let a process's files grow no further, or let them again.

    Needs no right but to be the same user. A write fails with EFBIG instead of ENOSPC, which
    SQLite reports as an input/output error instead of a full disk.
    """
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_DISK_BYTES if full else hard, hard))


@contextlib.contextmanager
def locked_registry(registry: Path) -> Iterator[None]:
    """Hold SQLite's read locks, as a process stuck in a recovery does: nobody can look up.

    Parameters
    ----------
    registry : Path
        In write-ahead mode.
    """
    keeper = sqlite3.connect(registry, isolation_level=None)
    try:
        keeper.execute("SELECT count(*) FROM returns").fetchone()  # makes the -shm file
        first, count = _WAL_READ_LOCKS
        with registry.with_name(registry.name + "-shm").open("rb+") as shared:
            # Readers hold these locks for microseconds only, so waiting for them is no deadlock.
            fcntl.lockf(shared, fcntl.LOCK_EX, count, first)
            yield
    finally:
        keeper.close()
