"""Choose a chute: groups of the stream in order, then of its overflow streams.

The plan is a compressed table from (grade, stream) to groups to chutes, so a decision costs what
its own candidates cost, however many chutes the line has. Every candidate looked at gets a row
with the verdict on it.
"""

from __future__ import annotations

from sorter.kernels.chute_verdicts import chute_verdict, fill_ppm
from sorter.kernels.divert import chute_travel, firing_distance
from sorter.kernels.jit import kernel
from sorter.model.codes import NONE, Cause, ChuteVerdict, DecisionReason
from sorter.model.columns import CandidateColumn, ChuteColumn, LineField
from sorter.model.frames import Rows
from sorter.model.tracking import ChoiceColumn, ParcelColumn, ParcelState, Register

CHOOSE_BALANCE = 1


@kernel("void(int64[:, ::1], int64[::1], int64, int64, int64)", inline=True)
def add_candidate(
    candidates: Rows, registers: Rows, decision: int, chute: int, verdict: int
) -> None:
    """Append one candidate with its verdict; count it as dropped when the buffer is full."""
    place = registers[Register.CANDIDATES]
    if place >= candidates.shape[0]:
        registers[Register.DROPPED_OUTPUTS] += 1
        return
    candidates[place, CandidateColumn.DECISION] = decision
    candidates[place, CandidateColumn.CHUTE] = chute
    candidates[place, CandidateColumn.VERDICT] = verdict
    registers[Register.CANDIDATES] = place + 1


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1], int64[::1],"
    " int64, int64, int64[::1], int64, int64[:, ::1], int64[::1])",
    inline=True,
)
def best_in_group(
    parcels: Rows,
    row: int,
    now: int,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    group_chutes: Rows,
    start: int,
    end: int,
    near: Rows,
    decision: int,
    candidates: Rows,
    registers: Rows,
) -> int:
    """Return the chute of one group that takes the parcel, or -1.

    ``first_fit`` takes the first possible one as listed. ``balance`` takes the emptiest, among
    equals the nearest downstream.
    """
    best = NONE
    best_place = 0
    best_fill = 0
    balance = line[LineField.CHOOSE] == CHOOSE_BALANCE
    for index in range(start, end):
        chute = group_chutes[index]
        verdict = chute_verdict(parcels, row, now, line, chutes, chute_state, chute, 0, near)
        place = registers[Register.CANDIDATES]
        if verdict == ChuteVerdict.CHOSEN:
            better = best == NONE
            if balance:
                fill = fill_ppm(chutes, chute_state, chute)
                if fill == best_fill and not better:
                    travel = chute_travel(parcels, row, line, chutes, chute, now)
                    better = travel < chute_travel(parcels, row, line, chutes, best, now)
                better = better or fill < best_fill
                if better:
                    best_fill = fill
            if not better:
                verdict = ChuteVerdict.NOT_BEST
            else:
                if best != NONE and best_place < candidates.shape[0]:
                    candidates[best_place, CandidateColumn.VERDICT] = ChuteVerdict.NOT_BEST
                best = chute
                best_place = place
        add_candidate(candidates, registers, decision, chute, verdict)
    return best


@kernel("int64(int64[:, ::1], int64, int64[::1], int64[::1])", inline=True)
def outlet_of(parcels: Rows, row: int, line: Rows, outlets: Rows) -> int:
    """Return the only chute for an exception or after the last lap, -1 for a planned parcel."""
    loop = line[LineField.LOOP_COUNTS]
    if loop > 0 and parcels[ParcelColumn.LAP, row] >= line[LineField.MAX_LAPS]:
        return int(outlets[Cause.NO_CHUTE])
    cause = parcels[ParcelColumn.CAUSE, row]
    return NONE if cause == NONE else outlets[cause]


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1], int64[::1],"
    " int64, int64[::1], int64, int64[::1], int64[:, ::1], int64[::1])",
    inline=True,
)
def route_to_outlet(
    parcels: Rows,
    row: int,
    now: int,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    outlets: Rows,
    outlet: int,
    near: Rows,
    decision: int,
    choice: Rows,
    candidates: Rows,
    registers: Rows,
) -> int:
    """Try the outlet of an exception, and the fallback if it is too small; return one, or -1."""
    cause = parcels[ParcelColumn.CAUSE, row]
    last_resort = outlet == outlets[Cause.NO_CHUTE]
    too_big = cause == Cause.OVER_SIZE or cause == Cause.OVER_WEIGHT  # noqa: PLR1714
    any_size = 1 if last_resort or too_big else 0
    verdict = chute_verdict(parcels, row, now, line, chutes, chute_state, outlet, any_size, near)
    add_candidate(candidates, registers, decision, outlet, verdict)
    choice[ChoiceColumn.SERVED_STREAM] = NONE
    choice[ChoiceColumn.REASON] = DecisionReason.EXCEPTION
    exhausted = parcels[ParcelColumn.LAP, row] >= line[LineField.MAX_LAPS]
    if exhausted and line[LineField.LOOP_COUNTS] > 0:
        choice[ChoiceColumn.REASON] = DecisionReason.LAPS_EXHAUSTED
    if verdict == ChuteVerdict.OVER_SIZE or verdict == ChuteVerdict.OVER_WEIGHT:  # noqa: PLR1714
        # It will fit no better in the next lap.
        outlet = outlets[Cause.NO_CHUTE]
        verdict = chute_verdict(parcels, row, now, line, chutes, chute_state, outlet, 1, near)
        add_candidate(candidates, registers, decision, outlet, verdict)
        choice[ChoiceColumn.REASON] = DecisionReason.OUTLET_TOO_SMALL
    return outlet if verdict == ChuteVerdict.CHOSEN else NONE


@kernel(
    "int64(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1], int64[::1],"
    " int64[::1], int64[::1], int64[::1], int64[::1], int64, int64[::1], int64[:, ::1],"
    " int64[::1])",
    inline=True,
)
def route_by_plan(
    parcels: Rows,
    row: int,
    now: int,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    near: Rows,
    decision: int,
    choice: Rows,
    candidates: Rows,
    registers: Rows,
) -> int:
    """Try the groups of the parcel's stream, then of the overflow streams; return a chute or -1."""
    streams = overflow.shape[0]
    served = parcels[ParcelColumn.STREAM, row]
    choice[ChoiceColumn.REASON] = DecisionReason.PLAN
    for _ in range(streams):
        if served == NONE:
            break
        choice[ChoiceColumn.SERVED_STREAM] = served
        cell = parcels[ParcelColumn.GRADE, row] * streams + served
        for group in range(cell_groups[cell], cell_groups[cell + 1]):
            chosen = best_in_group(
                parcels,
                row,
                now,
                line,
                chutes,
                chute_state,
                group_chutes,
                group_starts[group],
                group_starts[group + 1],
                near,
                decision,
                candidates,
                registers,
            )
            if chosen != NONE:
                return chosen
        served = overflow[served]
        choice[ChoiceColumn.REASON] = DecisionReason.OVERFLOW
    return NONE


@kernel(
    "int64(int64[:, ::1], int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " int64[::1], int64)"
)
def is_named(
    parcels: Rows,
    row: int,
    line: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    outlets: Rows,
    chute: int,
) -> int:
    """Return 1 when the plan names the chute for this parcel, free or not, near or not."""
    if parcels[ParcelColumn.STATE, row] == ParcelState.UNDECIDED:
        return 0
    outlet = outlet_of(parcels, row, line, outlets)
    if outlet != NONE:
        return 1 if chute == outlet else 0
    streams = overflow.shape[0]
    served = parcels[ParcelColumn.STREAM, row]
    for _ in range(streams):
        if served == NONE:
            break
        cell = parcels[ParcelColumn.GRADE, row] * streams + served
        first = group_starts[cell_groups[cell]]
        for index in range(first, group_starts[cell_groups[cell + 1]]):
            if group_chutes[index] == chute:
                return 1
        served = overflow[served]
    return 0


@kernel(
    "void(int64[:, ::1], int64, int64, int64[::1], int64[:, ::1], int64, int64[::1])", inline=True
)
def write_choice(
    parcels: Rows, row: int, now: int, line: Rows, chutes: Rows, chosen: int, choice: Rows
) -> None:
    """Write down when to fire for the chosen chute, or that there is none."""
    choice[ChoiceColumn.CHUTE] = chosen
    choice[ChoiceColumn.FIRE] = NONE
    choice[ChoiceColumn.COMMIT] = NONE
    choice[ChoiceColumn.TRAVEL] = NONE
    if chosen == NONE:
        choice[ChoiceColumn.SERVED_STREAM] = NONE
        choice[ChoiceColumn.REASON] = DecisionReason.NOTHING_FREE
        return
    travel = chute_travel(parcels, row, line, chutes, chosen, now)
    arrival = parcels[ParcelColumn.ANCHOR, row] + travel
    choice[ChoiceColumn.TRAVEL] = travel
    if chutes[ChuteColumn.LINE_END, chosen] == 1:
        choice[ChoiceColumn.FIRE] = arrival
        choice[ChoiceColumn.COMMIT] = arrival
        return
    fire = arrival - firing_distance(chutes, chosen)
    choice[ChoiceColumn.FIRE] = fire
    choice[ChoiceColumn.COMMIT] = fire - line[LineField.IO_ALLOWANCE]


@kernel(
    "void(int64[:, ::1], int64[::1], int64, int64, int64[::1], int64[:, ::1], int64[:, ::1],"
    " int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64,"
    " int64[:, ::1], int64[:, ::1], int64[::1])"
)
def route(
    parcels: Rows,
    rows: Rows,
    count: int,
    now: int,
    line: Rows,
    chutes: Rows,
    chute_state: Rows,
    cell_groups: Rows,
    group_starts: Rows,
    group_chutes: Rows,
    overflow: Rows,
    outlets: Rows,
    near: Rows,
    first_decision: int,
    choices: Rows,
    candidates: Rows,
    registers: Rows,
) -> None:
    """Route the parcels in table rows ``rows[:count]``, each as if it were alone.

    Parameters
    ----------
    parcels : int64[len(ParcelColumn), capacity]
        Read only: reserving is the caller's business.
    rows : int64[...]
    count, now : int
    line, chutes, chute_state, cell_groups, group_starts, group_chutes, overflow
        As in :class:`~sorter.model.layout.LineLayout` and :class:`~sorter.model.plan.SortPlan`.
    outlets : int64[len(Cause)]
        Chute of each exception cause; the fallback for causes without one.
    near : int64[count, NEAR_WIDTH]
        Neighbours, see :func:`~sorter.kernels.divert.find_neighbours`.
    first_decision : int
        Number written into the first parcel's candidate rows.
    choices : int64[count, len(ChoiceColumn)]
    candidates, registers
        Output rows and their number.
    """
    for index in range(count):
        row = rows[index]
        choice = choices[index]
        decision = first_decision + index
        choice[ChoiceColumn.FIRST_CANDIDATE] = registers[Register.CANDIDATES]
        outlet = outlet_of(parcels, row, line, outlets)
        if outlet == NONE:
            chosen = route_by_plan(
                parcels, row, now, line, chutes, chute_state, cell_groups, group_starts,
                group_chutes, overflow, near[index], decision, choice, candidates, registers,
            )  # fmt: skip
        else:
            chosen = route_to_outlet(
                parcels, row, now, line, chutes, chute_state, outlets, outlet, near[index],
                decision, choice, candidates, registers,
            )  # fmt: skip
        write_choice(parcels, row, now, line, chutes, chosen, choice)
        choice[ChoiceColumn.END_CANDIDATE] = registers[Register.CANDIDATES]
