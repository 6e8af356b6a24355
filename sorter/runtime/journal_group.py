"""Decision steps collected for one commit, table by table, and the hash over what they decided.

Table by table, because then a step is added by appending a few bytes to each, and whoever follows
a group looks at whole columns. How a group is kept is in ``journal_codec``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sorter.errors import JournalError
from sorter.model.columns import (
    CANDIDATE_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    EVENT_WIDTH,
    OUTCOME_WIDTH,
    SCAN_WIDTH,
)
from sorter.model.frames import Decisions, Inputs, Rows, ScanRead

STEP_HEAD: Final = struct.Struct("<4q7I")
STEP_HEAD_TYPE: Final = np.dtype([("look", "<i8", 4), ("counts", "<u4", 7)])
READ_HEAD: Final = struct.Struct("<BH")
CODE_LENGTH: Final = struct.Struct("<I")
WIDTHS: Final = (
    EVENT_WIDTH,
    SCAN_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    CANDIDATE_WIDTH,
    OUTCOME_WIDTH,
)

PendingStep = tuple[int, Inputs, Sequence[ScanRead], Decisions]
"""One step on its way to the disk: clock, inputs, scanner results, decisions."""


class PendingSnapshot(NamedTuple):
    """The state behind the steps before it, on its way to the disk."""

    tick_100us: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """Steps committed together, table by table.

    Attributes
    ----------
    heads : structured array[n]
        A record per step.
    tables : tuple of int64[..., width]
        Events, scans, commands, decisions, candidates, outcomes: the rows of all steps.
    raw : bytes
        What the scanners read.
    """

    heads: NDArray[np.void]
    tables: tuple[Rows, ...]
    raw: bytes

    def __len__(self) -> int:
        return len(self.heads)

    def until(self, steps: int) -> Group:
        """Return the first so many steps of the group, all of them when it has no more."""
        if steps >= len(self):
            return self
        ends = self.counts[:steps].sum(axis=0, dtype=np.int64).tolist()
        tables = tuple(table[:end] for table, end in zip(self.tables, ends, strict=False))
        return Group(self.heads[:steps], tables, self.raw[: ends[-1]])

    @property
    def looks(self) -> Rows:
        """Boot id, line state, encoder count and clock of each step, ``int64[n, 4]``."""
        return self.heads["look"]

    @property
    def counts(self) -> NDArray[np.uint32]:
        """Rows of each step in each table and its bytes in `raw`, ``uint32[n, 7]``."""
        return self.heads["counts"]

    @property
    def events(self) -> Rows:
        """Events of all steps."""
        return self.tables[0]

    @property
    def scans(self) -> Rows:
        """Scanner results of all steps."""
        return self.tables[1]

    @property
    def decisions(self) -> Rows:
        """Decisions of all steps."""
        return self.tables[3]

    @property
    def outcomes(self) -> Rows:
        """Outcomes of all steps."""
        return self.tables[5]


class GroupBuilder:
    """Collects steps; what it was given may change afterwards.

    Attributes
    ----------
    steps : int
        Added so far.
    reads : dict of int to sequence of ScanRead
        Scanner results by step, counted from 0; only of steps that have any.
    snapshots : list of (int, PendingSnapshot)
        States, each with the number of steps before it.
    """

    __slots__ = ("_heads", "_raw", "_tables", "reads", "snapshots", "steps")

    def __init__(self) -> None:
        self._heads = bytearray()
        self._tables = tuple(bytearray() for _ in WIDTHS)
        self._raw = bytearray()
        self.reads: dict[int, Sequence[ScanRead]] = {}
        self.snapshots: list[tuple[int, PendingSnapshot]] = []
        self.steps = 0

    def add(
        self, now_ns: int, inputs: Inputs, reads: Sequence[ScanRead], decided: Decisions
    ) -> None:
        """Add one step.

        Raises
        ------
        JournalError
            A value does not fit the format.
        """
        # Most tables of most steps are empty, so each is asked first. Bytes are appended at once,
        # while they are in the processor's cache: collecting the arrays and joining them at the
        # commit took twice as long.
        events, scans, commands, decisions, candidates, outcomes = self._tables
        raw_bytes = 0
        if event_count := len(inputs.events):
            events += inputs.events.tobytes()
        if (scan_count := len(inputs.scans)) or reads:
            raw = _encode_reads(reads, scan_count)
            raw_bytes = len(raw)
            self._raw += raw
            scans += inputs.scans.tobytes()
            self.reads[self.steps] = reads
        if outcome_count := len(decided.outcomes):
            outcomes += decided.outcomes.tobytes()
        if command_count := len(decided.commands):
            commands += decided.commands.tobytes()
        if decision_count := len(decided.decisions):
            decisions += decided.decisions.tobytes()
        if candidate_count := len(decided.candidates):
            candidates += decided.candidates.tobytes()
        try:
            self._heads += STEP_HEAD.pack(
                inputs.boot_id,
                inputs.line_state,
                inputs.encoder_count,
                now_ns,
                event_count,
                scan_count,
                command_count,
                decision_count,
                candidate_count,
                outcome_count,
                raw_bytes,
            )
        except struct.error as error:
            raise JournalError(
                f"journal: step at encoder {inputs.encoder_count} does not fit the record format: "
                f"boot id {inputs.boot_id}, line state {inputs.line_state} ({error})"
            ) from error
        self.steps += 1

    def group(self) -> Group:
        """Return what was added; nothing may be added afterwards."""
        tables = tuple(
            np.frombuffer(table, np.int64).reshape(-1, width)
            for table, width in zip(self._tables, WIDTHS, strict=True)
        )
        return Group(np.frombuffer(self._heads, STEP_HEAD_TYPE), tables, bytes(self._raw))


def gather(batch: Iterable[PendingStep | PendingSnapshot]) -> GroupBuilder:
    """Return a batch of steps as a builder that will get no more; raises as its ``add``."""
    builder = GroupBuilder()
    for item in batch:
        if isinstance(item, PendingSnapshot):
            builder.snapshots.append((builder.steps, item))
        else:
            builder.add(*item)
    return builder


def _encode_reads(scans: Sequence[ScanRead], row_count: int) -> bytes:
    if len(scans) != row_count:
        raise JournalError(
            f"journal: {len(scans)} scanner results were joined to {row_count} registry answers; "
            "the host link must answer each result with one row"
        )
    parts = []
    for read in scans:
        parts.append(READ_HEAD.pack(read.truncated, len(read.codes)))
        for code in read.codes:
            parts.append(CODE_LENGTH.pack(len(code)))
            parts.append(code)
    return b"".join(parts)


class StepHash:
    """Hash over everything decided, whichever steps were committed together.

    It leaves out clock, encoder reading, line state and the PLC's boot id: when the loop happened
    to look is not part of what was decided. A stream of its own for each table makes it
    independent of the groups.
    """

    def __init__(self) -> None:
        self._streams = [hashlib.sha256() for _ in range(len(WIDTHS) + 2)]

    def update(self, group: Group) -> None:
        """Add a group. Steps in which nothing happened do not count."""
        counts = group.counts
        happened = counts[counts.any(axis=1)].tobytes()
        tables = [table.tobytes() for table in group.tables]
        for stream, part in zip(self._streams, (happened, *tables, group.raw), strict=True):
            stream.update(part)

    def hexdigest(self) -> str:
        """Return the hash of what was added so far."""
        return hashlib.sha256(b"".join(stream.digest() for stream in self._streams)).hexdigest()
