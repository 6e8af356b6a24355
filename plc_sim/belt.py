"""The belt: travel as a piecewise linear function of time, and the encoder on it."""

from __future__ import annotations

import math

from .cells import (
    AT_MARKS,
    AT_PIECES,
    BASE,
    COUNTS_PER_MM,
    DARK_MM,
    JUMP_BASE,
    JUMP_MM,
    JUMP_RATE,
    JUMP_REALS,
    MARK_MM,
    MARKS,
    NEVER_NS,
    NOMINAL_RATE,
    NS_PER_MM,
    PIECE_MM,
    PIECE_NS,
    PIECE_REALS,
    PIECE_SPEED,
    PIECES,
    SINCE_MM,
    SINCE_NS,
    SPEED_MM_NS,
    TICK_START,
    Ints,
    Reals,
)
from .jit import inner

NS_PER_TICK = 100_000


@inner
def travel_at(ints: Ints, reals: Reals, now_ns: int) -> float:
    """Return the travel at a time not before the last start or stop."""
    travel: float = reals[SINCE_MM] + (now_ns - ints[SINCE_NS]) * reals[SPEED_MM_NS]
    return travel


@inner
def time_of(ints: Ints, reals: Reals, travel_mm: float) -> int:
    """Return when the belt will have travelled so far; never while it stands."""
    ahead = travel_mm - reals[SINCE_MM]
    if ahead <= 0.0:
        return int(ints[SINCE_NS])
    if reals[SPEED_MM_NS] <= 0.0:
        return NEVER_NS
    return int(ints[SINCE_NS]) + int(ahead * reals[NS_PER_MM]) + 1


@inner
def tick_at(ints: Ints, reals: Reals, travel_mm: float) -> int:
    """Return the PLC tick at a travel of the past or present."""
    if travel_mm >= reals[SINCE_MM]:
        at_ns = int(ints[SINCE_NS]) + int((travel_mm - reals[SINCE_MM]) * reals[NS_PER_MM])
        return int(ints[TICK_START]) + at_ns // NS_PER_TICK
    piece = ints[AT_PIECES] + (ints[PIECES] - 1) * PIECE_REALS
    while piece > ints[AT_PIECES] and reals[piece + PIECE_MM] > travel_mm:
        piece -= PIECE_REALS
    past_ns = reals[piece + PIECE_NS]
    if reals[piece + PIECE_SPEED] > 0.0:
        past_ns += (travel_mm - reals[piece + PIECE_MM]) / reals[piece + PIECE_SPEED]
    return int(ints[TICK_START]) + int(past_ns) // NS_PER_TICK


@inner
def encoder_at(ints: Ints, reals: Reals, travel_mm: float) -> int:
    """Return the unwrapped encoder count at a travel."""
    if travel_mm >= reals[MARK_MM]:
        now: int = math.floor(reals[BASE] + (travel_mm - reals[MARK_MM]) * reals[COUNTS_PER_MM])
        return now
    mark = ints[AT_MARKS] + (ints[MARKS] - 1) * JUMP_REALS
    while mark > ints[AT_MARKS] and reals[mark + JUMP_MM] > travel_mm:
        mark -= JUMP_REALS
    counts = (travel_mm - reals[mark + JUMP_MM]) * reals[mark + JUMP_RATE]
    count: int = math.floor(reals[mark + JUMP_BASE] + counts)
    return count


@inner
def time_of_count(ints: Ints, reals: Reals, encoder: int) -> int:
    """Return when the encoder will show a count, if it does not jump again; never if it stands."""
    if reals[COUNTS_PER_MM] <= 0.0:
        return NEVER_NS if encoder > reals[BASE] else int(ints[SINCE_NS])
    travel_mm = reals[MARK_MM] + (encoder - reals[BASE]) / reals[COUNTS_PER_MM]
    return time_of(ints, reals, travel_mm)


@inner
def tick_now(ints: Ints, now_ns: int) -> int:
    """Return the PLC tick at a time."""
    return int(ints[TICK_START]) + now_ns // NS_PER_TICK


def run_belt(ints: Ints, reals: Reals, now_ns: int, speed_mm_ns: float) -> None:
    """Start or stop the belt."""
    reals[SINCE_MM] = travel_at(ints, reals, now_ns)
    ints[SINCE_NS] = now_ns
    reals[SPEED_MM_NS] = speed_mm_ns
    piece = ints[AT_PIECES] + ints[PIECES] * PIECE_REALS
    ints[PIECES] += 1
    reals[piece : piece + PIECE_REALS] = (reals[SINCE_MM], now_ns, speed_mm_ns)


def jump_encoder(ints: Ints, reals: Reals, travel_mm: float, slip_mm: float) -> None:
    """Let the encoder count `slip_mm` that the belt did not travel."""
    moved_mm = travel_mm - reals[MARK_MM]
    jumped = slip_mm * reals[NOMINAL_RATE]
    mark_encoder(ints, reals, travel_mm, reals[BASE] + moved_mm * reals[COUNTS_PER_MM] + jumped)


def slip_encoder(ints: Ints, reals: Reals, travel_mm: float, error: float) -> None:
    """Let the encoder count wrong from now on; 0: right."""
    jump_encoder(ints, reals, travel_mm, 0.0)
    reals[COUNTS_PER_MM] = reals[NOMINAL_RATE] * (1.0 + error)
    mark = ints[AT_MARKS] + (ints[MARKS] - 1) * JUMP_REALS
    reals[mark + JUMP_RATE] = reals[COUNTS_PER_MM]


def restart_counting(
    ints: Ints, reals: Reals, now_ns: int, travel_mm: float, starts: tuple[int, int]
) -> None:
    """Begin with encoder and tick anew, as a PLC does; what came before was latched by nobody."""
    mark_encoder(ints, reals, travel_mm, starts[0])
    ints[TICK_START] = starts[1] - now_ns // NS_PER_TICK
    reals[DARK_MM] = travel_mm


def mark_encoder(ints: Ints, reals: Reals, travel_mm: float, base: float) -> None:
    """Let the encoder go on from another count."""
    reals[BASE] = base
    reals[MARK_MM] = travel_mm
    mark = ints[AT_MARKS] + ints[MARKS] * JUMP_REALS
    ints[MARKS] += 1
    reals[mark : mark + JUMP_REALS] = (travel_mm, base, reals[COUNTS_PER_MM])


def set_up_belt(
    ints: Ints,
    reals: Reals,
    speed_mm_s: float,
    counts_per_mm: float,
    starts: tuple[int, int],
) -> None:
    """Let the belt run from time and travel zero; `starts` are those of encoder and tick."""
    speed = speed_mm_s * 1e-9
    reals[SPEED_MM_NS] = speed
    reals[NS_PER_MM] = 1.0 / speed
    reals[COUNTS_PER_MM] = reals[NOMINAL_RATE] = counts_per_mm
    reals[BASE], ints[TICK_START] = starts
    ints[PIECES] = ints[MARKS] = 1
    piece, mark = ints[AT_PIECES], ints[AT_MARKS]
    reals[piece : piece + PIECE_REALS] = (0.0, 0, speed)
    reals[mark : mark + JUMP_REALS] = (0.0, reals[BASE], counts_per_mm)
