"""The columns that :func:`sorter.core.decide.decide` owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from zlib import crc32

import numpy as np

from sorter.model.codes import (
    EXCEPTION_CAUSES,
    NONE,
    Cause,
    ChuteBit,
    LineState,
    ModeReason,
)
from sorter.model.columns import (
    CANDIDATE_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    OUTCOME_WIDTH,
    ChuteColumn,
    ChuteStateColumn,
    LineField,
    ZoneColumn,
)
from sorter.model.frames import Rows
from sorter.model.layout import LineLayout
from sorter.model.plan import ReturnsPolicy, SortPlan
from sorter.model.tracking import (
    EYE_BITS,
    FIRST_EDGE,
    NEAR_WIDTH,
    NEVER,
    REGISTERS,
    Attention,
    ChoiceColumn,
    ParcelColumn,
    Register,
)

__all__ = ["ParcelColumn", "State"]

_ANOMALIES = (
    Register.STRAY_SCANS,
    Register.STRAY_MEASUREMENTS,
    Register.STALE_CONFIRMATIONS,
    Register.MALFORMED_REPORTS,
    Register.UNUSED_ANSWERS,
    Register.DUPLICATE_REPORTS,
    Register.ENCODER_JUMPS,
    Register.LATE_REPORTS,
    Register.DROPPED_OUTPUTS,
)
_TABLES: tuple[type[IntEnum], ...] = (Register, ChuteStateColumn, ParcelColumn)
_FORMAT = crc32(repr([[(cell.name, int(cell)) for cell in table] for table in _TABLES]).encode())
"""Which cells a snapshot has, and in which order: another version may have others."""
_SET_ASSOCIATIVE_STRIDE = 512  # rows; a power-of-two stride would put a parcel into one cache set


@dataclass(slots=True)
class State:
    """Everything the controller knows about the line, as int64 columns.

    Attributes
    ----------
    layout, plan, policy
        What the line, the sort plan and the returns policy are; never written.
    parcels : int64[len(ParcelColumn), >= capacity]
    chutes : int64[len(ChuteStateColumn), n_chutes]
    registers : int64[REGISTERS]
        Scalars, see :class:`~sorter.model.tracking.Register`.
    cells : memoryview
        The same memory: reading one cell takes a fifth of what the array takes.
    encoder_count : int
        Of the latest frame; decisions never depend on it, only on the frame at hand.
    """

    layout: LineLayout
    plan: SortPlan
    policy: ReturnsPolicy
    parcels: Rows
    chutes: Rows
    registers: Rows
    outlets: Rows
    encoder_count: int = 0
    cells: memoryview = field(init=False)
    commands: Rows = field(init=False)
    decisions: Rows = field(init=False)
    candidates: Rows = field(init=False)
    outcomes: Rows = field(init=False)
    tables: tuple[Rows, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = memoryview(self.registers.data)
        self.reserve_outputs(1024)

    @classmethod
    def create(
        cls, layout: LineLayout, plan: SortPlan, policy: ReturnsPolicy, capacity: int = 2048
    ) -> State:
        """Return the state of a line on which nothing is known to be.

        Every chute counts as open until the PLC says else: a controller that restarts beside a
        running PLC hears of changes only, and the PLC refuses what is not possible.

        Parameters
        ----------
        layout, plan, policy
            From the configuration.
        capacity : int
            Parcels that can be tracked at the same time.
        """
        width = capacity + 8 if capacity % _SET_ASSOCIATIVE_STRIDE == 0 else capacity
        parcels = np.zeros((len(ParcelColumn), width), np.int64)
        parcels[ParcelColumn.DUE] = NEVER
        chutes = np.zeros((len(ChuteStateColumn), layout.chutes.shape[1]), np.int64)
        chutes[ChuteStateColumn.BITS] = ChuteBit.OPEN
        chutes[ChuteStateColumn.LAST_ENTRY : ChuteStateColumn.LAST_CHANGE + 1] = -NEVER
        outlets = np.full(len(Cause), plan.fallback_chute, np.int64)
        outlets[: len(EXCEPTION_CAUSES)] = plan.exception_chutes
        registers = _first_registers(layout, capacity)
        return cls(layout, plan, policy, parcels, chutes, registers, outlets)

    def reserve_outputs(self, reports: int) -> None:
        """Make the output buffers large enough for a frame of so many events and scans."""
        rows = int(self.registers[Register.CAPACITY]) + 2 * reports
        self.commands = np.zeros((2 * rows, COMMAND_WIDTH), np.int64)
        self.decisions = np.zeros((rows, DECISION_WIDTH), np.int64)
        self.candidates = np.zeros((8 * rows + 4096, CANDIDATE_WIDTH), np.int64)
        self.outcomes = np.zeros((8 * rows + 512, OUTCOME_WIDTH), np.int64)
        layout, plan, policy = self.layout, self.plan, self.policy
        self.tables = (
            self.parcels,
            self.registers,
            layout.line,
            layout.eyes,
            layout.scanners,
            layout.scales,
            layout.zones,
            layout.chutes,
            self.chutes,
            plan.cell_groups,
            plan.group_starts,
            plan.group_chutes,
            plan.overflow,
            self.outlets,
            policy.window_days,
            policy.rules,
            np.zeros(1, np.int64),
            np.zeros((1, NEAR_WIDTH), np.int64),
            np.zeros((1, len(ChoiceColumn)), np.int64),
            self.commands,
            self.decisions,
            self.candidates,
            self.outcomes,
        )

    @property
    def boot_id(self) -> int:
        """Start number of the PLC heard last, 0 before the first frame."""
        return int(self.registers[Register.BOOT_ID])

    @property
    def line_state(self) -> int:
        """PackML state heard last."""
        return int(self.registers[Register.LINE_STATE])

    @property
    def mode(self) -> tuple[LineState, ModeReason]:
        """State of the line, all things considered, and why."""
        cells = self.cells
        return LineState(cells[Register.MODE]), ModeReason(cells[Register.MODE_REASON])

    def blocked_eyes(self) -> list[bool]:
        """Return for each eye whether it stays dark and sees nothing."""
        bits = int(self.registers[Register.BLOCKED_EYES])
        return [bool(bits >> (eye % EYE_BITS) & 1) for eye in range(self.layout.eyes.shape[1])]

    @property
    def next_parcel_id(self) -> int:
        """Id the next new parcel gets."""
        return int(self.registers[Register.NEXT_PARCEL_ID])

    @next_parcel_id.setter
    def next_parcel_id(self, parcel_id: int) -> None:
        self.registers[Register.NEXT_PARCEL_ID] = parcel_id

    @property
    def command_seq(self) -> int:
        """Sequence of the newest command, 0 before the first."""
        return int(self.registers[Register.COMMAND_SEQ])

    def tracked_count(self) -> int:
        """Return how many parcels are on the line."""
        return int(self.registers[Register.TRACKED])

    def anomalies(self) -> dict[str, int]:
        """Return how often something was met that should not be, by its name in snake case."""
        return {register.name.lower(): int(self.registers[register]) for register in _ANOMALIES}

    def zone_counts(self) -> Rows:
        """Return ``int64[n_zones]``, parcels in each zone at the latest encoder count."""
        zones = self.layout.zones
        rows = int(self.registers[Register.ROWS])
        tracked = self.parcels[ParcelColumn.ID, :rows] != 0
        position = self.encoder_count - self.parcels[ParcelColumn.ANCHOR, :rows][tracked]
        loop = int(self.layout.line[LineField.LOOP_COUNTS])
        if loop > 0:
            position %= loop
        inside = (position >= zones[ZoneColumn.START][:, None]) & (
            position < zones[ZoneColumn.END][:, None]
        )
        counts: Rows = inside.sum(axis=1, dtype=np.int64)
        return counts

    def to_bytes(self) -> bytes:
        """Return a snapshot of all that decisions depend on."""
        rows = int(self.registers[Register.ROWS])
        registers = self.registers.copy()
        registers[Register.COMMANDS : Register.OUTCOMES + 1] = 0  # the last frame's outputs
        return b"".join(
            (
                np.array((_FORMAT, self.encoder_count), np.int64).tobytes(),
                registers.tobytes(),
                self.chutes.tobytes(),
                np.ascontiguousarray(self.parcels[:, :rows]).tobytes(),
            )
        )

    def tracked(self) -> frozenset[int]:
        """Return the numbers of the parcels on the line."""
        numbers = self.parcels[ParcelColumn.ID, : int(self.registers[Register.ROWS])]
        return frozenset(numbers[numbers != 0].tolist())

    def command_again(self) -> None:
        """Have the next step repeat every command that may not have reached the PLC.

        For a controller that was restarted: it knows what was decided, not what was sent.
        """
        on_line = self.parcels[ParcelColumn.ID] != 0
        self.parcels[ParcelColumn.ATTENTION, on_line] |= Attention.AGAIN
        self.registers[Register.NEXT_DUE] = -NEVER

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot of a state with the same layout and capacity.

        Raises
        ------
        ValueError
            When the snapshot does not fit.
        """
        whole = len(snapshot) - len(snapshot) % np.dtype(np.int64).itemsize
        values = np.frombuffer(snapshot[:whole], np.int64)
        if not values.size or values[0] != _FORMAT:
            raise ValueError("snapshot is of another version of this software")
        first = 2 + self.registers.size
        second = first + self.chutes.size
        if values.size < second:
            raise ValueError("snapshot is too short for this line")
        registers = values[2:first]
        rows = int(registers[Register.ROWS])
        fits = registers[Register.CAPACITY] == self.registers[Register.CAPACITY]
        fits &= whole == len(snapshot) and 0 <= rows <= self.parcels.shape[1]
        if not fits or values.size != second + rows * len(ParcelColumn):
            raise ValueError("snapshot is of another line or another table size")
        self.encoder_count = int(values[1])
        self.registers[:] = registers
        self.chutes[:] = values[first:second].reshape(self.chutes.shape)
        self.parcels[:] = 0
        self.parcels[ParcelColumn.DUE] = NEVER
        self.parcels[:, :rows] = values[second:].reshape(len(ParcelColumn), rows)


def _first_registers(layout: LineLayout, capacity: int) -> Rows:
    """Return the registers of an empty line."""
    registers = np.zeros(REGISTERS, np.int64)
    registers[FIRST_EDGE:] = NONE
    registers[Register.NEXT_PARCEL_ID] = 1
    registers[Register.NEXT_DUE] = NEVER
    registers[Register.LINE_STATE] = LineState.EXECUTE
    registers[Register.MODE] = LineState.EXECUTE
    registers[Register.COUNT_BEFORE_JUMP] = NEVER
    registers[Register.COUNT_BEHIND_JUMP] = NEVER
    registers[Register.JUMP_TICK] = -NEVER
    registers[Register.CAPACITY] = capacity
    chutes = layout.chutes
    ends = np.flatnonzero(chutes[ChuteColumn.LINE_END] == 1)
    registers[Register.END_CHUTE] = int(ends[0]) if ends.size else NONE
    registers[Register.END_TRAVEL] = layout.line[LineField.LENGTH_COUNTS]
    if ends.size:
        end = chutes[:, ends[0]]
        registers[Register.END_TRAVEL] = end[ChuteColumn.POSITION] + end[ChuteColumn.ENTRY_DELAY]
    cycles = chutes[ChuteColumn.ACTUATION] + chutes[ChuteColumn.HOLD]
    # What is planned may be off by the window: a parcel that slipped behind its commit point.
    registers[Register.REACH] = cycles.max(initial=0) + layout.line[LineField.WINDOW] + 1
    return registers
