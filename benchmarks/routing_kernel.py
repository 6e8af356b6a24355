"""What does a routing decision cost, and does it depend on how many chutes the line has?"""

from __future__ import annotations

from time import perf_counter_ns

import numpy as np

from sorter.kernels.routing import route
from sorter.model.codes import NONE, Cause, ChuteBit
from sorter.model.columns import ChuteColumn, ChuteStateColumn, LineField
from sorter.model.frames import Rows
from sorter.model.tracking import NEAR_WIDTH, ChoiceColumn, ParcelColumn, Register

GRADES = 8
STREAMS = 256
GROUP = 4
BATCH = 1024
FEW_CHUTES = 128
MANY_CHUTES = 1000  # not 1024: columns a power of two apart share cache sets
PITCH = 1000


def _tables(chute_count: int, rng: np.random.Generator) -> tuple[Rows, ...]:
    """Return every argument of the kernel for one full batch of parcels."""
    line = np.zeros(len(LineField), np.int64)
    line[LineField.LOOP_COUNTS] = line[LineField.LENGTH_COUNTS] = PITCH * (chute_count + 10)
    line[LineField.MAX_LAPS] = 3
    line[LineField.IO_ALLOWANCE] = 150
    line[LineField.CHOOSE] = 1
    chutes = np.zeros((len(ChuteColumn), chute_count), np.int64)
    chutes[ChuteColumn.POSITION] = PITCH * (np.arange(chute_count) + 5)
    chutes[ChuteColumn.ACTUATION] = 150
    chutes[ChuteColumn.HOLD] = 160
    chutes[ChuteColumn.CAPACITY] = 100
    for column in range(ChuteColumn.MAX_LENGTH, ChuteColumn.MAX_WEIGHT_G + 1):
        chutes[column] = 100_000
    chute_state = np.zeros((len(ChuteStateColumn), chute_count), np.int64)
    chute_state[ChuteStateColumn.BITS] = ChuteBit.OPEN
    chute_state[ChuteStateColumn.PARCELS] = rng.integers(0, 99, chute_count)
    cells = GRADES * STREAMS
    cell_groups = np.arange(cells + 1, dtype=np.int64)
    group_starts = np.arange(0, (cells + 1) * GROUP, GROUP, dtype=np.int64)
    group_chutes = rng.integers(0, FEW_CHUTES, cells * GROUP)  # the same groups on any line
    overflow = np.full(STREAMS, NONE, np.int64)
    outlets = np.zeros(len(Cause), np.int64)
    parcels = np.full((len(ParcelColumn), BATCH + 8), NONE, np.int64)
    parcels[ParcelColumn.ID] = np.arange(1, BATCH + 9)
    parcels[ParcelColumn.ANCHOR] = -rng.integers(0, PITCH * 4, BATCH + 8)
    parcels[ParcelColumn.LENGTH] = 300
    parcels[ParcelColumn.GRADE] = rng.integers(0, GRADES, BATCH + 8)
    parcels[ParcelColumn.STREAM] = rng.integers(0, STREAMS, BATCH + 8)
    for column in (ParcelColumn.ROUND, ParcelColumn.LAP, ParcelColumn.INDUCT_TRAVEL):
        parcels[column] = 0
    return (
        parcels, np.arange(BATCH), line, chutes, chute_state, cell_groups, group_starts,
        group_chutes, overflow, outlets,
    )  # fmt: skip


def _ns_per_decision(chute_count: int, rounds: int) -> float:
    rng = np.random.Generator(np.random.PCG64(1))
    parcels, rows, line, chutes, state, cells, starts, groups, overflow, outlets = _tables(
        chute_count, rng
    )
    near = np.zeros((BATCH, NEAR_WIDTH), np.int64)
    choices = np.zeros((BATCH, len(ChoiceColumn)), np.int64)
    candidates = np.zeros((BATCH * GROUP, 3), np.int64)
    registers = np.zeros(len(Register), np.int64)
    best = float("inf")
    for _ in range(rounds):
        registers[Register.CANDIDATES] = 0
        start = perf_counter_ns()
        route(
            parcels, rows, BATCH, 0, line, chutes, state, cells, starts, groups, overflow,
            outlets, near, 0, choices, candidates, registers,
        )  # fmt: skip
        best = min(best, (perf_counter_ns() - start) / BATCH)
    if (choices[:, ChoiceColumn.CHUTE] == NONE).any():
        raise AssertionError("every parcel should have found a chute")
    return best


def measure(quick: bool) -> dict[str, float]:
    """Return ns a decision in batch with 128 and with 1,000 chutes, and their ratio."""
    rounds = 50 if quick else 1000
    few = _ns_per_decision(FEW_CHUTES, rounds)
    many = _ns_per_decision(MANY_CHUTES, rounds)
    return {
        "routing_ns_128_chutes": few,
        "routing_ns_1000_chutes": many,
        "routing_ratio_1000_to_128": many / few,
    }


if __name__ == "__main__":
    print(measure(quick=False))
