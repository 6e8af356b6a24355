"""Whatever happens on the line, the books balance."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from lines import event, make_state, scan
from world import World

from sorter.core.decide import decide
from sorter.core.state import State
from sorter.model.codes import (
    Cause,
    ChuteBit,
    CommandKind,
    EventKind,
    FinalDisposition,
    OutcomeKind,
    ScanVerdict,
)
from sorter.model.columns import (
    ChuteColumn,
    ChuteStateColumn,
    CommandColumn,
    DecisionColumn,
    OutcomeColumn,
)
from sorter.model.tracking import ParcelColumn, ParcelState, Register

READS = st.one_of(
    st.none() | st.just(scan(0, category=1)),
    st.builds(
        lambda identity, grade, category, hazmat, days: scan(
            0, identity=identity, grade=grade, category=category, hazmat=hazmat, days_held=days
        ),
        st.integers(1, 1000),
        st.integers(0, 4),
        st.integers(0, 2),
        st.integers(0, 1),
        st.sampled_from([3, 40]),
    ),
    st.just(scan(0, ScanVerdict.CONFLICT)),
)


class Line(RuleBasedStateMachine):
    """Random life of a line, checked after every frame."""

    @initialize(loop=st.booleans())
    def build(self, loop: bool) -> None:
        self.world = World(loop=loop)
        self.twin = make_state(loop=loop, capacity=3)
        self.opened: Counter[int] = Counter()
        self.closed: Counter[int] = Counter()

    def take_frame(self) -> None:
        world = self.world
        tracked = set(world.state.parcels[ParcelColumn.ID].tolist()) - {0}
        inputs, decided = world.step()
        again = decide(self.twin, inputs, 1)
        for name in ("commands", "decisions", "candidates", "outcomes"):
            assert np.array_equal(getattr(decided, name), getattr(again, name))
        assert world.state.to_bytes() == self.twin.to_bytes()
        for row in decided.outcomes.tolist():
            parcel = row[OutcomeColumn.PARCEL]
            if row[OutcomeColumn.KIND] == OutcomeKind.MODE_CHANGED:
                continue
            if row[OutcomeColumn.KIND] == OutcomeKind.OPENED:
                self.opened[parcel] += 1
            else:
                assert self.opened[parcel] == 1, "heard of before it was opened"
                assert not self.closed[parcel], "heard of after it was closed"
            self.closed[parcel] += row[OutcomeColumn.KIND] == OutcomeKind.CLOSED
        seqs = decided.commands[:, CommandColumn.SEQ]
        assert (np.diff(seqs) == 1).all()
        for row in decided.commands.tolist():
            parcel = row[CommandColumn.PARCEL]
            assert parcel in tracked or self.opened[parcel]
            if row[CommandColumn.KIND] == CommandKind.FIRE_DIVERT:
                assert not self.closed[parcel]
                assert row[CommandColumn.FIRE] > world.encoder, "command for a past position"
        world.command(decided)

    @rule(length=st.integers(120, 600), read=READS, counts=st.integers(150, 900))
    def induct(self, length: int, read: list[int] | None, counts: int) -> None:
        self.world.enter(length, read)
        self.advance(counts)

    @rule(counts=st.integers(1, 1500))
    def advance(self, counts: int) -> None:
        for part in (counts // 3, counts // 3, counts - 2 * (counts // 3)):
            if part:
                self.world.advance(part)
                self.take_frame()

    @rule(rounds=st.integers(1, 6))
    def run_long(self, rounds: int) -> None:
        for _ in range(rounds * 4):
            self.advance(900)

    @rule(chute=st.integers(0, 6), bits=st.sampled_from([0, 1, 1, 5, 9]))
    def change_chute(self, chute: int, bits: int) -> None:
        world = self.world
        if world.chutes[ChuteColumn.LINE_END, chute] == 0:
            world.bits[chute] = bits
            changed = event(EventKind.CHUTE_CHANGED, chute, world.encoder, 0, bits)
            world.post(world.encoder, changed)

    @rule(chute=st.integers(0, 6), taken=st.integers(0, 3))
    def empty_chute(self, chute: int, taken: int) -> None:
        world = self.world
        world.post(world.encoder, event(EventKind.CHUTE_EMPTIED, chute, world.encoder, taken))

    @rule(what=st.sampled_from(["blind_eyes", "broken_diverts", "blind_scans"]))
    def break_something(self, what: str) -> None:
        setattr(self.world, what, 1 + getattr(self.world, what))

    @rule(what=st.lists(st.sampled_from(["dropped", "doubled", "delayed", ""]), max_size=6))
    def tamper_with_records(self, what: list[str]) -> None:
        self.world.tampered = what

    @rule(zone=st.integers(0, 1))
    def clear_zone(self, zone: int) -> None:
        self.world.clear(zone)

    @rule(chute=st.integers(0, 6))
    def clear_zone_behind_a_divert(self, chute: int) -> None:
        """Clear the zone of a chute while a parcel slides into it."""
        world = self.world
        for _ in range(40):
            if world.sliding(chute):
                start = world.state.layout.zones[0]
                self.clear_zone(int(world.chutes[ChuteColumn.POSITION, chute] >= start[1]))
                return
            self.advance(100)

    @rule(delay=st.sampled_from([0, 60, 140, 400, 1500]))
    def delay_the_link(self, delay: int) -> None:
        self.world.link_delay = delay

    @rule()
    def restart_plc(self) -> None:
        world = self.world
        world.boot_id += 1
        world.pending.clear()
        world.posted.clear()
        world.scanned.clear()

    @rule()
    def restart_controller(self) -> None:
        snapshot = self.world.state.to_bytes()
        self.twin = make_state(loop=self.world.loop, capacity=3)
        self.twin.restore(snapshot)

    @invariant()
    def reservations_are_the_parcels_on_their_way(self) -> None:
        state: State = self.world.state
        parcels = state.parcels
        for chute in range(state.chutes.shape[1]):
            bound = (parcels[ParcelColumn.ID] != 0) & (parcels[ParcelColumn.CHUTE] == chute)
            assert state.chutes[ChuteStateColumn.RESERVED, chute] == bound.sum()
            length = parcels[ParcelColumn.LENGTH][bound].sum()
            assert state.chutes[ChuteStateColumn.RESERVED_LENGTH, chute] == length

    @invariant()
    def diverts_of_one_diverter_do_not_overlap(self) -> None:
        parcels = self.world.state.parcels
        planned = (parcels[ParcelColumn.ID] != 0) & (
            (parcels[ParcelColumn.STATE] == ParcelState.COMMANDED)
            | (parcels[ParcelColumn.STATE] == ParcelState.FIRED)
        )
        for chute in range(7):
            fires = np.sort(
                parcels[ParcelColumn.FIRE][planned & (parcels[ParcelColumn.CHUTE] == chute)]
            )
            assert (np.diff(fires) > self.world.chutes[ChuteColumn.HOLD, chute]).all()

    @invariant()
    def counts_agree(self) -> None:
        tracked = sum(self.opened.values()) - sum(self.closed.values())
        assert self.world.state.tracked_count() == tracked
        assert self.world.state.registers[Register.DROPPED_OUTPUTS] == 0

    def teardown(self) -> None:
        """Mend everything and run empty: every parcel has got exactly one final disposition."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.tampered = []
        world.blind_eyes = world.broken_diverts = world.blind_scans = world.link_delay = 0
        for chute in range(7):
            self.change_chute(chute, 1)
        for _ in range(150):
            for chute in range(7):
                self.empty_chute(chute, 0)
            self.advance(900)
        assert world.state.tracked_count() == 0
        assert all(count == 1 for count in self.opened.values())
        assert all(self.closed[parcel] == 1 for parcel in self.opened)


Line.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLine = Line.TestCase


def run_empty(world: World, frames: int = 400) -> list[list[int]]:
    outcomes = []
    for _ in range(frames):
        world.advance(150)
        _, decided = world.step()
        world.command(decided)
        outcomes += decided.outcomes.tolist()
    return outcomes


def closings(outcomes: list[list[int]]) -> list[tuple[int, int, int]]:
    return [
        (row[OutcomeColumn.VALUE], row[OutcomeColumn.CHUTE], row[OutcomeColumn.CAUSE])
        for row in outcomes
        if row[OutcomeColumn.KIND] == OutcomeKind.CLOSED
    ]


@pytest.mark.parametrize("loop", [True, False])
def test_without_faults_every_parcel_gets_where_its_class_belongs(loop: bool) -> None:
    world = World(loop=loop)
    expected = []
    outcomes = []
    for index, (category, chute) in enumerate([(0, 0), (1, 3), (0, 0), (2, 6)]):
        assert world.enter(200 + index, scan(0, identity=index + 1, category=category))
        outcomes += run_empty(world, 20)
        final, cause = FinalDisposition.SORTED, -1
        if category == 2:
            final, cause = FinalDisposition.REJECTED, Cause.NO_RULE
        expected.append((final, chute, cause))
    outcomes += run_empty(world)
    assert sorted(closings(outcomes)) == sorted(expected)
    assert not [row for row in outcomes if row[OutcomeColumn.KIND] == OutcomeKind.EYE_MISSED]


def test_records_that_all_come_twice_change_nothing() -> None:
    stories = []
    for doubled in (False, True):
        world = World(loop=True)
        outcomes = []
        for identity in range(1, 5):
            world.tampered = ["doubled"] * 1_000 * doubled
            assert world.enter(300, scan(0, identity=identity, category=identity % 2))
            outcomes += run_empty(world, 20)
        outcomes += run_empty(world, 100)
        assert world.state.chutes[ChuteStateColumn.PARCELS, 3] == 2
        world.tampered = ["doubled"] * 1_000 * doubled
        empties = event(EventKind.CHUTE_EMPTIED, 3, world.encoder, 1)
        world.post(world.encoder, empties)
        outcomes += run_empty(world)
        stories.append((closings(outcomes), world.state.chutes[ChuteStateColumn.PARCELS].tolist()))
    assert stories[0] == stories[1]
    assert len(stories[0][0]) == 4


def test_a_failed_divert_does_not_shift_the_queue() -> None:
    world = World(loop=True)
    for identity in (1, 2, 3):
        assert world.enter(300, scan(0, identity=identity, category=1))
        run_empty(world, 7)
    world.broken_diverts = 1
    outcomes = run_empty(world, 500)
    assert closings(outcomes) == [(FinalDisposition.SORTED, 3, -1)] * 3
    missed = [r for r in outcomes if r[OutcomeColumn.KIND] == OutcomeKind.PASSED]
    assert [r[OutcomeColumn.PARCEL] for r in missed] == [1, 2, 3, 1]


def test_a_parcel_goes_round_until_its_laps_are_used_up() -> None:
    world = World(loop=True)
    for chute in range(4):
        world.bits[chute] = 0
        world.post(world.encoder, event(EventKind.CHUTE_CHANGED, chute, world.encoder, 0, 0))
    assert world.enter(300, scan(0, category=1))
    outcomes = run_empty(world, 500)
    laps = [r for r in outcomes if r[OutcomeColumn.KIND] == OutcomeKind.RECIRCULATED]
    assert [r[OutcomeColumn.VALUE] for r in laps] == [1, 2]
    assert closings(outcomes) == [(FinalDisposition.REJECTED, 6, Cause.NO_CHUTE)]


def test_an_edge_nobody_expects_goes_to_the_tracking_lost_outlet() -> None:
    world = World(loop=True)
    world.blind_eyes = 1
    assert world.enter(300, scan(0))
    assert closings(run_empty(world)) == [(FinalDisposition.REJECTED, 5, Cause.TRACKING_LOST)]


def test_a_late_chute_change_reroutes_before_the_commit_point() -> None:
    world = World(loop=True)
    assert world.enter(300, scan(0))
    run_empty(world, 22)
    assert world.pending[1][1] == 0
    world.bits[0] = int(ChuteBit.OPEN | ChuteBit.FULL)
    world.post(world.encoder, event(EventKind.CHUTE_CHANGED, 0, world.encoder, 0, world.bits[0]))
    world.advance(1)
    _, decided = world.step()
    assert decided.decisions[0, DecisionColumn.CHUTE] == 1
    world.command(decided)
    assert closings(run_empty(world)) == [(FinalDisposition.SORTED, 1, -1)]


def test_a_full_table_loses_nothing_silently() -> None:
    world = World(loop=True)
    world.state = make_state()
    world.state.registers[Register.CAPACITY] = 1
    assert world.enter(200, scan(0))
    run_empty(world, 7)
    assert world.enter(200, scan(0))
    outcomes = run_empty(world, 8)
    assert closings(outcomes) == [(FinalDisposition.LOST, -1, Cause.TRACKING_FULL)]


def test_a_plc_restart_closes_what_was_on_the_line() -> None:
    world = World(loop=True)
    assert world.enter(200, scan(0))
    run_empty(world, 22)
    world.boot_id += 1
    _, decided = world.step()
    assert closings(decided.outcomes.tolist()) == [(FinalDisposition.LOST, -1, Cause.PLC_RESTARTED)]
    assert world.state.command_seq == 0
    assert world.state.chutes[ChuteStateColumn.RESERVED].sum() == 0


@pytest.mark.parametrize("loop", [True, False])
@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(st.integers(7, 20), min_size=1, max_size=6),
    delay=st.sampled_from([0, 50, 140]),
    clears=st.sets(st.integers(0, 130), max_size=3),
)
def test_clearing_zones_opens_no_parcel_twice(
    loop: bool, gaps: list[int], delay: int, clears: set[int]
) -> None:
    """Without a fault each parcel has one life: sorted, removed, or lost near a border."""
    world = World(loop=loop)
    world.link_delay = delay
    arrivals = {sum(gaps[:index]): index + 1 for index in range(len(gaps))}
    outcomes = []
    for frame in range(130):
        if frame in arrivals:
            assert world.enter(250, scan(0, identity=arrivals[frame], category=frame % 2))
        if frame in clears:
            world.clear(frame % 2)
        outcomes += run_empty(world, 1)
    outcomes += run_empty(world)
    assert world.state.tracked_count() == 0
    finals = closings(outcomes)
    assert len(finals) <= len(gaps)
    assert not [final for final in finals if final[2] == Cause.TRACKING_LOST]
    assert FinalDisposition.MISSORTED not in [final for final, _, _ in finals]
    # A chute holds three: what finds all of them full runs into the one at the line's end.
    ended = (FinalDisposition.SORTED, FinalDisposition.REJECTED)
    assert sum(final in ended for final, _, _ in finals) == world.entered
