"""The host knows a parcel only after it was scanned and decided."""

from __future__ import annotations

import pytest
from tiny_layout import COMMIT_DISTANCE
from tiny_line import Parcel, TinyLine

from sorter.core.decide import decide


def unknown_parcel(line: TinyLine, *, at: int = 1_000, seq: int = 1) -> Parcel:
    return line.known_parcel(at=at, known=0, seq=seq)


def test_an_unknown_parcel_is_routed_at_once_without_an_answer() -> None:
    line = TinyLine()
    parcel = unknown_parcel(line)
    assert line.now == parcel.at("top") + parcel.length, "in the frame that brought the scan"
    assert parcel.decisions == ["ROUTED to no_data: EXCEPTION"]


def test_an_answer_before_the_commit_point_changes_the_chute() -> None:
    line = TinyLine()
    parcel = unknown_parcel(line)
    line.runs_to(5_000)
    parcel.scans(seq=1, grade="B")
    assert parcel.story[-2:] == ["ANSWERED 1", "CLASSIFIED RESTOCK"]
    assert parcel.decisions[1:] == ["REROUTED to shelf_a: PLAN"]
    line.fires(parcel.passes("gate"))
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"
    assert line.fill_of("no_data") == (0, 0)


@pytest.mark.parametrize("late", [0, 1])
def test_the_commit_point_decides_whether_an_answer_is_in_time(late: int) -> None:
    line = TinyLine()
    parcel = unknown_parcel(line).passes("gate", "middle")
    line.runs_to(parcel.at("no_data") - COMMIT_DISTANCE + late)
    line.scans(at=parcel.at("top"), trailing=0, seq=1)
    if not late:
        assert parcel.bound_for != "no_data"
        return
    assert parcel.bound_for == "no_data"
    assert parcel.story[-2:] == ["ANSWERED 0", "DEADLINE_MISSED: LATE_HOST"]
    line.fires(parcel)
    parcel.enters("no_data")
    assert parcel.end == "REJECTED no_data: NO_DATA"


def test_an_answer_behind_the_commit_point_counts_when_the_divert_fails() -> None:
    line = TinyLine()
    parcel = unknown_parcel(line).passes("gate", "middle")
    line.runs_to(parcel.at("no_data") - COMMIT_DISTANCE + 1)
    line.scans(at=parcel.at("top"), trailing=0, seq=1)
    line.fires(parcel)
    parcel.passes("far")
    assert parcel.story[-3:] == ["PASSED no_data: MISSED", "CLASSIFIED RESTOCK", "SEEN far"]
    parcel.comes_round()
    line.fires(parcel.passes("induct", "gate"))
    parcel.enters("shelf_a")
    assert parcel.end == "SORTED shelf_a"


def test_an_answer_is_about_its_passage_not_about_who_is_there_now() -> None:
    """A loop later another parcel is in the same place as the one the host was asked about."""
    line = TinyLine()
    first = unknown_parcel(line)
    line.fires(first.passes("gate", "middle"))
    first.enters("no_data")
    second = line.known_parcel(at=31_000, seq=2, identity=9, category="electronics")
    assert second.at("top") - first.at("top") == 30_000
    line.scans(at=first.at("top"), trailing=0, seq=1)
    assert "ANSWERED" not in " ".join(second.story)
    assert second.bound_for == "bench"
    assert line.counted("UNUSED_ANSWERS") == 1
    assert line.counted("STRAY_SCANS") == 0


def test_an_answer_does_not_undo_a_conflict_and_counts_once() -> None:
    line = TinyLine()
    parcel = unknown_parcel(line).scans("side", identity=8, seq=2)
    line.scans(at=parcel.at("top"), trailing=0, seq=1)
    assert parcel.bound_for == "multi_read_conflict"
    other = unknown_parcel(line, at=8_000, seq=3)
    for _ in range(2):
        line.scans(at=other.at("top"), trailing=0, seq=3)
    assert other.story.count("ANSWERED 0") == 1
    assert line.counted("UNUSED_ANSWERS") == 2


def test_scanners_count_anew_after_a_plc_restart() -> None:
    line = TinyLine()
    unknown_parcel(line, seq=900)
    line.plc_restarts()
    parcel = line.known_parcel(at=10_000, seq=1)
    assert parcel.decisions == ["ROUTED to shelf_a: PLAN"]


def test_the_tape_replays() -> None:
    line = TinyLine()
    parcel = unknown_parcel(line)
    line.runs_to(5_000)
    parcel.scans(seq=1).passes("gate")
    state = line.fresh_state()
    for inputs, said in line.tape:
        again = decide(state, inputs, 99)
        assert (again.commands == said.commands).all()
        assert (again.outcomes == said.outcomes).all()
