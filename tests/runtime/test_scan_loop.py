"""The loop with real parts: core, journal, host; the PLC program on the bench, then the plant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import structlog
from plc_bench import Bench

from plc_sim.feed import FeedParcel
from plc_sim.inprocess import InProcessBus, VirtualClock
from plc_sim.rig import Rig
from plc_sim.scenario import load_scenario
from sorter.config.load import LoadedLine, load_line
from sorter.config.models import Mailbox
from sorter.core.decide import decide
from sorter.core.state import State
from sorter.errors import JournalError, LinkError, LinkLost
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.codes import FinalDisposition
from sorter.model.frames import Decisions, Inputs
from sorter.ports import Clock, FieldBus
from sorter.runtime.journal import InlineJournal, RunInfo
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.metrics import LineMetrics
from sorter.runtime.scan_loop import LoopTiming, ScanLoop
from sorter.runtime.supervisor import LinkPolicy, LinkSupervisor

CONFIG = Path(__file__).parents[2] / "config"
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def line() -> LoadedLine:
    return load_line(CONFIG / "line.yaml")


class Parts:
    """A controller around one bus."""

    def __init__(
        self,
        line: LoadedLine,
        bus: FieldBus,
        clock: Clock,
        mailbox: Mailbox,
        journal: InlineJournal | None = None,
    ) -> None:
        self.bus = bus
        self.registry = Registry.create(":memory:")
        self.journal = journal or InlineJournal(
            None, RunInfo(line.layout, line.plan, line.files, {}, 2048), commit_steps=1
        )
        self.state = State.create(line.layout, line.plan, line.policy)
        self.client = MailboxClient(bus, mailbox, 5)
        self.pauses: list[float] = []
        self.link = LinkSupervisor(
            bus, clock, np.random.default_rng(3), LinkPolicy(frozen_after_ms=300), self.pause
        )
        self.metrics = LineMetrics(line.layout)
        self.steps: list[Inputs] = []
        self.ready = 0
        self.loop = ScanLoop(
            client=self.client,
            bus=bus,
            supervisor=self.link,
            clock=clock,
            host=RegistryHost(self.registry, line.policy),
            journal=self.journal,
            state=self.state,
            decide=self.recorded,
            metrics=self.metrics,
            timing=LoopTiming(period_ns=50_000_000, startup_s=2.0),
            on_ready=self.note_ready,
        )

    def note_ready(self) -> None:
        self.ready += 1

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def recorded(self, state: State, inputs: Inputs, now_ns: int) -> Decisions:
        self.steps.append(inputs)
        return decide(state, inputs, now_ns)

    async def run(self, finished: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.loop.run(finished)
        finally:
            self.registry.close()

    def event_seqs(self) -> list[int]:
        return [seq for step in self.steps for seq in step.events[:, 0].tolist()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def parts(line: LoadedLine, bench: Bench) -> Parts:
    return Parts(line, bench, bench, bench.mailbox)


async def test_events_are_decided_on_journaled_and_acknowledged(parts: Parts, bench: Bench) -> None:
    await parts.run(lambda: bench.exchanges >= 10)
    assert parts.event_seqs() == [1, 2, 3, 4]
    assert parts.journal.acknowledged().event_seq == 4
    status = bench.image.status
    assert status[17:19].tolist() == [0, 4], "the PLC was told what is safe"
    assert parts.ready == 1
    assert bench.closed == 1
    assert parts.metrics.loops == 10
    assert len(parts.metrics.latency_ns()) == 1
    assert not parts.metrics.ready


async def test_idle_frames_are_not_journaled(parts: Parts, bench: Bench) -> None:
    journaled = []
    append = parts.journal.append

    def counted(*step: object) -> None:
        journaled.append(step)
        append(*step)  # type: ignore[arg-type]

    parts.journal.append = counted  # type: ignore[method-assign,assignment]
    await parts.run(lambda: bench.exchanges >= 50)
    assert len(parts.steps) == 50
    assert len(journaled) == 1


async def test_what_a_frozen_plc_answers_is_not_decided_on(parts: Parts, bench: Bench) -> None:
    """It answers, and its program stands: no step, no command, an alarm, the link given up."""
    frozen_from = 10
    steps_when_stale: list[int] = []
    seen_up: list[bool] = []

    def finished() -> bool:
        if bench.exchanges == frozen_from and not parts.link.reconnects:
            bench.running = False
        if parts.metrics.stale_frames:
            steps_when_stale.append(len(parts.steps))
            seen_up.append(parts.metrics.ready)
        if parts.link.reconnects == 3 and not bench.running:
            bench.running = True
            bench.edge(2)
        return parts.event_seqs()[-2:] == [5, 6] and parts.link.up

    with structlog.testing.capture_logs() as logs:
        await parts.run(finished)
    before_edges = [count for count in steps_when_stale if count == steps_when_stale[0]]
    assert len(before_edges) > 10, "answers came, and none was decided on"
    assert not any(seen_up[1 : len(before_edges)])
    events = [log["event"] for log in logs if log["event"].startswith("link")]
    assert events[:3] == ["link_stale", "link_down", "link_connected"]
    assert events[-1] == "link_fresh"
    assert events.count("link_stale") == 1
    assert "heartbeat has not moved" in next(
        log["problem"] for log in logs if log["event"] == "link_down"
    )


async def test_broken_link_is_mended_and_nothing_is_lost(parts: Parts, bench: Bench) -> None:
    def finished() -> bool:
        if bench.exchanges == 5:
            bench.exchanges += 1
            bench.edge(3)
            bench.connect_faults = [LinkLost("bench", "refused")] * 3
            bench.faults = [None, LinkLost("bench", "cut")]
        if bench.exchanges == 9:
            bench.exchanges += 1
            bench.edge(30)
            bench.faults = [None, None, None, LinkLost("bench", "cut in the ring")]
        return bench.exchanges >= 20

    with structlog.testing.capture_logs() as logs:
        await parts.run(finished)
    assert parts.event_seqs() == list(range(1, 38))
    assert parts.link.reconnects == 2
    assert parts.link.failures == 3
    assert len(parts.pauses) == 5
    events = [log["event"] for log in logs if log["event"].startswith("link")]
    assert events == [
        *("link_down", *["link_not_connected"] * 3, "link_connected"),
        *("link_down", "link_connected"),
    ]
    assert parts.link.up


async def test_frozen_plc_counts_as_link_down_until_it_moves_again(
    parts: Parts, bench: Bench
) -> None:
    seen_down = []

    def finished() -> bool:
        bench.running = not 10 <= bench.exchanges < 60
        if not parts.link.up:
            seen_down.append(bench.exchanges)
        return bench.exchanges >= 90

    with structlog.testing.capture_logs() as logs:
        await parts.run(finished)
    assert any("heartbeat has not moved" in log.get("problem", "") for log in logs)
    assert max(seen_down) >= 55, "down for as long as it was frozen"
    assert parts.link.up
    assert parts.event_seqs() == [1, 2, 3, 4]


async def test_plc_restart_reaches_decide_as_another_boot(parts: Parts, bench: Bench) -> None:
    restarted = []

    def finished() -> bool:
        if bench.exchanges == 6 and not restarted:
            restarted.append(True)
            bench.encoder = 50
            bench.start(boot_id=8)
        return bench.exchanges >= 14

    await parts.run(finished)
    boots = [step.boot_id for step in parts.steps]
    assert boots == sorted(boots)
    assert set(boots) == {7, 8}
    assert parts.event_seqs() == [1, 2, 3, 4, 1, 2, 3, 4]
    assert parts.state.boot_id == 8


async def test_start_without_a_plc_fails_with_one_error_and_closes(
    parts: Parts, bench: Bench
) -> None:
    bench.connect_faults = [LinkLost("bench", "refused")] * 1000

    async def turn_clock(seconds: float) -> None:
        bench.now += int(seconds * 1e9)

    parts.link._pause = turn_clock
    with pytest.raises(LinkError, match="not connected within 2 s: refused"):
        await parts.run(lambda: False)
    assert bench.closed == 1
    assert not parts.steps


@pytest.mark.parametrize("connected", [True, False])
async def test_a_stop_before_the_first_step_leaves_the_state_as_it_was_found(
    line: LoadedLine, bench: Bench, tmp_path: Path, connected: bool
) -> None:
    """A snapshot of its own would lay a time that nobody knows over the one that is known."""
    known = State.create(line.layout, line.plan, line.policy).to_bytes()
    path = tmp_path / "journal.sqlite"
    info = RunInfo(line.layout, line.plan, line.files, {}, 2048, known, initial_tick_100us=4711)
    parts = Parts(line, bench, bench, bench.mailbox, InlineJournal(path, info))
    questions = 0

    def finished() -> bool:
        nonlocal questions
        questions += 1
        return bench.connections > 0 if connected else questions > 1

    await parts.run(finished)
    assert bench.connections == int(connected)
    assert (parts.steps, bench.exchanges) == ([], 0)
    with JournalReader(path) as reader:
        run = reader.last_run()
        assert run is not None
        assert run.ended_cleanly
        assert [snapshot.tick_100us for snapshot in reader.snapshots(run)] == [4711]
        assert not list(reader.steps(run.first_step, run.next_step))


async def test_journal_that_cannot_keep_a_step_stops_the_line(parts: Parts, bench: Bench) -> None:
    def full(*_step: object) -> None:
        raise JournalError("disk full")

    parts.journal.append = full  # type: ignore[method-assign]
    with pytest.raises(JournalError, match="disk full"):
        await parts.run(lambda: False)
    assert bench.closed == 1


async def test_other_tasks_run_although_the_bus_never_suspends(parts: Parts, bench: Bench) -> None:
    stop = asyncio.Event()

    async def signal() -> None:
        stop.set()

    assert await parts.link.connect(1.0)
    task = asyncio.create_task(signal())
    await parts.run(stop.is_set)
    await task
    assert 200 <= bench.exchanges <= 300


def _sort(line: LoadedLine, parcels: int, seed: int) -> tuple[Parts, Rig]:
    scenario = load_scenario(CONFIG / "scenarios" / "ideal.yaml")
    feed = [
        FeedParcel(f"UNKNOWN-{number}".encode(), 300, 200, 100, 900, 400.0 * number)
        for number in range(parcels)
    ]
    rig = Rig(scenario, line.line_file, feed, seed)
    parts = Parts(line, InProcessBus(rig), VirtualClock(rig), line.line_file.io.mailbox)
    rig.start_arrivals()
    asyncio.run(parts.run(lambda: rig.finished and not parts.state.tracked_count()))
    return parts, rig


def test_whole_line_in_process_sorts_and_repeats_bit_for_bit(line: LoadedLine) -> None:
    """Parcels nobody announced: all go to the outlet for no-data, on the real plant."""
    first, rig = _sort(line, 60, 4)
    outlet = line.layout.chute_names[line.plan.exception_chutes[2]]
    assert {row["chute"] for row in rig.truth.rows()} == {outlet}
    assert first.metrics.disposition_count(FinalDisposition.REJECTED) == 60
    assert first.metrics.opened == 60
    assert first.metrics.missed_deadlines.sum() == 0
    assert len(first.metrics.slack_ms()) >= 60
    assert first.metrics.slack_ms().min() > 0
    second, _ = _sort(line, 60, 4)
    assert second.journal.sha256_hex() == first.journal.sha256_hex()
    other, _ = _sort(line, 61, 4)
    assert other.journal.sha256_hex() != first.journal.sha256_hex()
