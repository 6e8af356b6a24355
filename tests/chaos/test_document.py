"""``docs/faults.md``: a row for every kind of fault, and times that are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from plc_sim.chaos.document import (
    ALARMS,
    Row,
    Run,
    affected_by,
    began_s,
    detection_s,
    document_text,
)
from plc_sim.chaos.drawing import CATALOGUE, LineShape
from plc_sim.chaos.examples import at_busiest_chute, example, variants, with_small_chute
from plc_sim.chaos.performing import Performance
from plc_sim.chaos.rules import RULES
from plc_sim.chaos.story import draw_story
from plc_sim.scenario import Fault
from sorter.config.check import check_files
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.rehearsal.snapshot import LineSnapshot

LINE = Path(__file__).parents[2] / "config" / "line.yaml"
DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


def look(up: float) -> LineSnapshot:
    return LineSnapshot([("sorter_link_up", {"link": "x"}, up)])


def test_every_kind_of_fault_has_an_alarm_and_a_row() -> None:
    assert set(ALARMS) >= set(CATALOGUE)
    rows = [Row(kind, {}, None, 0, "nothing") for kind in CATALOGUE]
    text = document_text(rows, draw_story(1, LINE))
    for kind in CATALOGUE:
        assert f"| `{kind}` | - | " in text
    row = Row("jam", {"zone": "z"}, 1.5, 2, "2 lost", ("counted twice",))
    broken = document_text([row], draw_story(1, LINE))
    assert "| `jam` (`zone: z`) | 1.50 s | " in broken
    assert "| 2 | **did not hold** (counted twice); 2 lost: " in broken
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {6}


def test_detection_is_counted_from_the_beginning_of_the_fault(tmp_path: Path) -> None:
    adapter: TypeAdapter[Fault] = TypeAdapter(Fault)
    cut = adapter.validate_python({"kind": "link_cut", "at_s": 8, "for_s": 4})
    fault_s = began_s(cut, draw_story(1, LINE, speed=4.0))
    usual = Performance(tmp_path)
    seen = Performance(tmp_path)
    seen.timeline = [(1.0, look(1)), (1.9, look(1)), (2.1, look(1)), (2.4, look(0)), (3.0, look(1))]
    alarm = ALARMS["link_cut"]
    assert detection_s(alarm, fault_s, seen, usual) == pytest.approx(0.4)
    seen.timeline = [(1.0, look(1)), (1.9, look(0)), (2.1, look(0)), (3.0, look(1))]
    assert detection_s(alarm, fault_s, seen, usual) == pytest.approx(0.1), "clocks are apart"
    seen.timeline = [(1.0, look(1)), (2.1, look(1)), (2.4, look(0)), (3.0, look(1))]
    # What happens without the fault as well is no alarm.
    usual.timeline = [(1.0, look(1)), (2.3, look(0))]
    assert detection_s(alarm, fault_s, seen, usual) is None
    usual.timeline = seen.timeline = [(1.0, look(1)), (3.0, look(1))]
    assert detection_s(alarm, fault_s, seen, usual) is None
    assert detection_s(ALARMS["swapped_codes"], fault_s, seen, usual) is None


def test_a_fault_of_parcels_begins_when_the_first_of_them_comes() -> None:
    adapter: TypeAdapter[Fault] = TypeAdapter(Fault)
    unread = adapter.validate_python({"kind": "no_read", "from_parcel": 40, "parcels": 2})
    story = draw_story(1, LINE, speed=4.0)
    assert began_s(unread, story) == pytest.approx(40 * 3600 / story.rate_parcels_per_h / 4)


def test_who_was_struck_is_affected_though_it_ended_well(tmp_path: Path) -> None:
    seen = Performance(tmp_path)
    ends = {1: ("sorted",), 2: ("sorted",), 3: ("sorted", "after a lap"), 4: ("sorted",)}
    without = Run(seen, (), dict.fromkeys(ends, ("sorted",)))
    struck: dict[int, tuple[str, ...]] = {1: (), 2: ("failed_divert",), 4: ("swapped_code",)}
    run = Run(seen, (), ends, (), struck)
    assert affected_by(run, without, "failed_divert") == {
        2: ("sorted", "all the same"),
        3: ("sorted", "after a lap"),
    }
    assert set(affected_by(run, without, "swapped_codes_burst")) == {3, 4}
    assert affected_by(without, without, "failed_divert") == {}


def test_examples_are_of_the_size_that_shows() -> None:
    shape = LineShape(
        ("A01", "A02", "A03"), ("zone",), ("eye",), ("scanner",), ("scale",), 60, 10.0
    )
    busy = at_busiest_chute(shape, ("A02", None, "A01", "END", "A02"))
    assert busy.chutes == ("A02",)
    for seed in range(5):
        failed = example("failed_divert", busy, seed).model_dump()
        assert (failed["chute"], failed["times"]) == ("A02", 1)
    assert example("jam", busy, 1) == example("jam", busy, 1)
    for kind in CATALOGUE:
        assert example(kind, busy, 3).kind == kind
    restarts = [values for _, values in variants(["plc_restart"])]
    belts = [example("plc_restart", busy, 3, one).model_dump()["belts"] for one in restarts]
    assert belts == ["emptied", "kept"]


def test_the_line_with_a_small_chute_passes_its_checks(tmp_path: Path) -> None:
    for chute in ("A01", "A03", "B05"):
        path = with_small_chute(LINE, chute, tmp_path / chute)
        assert check_files([path]) == []
        chutes = load_yaml_model(path, LineFile).line.chutes
        assert [one.name for one in chutes if one.capacity.parcels == 1] == [chute]


def test_the_committed_document_has_a_row_for_every_kind_of_fault_and_its_alarm() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    for (kind, variant), line in zip(variants(CATALOGUE), lines, strict=True):
        cells = [cell.strip() for cell in line.split("|")]
        _, named, detected, alarm, affected, happened, _ = cells
        assert named == f"`{kind}`" + "".join(f" (`{k}: {v}`)" for k, v in variant.items())
        assert alarm == ALARMS[kind].text
        assert (detected == "-") == (ALARMS[kind].value is None), line
        assert affected.isdigit()
        assert happened.endswith(RULES[kind].because)
