"""What is going to happen: a heap by belt travel, a heap by time, and draws of durations."""

from __future__ import annotations

from .cells import (
    AGENDA_AT,
    AGENDA_CELLS,
    AGENDA_FIRST,
    AGENDA_KIND,
    AGENDA_NUMBER,
    AGENDA_REALS,
    AGENDA_SECOND,
    AGENDA_SIZE,
    AGENDA_WHAT,
    AGENDA_WHO,
    AT_AGENDA,
    AT_AGENDA_MM,
    AT_DRAWS,
    AT_TIMERS,
    DRAW_BLOCK,
    DRAW_CELLS,
    DRAW_NEXT,
    NOW_NS,
    NUMBER,
    STREAM_ENDED,
    TIMER_AT_NS,
    TIMER_CELLS,
    TIMER_KIND,
    TIMER_NUMBER,
    TIMER_SIZE,
    TIMER_WHO,
    Ints,
    Reals,
)
from .jit import inner


@inner
def move_agenda(ints: Ints, reals: Reals, source: int, target: int) -> None:
    """Copy one entry of the agenda."""
    base, base_mm = ints[AT_AGENDA], ints[AT_AGENDA_MM]
    for cell in range(AGENDA_CELLS):
        ints[base + target * AGENDA_CELLS + cell] = ints[base + source * AGENDA_CELLS + cell]
    for cell in range(AGENDA_REALS):
        reals[base_mm + target * AGENDA_REALS + cell] = reals[
            base_mm + source * AGENDA_REALS + cell
        ]


@inner
def at_travel(
    ints: Ints,
    reals: Reals,
    at_mm: float,
    kind: int,
    who: int,
    what: int,
    first_mm: float,
    second_mm: float,
) -> None:
    """Plan an event for when the belt has travelled so far."""
    place = ints[AGENDA_SIZE]
    ints[AGENDA_SIZE] = place + 1
    ints[NUMBER] += 1
    while place > 0:
        above = (place - 1) >> 1
        # The newest entry has the highest number: it stays behind its equals.
        if reals[ints[AT_AGENDA_MM] + above * AGENDA_REALS + AGENDA_AT] <= at_mm:
            break
        move_agenda(ints, reals, above, place)
        place = above
    cell = ints[AT_AGENDA] + place * AGENDA_CELLS
    ints[cell + AGENDA_NUMBER] = ints[NUMBER]
    ints[cell + AGENDA_KIND] = kind
    ints[cell + AGENDA_WHO] = who
    ints[cell + AGENDA_WHAT] = what
    real = ints[AT_AGENDA_MM] + place * AGENDA_REALS
    reals[real + AGENDA_AT] = at_mm
    reals[real + AGENDA_FIRST] = first_mm
    reals[real + AGENDA_SECOND] = second_mm


@inner
def agenda_before(ints: Ints, reals: Reals, one: int, other: int) -> bool:
    """Return whether one entry comes before another."""
    base_mm = ints[AT_AGENDA_MM] + AGENDA_AT
    here, there = reals[base_mm + one * AGENDA_REALS], reals[base_mm + other * AGENDA_REALS]
    if here != there:
        return bool(here < there)
    base = ints[AT_AGENDA] + AGENDA_NUMBER
    return bool(ints[base + one * AGENDA_CELLS] < ints[base + other * AGENDA_CELLS])


@inner
def drop_first_of_agenda(ints: Ints, reals: Reals) -> None:
    """Take the entry that is next out of the agenda."""
    last = ints[AGENDA_SIZE] - 1
    ints[AGENDA_SIZE] = last
    place = 0
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        if below + 1 < last and agenda_before(ints, reals, below + 1, below):
            below += 1
        if not agenda_before(ints, reals, below, last):
            break
        move_agenda(ints, reals, below, place)
        place = below
    move_agenda(ints, reals, last, place)


@inner
def move_timer(ints: Ints, source: int, target: int) -> None:
    """Copy one timer."""
    base = ints[AT_TIMERS]
    for cell in range(TIMER_CELLS):
        ints[base + target * TIMER_CELLS + cell] = ints[base + source * TIMER_CELLS + cell]


@inner
def after(ints: Ints, delay_ns: int, kind: int, who: int) -> None:
    """Plan an event for when `delay_ns` has passed."""
    at_ns = ints[NOW_NS] + delay_ns
    place = ints[TIMER_SIZE]
    ints[TIMER_SIZE] = place + 1
    ints[NUMBER] += 1
    while place > 0:
        above = (place - 1) >> 1
        if ints[ints[AT_TIMERS] + above * TIMER_CELLS + TIMER_AT_NS] <= at_ns:
            break
        move_timer(ints, above, place)
        place = above
    cell = ints[AT_TIMERS] + place * TIMER_CELLS
    ints[cell + TIMER_AT_NS] = at_ns
    ints[cell + TIMER_NUMBER] = ints[NUMBER]
    ints[cell + TIMER_KIND] = kind
    ints[cell + TIMER_WHO] = who


@inner
def timer_before(ints: Ints, one: int, other: int) -> bool:
    """Return whether one timer comes before another."""
    here = ints[AT_TIMERS] + one * TIMER_CELLS
    there = ints[AT_TIMERS] + other * TIMER_CELLS
    if ints[here + TIMER_AT_NS] != ints[there + TIMER_AT_NS]:
        return bool(ints[here + TIMER_AT_NS] < ints[there + TIMER_AT_NS])
    return bool(ints[here + TIMER_NUMBER] < ints[there + TIMER_NUMBER])


@inner
def drop_first_timer(ints: Ints) -> None:
    """Take the timer that is next out."""
    last = ints[TIMER_SIZE] - 1
    ints[TIMER_SIZE] = last
    place = 0
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        if below + 1 < last and timer_before(ints, below + 1, below):
            below += 1
        if not timer_before(ints, below, last):
            break
        move_timer(ints, below, place)
        place = below
    move_timer(ints, last, place)


@inner
def next_duration_ns(ints: Ints, stream: int) -> int:
    """Return the next draw of a stream; Python refills one that has come to its end."""
    base = ints[AT_DRAWS] + stream * DRAW_CELLS
    place = ints[base + DRAW_NEXT]
    ints[base + DRAW_NEXT] = place + 1
    if place + 1 == DRAW_BLOCK:
        ints[STREAM_ENDED] = 1
    return int(ints[base + place])
