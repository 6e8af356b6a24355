"""``docs/faults.md``: a row for every kind of fault, and times that are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from plc_sim.chaos.document import ALARMS, Row, detection_s, document_text
from plc_sim.chaos.drawing import CATALOGUE
from plc_sim.chaos.performing import Performance
from plc_sim.chaos.story import draw_story
from plc_sim.scenario import Fault
from sorter.rehearsal.snapshot import LineSnapshot

LINE = Path(__file__).parents[2] / "config" / "line.yaml"


def look(up: float) -> LineSnapshot:
    return LineSnapshot([("sorter_link_up", {"link": "x"}, up)])


def test_every_kind_of_fault_has_an_alarm_and_a_row() -> None:
    assert set(ALARMS) >= set(CATALOGUE)
    text = document_text([Row(kind, None, 0, "nothing") for kind in CATALOGUE], draw_story(1, LINE))
    for kind in CATALOGUE:
        assert f"| `{kind}` | - | " in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {6}


def test_detection_is_counted_from_the_beginning_of_the_fault(tmp_path: Path) -> None:
    adapter: TypeAdapter[Fault] = TypeAdapter(Fault)
    cut = adapter.validate_python({"kind": "link_cut", "at_s": 8, "for_s": 4})
    seen = Performance(tmp_path)
    seen.timeline = [(1.0, look(1)), (1.9, look(1)), (2.1, look(1)), (2.4, look(0)), (3.0, look(1))]
    assert detection_s(ALARMS["link_cut"], cut, seen, speed=4.0) == pytest.approx(0.4)
    seen.timeline = [(1.0, look(1)), (3.0, look(1))]
    assert detection_s(ALARMS["link_cut"], cut, seen, speed=4.0) is None
    assert detection_s(ALARMS["swapped_codes"], cut, seen, speed=4.0) is None
