"""Every kernel agrees with its plain-Python oracle."""

from __future__ import annotations

import numpy as np
import oracles
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import chute_record, event, events, make_layout, make_policy, make_state, scan
from lines import scans as scan_rows
from strategies import LOOP, chute_records, line_records, parcel_records, sorting_lines

from sorter.core.decide import decide
from sorter.core.disposition import preview
from sorter.kernels.divert import chute_travel, find_neighbours, firing_distance
from sorter.kernels.routing import route
from sorter.kernels.tracking import nearest_parcel
from sorter.model.codes import (
    Cause,
    ChuteBit,
    ChuteVerdict,
    CommandKind,
    EventKind,
    ScanVerdict,
)
from sorter.model.columns import (
    CandidateColumn,
    ChuteColumn,
    ChuteStateColumn,
    CommandColumn,
    LineField,
    ScanColumn,
)
from sorter.model.frames import Inputs
from sorter.model.tracking import (
    NEAR_WIDTH,
    NEVER,
    ChoiceColumn,
    ParcelColumn,
    ParcelState,
    Register,
)

NOW = 200_000
EXAMPLES = settings(max_examples=120, deadline=None)


def line_vector(line: dict) -> np.ndarray:
    vector = np.zeros(len(LineField), np.int64)
    vector[LineField.LOOP_COUNTS] = line["loop"]
    vector[LineField.LENGTH_COUNTS] = LOOP
    vector[LineField.WINDOW] = line["window"]
    vector[LineField.LENGTH_TOLERANCE] = line["tolerance"]
    vector[LineField.IO_ALLOWANCE] = line["allowance"]
    vector[LineField.CHOOSE] = int(line["balance"])
    vector[LineField.MAX_LAPS] = 99
    return vector


def parcel_table(records: list[dict], loop: int) -> np.ndarray:
    parcels = np.full((len(ParcelColumn), max(1, len(records))), -1, np.int64)
    parcels[ParcelColumn.ID] = 0
    for row, record in enumerate(records):
        parcels[ParcelColumn.ID, row] = record["id"]
        for column, key in (
            (ParcelColumn.ANCHOR, "anchor"),
            (ParcelColumn.LENGTH, "length"),
            (ParcelColumn.SEEN_TRAVEL, "seen_travel"),
            (ParcelColumn.MISSED_EYES, "missed_eyes"),
            (ParcelColumn.INDUCT_TRAVEL, "induct"),
            (ParcelColumn.LAP, "lap"),
            (ParcelColumn.WIDTH_MM, "width"),
            (ParcelColumn.HEIGHT_MM, "height"),
            (ParcelColumn.WEIGHT_G, "weight"),
            (ParcelColumn.GRADE, "grade"),
            (ParcelColumn.STREAM, "stream"),
            (ParcelColumn.EXCLUDED, "excluded"),
            (ParcelColumn.CHUTE, "chute"),
            (ParcelColumn.FIRE, "fire"),
        ):
            parcels[column, row] = record[key]
        planned = record["chute"] >= 0
        parcels[ParcelColumn.STATE, row] = ParcelState.COMMANDED if planned else ParcelState.WAITING
        # the next eye is ahead in this round or the next: both must give the same answers
        parcels[ParcelColumn.ROUND, row] = record["travel"] // loop * loop if loop else 0
    return parcels


def chute_tables(records: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    chutes = np.zeros((len(ChuteColumn), len(records)), np.int64)
    states = np.zeros((len(ChuteStateColumn), len(records)), np.int64)
    for index, record in enumerate(records):
        chutes[:, index] = chute_record(record["position"], record["capacity"])
        chutes[ChuteColumn.ACTUATION, index] = record["actuation"]
        chutes[ChuteColumn.HOLD, index] = record["hold"]
        chutes[ChuteColumn.CAPACITY_LENGTH, index] = record["capacity_length"]
        bits = ChuteBit.OPEN * record["open"] | ChuteBit.JAMMED * record["jammed"]
        states[ChuteStateColumn.BITS, index] = bits | ChuteBit.FULL * record["full"]
        states[ChuteStateColumn.PARCELS, index] = record["parcels"]
        states[ChuteStateColumn.RESERVED, index] = record["reserved"]
        states[ChuteStateColumn.LENGTH, index] = record["content_length"]
        states[ChuteStateColumn.RESERVED_LENGTH, index] = record["reserved_length"]
    return chutes, states


@st.composite
def belts(draw: st.DrawFn) -> tuple[dict, list[dict]]:
    line = draw(line_records())
    count = draw(st.integers(1, 6))
    return line, [draw(parcel_records(NOW, line["loop"], i + 1)) for i in range(count)]


@EXAMPLES
@given(belts(), st.data())
def test_an_edge_belongs_to_the_parcel_the_oracle_names(belt: tuple, data: st.DataObject) -> None:
    line, records = belt
    chosen = data.draw(st.sampled_from(records))
    point = data.draw(st.integers(0, LOOP - 1))
    delay = data.draw(st.sampled_from([0, 400]))
    near = min(oracles.passes(chosen["anchor"], point, line["loop"]), key=lambda p: abs(p[0] - NOW))
    count = near[0] + delay + data.draw(st.integers(-150, 150))
    length = data.draw(st.sampled_from([None, chosen["length"], chosen["length"] + 50, 100]))
    row = nearest_parcel(
        parcel_table(records, line["loop"]), len(records), line_vector(line), point, delay, count,
        -1 if length is None else length,
    )  # fmt: skip
    expected = oracles.explains(records, line, point, delay, count, length)
    assert (None if row < 0 else records[row]["id"]) == expected


@EXAMPLES
@given(belts(), chute_records())
def test_a_divert_is_planned_for_the_pass_the_oracle_names(belt: tuple, chute: dict) -> None:
    line, records = belt
    parcels = parcel_table(records, line["loop"])
    chutes, _ = chute_tables([chute])
    for row, record in enumerate(records):
        travel = chute_travel(parcels, row, line_vector(line), chutes, 0, NOW)
        expected = oracles.reachable(record, chute, line, NOW)
        assert (travel == NEVER) == (expected is None)
        if expected is not None:
            fire = record["anchor"] + travel - firing_distance(chutes, 0)
            assert (fire, travel) == expected


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict, list[int]]:
    group = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)
    groups = {
        (grade, stream): draw(st.lists(group, max_size=2))
        for grade in range(4)
        for stream in range(3)
    }
    return groups, draw(st.sampled_from([[-1, -1, -1], [1, -1, -1], [1, 2, -1], [2, 0, -1]]))


@EXAMPLES
@given(sorting_lines(NOW), plans())
def test_routing_chooses_what_the_oracle_chooses(sorting: tuple, plan: tuple) -> None:
    line, records, chutes = sorting
    groups, overflow = plan
    cell_groups, starts, members = [0], [0], []
    for grade in range(4):
        for stream in range(3):
            for group in groups[grade, stream]:
                members.extend(group)
                starts.append(len(members))
            cell_groups.append(len(starts) - 1)
    loop = line["loop"]
    parcels = parcel_table(records, loop)
    built, states = chute_tables(chutes)
    count = len(records)
    near = np.zeros((count, NEAR_WIDTH), np.int64)
    reach = max(chute["actuation"] + chute["hold"] for chute in chutes) + line["window"] + 1
    for row in range(count):
        find_neighbours(parcels, count, row, loop, reach, near[row])
    choices = np.zeros((count, len(ChoiceColumn)), np.int64)
    candidates = np.zeros((200, 3), np.int64)
    registers = np.zeros(len(Register), np.int64)
    route(
        parcels, np.arange(count), count, NOW, line_vector(line), built, states,
        np.array(cell_groups), np.array(starts), np.array(members, np.int64), np.array(overflow),
        np.zeros(len(Cause), np.int64), near, 0, choices, candidates, registers,
    )  # fmt: skip
    for row, record in enumerate(records):
        expected = oracles.choose(record, records, chutes, line, groups, overflow, NOW)
        choice = choices[row]
        looked = candidates[
            choice[ChoiceColumn.FIRST_CANDIDATE] : choice[ChoiceColumn.END_CANDIDATE]
        ]
        verdicts = [
            (int(c[CandidateColumn.CHUTE]), ChuteVerdict(int(c[CandidateColumn.VERDICT])).name)
            for c in looked
        ]
        got = (int(choice[ChoiceColumn.CHUTE]), int(choice[ChoiceColumn.SERVED_STREAM]), verdicts)
        assert got == expected


@EXAMPLES
@given(
    verdict=st.sampled_from(list(ScanVerdict)),
    known=st.booleans(),
    grade=st.integers(0, 4),
    category=st.integers(-1, 2),
    hazmat=st.booleans(),
    country=st.integers(-1, 1),
    days=st.integers(-1, 40),
    length=st.sampled_from([-1, 600, 601]),
    weight=st.sampled_from([-1, 20_000, 20_001]),
)
def test_the_class_is_the_one_the_oracle_names(
    verdict: ScanVerdict, known: bool, grade: int, category: int, hazmat: bool, country: int,
    days: int, length: int, weight: int,
) -> None:  # fmt: skip
    row = np.array(scan(0, ScanVerdict.READ, known=int(known), grade=grade, category=category))
    row[ScanColumn.VERDICT] = verdict
    row[ScanColumn.HAZMAT] = hazmat
    row[ScanColumn.COUNTRY] = country
    row[ScanColumn.DAYS_HELD] = days
    got = preview(make_policy(), make_layout(), row, length_counts=length, weight_g=weight)
    common = {"grades": {0, 1, 2, 3}, "reasons": None, "value_from": 0, "value_to": 1 << 40}
    policy = {
        "window_days": {0: 14, 1: 14},
        "default_window": 30,
        "rules": [
            {**common, "categories": {0}, "hazmat": False, "disposition": 0, "stream": 0},
            {**common, "categories": {1}, "hazmat": False, "disposition": 3, "stream": 1},
            {**common, "categories": {1}, "hazmat": True, "disposition": 3, "stream": 1},
        ],
    }
    parcel = {
        "unexpected": False, "verdict": verdict.name, "known": known, "grade": grade,
        "category": category, "reason": 0, "hazmat": hazmat, "value": 1000, "country": country,
        "days": days, "length": length, "width": -1, "height": -1, "weight": weight,
    }  # fmt: skip
    limits = {"max_length": 600, "max_width": 450, "max_height": 400, "max_weight": 20_000}
    disposition, stream, cause = oracles.classify(parcel, limits, policy)
    assert got == (disposition, stream, -1 if cause is None else Cause[cause])


@settings(max_examples=30, deadline=None)
@given(waiting=st.integers(1, 6), capacity=st.integers(1, 5), inside=st.integers(0, 5))
def test_a_chute_that_opens_gives_its_places_to_the_first_waiting_parcels(
    waiting: int, capacity: int, inside: int
) -> None:
    state = make_state(scale=False)
    state.layout.chutes[ChuteColumn.CAPACITY, 3] = capacity
    state.chutes[ChuteStateColumn.PARCELS, 3] = inside
    state.chutes[ChuteStateColumn.BITS, 3] = 0
    for index in range(waiting):
        at = 10_000 + 400 * index
        decide(state, Inputs(1, 6, at + 200, events(event(EventKind.PARCEL_PASSED, 0, at, 150))), 0)
    for index in range(waiting):
        at = 12_500 + 400 * index
        read = scan(at, identity=index + 1, category=1)
        decided = decide(state, Inputs(1, 6, at + 160, scans=scan_rows(read)), 0)
        assert len(decided.commands) == 0
    opened = events(event(EventKind.CHUTE_CHANGED, 3, 15_001, 0, ChuteBit.OPEN))
    decided = decide(state, Inputs(1, 6, 15_001, opened), 0)
    places = oracles.seats(waiting, capacity, inside)
    assert decided.commands[:, CommandColumn.PARCEL].tolist() == list(range(1, places + 1))
    assert (decided.commands[:, CommandColumn.KIND] == CommandKind.FIRE_DIVERT).all()
