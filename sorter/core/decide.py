"""The decision step: what the line said goes in, commands and findings come out."""

from __future__ import annotations

from sorter.core.state import State
from sorter.kernels.frame import decide_frame
from sorter.model.columns import (
    CANDIDATE_WIDTH,
    COMMAND_WIDTH,
    DECISION_WIDTH,
    OUTCOME_WIDTH,
)
from sorter.model.frames import Decisions, Inputs, no_rows
from sorter.model.tracking import Register

_NO_COMMANDS = no_rows(COMMAND_WIDTH)
_NO_DECISIONS = no_rows(DECISION_WIDTH)
_NO_CANDIDATES = no_rows(CANDIDATE_WIDTH)
_NO_OUTCOMES = no_rows(OUTCOME_WIDTH)
_NOTHING = Decisions(_NO_COMMANDS, _NO_DECISIONS, _NO_CANDIDATES, _NO_OUTCOMES)

_NEXT_DUE = int(Register.NEXT_DUE)
_BOOT_ID = int(Register.BOOT_ID)
_LINE_STATE = int(Register.LINE_STATE)
_COMMANDS = int(Register.COMMANDS)
_OUTCOMES = int(Register.OUTCOMES)
_MOST_REPORTS = 1024


def decide(state: State, inputs: Inputs, now_ns: int) -> Decisions:  # noqa: ARG001
    """Take one step: track, classify, route, and plan the diverts.

    Deterministic: the result depends on `state` and `inputs` alone. A frame without events and
    scans that yields no output changes nothing that a later step depends on, so a journal may
    leave it out.

    Parameters
    ----------
    state : State
        Changed in place.
    inputs : Inputs
        One frame of the line, scans joined with the facts of the return registry.
    now_ns : int
        Time of the step. Kept in the contract for the journal; nothing is decided by time.

    Returns
    -------
    Decisions
        Arrays are copies, or shared empty ones; they must not be written, nor the result itself.
    """
    events = inputs.events
    scans = inputs.scans
    encoder_count = inputs.encoder_count
    state.encoder_count = encoder_count
    reports = len(events) + len(scans)
    cells = state.cells
    if reports == 0:
        # Every second step or so ends here: nothing is new and nothing is due.
        if (
            encoder_count < cells[_NEXT_DUE]
            and cells[_BOOT_ID] == inputs.boot_id
            and cells[_LINE_STATE] == inputs.line_state
        ):
            return _NOTHING
    elif reports > _MOST_REPORTS:
        state.reserve_outputs(reports)
    decide_frame(events, scans, encoder_count, inputs.boot_id, inputs.line_state, *state.tables)
    commands, decisions, candidates, outcomes = cells[_COMMANDS : _OUTCOMES + 1]
    return Decisions(
        state.commands[:commands].copy() if commands else _NO_COMMANDS,
        state.decisions[:decisions].copy() if decisions else _NO_DECISIONS,
        state.candidates[:candidates].copy() if candidates else _NO_CANDIDATES,
        state.outcomes[:outcomes].copy() if outcomes else _NO_OUTCOMES,
    )
