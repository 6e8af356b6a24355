"""Takes over what the run before knew: parcels on the belt keep number, route and reservation.

The journal is the only store. A restart takes the newest sound snapshot, decides the committed
steps behind it again, and must get what is recorded; any difference means that this software or
its configuration would have decided otherwise, and then nothing that was known may be relied on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import structlog

from sorter.config.load import LoadedLine, load_line_from_texts
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.errors import ConfigError, JournalError
from sorter.model.codes import Cause
from sorter.model.columns import EventColumn
from sorter.runtime.journal import RunInfo
from sorter.runtime.journal_info import Run
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.replay import difference_from, own_inputs

EPOCH_NOTE: Final = "controller_epoch"
"""Key of the note in which a run keeps the controller epoch with which it began."""
STATE_CAPACITY: Final = 2048
FARTHEST_STEPS: Final = 20_000
"""Steps decided again at most, some seconds: the PLC's rings hold what comes meanwhile, no more."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What a run takes over from the one before it.

    Attributes
    ----------
    state : State
    resumed : bool
        Whether `state` is what the run before knew; otherwise it knows nothing of the belt.
    encoder_count, tick_100us : int or None
        Unwrapped, as known last.
    steps : int
        Decided again behind the snapshot.
    given_up_cause : Cause
        Why parcels were given up, if any were.
    story : str
        One sentence for people.
    epoch_before : int
        Controller epoch with which the run before began, 0 when that is not known.
    """

    state: State
    resumed: bool
    encoder_count: int | None
    tick_100us: int | None
    steps: int
    given_up_cause: Cause
    story: str
    epoch_before: int = 0


def fresh_state(loaded: LoadedLine) -> State:
    """Return the state of a line on which nothing is known to be."""
    return State.create(loaded.layout, loaded.plan, loaded.policy, STATE_CAPACITY)


class Recovery:
    """Looks back into a journal when a run begins; its `begin_run` is for the journal.

    Parameters
    ----------
    loaded : LoadedLine
    notes : mapping of str to str
        Kept with the run.

    Attributes
    ----------
    found : TakenOver
        What was found, once the journal has been opened.
    """

    def __init__(self, loaded: LoadedLine, notes: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._notes = dict(notes)
        self._log = structlog.get_logger("sorter.recovery")
        self.found = _nothing(loaded, Cause.STATE_LOST, None, "the journal is new")

    def begin_run(self, reader: JournalReader) -> RunInfo:
        """Look back and return what is to be kept about the run that begins."""
        run = reader.last_run()
        if run is not None:
            epoch_before = _number(run.notes.get(EPOCH_NOTE, ""))
            self.found = found = replace(self._look_back(reader, run), epoch_before=epoch_before)
            tell = self._log.info if found.resumed else self._log.warning
            tell("looked_back", resumed=found.resumed, story=found.story)
        found, loaded = self.found, self._loaded
        return RunInfo(
            loaded.layout,
            loaded.plan,
            loaded.files,
            self._notes,
            STATE_CAPACITY,
            found.state.to_bytes() if found.resumed else None,
            found.tick_100us or 0,
            found.state.tracked(),
            int(found.given_up_cause),
        )

    def _look_back(self, reader: JournalReader, run: Run) -> TakenOver:
        loaded = self._loaded
        encoder_count = _last_encoder(reader, run)
        if not _same_line(reader.files(run.run), loaded):
            story = (
                f"layout, sort plan or returns policy changed since run {run.run}: parcels that "
                "were on the belt are closed as lost (config_changed) and met again as unexpected"
            )
            return _nothing(loaded, Cause.CONFIG_CHANGED, encoder_count, story)
        problems = []
        for step, tick_100us, snapshot in _beginnings(reader, run):
            if snapshot is None:
                problems.append(f"the snapshot at step {step} is damaged")
                continue
            if run.next_step - step > FARTHEST_STEPS:
                problems.append(f"the state at step {step} is too many steps back")
                continue
            try:
                return self._roll_forward(reader, run, step, tick_100us, snapshot)
            except (ValueError, JournalError) as error:
                problems.append(f"from step {step}: {error}")
        story = (
            f"what run {run.run} knew cannot be rebuilt ({'; '.join(problems)}): parcels that were "
            "on the belt are closed as lost (state_lost) and met again as unexpected"
        )
        return _nothing(loaded, Cause.STATE_LOST, encoder_count, story)

    def _roll_forward(
        self, reader: JournalReader, run: Run, first_step: int, tick_100us: int, snapshot: bytes
    ) -> TakenOver:
        """Decide again what is committed behind a snapshot.

        Raises
        ------
        ValueError
            The snapshot is not of this line or this software.
        JournalError
            A step is damaged or missing, or is decided otherwise now.
        """
        state = fresh_state(self._loaded)
        if snapshot:
            state.restore(snapshot)
        else:
            state.next_parcel_id = run.first_parcel
        expected = first_step
        for step in reader.steps(first_step, run.next_step - 1):
            if step.step != expected:
                break
            decided = decide(state, own_inputs(step.inputs), step.now_ns)
            if difference := difference_from(step, decided, run):
                raise JournalError(
                    f"this software decides otherwise than {run.software}: {difference}"
                )
            if len(step.inputs.events):
                tick_100us = int(step.inputs.events[-1, EventColumn.TICK])
            expected += 1
        if expected != run.next_step:
            raise JournalError(f"step {expected} is missing")
        state.command_again()
        steps = expected - first_step
        story = (
            f"run {run.run} goes on: {state.tracked_count()} parcels on the belt, from the state "
            f"at step {first_step} and {steps} steps behind it"
        )
        return TakenOver(
            state, True, state.encoder_count, tick_100us, steps, Cause.STATE_LOST, story
        )


def _nothing(loaded: LoadedLine, cause: Cause, encoder_count: int | None, story: str) -> TakenOver:
    return TakenOver(fresh_state(loaded), False, encoder_count, None, 0, cause, story)


def _beginnings(reader: JournalReader, run: Run) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield step, tick and state from where a run can be rolled forward, the nearest first.

    An empty state stands for a run that began with an empty line.
    """
    for snapshot in reader.snapshots(run):
        yield snapshot.step, snapshot.tick_100us, snapshot.state or None
    yield run.first_step, 0, run.initial_state or b""


def _number(text: str) -> int:
    """Return a note as a number; a journal is a file, and may hold anything."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0


def _last_encoder(reader: JournalReader, run: Run) -> int | None:
    """Return the unwrapped encoder count at the last committed step, if it can be read."""
    try:
        for step in reader.steps(run.next_step - 1, run.next_step - 1):
            return step.inputs.encoder_count
    except JournalError:
        pass
    return None


def _same_line(files: Mapping[str, str], loaded: LoadedLine) -> bool:
    """Return whether kept configuration texts mean the line that runs now.

    Comments, addresses and the like may differ: layout, plan and policy must not.
    """
    if files == loaded.files:
        return True
    try:
        kept = load_line_from_texts(files)
    except ConfigError:
        return False
    pairs = ((kept.layout, loaded.layout), (kept.plan, loaded.plan), (kept.policy, loaded.policy))
    return all(_same(ours, theirs) for ours, theirs in pairs)


def _same(ours: Any, theirs: Any) -> bool:
    return all(
        np.array_equal(getattr(ours, item.name), getattr(theirs, item.name))
        for item in fields(ours)
    )
