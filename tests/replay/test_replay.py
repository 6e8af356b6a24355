import json
import sqlite3

import pytest
import typer
from recorded_run import copy_decided, info_of, read_steps, rewrite
from typer.testing import CliRunner

from sorter.commands import journal as journal_command
from sorter.commands import replay as replay_command
from sorter.config.load import load_line_from_texts
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.errors import ReplayError
from sorter.model.codes import EventKind, OutcomeKind
from sorter.model.columns import CommandColumn, DecisionColumn, EventColumn, OutcomeColumn
from sorter.runtime.explain import explain
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_prune import prune_journal
from sorter.runtime.journal_retention import Limits
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.parcel_search import UnknownParcel
from sorter.runtime.replay import replay


def first_step(journal, wanted):
    return next(step for step in read_steps(journal) if wanted(step))


def command_line(*arguments):
    app = typer.Typer()
    replay_command.register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def line_of(journal, run=1):
    with JournalReader(journal) as reader:
        return load_line_from_texts(reader.files(run))


def test_a_recorded_run_replays_identically(recorded):
    path, summary = recorded
    result = replay(path)
    assert result.identical
    assert result.first_difference is None
    assert result.steps == len(read_steps(path)) > summary["parcels"] * 5


def test_a_pruned_journal_replays_from_its_oldest_snapshot(long_journal):
    whole = replay(long_journal)
    told = prune_journal(long_journal, Limits(max_bytes=1), 0.0)
    pruned = replay(long_journal)
    assert pruned.identical
    assert whole.steps > pruned.pruned_steps == told["pruned_steps"] > 0
    assert pruned.steps + pruned.pruned_steps + pruned.skipped_steps == whole.steps
    assert f"; {told['pruned_steps']:,} steps pruned" in command_line(long_journal).stdout
    with JournalReader(long_journal) as reader:
        rows = list(reader.parcels())
    # Parcels that are left can be explained, also one that came before the steps that are left.
    for row in (rows[0], rows[-1]):
        (story,) = explain(long_journal, str(row.parcel))
        assert story.moments
    with pytest.raises(UnknownParcel):
        explain(long_journal, "1")


def test_steps_that_pruning_left_without_a_state_are_not_called_pruned(long_journal):
    """They are in the file, and `explain` tells of them."""
    whole = replay(long_journal).steps
    with sqlite3.connect(long_journal) as database:
        ((taken,),) = database.execute("SELECT step_count FROM steps ORDER BY step LIMIT 1")
        database.execute("DELETE FROM step_times")
        database.execute("INSERT INTO step_times VALUES (?, 0)", (1 + taken,))
    database.close()
    app = typer.Typer()
    journal_command.register(app)
    app.callback()(lambda: None)
    told = CliRunner().invoke(app, ["journal", "prune", str(long_journal), "--older-than", "0"])
    assert told.stdout.startswith(f"{taken:,} steps and "), told.output
    result = replay(long_journal)
    assert (result.identical, result.pruned_steps) == (True, taken)
    assert result.skipped_steps == len(read_steps(long_journal)) - result.steps > 0
    assert result.steps + result.skipped_steps + taken == whole
    said = command_line(long_journal).stdout
    assert f" of 1 run; {taken:,} steps pruned; {result.skipped_steps:,} steps kept, but" in said


def test_steps_that_are_missing_and_were_not_pruned_are_a_gap(long_journal):
    prune_journal(long_journal, Limits(max_bytes=1), 0.0)
    with sqlite3.connect(long_journal) as database:
        database.execute("UPDATE meta SET value = '1' WHERE key = 'pruned_to_step'")
    database.close()
    with pytest.raises(ReplayError, match="missing"):
        replay(long_journal)


def test_progress_is_told(recorded, monkeypatch):
    monkeypatch.setattr("sorter.runtime.replay.PROGRESS_STEPS", 100)
    told = []
    steps = replay(recorded[0], lambda done, total: told.append((done, total))).steps
    assert told == [(done, steps) for done in range(100, steps + 1, 100)]


def test_a_changed_command_is_the_first_difference(journal):
    step = first_step(journal, lambda step: len(step.decided.commands))
    command = step.decided.commands[0].tolist()

    def later(inputs, decided):
        decided = copy_decided(decided)
        decided.commands[0, CommandColumn.FIRE] += 1
        return inputs, decided

    rewrite(journal, step.step, later)
    result = replay(journal)
    assert not result.identical
    assert f"step {step.step} (run 1), parcel {command[CommandColumn.PARCEL]}, commands row 0" in (
        result.first_difference
    )
    recorded, now = result.first_difference.split("decide now says")
    assert f"fire {command[CommandColumn.FIRE] + 1}" in recorded
    assert f"fire {command[CommandColumn.FIRE]}" in now


@pytest.mark.parametrize("name", ["commands", "decisions", "candidates", "outcomes"])
def test_a_missing_row_is_a_difference(journal, name):
    step = first_step(journal, lambda step: len(getattr(step.decided, name)))

    def without(inputs, decided):
        decided = copy_decided(decided)
        setattr(decided, name, getattr(decided, name)[:-1])
        return inputs, decided

    rewrite(journal, step.step, without)
    result = replay(journal)
    assert f"step {step.step} " in result.first_difference
    assert f"{name} row" in result.first_difference
    assert "the journal has: nothing; decide now says: " in result.first_difference
    assert "parcel " in result.first_difference


def test_a_row_too_many_is_a_difference(journal):
    step = first_step(journal, lambda step: len(step.decided.outcomes))

    def doubled(inputs, decided):
        decided = copy_decided(decided)
        decided.outcomes = decided.outcomes.repeat(2, axis=0)
        return inputs, decided

    rewrite(journal, step.step, doubled)
    assert "decide now says: nothing" in replay(journal).first_difference


def test_a_changed_input_shows_in_what_follows_from_it(journal):
    step = first_step(
        journal,
        lambda step: (
            len(step.inputs.events)
            and step.inputs.events[0, EventColumn.KIND] == EventKind.PARCEL_PASSED
        ),
    )

    def moved(inputs, decided):
        inputs.events[0, EventColumn.ENCODER] += 7
        return inputs, decided

    rewrite(journal, step.step, moved)
    difference = replay(journal).first_difference
    assert f"step {step.step} " in difference
    assert "opened" in difference


def drop_group(journal, which):
    with sqlite3.connect(journal) as database:
        database.execute(f"DELETE FROM steps WHERE step = (SELECT {which}(step) FROM steps)")
    database.close()


@pytest.mark.parametrize("which", ["min", "max"])
def test_a_gap_is_an_error_not_a_difference(journal, which):
    drop_group(journal, which)
    with pytest.raises(ReplayError, match=r"steps \d+ to \d+ of run 1 are missing"):
        replay(journal)


def test_a_configuration_that_cannot_be_rebuilt_is_an_error(journal):
    with sqlite3.connect(journal) as database:
        database.execute("DELETE FROM run_files WHERE name LIKE '%plan%'")
    database.close()
    with pytest.raises(ReplayError, match="configuration cannot be rebuilt"):
        replay(journal)


def feed_again(journal, state, steps, after_encoder=0):
    """Let a second controller take the same inputs, later on the belt."""
    for step in steps:
        inputs = step.inputs
        inputs.encoder_count += after_encoder
        inputs.events[:, EventColumn.ENCODER] += after_encoder
        inputs.scans[:, 2] += after_encoder
        journal.append(step.now_ns, inputs, step.reads, decide(state, inputs, step.now_ns))


def test_every_run_of_a_journal_is_replayed_with_its_own_parcel_numbers(journal):
    steps = read_steps(journal)
    line = line_of(journal)
    second = InlineJournal(journal, info_of(line, state_capacity=512))
    state = State.create(line.layout, line.plan, line.policy, 512)
    state.next_parcel_id = second.first_parcel_id
    feed_again(second, state, steps)
    second.close()
    opened = [
        row[OutcomeColumn.PARCEL]
        for step in read_steps(journal)
        for row in step.decided.outcomes.tolist()
        if row[OutcomeColumn.KIND] == OutcomeKind.OPENED
    ]
    assert len(opened) == len(set(opened))
    result = replay(journal)
    assert result.identical, result.first_difference
    assert (result.runs, result.steps) == (2, 2 * len(steps))


def test_a_run_that_began_with_a_restored_state_is_replayed(recorded, tmp_path):
    path, _ = recorded
    steps = read_steps(path)
    line = line_of(path)
    half = len(steps) // 2
    state = State.create(line.layout, line.plan, line.policy)
    for step in steps[:half]:
        decide(state, step.inputs, step.now_ns)
    assert state.tracked_count() > 0
    later = tmp_path / "later.sqlite"
    journal = InlineJournal(later, info_of(line, initial_state=state.to_bytes()))
    feed_again(journal, state, steps[half:])
    journal.close()
    result = replay(later)
    assert result.identical, result.first_difference
    assert result.steps == len(steps) - half


def test_a_state_that_cannot_be_restored_is_an_error(recorded, tmp_path):
    line = line_of(recorded[0])
    later = tmp_path / "later.sqlite"
    InlineJournal(later, info_of(line, initial_state=b"12345678" * 4)).close()
    with pytest.raises(ReplayError, match="began with a state"):
        replay(later)


def test_a_rerouted_decision_is_named_in_words(journal):
    step = first_step(journal, lambda step: len(step.decided.decisions))

    def other_stream(inputs, decided):
        decided = copy_decided(decided)
        decided.decisions[0, DecisionColumn.LAP] += 5
        return inputs, decided

    rewrite(journal, step.step, other_stream)
    assert "kind routed" in replay(journal).first_difference


def test_the_command_tells_identical_by_its_exit_code(recorded):
    result = command_line(recorded[0])
    assert result.exit_code == 0
    assert result.output.startswith("identical: ")
    told = json.loads(command_line(recorded[0], "--json").output)
    assert told["identical"] is True
    assert told["runs"] == 1


def test_the_command_shows_the_first_difference(journal):
    step = first_step(journal, lambda step: len(step.decided.outcomes))

    def without(inputs, decided):
        decided = copy_decided(decided)
        decided.outcomes = decided.outcomes[:0]
        return inputs, decided

    rewrite(journal, step.step, without)
    result = command_line(journal)
    assert result.exit_code == 1
    assert f"step {step.step} " in result.output
    as_json = command_line(journal, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.output)["first_difference"].startswith(f"step {step.step} ")


def test_the_command_says_what_is_wrong_with_the_file(tmp_path):
    result = command_line(tmp_path / "none.sqlite")
    assert result.exit_code == 2
    assert "there is no such journal" in result.output
    as_json = command_line(tmp_path / "none.sqlite", "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.output)["identical"] is None
