"""Kill the controller at any exchange, start another on the same belt: as if nothing had been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from killed_line import Kill, KilledLine

from plc_sim.scenario import ScenarioFile
from sorter.config.load import LoadedLine, load_line
from sorter.model.codes import Cause, FinalDisposition
from sorter.runtime.explain import explain
from sorter.runtime.journal_store import JournalReader

CONFIG = Path(__file__).parents[2] / "config"
PARCELS = 4
NewLine = Callable[..., KilledLine]


def scenario(**more: object) -> ScenarioFile:
    arrivals = {"process": "poisson", "rate_parcels_per_h": 12_000}
    values = {"kind": "scenario", "name": "killed", "arrivals": arrivals, **more}
    return ScenarioFile.model_validate(values)


@pytest.fixture(scope="module")
def loaded() -> LoadedLine:
    return load_line(CONFIG / "small_line.yaml")


@pytest.fixture(scope="module")
def new_line(loaded, tmp_path_factory) -> NewLine:
    def make(parcels: int = PARCELS, seed: int = 1, commit_steps: int = 3, **more) -> KilledLine:
        journal = tmp_path_factory.mktemp("killed") / "journal.sqlite"
        return KilledLine(loaded, scenario(**more), journal, parcels, seed, commit_steps)

    return make


def endings(line: KilledLine) -> list[tuple[int, int, int]]:
    with JournalReader(line.journal_path) as reader:
        return [(row.disposition, row.cause, row.chute) for row in reader.parcels()]


def test_every_step_boundary_of_a_short_run(new_line: NewLine) -> None:
    """Where the journal takes a step, die before the next exchange and right behind it."""
    undisturbed = new_line()
    undisturbed.run()
    assert undisturbed.problems() == []
    boundaries = undisturbed.eventful_exchanges
    assert len(boundaries) > 3 * PARCELS
    for number, exchange in enumerate(boundaries):
        for delivered in (False, True):
            kill = Kill(exchange + 1, delivered, (300, 1500)[(number + delivered) % 2])
            with new_line(commit_steps=1 + number % 4) as line:
                line.run(kill)
                line.run()
                assert line.problems() == [], kill
                # No fault but the kill: nobody may end elsewhere than in a chute meant for it.
                finals = {final for final, _, _ in endings(line)}
                assert finals <= {FinalDisposition.SORTED, FinalDisposition.REJECTED}, kill


KILLS = st.lists(
    st.builds(Kill, st.integers(1, 600), st.booleans(), st.sampled_from([0, 20, 200, 1500, 5000])),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(  # the last controller comes when the last parcel has left, and has all to learn
    kills=[Kill(1, False, 5000), Kill(263, False, 1500), Kill(600, False, 5000)],
    seed=5,
    commit_steps=40,
)
@given(kills=KILLS, seed=st.integers(0, 1000), commit_steps=st.sampled_from([1, 4, 40]))
def test_any_number_of_kills_on_a_line_with_faults(new_line, kills, seed, commit_steps) -> None:
    faults = {"scanners": {"read_rate": 0.9}, "diverters": {"fail_rate": 0.05}}
    with new_line(8, seed, commit_steps, **faults) as line:
        for kill in kills:
            line.run(kill)
        line.run()
        assert line.problems() == []


def test_a_decision_that_only_the_plc_remembers_is_taken_again(new_line: NewLine) -> None:
    """All of the first controller's steps are lost, and its diverts were fired long ago."""
    with new_line(commit_steps=10_000) as line:
        first = line.run(Kill(900, True, 3000))
        assert first.state.next_parcel_id > PARCELS
        second = line.run()
        assert second.state.anomalies()["stray_scans"] == 0
        assert line.problems() == []
        assert all(final != FinalDisposition.MISSORTED for final, _, _ in endings(line))


def test_a_parcels_story_is_told_across_runs(new_line: NewLine) -> None:
    with new_line() as line:
        line.run(Kill(500, True, 100))
        with JournalReader(line.journal_path) as reader:
            on_line = reader.open_parcels(reader.last_run())
        assert on_line
        line.run()
        number = min(on_line)
        (story,) = explain(line.journal_path, str(number))
        whats = [moment.what for moment in story.moments]
        assert (story.run, whats[0], whats[-1]) == (1, "opened", "closed")
        assert "controller" in whats
        with JournalReader(line.journal_path) as reader:
            row = reader.parcel(number)
            second = reader.last_run()
        assert row.run == 1
        assert row.opened_step < second.first_step <= row.closed_step


def test_each_parcel_is_counted_once(new_line: NewLine) -> None:
    with new_line() as line:
        tallies = [line.run(Kill(exchange, True, 50)) for exchange in (300, 300)]
        tallies.append(line.run())
        opened = sum(line.tallies[index].opened for index in range(3))
        closed = sum(line.tallies[index].closed for index in range(3))
        assert (opened, closed) == (PARCELS, PARCELS)


def test_places_in_chutes_stay_reserved(new_line: NewLine) -> None:
    with new_line() as line:
        line.commit_steps = 1
        first = line.run(Kill(500, True, 0))
        before = first.state
        assert before.tracked_count() > 0
        second = line.run(Kill(2, True, 0))
        reserved = [state.chutes[3].tolist() for state in (before, second.state)]
        assert reserved[0] == reserved[1]
        assert before.tracked() == second.state.tracked()


def test_a_changed_plan_gives_parcels_up_with_a_cause_of_its_own(new_line, tmp_path) -> None:
    with new_line() as line:
        line.run(Kill(500, True, 1500))
        with JournalReader(line.journal_path) as reader:
            on_line = set(reader.open_parcels(reader.last_run()))
        line.loaded = changed_line(tmp_path, "parcels: 300", "parcels: 299")
        second = line.run()
        assert line.found.resumed is False
        assert "changed" in line.found.story
        with JournalReader(line.journal_path) as reader:
            given_up = [row for row in reader.parcels() if row.cause == Cause.CONFIG_CHANGED]
        assert {row.parcel for row in given_up} == on_line
        assert all(row.disposition == FinalDisposition.LOST for row in given_up)
        assert line.tallies[1].closed == line.tallies[1].opened + len(on_line)
        assert second.state.next_parcel_id > max(on_line) + 1000
        found = line.reconcile()
        assert (found.unaccounted, found.truth_mismatches) == (0, 0), found.details
        (story,) = explain(line.journal_path, str(min(on_line)))
        assert story.ending == "lost (config_changed)"


def test_a_comment_or_an_address_is_no_change(new_line, tmp_path) -> None:
    with new_line() as line:
        line.run(Kill(500, True, 0))
        line.loaded = changed_line(tmp_path, "# two counts", "# 2 counts")
        line.run()
        assert line.found.resumed
        assert line.problems() == []


def changed_line(folder: Path, before: str, after: str) -> LoadedLine:
    """Copy the small line's files and replace some text of the line's own."""
    for path in CONFIG.glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    line = folder / "small_line.yaml"
    text = line.read_text()
    assert before in text
    line.write_text(text.replace(before, after))
    return load_line(line)
