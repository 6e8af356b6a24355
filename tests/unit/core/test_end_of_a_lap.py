"""A chute right before the induction: its entry is confirmed behind the lap's end."""

from __future__ import annotations

from tiny_layout import ENTRY_DELAY, FIRING_DISTANCE, LOOP, chute_index
from tiny_line import Parcel, TinyLine

from sorter.model.codes import EventKind
from sorter.model.columns import ChuteColumn

BENCH = LOOP + 400
"""Travel of the bench's diverter in the first lap, 100 counts short of the induction."""


def bound_for_the_bench() -> tuple[TinyLine, Parcel]:
    line = TinyLine()
    line.state.layout.chutes[ChuteColumn.POSITION, chute_index("bench")] = BENCH - LOOP
    parcel = line.known_parcel(at=1_000, category="electronics").passes("gate", "middle", "far")
    assert parcel.commands[-1] == ("FIRE", "bench", parcel.anchor + BENCH - FIRING_DISTANCE)
    line.fires(parcel)
    return line, parcel


def test_a_parcel_diverted_before_the_end_of_its_lap_did_not_come_round() -> None:
    line, parcel = bound_for_the_bench()
    line.enters("bench", at=parcel.anchor + BENCH + ENTRY_DELAY)
    assert parcel.end == "SORTED bench"
    assert "RECIRCULATED 1" not in parcel.story


def test_a_chute_missed_at_the_end_of_a_lap_may_be_used_in_the_next() -> None:
    line, parcel = bound_for_the_bench()
    parcel.comes_round()
    parcel.passes("induct", "gate")
    assert [words for words in parcel.story if words.startswith(("PASSED", "RECIRC"))] == [
        "PASSED bench: MISSED",
        "RECIRCULATED 1",
    ]
    assert parcel.decisions[-1] == "ROUTED to bench: PLAN"
    assert line.state.tracked_count() == 1


def test_an_entry_that_never_comes_ends_the_lap_without_any_eye() -> None:
    line, parcel = bound_for_the_bench()
    line.runs_to(parcel.anchor + BENCH + ENTRY_DELAY + 2_000)
    assert parcel.story.index("PASSED bench: MISSED") < parcel.story.index("RECIRCULATED 1")
    line.reports(EventKind.ZONE_CLEARED, 0)
    assert parcel.end == "LOST: MISTRACKED"
