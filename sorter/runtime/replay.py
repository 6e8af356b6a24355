"""Feeds a journal's inputs to ``decide`` again and compares what it says, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sorter.config.load import load_line_from_texts
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.errors import ConfigError, JournalError, ReplayError
from sorter.model.columns import DecisionColumn
from sorter.model.frames import Decisions, Inputs, Rows
from sorter.runtime.journal_codec import Step
from sorter.runtime.journal_info import LineNames, Run
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.journal_words import (
    candidate_words,
    command_words,
    decision_words,
    in_one_line,
    outcome_words,
)
from sorter.version import software_version

PROGRESS_STEPS: Final = 1_000
FARTHEST: Final = 1 << 60
"""Counts beyond this, either way, are not reached in a million years; arithmetic would overflow."""

_ARRAYS: Final[tuple[tuple[str, Callable[[list[int], LineNames], dict[str, Any]]], ...]] = (
    ("commands", command_words),
    ("decisions", decision_words),
    ("candidates", candidate_words),
    ("outcomes", outcome_words),
)


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay found.

    Attributes
    ----------
    runs, steps : int
        Replayed, up to the first difference.
    identical : bool
    first_difference : str or None
        Step, parcel, what the journal has and what ``decide`` says now.
    pruned_steps : int
        Steps of these runs that were taken out of the journal.
    skipped_steps : int
        Steps that are in the journal, but not replayed: they lie before the oldest snapshot that
        pruning left, so nobody can say what state they began with.
    """

    runs: int
    steps: int
    identical: bool
    first_difference: str | None
    pruned_steps: int = 0
    skipped_steps: int = 0


def replay(
    journal_path: Path | str, progress: Callable[[int, int], None] | None = None
) -> ReplayResult:
    """Replay all runs of a journal; a pruned one from the oldest snapshot that was left.

    Parameters
    ----------
    journal_path : path
    progress : callable, optional
        Called now and then with steps done and steps in all.

    Raises
    ------
    ReplayError
        Configuration or steps are missing, or the state cannot be restored.
    JournalError
        The journal is missing or damaged.
    """
    done = pruned = skipped = 0
    with JournalReader(journal_path) as reader:
        runs = reader.runs()
        total = sum(run.next_step - run.first_step for run in runs)
        for run in runs:
            begun = _beginning(reader, run)
            replayed_from = run.next_step if begun is None else begun[0]
            kept_from = min(max(reader.pruned_to_step(), run.first_step), run.next_step)
            pruned += kept_from - run.first_step
            skipped += replayed_from - kept_from
            if begun is None:
                continue
            expected, state = begun
            for step in reader.steps(expected, run.next_step - 1):
                if step.step != expected:
                    raise _gap(journal_path, run, expected, step.step)
                if not -FARTHEST < step.inputs.encoder_count < FARTHEST:
                    raise ReplayError(
                        f"{journal_path}: step {step.step} is damaged: no encoder reaches count "
                        f"{step.inputs.encoder_count}; restore the journal from a copy"
                    )
                decided = decide(state, own_inputs(step.inputs), step.now_ns)
                if difference := difference_from(step, decided, run):
                    return ReplayResult(run.run, done + 1, False, difference, pruned, skipped)
                expected += 1
                done += 1
                if progress is not None and done % PROGRESS_STEPS == 0:
                    progress(done, total)
            if expected != run.next_step:
                raise _gap(journal_path, run, expected, run.next_step)
    return ReplayResult(len(runs), done, True, None, pruned, skipped)


def _beginning(reader: JournalReader, run: Run) -> tuple[int, State] | None:
    """Return the first step that can be replayed and the state before it; None: there is none."""
    kept_from = reader.pruned_to_step()
    if kept_from <= run.first_step:
        return run.first_step, _initial_state(reader, run)
    if kept_from >= run.next_step:
        return None
    oldest = None
    for snapshot in reader.snapshots(run):  # newest first
        if snapshot.step >= kept_from and snapshot.state is not None:
            oldest = snapshot
    if oldest is None or oldest.step >= run.next_step:
        return None
    return oldest.step, _restored(reader, run, oldest.state)


def _initial_state(reader: JournalReader, run: Run) -> State:
    return _restored(reader, run, run.initial_state)


def _restored(reader: JournalReader, run: Run, kept: bytes | None) -> State:
    """Return a state as it was kept, or that of an empty line."""
    try:
        line = load_line_from_texts(reader.files(run.run))
    except ConfigError as error:
        raise ReplayError(
            f"{reader.path}: run {run.run} cannot be replayed, its configuration cannot be "
            f"rebuilt: {error}"
        ) from error
    state = State.create(line.layout, line.plan, line.policy, run.state_capacity)
    if kept is not None:
        try:
            state.restore(kept)
        except (ValueError, JournalError) as error:
            raise ReplayError(
                f"{reader.path}: run {run.run} began with a state that version "
                f"{software_version()} cannot restore ({error}); it was written by {run.software}"
            ) from error
    else:
        state.next_parcel_id = run.first_parcel
    return state


def own_inputs(inputs: Inputs) -> Inputs:
    """Return what `decide` gets: its own arrays, so that a comparison sees the recorded ones."""
    return Inputs(
        inputs.boot_id,
        inputs.line_state,
        inputs.encoder_count,
        inputs.events.copy(),
        inputs.scans.copy(),
    )


def _gap(path: Path | str, run: Run, expected: int, found: int) -> ReplayError:
    return ReplayError(
        f"{path}: steps {expected} to {found - 1} of run {run.run} are missing; a run can only be "
        "replayed from its beginning and without a gap"
    )


def difference_from(step: Step, now: Decisions, run: Run) -> str | None:
    """Return how a decision differs from the recorded one, in words; None when it does not."""
    for name, words in _ARRAYS:
        recorded_rows: Rows = getattr(step.decided, name)
        new_rows: Rows = getattr(now, name)
        if np.array_equal(recorded_rows, new_rows):
            continue
        recorded, new = recorded_rows.tolist(), new_rows.tolist()
        shared = min(len(recorded), len(new))
        row = next((i for i in range(shared) if recorded[i] != new[i]), shared)

        def told(rows: list[list[int]], row: int = row, words: Any = words) -> str:
            return in_one_line(words(rows[row], run.names)) if row < len(rows) else "nothing"

        owner = _parcel_of(name, step.decided if row < len(recorded) else now, row)
        return (
            f"step {step.step} (run {run.run}), {owner}, {name} row {row}: "
            f"the journal has: {told(recorded)}; decide now says: {told(new)}"
        )
    return None


def _parcel_of(name: str, decided: Decisions, row: int) -> str:
    rows = getattr(decided, name)
    if name == "candidates":
        decision = int(rows[row, 0])
        if not 0 <= decision < len(decided.decisions):
            return "no parcel"
        return f"parcel {int(decided.decisions[decision, DecisionColumn.PARCEL])}"
    parcel = int(rows[row, words_parcel_column(name)])
    return f"parcel {parcel}"


def words_parcel_column(name: str) -> int:
    """Return the column that names the parcel in an array of ``Decisions``."""
    return {"commands": 3, "decisions": 0, "outcomes": 0}[name]
