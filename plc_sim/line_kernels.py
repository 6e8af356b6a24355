"""The whole line in one kernel: floor and PLC, until somebody wants to look."""

from __future__ import annotations

from typing import NamedTuple

from sorter.model.codes import EventKind
from sorter.model.frames import Rows, Words
from sorter.model.mailbox import COMMAND_HEAD

from .agenda import drop_first_of_agenda, drop_first_timer
from .belt import NS_PER_TICK, encoder_at, tick_now, time_of, time_of_count, travel_at
from .cells import (
    AGENDA_FIRST,
    AGENDA_KIND,
    AGENDA_NEEDED,
    AGENDA_ROOM,
    AGENDA_SECOND,
    AGENDA_SIZE,
    AGENDA_WHAT,
    AGENDA_WHO,
    ARRIVE_OWN,
    ARRIVE_SHARED,
    AT_AGENDA,
    AT_AGENDA_MM,
    AT_PARCEL_MM,
    AT_RING,
    AT_TIMERS,
    BAG_CLOSED,
    CHUTE_MOUTH,
    COMMAND_WRITTEN,
    DIVERTER_PASSED,
    FIRED,
    FIRED_DONE,
    FROZEN,
    FULL_SHOWS,
    HEARTBEAT_FROM,
    INDUCTIONS,
    JAMMED,
    LOG_ROOM,
    LOG_SIZE,
    LOOP_MM,
    NEVER_NS,
    NOBODY,
    NOW_NS,
    PARCEL_ANCHOR,
    PARCEL_REALS,
    PARCEL_SERVED,
    PYTHON_AT_NS,
    REMOVED,
    RING_SIZE,
    SCAN_AT_NS,
    SCAN_NS,
    SCANNED_NS,
    SEEN,
    SHOWN,
    SPEED_MM_NS,
    STATION_PASSED,
    STOP_AT_NS,
    STREAM_ENDED,
    TICK_START,
    TIMER_AT_NS,
    TIMER_KIND,
    TIMER_SIZE,
    TIMER_WHO,
    Ints,
    Reals,
)
from .chutes import bag_changed, close_bag, full_shows, parcel_served
from .diverters import fire_diverter, pass_diverter
from .inductions import arrive_own, arrive_shared, leave_belt, window_comes
from .jit import inner, kernel
from .plc_kernels import plc_scan
from .plc_memory import MASK, NO_FIRE, Memory
from .stations import enter_chute, pass_station
from .way import end_way
from .wires import Wires, latch
from .words import Bytes, get_u32

DONE, PYTHON_EVENT, PARCEL_JAMMED, DRAWS_USED_UP, ROOM_NEEDED = range(5)
"""Why :func:`run_line` came back."""
LOGGED_AT_ONCE = 4
"""Entries of the log that one thing that happens on the floor can make at most."""
ZONE_CLEARED = int(EventKind.ZONE_CLEARED)


@inner
def next_belt_event_ns(ints: Ints, reals: Reals) -> int:
    """Return when the first entry of the agenda comes; never while the belt stands."""
    if ints[AGENDA_SIZE] == 0 or reals[SPEED_MM_NS] <= 0.0:
        return NEVER_NS
    return time_of(ints, reals, reals[ints[AT_AGENDA_MM]])


@inner
def do_belt_event(ints: Ints, reals: Reals, wires: Wires) -> None:
    """Let the first entry of the agenda happen."""
    cell, real = ints[AT_AGENDA], ints[AT_AGENDA_MM]
    kind, who, what = ints[cell + AGENDA_KIND], ints[cell + AGENDA_WHO], ints[cell + AGENDA_WHAT]
    at_mm, first, second = reals[real], reals[real + AGENDA_FIRST], reals[real + AGENDA_SECOND]
    drop_first_of_agenda(ints, reals)
    if kind == STATION_PASSED:
        pass_station(ints, reals, wires, who, first)
    elif kind == CHUTE_MOUTH:
        enter_chute(ints, reals, wires, who, what, first)
    elif kind == DIVERTER_PASSED:
        pass_diverter(ints, reals, who, what, at_mm, first, second)
    else:
        window_comes(ints, reals, who, what)


@inner
def do_timer(ints: Ints, reals: Reals, wires: Wires) -> None:
    """Let the first timer happen."""
    cell = ints[AT_TIMERS]
    kind, who = ints[cell + TIMER_KIND], ints[cell + TIMER_WHO]
    drop_first_timer(ints)
    if kind == ARRIVE_SHARED:
        arrive_shared(ints, reals)
    elif kind == ARRIVE_OWN:
        arrive_own(ints, reals, who)
    elif kind == PARCEL_SERVED:
        parcel_served(ints, reals, wires, who)
    elif kind == BAG_CLOSED:
        close_bag(ints, reals, wires, who)
    elif kind == FULL_SHOWS:
        full_shows(ints, reals, wires, who)
    else:
        bag_changed(ints, reals, wires, who)


@inner
def next_scan_ns(ints: Ints) -> int:
    """Return the next time of the grid of scans."""
    scan_ns = ints[SCAN_NS]
    return int((max(ints[NOW_NS], ints[SCANNED_NS]) // scan_ns + 1) * scan_ns)


@inner
def plan_scan(ints: Ints, reals: Reals, memory: Rows) -> None:
    """Plan the next scan that has work, as far as accepted commands ask for one."""
    if memory[Memory.RETRY]:
        ints[SCAN_AT_NS] = next_scan_ns(ints)
    if memory[Memory.HELD] > 0:
        plan_release(ints, memory)
    fire = memory[Memory.NEXT_FIRE]
    if fire == NO_FIRE:
        return
    due_ns = time_of_count(ints, reals, fire)
    if due_ns < NEVER_NS:
        scan_ns = ints[SCAN_NS]
        due_ns = max(-(-due_ns // scan_ns) * scan_ns, next_scan_ns(ints))
        ints[SCAN_AT_NS] = min(ints[SCAN_AT_NS], due_ns)


@inner
def plan_release(ints: Ints, memory: Rows) -> None:
    """Plan the scan in which the first event that is held back is due."""
    due_ns = (memory[Memory.HELD_TICK] - ints[TICK_START]) * NS_PER_TICK
    scan_ns = ints[SCAN_NS]
    due_ns = max(-(-due_ns // scan_ns) * scan_ns, next_scan_ns(ints))
    ints[SCAN_AT_NS] = min(ints[SCAN_AT_NS], due_ns)


@inner
def note_command(ints: Ints, command: Words, memory: Rows) -> None:
    """Ask for a scan when the command block holds commands that the PLC has not taken."""
    ints[COMMAND_WRITTEN] = 0
    head = get_u32(command, COMMAND_HEAD, memory[Memory.LOW_FIRST])
    if head != memory[Memory.COMMAND_ACK] & MASK:
        ints[SCAN_AT_NS] = min(ints[SCAN_AT_NS], next_scan_ns(ints))


@inner
def note_news(ints: Ints, memory: Rows, look_ns: int) -> None:
    """Stop at the next look when something was posted that nobody has seen."""
    posted = memory[Memory.EVENT_HEAD] + memory[Memory.SCAN_HEAD]
    if ints[FROZEN]:
        return  # a program that stands shows nothing new
    if look_ns and posted != ints[SEEN] and ints[STOP_AT_NS] == NEVER_NS:
        # What is posted in the instant of a scan that has run shows in the next one.
        after_ns = ints[NOW_NS]
        if posted != ints[SHOWN]:
            after_ns = max(after_ns, ints[SCANNED_NS] + 1)
        ints[STOP_AT_NS] = -(-after_ns // look_ns) * look_ns


@inner
def run_floor(ints: Ints, reals: Reals, wires: Wires, limit_ns: int, look_ns: int) -> int:
    """Let everything on the floor happen up to `limit_ns`, or to a first piece of news."""
    tampered = wires.memory[Memory.TAMPERS] > 0
    while True:
        belt_ns = next_belt_event_ns(ints, reals)
        timer_ns = ints[ints[AT_TIMERS] + TIMER_AT_NS] if ints[TIMER_SIZE] > 0 else NEVER_NS
        at_ns = min(belt_ns, timer_ns)
        if ints[PYTHON_AT_NS] <= min(at_ns, limit_ns):
            ints[NOW_NS] = max(ints[NOW_NS], ints[PYTHON_AT_NS])
            return PYTHON_EVENT
        if at_ns > limit_ns:
            return DONE
        if ints[AGENDA_ROOM] - ints[AGENDA_SIZE] < 2 * ints[INDUCTIONS] + 4:
            ints[AGENDA_NEEDED] = 2 * ints[INDUCTIONS] + 4
            return ROOM_NEEDED
        if ints[LOG_ROOM] - ints[LOG_SIZE] < LOGGED_AT_ONCE:
            return ROOM_NEEDED
        ints[NOW_NS] = max(ints[NOW_NS], at_ns)
        if tampered:
            wires.memory[Memory.TICK] = tick_now(ints, ints[NOW_NS])
        if timer_ns <= belt_ns:
            do_timer(ints, reals, wires)
        else:
            do_belt_event(ints, reals, wires)
        if ints[JAMMED] != NOBODY:
            return PARCEL_JAMMED
        if ints[STREAM_ENDED]:
            return DRAWS_USED_UP
        if tampered and wires.memory[Memory.HELD] > 0 and ints[FROZEN] == 0:
            plan_release(ints, wires.memory)
            if ints[SCAN_AT_NS] < limit_ns:
                return DONE
        if look_ns and ints[STOP_AT_NS] == NEVER_NS:
            note_news(ints, wires.memory, look_ns)
            if ints[STOP_AT_NS] < limit_ns:
                return DONE


@inner
def set_in_motion(ints: Ints, reals: Reals, fired: Rows) -> bool:
    """Let the diverters act that were fired in the last scan; False: the agenda needs room."""
    while ints[FIRED_DONE] < ints[FIRED]:
        row = ints[FIRED_DONE]
        if not fire_diverter(ints, reals, fired[row, 0], fired[row, 1]):
            return False
        ints[FIRED_DONE] = row + 1
    return True


@inner
def due_scan_ns(ints: Ints, end_ns: int) -> int:
    """Return when to scan next: the last scan before `end_ns` always runs, others with work."""
    if ints[FROZEN]:
        return NEVER_NS
    last_scan_ns = end_ns // ints[SCAN_NS] * ints[SCAN_NS]
    if ints[SCANNED_NS] < last_scan_ns < ints[SCAN_AT_NS]:
        return int(last_scan_ns)
    return int(ints[SCAN_AT_NS])


@inner
def came_sooner(ints: Ints, end_ns: int, scan_at_ns: int, look_ns: int) -> bool:
    """Return whether the floor has brought the next look or the next scan forward."""
    if look_ns and ints[STOP_AT_NS] < end_ns:
        return True
    return bool(ints[SCAN_AT_NS] < scan_at_ns and ints[FROZEN] == 0)


class Program(NamedTuple):
    """What of the PLC its program alone touches: the floor has no wire to it."""

    status: Words
    pending: Rows
    fired: Rows
    values: Rows


@inner
def scan_now(ints: Ints, reals: Reals, wires: Wires, program: Program, scan_at_ns: int) -> None:
    """Let the PLC's program run once, and plan the next scan that has work."""
    now_ns = max(ints[NOW_NS], scan_at_ns)
    ints[NOW_NS] = now_ns
    memory = wires.memory
    # The arrays are passed one by one: the PLC program knows nothing of the floor.
    ints[FIRED] = plc_scan(
        program.status,
        wires.command,
        wires.events,
        memory,
        program.pending,
        wires.chutes,
        program.fired,
        program.values,
        encoder_at(ints, reals, travel_at(ints, reals, now_ns)),
        tick_now(ints, now_ns),
        scan_at_ns // ints[SCAN_NS] - ints[HEARTBEAT_FROM],
    )
    ints[FIRED_DONE] = 0
    ints[SHOWN] = memory[Memory.EVENT_HEAD] + memory[Memory.SCAN_HEAD]
    ints[SCANNED_NS] = scan_at_ns
    ints[SCAN_AT_NS] = NEVER_NS
    plan_scan(ints, reals, memory)


@kernel(
    "int64(int64[::1], float64[::1], uint16[::1], uint16[::1], uint16[::1], uint16[::1],"
    " int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1], uint8[::1],"
    " uint8[::1], int64, int64, int64)"
)
def run_line(
    ints: Ints,
    reals: Reals,
    status: Words,
    command: Words,
    events: Words,
    scans: Words,
    memory: Rows,
    pending: Rows,
    chutes: Rows,
    fired: Rows,
    values: Rows,
    payload: Bytes,
    texts: Bytes,
    until_ns: int,
    look_ns: int,
    resumed: int,
) -> int:
    """Run to `until_ns`, or to the first multiple of `look_ns` at which there is news.

    Scans that would do nothing but count the heartbeat are skipped; one runs at the end.

    Parameters
    ----------
    ints, reals : vectors
        The floor, see :mod:`plc_sim.cells`.
    status, command, events, scans, memory, pending, chutes, fired, values, payload : arrays
        The PLC.
    texts : uint8 vector
    until_ns : int
    look_ns : int
        A multiple of the scan period; 0: do not stop for news.
    resumed : int
        1 when it goes on after it came back for something else than `DONE`.

    Returns
    -------
    int
        `DONE`, or what has to be seen to in Python before it can go on.
    """
    wires = Wires(command, events, scans, memory, chutes, payload, texts)
    if not resumed:
        ints[STOP_AT_NS] = NEVER_NS
    if ints[COMMAND_WRITTEN]:
        note_command(ints, command, memory)
    while set_in_motion(ints, reals, fired):
        note_news(ints, memory, look_ns)
        end_ns = min(until_ns, ints[STOP_AT_NS])
        scan_at_ns = due_scan_ns(ints, end_ns)
        reason = run_floor(ints, reals, wires, min(scan_at_ns, end_ns), look_ns)
        if reason != DONE:
            return reason
        if came_sooner(ints, end_ns, scan_at_ns, look_ns):
            continue
        if scan_at_ns > end_ns:
            ints[NOW_NS] = max(ints[NOW_NS], end_ns)
            ints[SEEN] = ints[SHOWN]
            return DONE
        scan_now(ints, reals, wires, Program(status, pending, fired, values), scan_at_ns)
    return ROOM_NEEDED


@kernel(
    "void(int64[::1], float64[::1], uint16[::1], uint16[::1], uint16[::1],"
    " int64[::1], int64[:, ::1], uint8[::1], uint8[::1], int64, float64, float64)"
)
def clear_stretch(
    ints: Ints,
    reals: Reals,
    command: Words,
    events: Words,
    scans: Words,
    memory: Rows,
    chutes: Rows,
    payload: Bytes,
    texts: Bytes,
    zone: int,
    from_mm: float,
    to_mm: float,
) -> None:
    """Take every parcel between two positions off the belt, as an operator does, and report it.

    A `zone` of -1 is reported to nobody.
    """
    wires = Wires(command, events, scans, memory, chutes, payload, texts)
    travel = travel_at(ints, reals, ints[NOW_NS])
    count = encoder_at(ints, reals, travel)
    place = 0
    while place < ints[RING_SIZE]:
        row = ints[ints[AT_RING] + place]
        position = travel - reals[ints[AT_PARCEL_MM] + row * PARCEL_REALS + PARCEL_ANCHOR]
        if reals[LOOP_MM] > 0.0:
            position = position % reals[LOOP_MM]
        if from_mm <= position < to_mm:
            leave_belt(ints, reals, row, -1e18)
            end_way(ints, row, REMOVED, NOBODY, count)
        else:
            place += 1
    if zone >= 0:
        latch(wires, ZONE_CLEARED, zone, count, tick_now(ints, ints[NOW_NS]), 0, 0)
