"""What the control loop needs from outside, each with at least two real implementations.

=========  ==========================================  =========================================
port       live                                        simulation, replay
=========  ==========================================  =========================================
Clock      ``runtime.clock.MonotonicClock``            ``plc_sim.inprocess.VirtualClock``
FieldBus   ``io.modbus.ModbusBus``, ``io.opcua...``    ``plc_sim.inprocess.InProcessBus``
HostLink   ``host.resolver.RegistryHost`` on SQLite    the same on memory; the journal in replay
Journal    ``runtime.journal.ThreadedJournal``         ``runtime.journal.InlineJournal``
=========  ==========================================  =========================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sorter.model.frames import Decisions, Inputs, Rows, ScanRead, Words


class Clock(Protocol):
    """Time as the control loop sees it."""

    def now_ns(self) -> int:
        """Return a time that never goes back, in ns; its zero means nothing."""
        ...


class FieldBus(Protocol):
    """Moves mailbox words; knows nothing of what they mean.

    Every method raises a :class:`~sorter.errors.LinkError` when the link is broken, always within
    the configured deadline. At most one call is under way at any time.
    """

    @property
    def name(self) -> str:
        """Link as a person would name it, e.g. ``modbus tcp 127.0.0.1:5020``."""
        ...

    async def connect(self) -> None:
        """Open the link and find out what the peer can do. May be called again after an error."""
        ...

    async def exchange(self, command_block: Words) -> Words:
        """Write the command block and read the status block.

        Parameters
        ----------
        command_block : uint16[COMMAND_WORDS]

        Returns
        -------
        uint16[STATUS_WORDS]
            Valid until the next call.
        """
        ...

    async def read_commands(self) -> Words:
        """Return ``uint16[COMMAND_WORDS]``: the command block, whoever wrote it last."""
        ...

    async def read_events(self, first_slot: int, slot_count: int) -> Words:
        """Return ``uint16[slot_count * EVENT_WORDS]`` from the event ring (no wrap-around)."""
        ...

    async def read_scans(self, first_slot: int, slot_count: int) -> Words:
        """Return ``uint16[slot_count * SCAN_WORDS]`` from the scan ring (no wrap-around)."""
        ...

    async def wait(self, until_ns: int) -> None:
        """Return when there may be news, at `until_ns` at the latest.

        A hint only: coming back early or for nothing is allowed.
        """
        ...

    async def close(self) -> None:
        """Close the link; never raises."""
        ...


class HostLink(Protocol):
    """Knows the return records. Never blocks the loop for longer than a local look-up.

    What it does not know at once it may know later: an answer that comes late is given as the
    same scanner result once more, and the parcel is decided again until its commit point.
    """

    @property
    def reachable(self) -> bool:
        """Whether the source of the records answers."""
        ...

    @property
    def problem(self) -> str:
        """What the source said last when it did not answer."""
        ...

    def resolve(self, scans: Sequence[ScanRead]) -> Rows:
        """Return ``int64[len(scans), SCAN_WIDTH]``: identity verdict and facts of each result."""
        ...

    def late_reads(self) -> Sequence[ScanRead]:
        """Return earlier results about which more is known now; costs next to nothing if none."""
        ...

    def forget_unknown(self) -> None:
        """Drop what is still unknown: after a PLC restart the numbers mean other parcels."""
        ...

    def figures(self) -> dict[str, int]:
        """Return ``lookup_errors``, ``answered_late``, ``given_up`` and ``waiting``."""
        ...


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What is safe on disk: event and scan sequences of one PLC boot."""

    boot_id: int
    event_seq: int
    scan_seq: int


class Journal(Protocol):
    """Keeps every decision step. Appending never waits for the disk."""

    def append(
        self,
        now_ns: int,
        inputs: Inputs,
        scans: Sequence[ScanRead],
        decided: Decisions,
    ) -> None:
        """Take over one step; raises :class:`~sorter.errors.JournalError` when it cannot."""
        ...

    def snapshot(self, tick_100us: int, state: bytes) -> None:
        """Take over the state behind the steps so far: a restart begins there.

        It is written with the next commit, never without the steps before it. Never raises.
        """
        ...

    def acknowledged(self) -> Acknowledged:
        """Return what has been committed so far."""
        ...

    def close(self) -> None:
        """Commit what is pending and close."""
        ...
