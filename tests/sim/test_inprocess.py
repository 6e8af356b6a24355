"""Ports of the controller on a rig, feeds and scenario files."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plc_sim.arrivals import generate_feed
from plc_sim.feed import FeedError, FeedParcel, read_feed
from plc_sim.inprocess import InProcessBus, VirtualClock
from plc_sim.rig import Rig
from plc_sim.scenario import ScenarioFile, line_path, load_scenario
from sim.lines import rig, scenario
from sim.mini import SECOND, MiniController
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.host.generate import FeedRow, write_feed
from sorter.model import mailbox as m
from sorter.model.codes import EventKind
from sorter.ports import Clock, FieldBus

SCENARIOS = sorted((Path(__file__).parents[2] / "config" / "scenarios").glob("*.yaml"))


async def test_the_bus_moves_words_and_waiting_moves_time():
    shared = rig()
    bus: FieldBus = InProcessBus(shared)
    clock: Clock = VirtualClock(shared)
    await bus.connect()
    shared.start_arrivals()
    block = np.zeros(m.COMMAND_WORDS, np.uint16)
    block[m.COMMAND_EPOCH + 1] = 5
    block[m.COMMAND_BOOT_ID : m.COMMAND_BOOT_ID + 2] = shared.image.status[
        m.STATUS_BOOT_ID : m.STATUS_BOOT_ID + 2
    ]
    status = await bus.exchange(block)
    assert status.shape == (m.STATUS_WORDS,)
    await bus.wait(10 * SECOND)
    first = clock.now_ns()
    assert 0 < first < SECOND
    status = await bus.exchange(block)
    assert status[m.STATUS_CONTROLLER_EPOCH + 1] == 5
    head = int(status[m.STATUS_EVENT_HEAD + 1])
    slots = await bus.read_events(1, head)
    assert slots.shape == (head * m.EVENT_WORDS,)
    assert [int(slots[i * m.EVENT_WORDS + 1]) for i in range(head)] == list(range(1, head + 1))
    await bus.wait(clock.now_ns())
    assert clock.now_ns() == first
    while not status[m.STATUS_SCAN_HEAD + 1]:
        await bus.wait(clock.now_ns() + SECOND)
    scan = await bus.read_scans(1, 1)
    assert scan.shape == (m.SCAN_WORDS,)
    assert scan[1] == 1
    await bus.close()


async def test_waiting_without_news_ends_when_asked():
    shared = rig(0)
    await InProcessBus(shared).wait(3 * SECOND)
    assert VirtualClock(shared).now_ns() == 3 * SECOND


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            FeedRow,
            st.binary(max_size=40).map(lambda label: label.decode("utf-8", "surrogateescape")),
            st.integers(1, 2000),
            st.integers(0, 900),
            st.integers(0, 900),
            st.integers(0, 50_000),
            st.none() | st.integers(0, 10**9),
        ),
        max_size=20,
    )
)
def test_a_feed_survives_its_file(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("feed") / "feed.csv"
    assert write_feed(file, rows) == len(rows)
    assert read_feed(file) == [
        FeedParcel(row.label.encode("utf-8", "surrogateescape"), *astuple(row)[1:]) for row in rows
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("label,length_mm\n", "column height_mm, weight_g, width_mm is missing"),
        ("label,length_mm,width_mm,height_mm,weight_g\nA,x,1,1,1\n", r"feed.csv:2: "),
        ("label,length_mm,width_mm,height_mm,weight_g\nA,0,1,1,1\n", "must be positive"),
        ("label,length_mm,width_mm,height_mm,weight_g\nA,nan,1,1,1\n", "must be positive"),
        ("label,length_mm,width_mm,height_mm,weight_g\nA\n", r"feed.csv:2: "),
        (
            'label,length_mm,width_mm,height_mm,weight_g,note\nA,1,1,1,1,x\nB,1,1,1,1,"\nC,1,1,1,1,\n',
            r"feed.csv:3: not CSV: unexpected end of data",
        ),
        (
            'label,length_mm,width_mm,height_mm,weight_g\n"A\nB",1,1,1,1\nC,1,1,1,1,9\n',
            r"feed.csv:4: 6 fields where the header has 5",
        ),
    ],
)
def test_a_bad_feed_is_one_clear_error(tmp_path, text, problem):
    file = tmp_path / "feed.csv"
    file.write_text(text)
    with pytest.raises(FeedError, match=problem):
        read_feed(file)


def test_a_feed_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(FeedError, match="cannot be read"):
        read_feed(tmp_path / "none.csv")
    (tmp_path / "junk.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FeedError, match="cannot be read"):
        read_feed(tmp_path / "junk.csv")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_shipped_scenarios_run_on_the_default_line(path):
    described = load_scenario(path)
    line = load_yaml_model(line_path(path, described), LineFile)
    labels = [b"%06d" % row for row in range(120)]
    run = Rig(described, line, generate_feed(described.parcels, labels, 1), 1)
    mini = MiniController(run)
    run.start_arrivals()
    mini.run(65)
    assert run.released == 120
    # No controller sends anything: what was not taken off by hand is still going round.
    assert run.parcels_on_line + run.truth.by_end().get("removed", 0) == run.released
    assert len(mini.of(EventKind.PARCEL_PASSED)) > 300
    assert run.plc.event_overflow == 0


def test_generated_parcels_follow_seed_and_limits():
    sizes = ScenarioFile(kind="scenario", name="x").parcels
    first = generate_feed(sizes, [b"x"] * 500, 1)
    assert first == generate_feed(sizes, [b"x"] * 500, 1)
    assert first != generate_feed(sizes, [b"x"] * 500, 2)
    assert all(120 <= p.length_mm <= 600 and p.weight_g >= 30 for p in first)


def test_recorded_arrivals_come_when_they_were_recorded():
    parcels = [FeedParcel(b"A", arrive_ms=0), FeedParcel(b"B", arrive_ms=5500)]
    run = rig(parcels, arrivals={"process": "as_recorded"})
    run.start_arrivals()
    run.advance(10 * SECOND)
    assert [p.arrived_ns for p in run.truth.parcels] == [0, 5_500_000_000]


def test_a_scenario_with_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="speeed"):
        scenario(speeed=3)
