"""Counts that a belt can make, and counts that it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lines import event, events, make_layout

from sorter.model.codes import EventKind, LineState, NoticeKind
from sorter.model.columns import EventColumn
from sorter.model.frames import Frame, Rows
from sorter.runtime.encoder_watch import LONGEST_LOOK_TICKS, EncoderWatch

MOST_OFF = 45
"""Half of the tracking window."""
PER_TICK = 0.25
"""Counts: 2,500 mm/s at one millimetre a count, in ticks of 0.1 ms."""
EXECUTE, HELD = LineState.EXECUTE, LineState.HELD
START = (100_000, 50_000)


def frame(
    encoder: int, tick: int, *rows: list[int], state: int = EXECUTE, boot_id: int = 1
) -> Frame:
    return Frame(boot_id, state, encoder, tick, events(*rows), (), 0)


def edge(encoder: int, tick: int) -> list[int]:
    row = event(EventKind.PARCEL_PASSED, 0, encoder, 300, seq=9)
    row[EventColumn.TICK] = tick
    return row


def unwatched(tolerance: float = 0.02) -> EncoderWatch:
    return EncoderWatch(replace(make_layout(), belt_speed_tolerance=tolerance))


def watch_at(
    encoder: int = START[0], tick: int = START[1], state: int = EXECUTE, tolerance: float = 0.02
) -> EncoderWatch:
    watch = unwatched(tolerance)
    watch.events(frame(encoder, tick, state=state))
    return watch


def kinds(rows: Rows) -> list[int]:
    return [int(kind) for kind in rows[:, EventColumn.KIND]]


@pytest.mark.parametrize(
    ("state", "moved", "ticks"),
    [
        (EXECUTE, 25, 100),
        (EXECUTE, 25 + MOST_OFF, 100),
        (EXECUTE, 25 - MOST_OFF, 100),
        (EXECUTE, -MOST_OFF, 0),
        (EXECUTE, 5_000, 0),
        (EXECUTE, 5_000, -7),
        (EXECUTE, 150_000, 600_000),
        (EXECUTE, 0, 600_000),
        (HELD, 0, 1_000),
        (HELD, 100, 1_000),
        (HELD, -MOST_OFF, 1_000),
    ],
)
def test_what_a_belt_can_do_is_no_jump(state: int, moved: int, ticks: int) -> None:
    """Also a link cut of a minute, and a PLC whose clock stands still or goes back."""
    watch = watch_at(state=state)
    given = frame(START[0] + moved, START[1] + ticks, edge(START[0], START[1]), state=state)
    assert watch.events(given) is given.events


@pytest.mark.parametrize(
    ("moved", "off"),
    [(25 + 100, 99), (25 - 100, -99), (25 - 100_000, -99_999), (25 + 2**31, 2**31)],
)
def test_a_jump_is_one_event_of_its_own(moved: int, off: int) -> None:
    watch = watch_at()
    encoder, tick = START[0] + moved, START[1] + 100
    rows = watch.events(frame(encoder, tick))
    told = rows[0].tolist()
    assert told[: EventColumn.A] == [0, NoticeKind.ENCODER_JUMPED, -1, encoder, tick]
    assert told[EventColumn.A] == pytest.approx(abs(off), abs=1)
    assert told[EventColumn.B] == (off < 0)
    assert len(watch.events(frame(encoder + 25, tick + 100))) == 0, "told once"


def test_a_jump_while_the_line_stands_is_told_too() -> None:
    rows = watch_at(state=HELD).events(frame(START[0] - 400, START[1] + 100, state=HELD))
    assert kinds(rows) == [NoticeKind.ENCODER_JUMPED]


@pytest.mark.parametrize("jump", [-100, 100, 400, -20_000])
def test_the_notice_stands_between_what_was_latched_before_and_behind(jump: int) -> None:
    encoder, tick = START
    before = edge(encoder + 5, tick + 20)
    behind = edge(encoder + 20 + jump, tick + 80)
    rows = watch_at().events(frame(encoder + 25 + jump, tick + 100, before, behind))
    passed, jumped = int(EventKind.PARCEL_PASSED), int(NoticeKind.ENCODER_JUMPED)
    assert kinds(rows) == [passed, jumped, passed]
    assert rows[1, EventColumn.TICK] == tick + 80, "what has an older tick is from before"
    late = watch_at().events(frame(encoder + 25 + jump, tick + 100, before))
    assert kinds(late) == [passed, jumped]


@pytest.mark.parametrize("error", [-1.0, -0.5, -0.05, 0.05, 1.0])
def test_an_encoder_that_slips_is_noticed_before_a_parcel_leaves_its_window(error: float) -> None:
    watch = watch_at()
    for look in range(1, 201):
        true = 12.5 * look
        wrong = round(true * (1 + error))
        if len(watch.events(frame(START[0] + wrong, START[1] + 50 * look))):
            break
    assert abs(wrong - true) <= 90
    assert look < 200


@pytest.mark.parametrize(("speed", "tolerance"), [(1.02, 0.02), (0.98, 0.02), (0.5, 1.0)])
def test_a_belt_may_be_off_its_nominal_speed_for_as_long_as_it_likes(
    speed: float, tolerance: float
) -> None:
    watch = watch_at(tolerance=tolerance)
    for look in range(1, 2_000):
        encoder = START[0] + round(25 * look * speed)
        assert len(watch.events(frame(encoder, START[1] + 100 * look))) == 0


def test_small_steps_back_add_up() -> None:
    watch = watch_at()
    found = [len(watch.events(frame(START[0] - 20 * step, START[1]))) for step in range(1, 5)]
    assert found == [0, 0, 1, 0]


def test_a_belt_that_stood_between_two_looks_is_no_jump() -> None:
    encoder, tick = START
    stop = event(EventKind.LINE_CHANGED, 0xFFFF, encoder, b=HELD)
    start = event(EventKind.LINE_CHANGED, 0xFFFF, encoder, b=EXECUTE)
    told = watch_at().events(frame(encoder, tick + 2_000, stop, start))
    assert kinds(told) == [EventKind.LINE_CHANGED] * 2
    assert len(watch_at().events(frame(encoder, tick + 2_000))) == 1
    assert len(watch_at().events(frame(encoder, tick + LONGEST_LOOK_TICKS + 1))) == 0
    assert len(watch_at().events(frame(encoder, tick + 2_000, state=HELD))) == 0


def test_another_start_of_the_plc_is_no_jump() -> None:
    watch = watch_at()
    assert len(watch.events(frame(0, 0, boot_id=2))) == 0
    assert len(watch.events(frame(12, 50, boot_id=2))) == 0


def stopped_at(encoder: int, tick: int) -> list[int]:
    row = event(EventKind.LINE_CHANGED, 0xFFFF, encoder, b=HELD)
    row[EventColumn.TICK] = tick
    return row


def started_at(encoder: int, tick: int) -> list[int]:
    row = stopped_at(encoder, tick)
    row[EventColumn.B] = EXECUTE
    return row


def passing(encoder: int, ticks: range, jump: int, at_tick: int, every: int) -> list[list[int]]:
    """Return edges on a belt that runs, with counts that jump at a tick."""
    start = ticks.start
    return [
        edge(encoder + round((tick - start) * PER_TICK) + (jump if tick >= at_tick else 0), tick)
        for tick in range(start + every, ticks.stop, every)
    ]


@pytest.mark.parametrize("first", [False, True], ids=["link_was_down", "controller_was_down"])
@pytest.mark.parametrize("jump", [-500, -100, 400])
def test_a_jump_while_nobody_looked_shows_in_the_records_that_waited(
    jump: int, *, first: bool
) -> None:
    """A belt that may have stood a while hides a step back of half a metre in three seconds."""
    encoder, tick = START
    rows = passing(encoder, range(tick, tick + 30_000), jump, tick + 14_000, 300)
    end = encoder + 7_500 + jump, tick + 30_000
    watch = unwatched() if first else watch_at()
    told = watch.events(frame(*end, *rows))
    (place,) = np.flatnonzero(told[:, EventColumn.KIND] == NoticeKind.ENCODER_JUMPED)
    assert told[place, EventColumn.B] == (jump < 0)
    assert told[place - 1, EventColumn.TICK] < tick + 14_000 <= told[place + 1, EventColumn.TICK]
    assert watch.events(frame(end[0] + 25, end[1] + 100)).size == 0, "told once"


@pytest.mark.parametrize("state", [EXECUTE, LineState.ABORTED])
@pytest.mark.parametrize("first", [False, True], ids=["link_was_down", "controller_was_down"])
def test_a_slip_before_the_line_stopped_shows_as_well(state: int, *, first: bool) -> None:
    """What a belt does before and behind an emergency stop is known from the records of it.

    A status block that came before the records says what the state is at last.
    """
    encoder, tick = START
    slipped = [
        edge(encoder + round((at - tick) * PER_TICK * 1.2), at)
        for at in range(tick + 300, tick + 9_000, 300)
    ]
    end = slipped[-1][EventColumn.ENCODER]
    stop = event(EventKind.LINE_CHANGED, 0xFFFF, end, b=LineState.ABORTED)
    start = event(EventKind.LINE_CHANGED, 0xFFFF, end, b=EXECUTE)
    stop[EventColumn.TICK], start[EventColumn.TICK] = tick + 9_000, tick + 20_000
    watch = unwatched() if first else watch_at(state=state)
    told = watch.events(frame(end + 2_500, tick + 30_000, *slipped, stop, start))
    slips = np.flatnonzero(told[:, EventColumn.KIND] == NoticeKind.ENCODER_JUMPED)
    # As when it is looked at all the time: again and again while it slips, and not behind it.
    assert 4 <= len(slips) <= 8
    assert told[slips[-1], EventColumn.TICK] <= tick + 9_000
    assert kinds(told)[-2:] == [EventKind.LINE_CHANGED] * 2


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (passing(START[0], range(START[1], START[1] + 30_000), 0, 0, 300), "sound"),
        (passing(START[0], range(START[1], START[1] + 30_000), 0, 0, 4_000), "few records"),
        (
            [
                edge(START[0] + 9_000, START[1] + 3_100),
                *passing(START[0], range(START[1], START[1] + 30_000), 0, 0, 300),
            ],
            "one wrong record",
        ),
        (
            [
                *passing(START[0], range(START[1], START[1] + 9_000), 0, 0, 300),
                stopped_at(START[0] + 2_250, START[1] + 9_000),
            ],
            "stopped",
        ),
        (
            [
                *passing(START[0], range(START[1], START[1] + 9_000), 0, 0, 300),
                *(
                    [0, EventKind.CHUTE_EMPTIED, 1, START[0] + 2_250, START[1] + tick, 1, 0]
                    for tick in range(10_000, 20_000, 1_000)
                ),
            ],
            "stopped by a frozen PLC, that says nothing of it",
        ),
    ],
)
def test_what_waited_of_a_sound_encoder_is_no_jump(rows: list[list[int]], what: str) -> None:
    moved = 2_250 if what.startswith("stopped") else 7_500
    assert len(rows) == len(watch_at().events(frame(START[0] + moved, START[1] + 30_000, *rows)))
    assert len(rows) == len(unwatched().events(frame(START[0] + moved, START[1] + 30_000, *rows)))


@pytest.mark.parametrize("late_by", [0, 20, 2_000, 9_000])
def test_a_state_that_is_reported_again_does_not_say_that_the_belt_ran_before(late_by: int) -> None:
    """Two emergency stops that overlap: the second one is reported while the line stands."""
    encoder, tick = START
    watch = watch_at()
    stop, again = stopped_at(encoder + 25, tick + 100), stopped_at(encoder + 25, tick + 17_400)
    looks = [
        frame(encoder + 25, tick + 105, stop, state=HELD),
        frame(encoder + 25, tick + 15_000, state=HELD),
        frame(encoder + 25, tick + 17_400 + late_by, again, state=HELD),
    ]
    assert [kinds(watch.events(look)) for look in looks] == [
        [EventKind.LINE_CHANGED],
        [],
        [EventKind.LINE_CHANGED],
    ]


@pytest.mark.parametrize("stood_ticks", [150, 190, 200, 210, 2_000, 9_000])
def test_a_belt_that_stood_with_the_plc_is_no_jump(stood_ticks: int) -> None:
    """Nobody reports it, as the program that would stands; its heartbeat tells until when."""
    encoder, tick = START
    watch = watch_at()
    behind = frame(encoder, tick + stood_ticks)
    behind.stood_until_tick = tick + stood_ticks
    assert len(watch.events(behind)) == 0
    after = frame(encoder - 60, tick + stood_ticks + 100)
    after.stood_until_tick = behind.stood_until_tick
    assert len(watch.events(after)) == 1, "one from then on is"


@pytest.mark.parametrize("stood_ticks", range(100, 300, 10))
def test_a_short_stop_between_two_looks_is_not_held_against_the_next_ones(stood_ticks: int) -> None:
    encoder, tick = START
    watch = watch_at()
    stop = stopped_at(encoder + 25, tick + 100)
    start = started_at(encoder + 25, tick + 100 + stood_ticks)
    looks = [frame(encoder + 30, tick + 120 + stood_ticks, stop, start)]
    looks += [
        frame(encoder + 30 + 12 * look, tick + 120 + stood_ticks + 50 * look)
        for look in range(1, 20)
    ]
    assert sum(NoticeKind.ENCODER_JUMPED in kinds(watch.events(look)) for look in looks) == 0


@pytest.mark.parametrize("factor", [0.0, 0.8, 1.2])
def test_a_slip_shows_in_what_a_new_controller_could_read_at_once(factor: float) -> None:
    """No record says what the line's state is; but no edge comes to an eye on a standing belt."""
    encoder, tick = START
    slipped = [
        edge(encoder + round((at - tick) * PER_TICK * factor), at)
        for at in range(tick, tick + 9_000, 300)
    ]
    newest = slipped[-1]
    told = unwatched().events(
        frame(newest[EventColumn.ENCODER], newest[EventColumn.TICK], *slipped)
    )
    assert kinds(told).count(NoticeKind.ENCODER_JUMPED) >= 4


@pytest.mark.parametrize("stop_is_lost", [False, True])
def test_a_belt_that_starts_has_stood_before_also_when_its_stop_is_lost(
    *, stop_is_lost: bool
) -> None:
    """With the stop at the tick up to which the frame before was read."""
    encoder, tick = START
    watch = watch_at()
    watch.events(frame(encoder + 250, tick + 1_000, edge(encoder + 250, tick + 1_000)))
    stop, start = stopped_at(encoder + 250, tick + 1_000), started_at(encoder + 250, tick + 3_000)
    rows = [start, *passing(encoder + 250, range(tick + 3_000, tick + 9_000), 0, 0, 300)]
    told = watch.events(
        frame(encoder + 1_750, tick + 9_000, *(rows if stop_is_lost else [stop, *rows]))
    )
    assert NoticeKind.ENCODER_JUMPED not in kinds(told)
