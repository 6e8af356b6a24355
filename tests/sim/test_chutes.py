"""Chutes: how they fill, are emptied and get stuck."""

from __future__ import annotations

import pytest

from sim.driving import ONE, THREE, TWO, divert_all, started
from sim.lines import chute, line_file
from sorter.model.codes import ChuteBit, EventKind, RefusalCause


def test_a_chute_reports_half_full_and_full_by_count_and_diverts_are_inhibited():
    mini = started(5, chutes={"operator": {"response": {"kind": "constant", "value_s": 1000}}})
    divert_all(mini, TWO)
    mini.run(11)
    states = [e.b for e in mini.of(EventKind.CHUTE_CHANGED) if e.source == TWO]
    assert states == [
        ChuteBit.OPEN,
        ChuteBit.OPEN | ChuteBit.HALF_FULL,
        ChuteBit.OPEN | ChuteBit.HALF_FULL | ChuteBit.FULL,
    ]
    assert mini.refusals() == [(5, RefusalCause.CHUTE_FULL)]
    assert mini.rig.truth.by_chute()["two"] == 4


def test_a_chute_fills_by_length():
    mini = started(5, chutes={"operator": {"response": {"kind": "constant", "value_s": 1000}}})
    divert_all(mini, THREE)
    mini.run(11)
    assert mini.rig.truth.by_chute()["three"] == 4  # 1000 mm take 4 x 300 mm, the last too much
    assert mini.refusals() == [(5, RefusalCause.CHUTE_FULL)]


def test_a_bag_change_closes_the_chute_and_empties_it():
    operator = {
        "call_at_fill_ratio": 0.75,
        "response": {"kind": "constant", "value_s": 0.5},
        "change": {"kind": "constant", "value_s": 4},
    }
    mini = started(12, chutes={"operator": operator})
    divert_all(mini, TWO)
    mini.run(15)
    story = [(e.kind, e.b) for e in mini.events if e.source == TWO and e.kind in {6, 7}]
    half = ChuteBit.OPEN | ChuteBit.HALF_FULL
    assert story[:5] == [
        (EventKind.CHUTE_CHANGED, ChuteBit.OPEN),
        (EventKind.CHUTE_CHANGED, half),
        (EventKind.CHUTE_CHANGED, ChuteBit.HALF_FULL),
        (EventKind.CHUTE_EMPTIED, 0),
        (EventKind.CHUTE_CHANGED, ChuteBit.OPEN),
    ]
    closed = [cause for _, cause in mini.refusals()]
    assert closed[:3] == [RefusalCause.CHUTE_CLOSED] * 3


def test_a_takeaway_serves_parcels_one_by_one():
    line = line_file(chutes=[chute("one", 6000, capacity={"parcels": 2}, emptied_by="takeaway")])
    service = {"takeaway": {"service": {"kind": "constant", "value_s": 3}}}
    mini = started(4, line, chutes=service)
    divert_all(mini, ONE)
    mini.run(30)
    entered = [e.tick for e in mini.of(EventKind.CHUTE_ENTERED)]
    emptied = mini.of(EventKind.CHUTE_EMPTIED)
    assert {e.a for e in emptied} == {1}
    # The entry eye reports when the trailing edge is in, 300 mm or 0.12 s behind the leading one.
    assert emptied[0].tick - entered[0] == pytest.approx(31_200, abs=5)
    assert emptied[1].tick - emptied[0].tick == pytest.approx(30_000, abs=5)
    assert mini.refusals()[0][1] == RefusalCause.CHUTE_FULL


def test_a_jammed_chute_takes_nothing_until_it_is_free():
    mini = started(8, faults=[{"kind": "chute_jam", "chute": "one", "at_s": 0.1, "for_s": 4}])
    divert_all(mini, ONE)
    mini.run(30)
    assert [cause for _, cause in mini.refusals()] == [RefusalCause.CHUTE_JAMMED] * 2
    assert mini.rig.truth.by_chute()["one"] == 8  # these two in the next lap
