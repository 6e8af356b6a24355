"""A line in this process whose controller can be killed at any exchange and started again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from plc_sim.feed import FeedParcel
from plc_sim.inprocess import InProcessBus, VirtualClock
from plc_sim.plc_kernels import Memory
from plc_sim.rig import Rig
from plc_sim.scenario import ScenarioFile
from sorter.app.assembly import Controller, assemble
from sorter.app.closed import FeedRow, announce_returns, pause_on
from sorter.app.recovery import Recovery, TakenOver
from sorter.config.load import LoadedLine
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.frames import Decisions, Inputs, ScanRead, Words
from sorter.ports import Acknowledged
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_parcels import Tally
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.journal_writer import BeginRun
from sorter.runtime.reconcile import Reconciliation, reconcile_rows
from sorter.runtime.replay import replay
from sorter.runtime.scan_loop import LoopTiming

MS = 1_000_000
LOOK_MS = 10.0


class Killed(BaseException):
    """The controller ends here and now; nothing of its own runs any more."""


@dataclass(frozen=True)
class Kill:
    """When a controller dies and for how long nobody is there.

    ``exchange`` counts from its start; ``delivered`` says whether the PLC still got its words.
    """

    exchange: int
    delivered: bool
    away_ms: int


class DyingBus(InProcessBus):
    """The rig's bus, until the controller is killed at one of its exchanges."""

    def __init__(self, rig: Rig, kill: Kill | None) -> None:
        super().__init__(rig, LOOK_MS)
        self._kill = kill
        self.exchanges = 0

    async def exchange(self, command_block: Words) -> Words:
        self.exchanges += 1
        if self._kill is None or self.exchanges < self._kill.exchange:
            return await super().exchange(command_block)
        if self._kill.delivered:
            await super().exchange(command_block)
        raise Killed


class DyingJournal(InlineJournal):
    """Keeps what was committed, and when killed nothing else; without power even less.

    ``wal_cut`` gets the sizes of the write-ahead log that was surely on the disk and of all of it,
    and says how much of it is left.
    """

    killed = False
    wal_cut: Callable[[int, int], int] | None = None
    plc_acknowledged: Callable[[], tuple[int, int]]
    on_append: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, path: Path, begin: BeginRun, commit_steps: int) -> None:
        self._sizes: list[tuple[Acknowledged, int]] = []
        super().__init__(path, begin, commit_steps)
        size = Path(self._writer.path + "-wal").stat().st_size
        self._sizes.append((self.last_acknowledged, size))

    def append(
        self, now_ns: int, inputs: Inputs, scans: Sequence[ScanRead], decided: Decisions
    ) -> None:
        self.on_append()
        super().append(now_ns, inputs, scans, decided)

    def close(self) -> None:
        if not self.killed:
            super().close()
            return
        # Closing would put the log into the file; a killed process leaves both as they are.
        path, log = Path(self._writer.path), Path(self._writer.path + "-wal")
        left, left_log = path.read_bytes(), log.read_bytes()
        self._writer.abandon()
        path.write_bytes(left)
        log.write_bytes(left_log)
        if self.wal_cut is not None:
            size = self.wal_cut(self._safe_size(), len(left_log))
            with log.open("r+b") as file:
                file.truncate(size)

    def _commit(self) -> None:
        super()._commit()
        size = Path(self._writer.path + "-wal").stat().st_size
        self._sizes.append((self.acknowledged(), size))

    def _safe_size(self) -> int:
        """Return how much of the log was on the disk when the PLC was told so."""
        event_seq, scan_seq = self.plc_acknowledged()
        for acknowledged, size in self._sizes:
            if acknowledged.event_seq >= event_seq and acknowledged.scan_seq >= scan_seq:
                return size
        return 0


class KilledLine:
    """One rig and one journal, and the controllers that came and went."""

    def __init__(
        self,
        loaded: LoadedLine,
        scenario: ScenarioFile,
        journal: Path,
        parcels: int,
        seed: int = 1,
        commit_steps: int = 3,
    ) -> None:
        self.loaded = loaded
        self.journal_path = journal
        self.commit_steps = commit_steps
        self.registry: Registry
        self.registry, rows = announce_returns(parcels, seed)
        self._feed = [_parcel(row) for row in rows]
        self._scenario = scenario
        self.rig = Rig(scenario, loaded.line_file, self._feed, seed)
        self.rig.start_arrivals()
        self.starts = 0
        self.eventful_exchanges: list[int] = []
        self.tallies: list[Tally] = []
        self.found: TakenOver

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.registry.close()

    def restart_plc(self) -> None:
        """Start the PLC anew, with another boot id and an empty belt; the same parcels come."""
        plc = self._scenario.plc.model_copy(update={"boot_id": self._scenario.plc.boot_id + 1})
        scenario = self._scenario.model_copy(update={"plc": plc})
        self.rig = Rig(scenario, self.loaded.line_file, self._feed, 1)
        self.rig.start_arrivals()

    def _plc_acknowledged(self) -> tuple[int, int]:
        memory = self.rig.plc.memory
        return int(memory[Memory.EVENT_ACK]), int(memory[Memory.SCAN_ACK])

    def run(
        self,
        kill: Kill | None = None,
        within_s: float = 400.0,
        wal_cut: Callable[[int, int], int] | None = None,
    ) -> Controller:
        """Start a controller; it runs until it is killed, or until the line is empty."""
        self.starts += 1
        recovery = Recovery(self.loaded, {})
        self.eventful_exchanges = eventful = []
        journal = DyingJournal(self.journal_path, recovery.begin_run, self.commit_steps)
        self.found = recovery.found
        self.tallies.append(journal.tally)
        bus, clock = DyingBus(self.rig, kill), VirtualClock(self.rig)
        journal.on_append = lambda: eventful.append(bus.exchanges)
        controller = assemble(
            self.loaded,
            clock=clock,
            bus=bus,
            host=RegistryHost(self.registry, self.loaded.policy),
            journal=journal,
            controller_epoch=self.starts,
            timing=LoopTiming(),
            generator=np.random.default_rng(0),
            taken_over=recovery.found,
            pause=pause_on(clock, bus),
        )
        deadline_ns = self.rig.now_ns + int(within_s * 1e9)

        async def until_the_end() -> None:
            with contextlib.suppress(Killed):
                await controller.loop.run(self._empty(controller, bus, deadline_ns))

        journal.killed = kill is not None
        journal.wal_cut = wal_cut
        journal.plc_acknowledged = self._plc_acknowledged
        gc.disable()
        try:
            asyncio.run(until_the_end())
        finally:
            gc.enable()
        if kill is not None:
            self.rig.advance(self.rig.now_ns + kill.away_ms * MS)
        return controller

    def _empty(self, controller: Controller, bus: DyingBus, deadline_ns: int) -> Callable[[], bool]:
        """Return what says whether it has looked at the line, and all have left it."""
        return lambda: (
            (bus.exchanges > 1 and self.rig.finished and not controller.state.tracked_count())
            or self.rig.now_ns > deadline_ns
        )

    def reconcile(self) -> Reconciliation:
        with JournalReader(self.journal_path) as reader:
            rows = list(reader.parcels())
        return reconcile_rows(rows, self.loaded.layout.chute_names, self.rig.truth.ends())

    def problems(self) -> list[str]:
        """Return everything that is not as it would be without a kill."""
        found = self.reconcile()
        problems = list(found.details)
        if found.unaccounted or found.truth_mismatches or found.found_again:
            problems.append(str(found))
        replayed = replay(self.journal_path)
        if not replayed.identical:
            problems.append(str(replayed.first_difference))
        with JournalReader(self.journal_path) as reader:
            runs = [run.run for run in reader.runs()]  # those killed before a step leave none
        if (replayed.runs, runs[-1]) != (len(runs), self.starts):
            problems.append(f"{replayed.runs} of {runs} replayed, {self.starts} started")
        return problems


def _parcel(row: FeedRow) -> FeedParcel:
    return FeedParcel(
        row.label.encode(),
        row.length_mm,
        row.width_mm,
        row.height_mm,
        row.weight_g,
        row.arrive_ms,
    )
