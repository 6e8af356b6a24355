"""What can happen to records on their way into the mailbox."""

from __future__ import annotations

import pytest

from sim.driving import ONE, divert_all, started
from sim.mini import SECOND, MiniController
from sorter.model import mailbox as m
from sorter.model.codes import EventKind

PASSED, MEASURED = EventKind.PARCEL_PASSED, EventKind.PARCEL_MEASURED
FIRST_EYE = {"events": ["parcel_passed"], "source": "induct"}


def spoiled(mini: MiniController, words, check: int) -> bool:
    """Whether a slot's check word does not fit."""
    value = m.CHECK_SEED
    for word in words[:check].tolist():
        value = ((value << 1 | value >> 15) & 0xFFFF) ^ word
    return value != words[check]


def slot(mini: MiniController, seq: int):
    return mini.image.events[seq * m.EVENT_WORDS : (seq + 1) * m.EVENT_WORDS]


def after_start(mini: MiniController) -> list[tuple[int, int]]:
    """Kind and source of all events but those of the start; the mini controller sees no gap."""
    return [(e.kind, e.source) for e in mini.events if e.kind in (PASSED, MEASURED)]


def test_a_dropped_event_leaves_no_gap_and_no_sighting():
    mini = started(2, faults=[{"kind": "event_dropped", "times": 1, **FIRST_EYE}])
    mini.run(4)
    assert after_start(mini)[:3] == [(MEASURED, 0), (PASSED, 0), (PASSED, 1)]
    lost, seen = mini.rig.truth.parcels
    assert lost.faults == ("event_dropped",)
    assert [eye for eye, _, _ in lost.sightings] == [1]
    assert lost.induct_eye == 1
    assert seen.faults == ()
    assert next(eye for eye, _, _ in seen.sightings) == 0


def test_a_duplicated_event_has_two_sequences():
    mini = started(1, faults=[{"kind": "event_duplicated", "times": 1, **FIRST_EYE}])
    mini.run(3)
    one, other = [e for e in mini.events if e.kind == PASSED and e.source == 0]
    assert other.seq == one.seq + 1
    assert (one.encoder, one.tick, one.a) == (other.encoder, other.tick, other.a)
    assert mini.rig.truth.parcels[0].faults == ("event_duplicated",)
    assert len([s for s in mini.rig.truth.parcels[0].sightings if s[0] == 0]) == 1


def test_a_reordered_event_comes_behind_the_next_one():
    mini = started(1, faults=[{"kind": "event_reordered", "times": 1, **FIRST_EYE}])
    mini.run(3)
    assert after_start(mini) == [(MEASURED, 0), (PASSED, 0), (PASSED, 1)]
    assert mini.of(PASSED)[0].encoder < mini.of(MEASURED)[0].encoder


def test_a_reordered_event_waits_for_a_second_at_most():
    fault = {"kind": "event_reordered", "events": ["parcel_passed"], "source": "verify"}
    mini = started(1, faults=[fault])
    came_ns = []
    mini.on_event = lambda event: event.source == 1 and came_ns.append(mini.rig.now_ns)
    mini.run(5)
    edge_ns = mini.of(PASSED)[1].tick * 100_000
    # The trailing edge comes 120 ms behind the leading one; 5 ms are a scan.
    assert came_ns[-1] - edge_ns == pytest.approx(SECOND + 120_000_000, abs=10_000_000)


def test_a_delayed_event_keeps_the_time_of_its_edge():
    fault = {"kind": "event_delayed", "delay_ms": 300, **FIRST_EYE}
    came_ns = []

    def first_event_of(mini: MiniController):
        mini.on_event = lambda e: (
            (e.kind, e.source) == (PASSED, 0) and came_ns.append(mini.rig.now_ns)
        )
        mini.run(3)
        return next(e for e in mini.events if (e.kind, e.source) == (PASSED, 0))

    prompt, late = first_event_of(started(1)), first_event_of(started(1, faults=[fault]))
    assert (late.encoder, late.tick, late.a) == (prompt.encoder, prompt.tick, prompt.a)
    assert came_ns[1] - came_ns[0] == pytest.approx(300_000_000, abs=5_000_000)


def test_a_corrupted_event_has_a_wrong_check_or_means_nothing():
    wrong = {"kind": "event_corrupted", "events": ["parcel_passed"], "source": "induct"}
    nonsense = {**wrong, "source": "verify", "how": "nonsense"}
    mini = started(1, faults=[wrong, nonsense])
    mini.run(3)
    first, measured, second = mini.events[-3:]
    assert spoiled(mini, slot(mini, first.seq), m.EVENT_CHECK)
    assert not spoiled(mini, slot(mini, measured.seq), m.EVENT_CHECK)
    assert not spoiled(mini, slot(mini, second.seq), m.EVENT_CHECK)
    assert second.kind not in list(EventKind)
    assert mini.rig.truth.parcels[0].faults == ("event_corrupted", "event_corrupted")


def test_a_share_is_drawn_by_the_seed():
    def hit(seed: int) -> list[bool]:
        fault = {"kind": "event_dropped", "share": 0.3, **FIRST_EYE}
        mini = started(200, seed=seed, faults=[fault])
        divert_all(mini, ONE)
        mini.run(230)
        return [bool(parcel.faults) for parcel in mini.rig.truth.parcels]

    assert hit(1) == hit(1)
    assert hit(1) != hit(2)
    assert 40 < sum(hit(1)) < 80


def test_faults_begin_and_end_and_several_are_in_force_at_once():
    drop = {"kind": "event_dropped", "at_s": 2.5, "for_s": 2, **FIRST_EYE}
    double = {
        "kind": "event_duplicated",
        "at_s": 3,
        "for_s": 100,
        "events": ["parcel_passed"],
        "source": "verify",
    }
    mini = started(6, faults=[drop, double])
    mini.run(9)
    # Parcels pass the first eye at 0.12, 1.12, ... s and the second 1.4 s later.
    at_first = [e.encoder for e in mini.events if (e.kind, e.source) == (PASSED, 0)]
    assert [round((count - 1300) / 2500) for count in at_first[:4]] == [0, 1, 2, 5]
    at_second = [e.encoder for e in mini.events if (e.kind, e.source) == (PASSED, 1)]
    assert [at_second.count(count) for count in sorted(set(at_second))] == [1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ({"kind": "event_dropped"}, 0),
        ({"kind": "event_duplicated"}, 2),
        ({"kind": "event_corrupted"}, 1),
        ({"kind": "event_corrupted", "how": "nonsense"}, 1),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_scanner_results_can_be_hit_too(fault, left):
    mini = started(1, faults=[{**fault, "events": ["scan"], "source": "scanner"}])
    mini.rig.advance(4 * SECOND)
    assert mini.status32(m.STATUS_SCAN_HEAD) == left
    assert mini.rig.truth.parcels[0].faults == (fault["kind"],)
    if fault["kind"] == "event_corrupted":
        words = mini.image.scans[m.SCAN_WORDS : 2 * m.SCAN_WORDS]
        assert spoiled(mini, words, m.SCAN_CHECK) == ("how" not in fault)


def test_what_the_program_posts_can_be_hit_too():
    fault = {"kind": "event_dropped", "events": ["divert_fired", "chute_entered"]}
    mini = started(1, faults=[fault])
    divert_all(mini, ONE)
    mini.run_out(30)
    assert mini.of(EventKind.DIVERT_FIRED) == mini.of(EventKind.CHUTE_ENTERED) == []
    assert mini.rig.truth.by_chute()["one"] == 1
    assert mini.rig.truth.parcels[0].faults == ("event_dropped",)


def test_records_of_the_scan_ring_cannot_be_held_back():
    with pytest.raises(ValueError, match="leave scan out"):
        started(1, faults=[{"kind": "event_delayed", "delay_ms": 5, "events": ["scan"]}])
