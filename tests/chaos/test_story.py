"""Stories: drawn from a seed alone, complete, and the same when read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from plc_sim.chaos.drawing import CATALOGUE, DRAWS, LineShape, draw_fault
from plc_sim.chaos.rules import NEVER, RULES, Effect, allowance
from plc_sim.chaos.story import draw_story, read_story
from plc_sim.runner_faults import split_faults
from plc_sim.scenario import Fault, load_scenario
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile

LINE = Path(__file__).parents[2] / "config" / "line.yaml"


def test_a_seed_is_a_story() -> None:
    assert draw_story(7, LINE) == draw_story(7, LINE)
    assert len({repr(draw_story(seed, LINE).faults) for seed in range(20)}) == 20


def test_every_kind_of_fault_is_drawn_and_has_a_rule() -> None:
    assert set(DRAWS) == set(CATALOGUE)
    assert set(RULES) == set(DRAWS)
    drawn = {kind for seed in range(150) for kind in draw_story(seed, LINE).kinds}
    assert drawn == set(CATALOGUE)


@pytest.mark.parametrize("kind", CATALOGUE)
def test_drawn_faults_fit_the_line(kind: str, tmp_path: Path) -> None:
    line_file = load_yaml_model(LINE, LineFile)
    shape = LineShape.of(line_file, 60, 20_000)
    draw = np.random.default_rng(1)
    faults = [draw_fault(kind, draw, shape) for _ in range(30)]
    story = draw_story(1, LINE).with_faults(faults)
    story.write(tmp_path / "story.yaml", LINE)
    assert load_scenario(tmp_path / "story.yaml").problems_against(line_file) == []


@pytest.mark.parametrize("parcels", [1, 2, 5, 80])
def test_every_seed_is_a_story_of_every_line(parcels: int, tmp_path: Path) -> None:
    """Of few parcels, and of a line without a scale: such seeds ended in a traceback."""
    content = yaml.safe_load(LINE.read_text())
    content["line"]["scales"] = []
    scaleless = tmp_path / "line.yaml"
    scaleless.write_text(yaml.safe_dump(content))
    shape = load_yaml_model(scaleless, LineFile)
    for seed in range(150):
        story = draw_story(seed, scaleless, parcels=parcels)
        story.write(tmp_path / "story.yaml", scaleless)
        faults, _ = split_faults(load_scenario(tmp_path / "story.yaml"))
        assert faults.problems_against(shape) == [], seed


def test_a_written_story_reads_back_the_same(tmp_path: Path) -> None:
    for seed in range(30):
        story = draw_story(seed, LINE, protocol="opcua")
        story.write(tmp_path / "story.yaml", LINE)
        again = read_story(tmp_path / "story.yaml", seed, parcels=80, speed=4.0, protocol="opcua")
        assert again == story


def test_no_fault_excuses_what_must_never_happen() -> None:
    for kind, rule in RULES.items():
        assert not set(rule.may) & NEVER, kind
        assert rule.because


def test_allowances_of_several_faults_add_up() -> None:
    adapter: TypeAdapter[Fault] = TypeAdapter(Fault)
    swapped = {"kind": "swapped_codes", "from_parcel": 3, "parcels": 2}
    faults = [adapter.validate_python(swapped)] * 2
    come = draw_story(1, LINE).parcels_come
    assert allowance(faults, come)[Effect.OTHER_LABEL] == 8
    assert allowance(faults, come)[Effect.FOUND_AGAIN] == 0
    assert set(allowance([], come).values()) == {0}


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_rule_allows_a_number_of_parcels(kind: str) -> None:
    story = draw_story(3, LINE, parcels=2000)
    line_file = load_yaml_model(LINE, LineFile)
    shape = LineShape.of(line_file, 60, story.rate_parcels_per_h)  # in the first seconds of 360
    for seed in range(5):
        fault = draw_fault(kind, np.random.default_rng(seed), shape)
        most = RULES[kind].most(fault, story.parcels_come)
        assert bool(most) == bool(RULES[kind].may)
        assert most < 500 or kind == "kill_plc", "of 2,000 parcels"


def test_who_comes_after_a_fault_was_over_has_no_excuse() -> None:
    adapter: TypeAdapter[Fault] = TypeAdapter(Fault)
    story = draw_story(1, LINE, parcels=10_000)
    jump = adapter.validate_python({"kind": "encoder_jump", "at_s": 90, "jump_mm": 500})
    slip = adapter.validate_python({"kind": "encoder_slip", "at_s": 90, "for_s": 36, "error": 0.1})
    restart = adapter.validate_python({"kind": "plc_restart", "at_s": 90, "down_s": 3})
    double = adapter.validate_python({"kind": "double_feed", "from_parcel": 90, "parcels": 2})
    bounds = [allowance([fault], story.parcels_come) for fault in (jump, slip, restart, double)]
    assert [bound[Effect.FOUND_AGAIN] for bound in bounds] == [556, 756, 573, 6]
    assert story.parcels_come(0.0) == 1
    assert story.parcels_come(1e9) == story.parcels
