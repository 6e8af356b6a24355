"""Counts that a belt can make, and counts that it cannot."""

from __future__ import annotations

import pytest
from lines import event, events, make_layout

from sorter.model.codes import EventKind, NoticeKind
from sorter.model.columns import EventColumn
from sorter.model.frames import Frame, Rows
from sorter.runtime.encoder_watch import EncoderWatch

WINDOW = 90
FASTEST_PER_TICK = 0.5
"""Counts: twice 2,500 mm/s at one millimetre a count, in ticks of 0.1 ms."""


def frame(encoder: int, tick: int, *counts: int, boot_id: int = 1) -> Frame:
    edges = events(*(event(EventKind.PARCEL_PASSED, 0, count, 300, seq=9) for count in counts))
    return Frame(boot_id, 6, encoder, tick, edges, (), 0)


def watch_at(encoder: int = 100_000, tick: int = 50_000) -> EncoderWatch:
    watch = EncoderWatch(make_layout())
    watch.events(frame(encoder, tick))
    return watch


def kinds(rows: Rows) -> list[int]:
    return [int(kind) for kind in rows[:, EventColumn.KIND]]


@pytest.mark.parametrize(
    ("moved", "ticks"),
    [
        (0, 0),
        (12, 50),
        (-WINDOW, 50),
        (WINDOW + 25, 50),
        (150_000, 600_000),
        (5_000, 0),
        (5_000, -7),
    ],
)
def test_what_a_belt_can_do_is_no_jump(moved: int, ticks: int) -> None:
    """Also a link cut of a minute, and a PLC whose clock stands still or goes back."""
    watch = watch_at()
    given = frame(100_000 + moved, 50_000 + ticks, 100_000 + moved)
    assert watch.events(given) is given.events


@pytest.mark.parametrize(
    ("moved", "back"), [(-WINDOW - 1, 1), (-100_000, 1), (WINDOW + 26, 0), (2**31, 0)]
)
def test_a_jump_is_one_event_of_its_own(moved: int, back: int) -> None:
    watch = watch_at()
    rows = watch.events(frame(100_000 + moved, 50_050))
    assert rows[:, EventColumn.SEQ :].tolist() == [
        [0, NoticeKind.ENCODER_JUMPED, -1, 100_000 + moved, 0, abs(moved), back]
    ]
    assert len(watch.events(frame(100_000 + moved + 12, 50_100))) == 0, "told once"


def test_the_notice_stands_between_what_was_latched_before_and_behind() -> None:
    rows = watch_at().events(frame(500, 50_050, 99_900, 99_950, 450, 480))
    passed, jumped = int(EventKind.PARCEL_PASSED), int(NoticeKind.ENCODER_JUMPED)
    assert kinds(rows) == [passed, passed, jumped, passed, passed]
    late = watch_at().events(frame(500, 50_050, 99_900))
    assert kinds(late) == [passed, jumped]


def test_small_steps_back_add_up() -> None:
    watch = watch_at()
    found = [len(watch.events(frame(100_000 - 40 * step, 50_000 + step))) for step in range(1, 5)]
    assert found == [0, 0, 1, 0]


def test_another_start_of_the_plc_is_no_jump() -> None:
    watch = watch_at()
    assert len(watch.events(frame(0, 0, boot_id=2))) == 0
    assert len(watch.events(frame(12, 50, boot_id=2))) == 0
