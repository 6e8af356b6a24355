"""Give chutes to parcels: first decisions, second thoughts, corrected fire counts.

Runs once at the end of a frame, over the parcels that need attention and, when chutes changed,
over those the change concerns. A decision may be replaced until its commit point; behind it, what
becomes known is kept for the case that the divert fails. A parcel that is not decided yet, or
that no chute takes, needs no command: staying on the belt is the safe provisional route (it comes
round again, or runs to the end of the line).
"""

from __future__ import annotations

from sorter.kernels.aim import aim_again, command_again
from sorter.kernels.attention import reasons_to_look
from sorter.kernels.bits import AGAIN, AIM, RECONSIDER, ROUTE
from sorter.kernels.closing import release, reserve
from sorter.kernels.disposition import classify
from sorter.kernels.divert import find_neighbours, firing_distance
from sorter.kernels.jit import kernel
from sorter.kernels.routing import route
from sorter.kernels.rows import add_cancel, add_command, add_outcome
from sorter.kernels.tracking import set_due
from sorter.model.codes import (
    NONE,
    ChuteVerdict,
    CommandKind,
    DecisionKind,
    MissCause,
    OutcomeKind,
)
from sorter.model.columns import (
    CandidateColumn,
    ChuteColumn,
    DecisionColumn,
    LineField,
)
from sorter.model.frames import Rows
from sorter.model.tracking import (
    ChoiceColumn,
    ParcelColumn,
    ParcelState,
    Register,
)

SPARE_CANDIDATES = 64
SPARE_OUTCOMES = 4


@kernel("void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64, int64[::1])")
def add_decision(
    parcels: Rows,
    row: int,
    now: int,
    registers: Rows,
    decisions: Rows,
    kind: int,
    choice: Rows,
) -> None:
    """Append one decision; count it as dropped when the buffer is full."""
    place = registers[Register.DECISIONS]
    if place >= decisions.shape[0]:
        registers[Register.DROPPED_OUTPUTS] += 1
        return
    decisions[place, DecisionColumn.PARCEL] = parcels[ParcelColumn.ID, row]
    decisions[place, DecisionColumn.KIND] = kind
    decisions[place, DecisionColumn.REASON] = choice[ChoiceColumn.REASON]
    decisions[place, DecisionColumn.GRADE] = parcels[ParcelColumn.GRADE, row]
    decisions[place, DecisionColumn.STREAM] = parcels[ParcelColumn.STREAM, row]
    decisions[place, DecisionColumn.SERVED_STREAM] = choice[ChoiceColumn.SERVED_STREAM]
    decisions[place, DecisionColumn.DISPOSITION] = parcels[ParcelColumn.DISPOSITION, row]
    decisions[place, DecisionColumn.CAUSE] = parcels[ParcelColumn.CAUSE, row]
    decisions[place, DecisionColumn.CHUTE] = choice[ChoiceColumn.CHUTE]
    decisions[place, DecisionColumn.ENCODER] = now
    decisions[place, DecisionColumn.COMMIT] = choice[ChoiceColumn.COMMIT]
    decisions[place, DecisionColumn.LAP] = parcels[ParcelColumn.LAP, row]
    registers[Register.DECISIONS] = place + 1


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[::1], int64[:, ::1])")
def decided_late(
    parcels: Rows, row: int, line: Rows, chutes: Rows, choice: Rows, candidates: Rows
) -> int:
    """Return 1 when every possible chute was lost only because the facts came late.

    That is: each candidate is out of reach, and one at least had its commit point behind the
    scanner, so that a timely result would have been in time.
    """
    scanner = parcels[ParcelColumn.SCANNER_TRAVEL, row]
    loop = line[LineField.LOOP_COUNTS]
    late = 0
    for index in range(choice[ChoiceColumn.FIRST_CANDIDATE], choice[ChoiceColumn.END_CANDIDATE]):
        if candidates[index, CandidateColumn.VERDICT] != ChuteVerdict.UNREACHABLE:
            return 0
        chute = candidates[index, CandidateColumn.CHUTE]
        commit = chutes[ChuteColumn.POSITION, chute] - firing_distance(chutes, chute)
        commit -= line[LineField.IO_ALLOWANCE]
        while loop > 0 and commit < parcels[ParcelColumn.INDUCT_TRAVEL, row]:
            commit += loop
        if scanner != NONE and commit > scanner + parcels[ParcelColumn.LENGTH, row]:
            late = 1
    return late


@kernel(
    "void(int64[:, ::1], int64, int64, int64[::1], int64[::1], int64[:, ::1], int64[::1],"
    " int64[:, ::1], int64[:, ::1])"
)
def tell_if_late(
    parcels: Rows,
    row: int,
    now: int,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    choice: Rows,
    candidates: Rows,
    outcomes: Rows,
) -> None:
    """Report a missed deadline when a timely result would have found a chute."""
    if decided_late(parcels, row, line, chutes, choice, candidates):
        parcel = parcels[ParcelColumn.ID, row]
        missed, late = OutcomeKind.DEADLINE_MISSED, MissCause.DECIDED_LATE
        add_outcome(outcomes, registers, parcel, missed, 0, NONE, late, now)


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[:, ::1], int64[:, ::1], int64, int64, int64,"
    " int64[:, ::1], int64[::1])"
)
def take_chute(
    parcels: Rows,
    row: int,
    registers: Rows,
    chutes: Rows,
    chute_state: Rows,
    state: int,
    old_chute: int,
    old_fire: int,
    commands: Rows,
    choice: Rows,
) -> None:
    """Reserve the chosen chute and command its diverter, unless that is commanded already."""
    chute = choice[ChoiceColumn.CHUTE]
    fire = choice[ChoiceColumn.FIRE]
    was_commanded = state == ParcelState.COMMANDED
    parcel = parcels[ParcelColumn.ID, row]
    if was_commanded and chutes[ChuteColumn.LINE_END, chute] == 1:
        parcels[ParcelColumn.CHUTE, row] = old_chute
        add_cancel(commands, registers, parcels, row)
    reserve(parcels, row, chute_state, chute)
    parcels[ParcelColumn.CHUTE_TRAVEL, row] = choice[ChoiceColumn.TRAVEL]
    parcels[ParcelColumn.FIRE, row] = fire
    if chutes[ChuteColumn.LINE_END, chute] == 1:
        parcels[ParcelColumn.STATE, row] = ParcelState.RUNNING_OUT
        return
    parcels[ParcelColumn.STATE, row] = ParcelState.COMMANDED
    parcels[ParcelColumn.RESEND, row] = NONE
    if not (was_commanded and chute == old_chute and fire == old_fire):
        hold = chutes[ChuteColumn.HOLD, chute]
        add_command(commands, registers, CommandKind.FIRE_DIVERT, parcel, chute, fire, hold)


@kernel("void(int64[:, ::1], int64, int64[::1], int64, int64, int64[:, ::1])")
def stay_on_belt(
    parcels: Rows, row: int, registers: Rows, state: int, old_chute: int, commands: Rows
) -> None:
    """Leave the parcel without a chute; take back what was commanded."""
    if state == ParcelState.COMMANDED:
        parcels[ParcelColumn.CHUTE, row] = old_chute
        add_cancel(commands, registers, parcels, row)
    parcels[ParcelColumn.CHUTE, row] = NONE
    parcels[ParcelColumn.STATE, row] = ParcelState.WAITING


@kernel(
    "int64(int64[:, ::1], int64, int64, int64, int64[::1], int64[::1], int64[:, ::1],"
    " int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def keeps_its_chute(
    parcels: Rows,
    row: int,
    attention: int,
    now: int,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    window_days: Rows,
    rules: Rows,
    near: Rows,
    commands: Rows,
    outcomes: Rows,
) -> int:
    """Return 1 when the parcel needs no routing: nothing that matters changed, or the aim only."""
    if attention < 0:
        return 0
    if attention & RECONSIDER:
        first = parcels[ParcelColumn.STATE, row] == ParcelState.UNDECIDED
        if classify(parcels, row, line, window_days, rules) or first:
            parcel = parcels[ParcelColumn.ID, row]
            disposition = parcels[ParcelColumn.DISPOSITION, row]
            cause = parcels[ParcelColumn.CAUSE, row]
            add_outcome(
                outcomes, registers, parcel, OutcomeKind.CLASSIFIED, disposition, NONE, cause, now
            )
            return 0
    if attention & ROUTE:
        return 0
    if attention & AIM and parcels[ParcelColumn.STATE, row] == ParcelState.COMMANDED:
        return aim_again(parcels, row, now, registers, line, chutes, near, commands)
    return 1


@kernel(
    "void(int64[:, ::1], int64, int64, int64, int64[::1], int64[::1], int64[:, ::1],"
    " int64[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1])"
)
def find_chute(
    parcels: Rows,
    row: int,
    attention: int,
    now: int,
    registers: Rows,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    outlets: Rows,
    rows: Rows,
    near: Rows,
    choices: Rows,
    commands: Rows,
    decisions: Rows,
    candidates: Rows,
    outcomes: Rows,
) -> None:
    """Route one parcel and do what follows: reserve, command, or leave it on the belt."""
    state = parcels[ParcelColumn.STATE, row]
    old_chute = parcels[ParcelColumn.CHUTE, row]
    old_fire = parcels[ParcelColumn.FIRE, row]
    loop = line[LineField.LOOP_COUNTS]
    release(parcels, row, chute_state)
    reach = registers[Register.REACH]
    find_neighbours(parcels, registers[Register.ROWS], row, loop, reach, near[0])
    rows[0] = row
    first_decision = registers[Register.DECISIONS]
    route(
        parcels, rows, 1, now, line, chutes, chute_state, cell_groups, group_starts, group_chutes,
        overflow, outlets, near, first_decision, choices, candidates, registers,
    )  # fmt: skip
    choice = choices[0]
    chosen = choice[ChoiceColumn.CHUTE]
    if chosen == NONE and attention < 0:
        registers[Register.CANDIDATES] = choice[ChoiceColumn.FIRST_CANDIDATE]
        return
    if old_chute != NONE and old_chute != chosen:  # noqa: PLR1714
        registers[Register.CHUTES_IMPROVED] = 1
        registers[Register.PLACES_FREED] += 1
    if chosen == NONE:
        stay_on_belt(parcels, row, registers, state, old_chute, commands)
        kind = DecisionKind.RECIRCULATED if loop > 0 else DecisionKind.UNROUTABLE
        if state == ParcelState.UNDECIDED:
            tell_if_late(
                parcels, row, now, registers, line, chutes, choice, candidates, outcomes
            )  # fmt: skip
    else:
        take_chute(
            parcels, row, registers, chutes, chute_state, state, old_chute, old_fire, commands,
            choice,
        )  # fmt: skip
        kind = DecisionKind.ROUTED if old_chute == NONE else DecisionKind.REROUTED
    add_decision(parcels, row, now, registers, decisions, kind, choice)


@kernel(
    "int64(int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])", inline=True
)
def no_room_for_another(
    registers: Rows, commands: Rows, decisions: Rows, candidates: Rows, outcomes: Rows
) -> int:
    """Return 1 when the outputs of one more decision may not fit into this frame's."""
    if (
        registers[Register.CANDIDATES] + SPARE_CANDIDATES > candidates.shape[0]
        or registers[Register.OUTCOMES] + SPARE_OUTCOMES > outcomes.shape[0]
        or registers[Register.DECISIONS] + 1 > decisions.shape[0]
        or registers[Register.COMMANDS] + 2 > commands.shape[0]
    ):
        return 1
    return 0


@kernel(
    "void(int64[:, ::1], int64, int64[::1], int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1])"
)
def assign(
    parcels: Rows,
    now: int,
    registers: Rows,
    line: Rows,
    eyes: Rows,
    chutes: Rows,
    chute_state: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    outlets: Rows,
    window_days: Rows,
    rules: Rows,
    rows: Rows,
    near: Rows,
    choices: Rows,
    commands: Rows,
    decisions: Rows,
    candidates: Rows,
    outcomes: Rows,
) -> None:
    """Look at every parcel that has a reason, in table order.

    A reroute may free what an earlier row waits for; a second round gives it to that row within
    the same frame, so that nothing is left over for a frame that brings no news.
    """
    for _ in range(2):
        freed_before = registers[Register.PLACES_FREED]
        for row in range(registers[Register.ROWS]):
            if parcels[ParcelColumn.ID, row] == 0:
                continue
            if parcels[ParcelColumn.ATTENTION, row] & AGAIN:
                command_again(parcels, row, now, registers, chutes, commands)
            attention = reasons_to_look(parcels, row, now, registers, line, chute_state)
            if attention == 0:
                parcels[ParcelColumn.ATTENTION, row] = 0
                continue
            if no_room_for_another(registers, commands, decisions, candidates, outcomes):
                parcels[ParcelColumn.DUE, row] = now  # the next frame goes on with it
                return
            parcels[ParcelColumn.ATTENTION, row] = 0
            if keeps_its_chute(
                parcels, row, attention, now, registers, line, chutes, window_days, rules, near,
                commands, outcomes,
            ) == 0:  # fmt: skip
                find_chute(
                    parcels, row, attention, now, registers, line, chutes, chute_state,
                    cell_groups, group_starts, group_chutes, overflow, outlets, rows, near,
                    choices, commands, decisions, candidates, outcomes,
                )  # fmt: skip
            set_due(parcels, row, registers, line, eyes, chutes)
        if registers[Register.PLACES_FREED] == freed_before:
            break
    registers[Register.CHUTES_IMPROVED] = 0
    registers[Register.CHUTES_WORSENED] = 0
