"""A run that fails: what is kept of it, what is said about it, and how it is shortened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plc_sim.chaos.drawing import LineShape
from plc_sim.chaos.examples import example
from plc_sim.chaos.performing import CannotPerform, Performance
from plc_sim.chaos.running import RunResult, Theatre, failure_text
from plc_sim.chaos.story import Story, read_story
from plc_sim.chaos.verdict import Breach, Verdict
from sorter.cli import build
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile

LINE = Path(__file__).parents[2] / "config" / "line.yaml"
SHAPE = LineShape.of(load_yaml_model(LINE, LineFile), 60, 20_000)
SEED = 4711
CULPRITS = {"jam", "link_cut"}
LOST = Breach("lost without a cause", ("parcel 7",))
OTHER = Breach("something else", ("parcel 8",))


def story_of(*kinds: str) -> Story:
    faults = tuple(example(kind, SHAPE, 1) for kind in kinds)
    return Story(SEED, "modbus", 5, 20_000, 4, faults)


def leave_log(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sorter-0.log").write_text("records_dropped_by_plc\n")


def run(theatre: Theatre, story: Story) -> RunResult:
    return asyncio.run(theatre.run(story))


class Judged(Theatre):
    """Needs no rig: a story loses a parcel when both culprits are in it.

    Without the first of them something else fails, and without any fault there is no result.
    """

    async def perform(self, story: Story, folder: Path) -> tuple[Performance, RunResult]:
        if not story.faults:
            raise CannotPerform("no rig")
        leave_log(folder)
        breaches: tuple[Breach, ...] = ()
        if set(story.kinds) >= CULPRITS:
            breaches = (LOST,)
        elif "link_cut" in story.kinds:
            breaches = (OTHER,)
        return Performance(folder), RunResult(story, Verdict(breaches), 0.0, folder)


def test_a_run_that_fails_is_kept_and_shortened_to_the_faults_it_needs(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    theatre = Judged(LINE, tmp_path, said.append)
    result = run(theatre, story_of("no_read", "jam", "kill_plc", "link_cut", "encoder_jump"))
    assert result.shortest is not None
    assert set(result.shortest.kinds) == CULPRITS
    assert result.tries == len(said) > 0
    assert {line.split(":")[0] for line in said} == {f"seed {SEED}"}
    folder = tmp_path / f"seed-{SEED}"
    assert list(tmp_path.iterdir()) == [folder], "of the shorter tries nothing is left"
    assert {path.name for path in folder.iterdir()} == {"sorter-0.log", "shortest.yaml"}
    again = read_story(folder / "shortest.yaml", SEED, parcels=5, speed=4.0, protocol="modbus")
    assert again.faults == result.shortest.faults
    assert result.as_json()["shortest"] == [
        one.model_dump(exclude_unset=True) for one in again.faults
    ]
    text = "\n".join(failure_text(result))
    assert f"seed {SEED} FAILED with no_read, jam, kill_plc, link_cut, encoder_jump" in text
    assert "lost without a cause\n    parcel 7" in text
    assert "too slow for --speed 4" in text
    assert str(folder / "shortest.yaml") in text
    assert result.shortest.repeat_command(folder / "shortest.yaml") in text


def test_a_run_that_holds_leaves_nothing(tmp_path: Path) -> None:
    result = run(Judged(LINE, tmp_path, lambda _: None), story_of("no_read"))
    assert result.verdict.holds
    assert result.shortest is None
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_another_kind_and_a_rig_that_does_not_start_are_no_shorter_story(
    tmp_path: Path,
) -> None:
    """Shortened, it would be the story of something else."""
    result = run(Judged(LINE, tmp_path, lambda _: None), story_of("jam", "link_cut"))
    assert result.shortest == result.story
    alone = run(Judged(LINE, tmp_path / "alone", lambda _: None), story_of("link_cut"))
    assert alone.shortest == alone.story
    assert alone.tries == 1


def test_the_command_prints_seed_and_shortest_story_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Theatre, "perform", Judged.perform)
    story = tmp_path / "story.yaml"
    story_of("jam", "no_read", "link_cut").write(story, LINE)
    keep = tmp_path / "kept"
    arguments = ["--config", LINE, "--story", story, "--keep", keep, "--seed", SEED]
    done = CliRunner().invoke(build("chaos"), ["chaos", *map(str, arguments)])
    assert done.exit_code == 1
    assert done.output.startswith(f"seed {SEED}\n")
    shortest = keep / f"seed-{SEED}" / "shortest.yaml"
    assert str(shortest) in done.output
    assert shortest.read_text() in done.output
    assert "1 runs failed" in done.output


def test_jobs_run_side_by_side_each_seed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_stage: list[int] = []
    most: list[int] = []

    async def perform(_: Theatre, story: Story, folder: Path) -> tuple[Performance, RunResult]:
        on_stage.append(story.seed)
        most.append(len(on_stage))
        for _turn in range(10):  # let the others come
            await asyncio.sleep(0)
        on_stage.remove(story.seed)
        return Performance(folder), RunResult(story, Verdict(()), 0.0, folder)

    monkeypatch.setattr(Theatre, "perform", perform)
    arguments = ["--config", LINE, "--keep", tmp_path, "--seed", 7, "--runs", 10, "--jobs", 3]
    done = CliRunner().invoke(build("chaos"), ["chaos", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert max(most) == 3
    for seed in range(7, 17):
        assert done.output.count(f"seed {seed}: ") == 1
    assert "10 runs from seed 7" in done.output


def test_a_job_that_cannot_run_ends_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    async def perform(_: Theatre, story: Story, folder: Path) -> tuple[Performance, RunResult]:
        if story.seed == 8:
            raise CannotPerform("no rig")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(story.seed)
        return Performance(folder), RunResult(story, Verdict(()), 0.0, folder)

    monkeypatch.setattr(Theatre, "perform", perform)
    arguments = ["--config", LINE, "--keep", tmp_path, "--seed", 7, "--runs", 3, "--jobs", 3]
    done = CliRunner().invoke(build("chaos"), ["chaos", *map(str, arguments)])
    assert isinstance(done.exception, CannotPerform)
    assert sorted(ended) == [7, 9]


def test_jobs_are_for_stories_of_different_seeds(tmp_path: Path) -> None:
    story = tmp_path / "story.yaml"
    story_of("jam").write(story, LINE)
    done = CliRunner().invoke(build("chaos"), ["chaos", "--story", str(story), "--jobs", "2"])
    assert done.exit_code == 2
    assert "leave --jobs out" in done.output
