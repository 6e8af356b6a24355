"""Runs one story after the other, keeps what failed, and shortens it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from plc_sim.chaos.performing import CannotPerform, Performance, Stage
from plc_sim.chaos.rules import Effect
from plc_sim.chaos.shrinking import shortest
from plc_sim.chaos.story import Story
from plc_sim.chaos.verdict import Verdict, judge
from plc_sim.scenario import Fault

SHRINK_S: Final = 300.0
UNACCOUNTED: Final = (Effect.NO_DISPOSITION, Effect.NEVER_SEEN)
WRONG_CHUTE: Final = (Effect.OTHER_CHUTE, Effect.UNPLANNED_CHUTE, Effect.MISTAKEN)


@dataclass(slots=True)
class RunResult:
    """One story and how it went.

    Attributes
    ----------
    story : Story
    verdict : Verdict
    wall_s : float
    folder : Path
        Journal, truth ledger and logs; gone when everything held.
    shortest : Story or None
        The shortest story found that fails alike, after a failure.
    tries : int
        Stories run to find it.
    """

    story: Story
    verdict: Verdict
    wall_s: float
    folder: Path
    shortest: Story | None = None
    tries: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        plain: dict[str, Any] = {
            "seed": self.story.seed,
            "protocol": self.story.protocol,
            "faults": [fault.model_dump(exclude_unset=True) for fault in self.story.faults],
            "holds": self.verdict.holds,
            "parcels": self.verdict.physical,
            "effects": {e.name.lower(): len(p) for e, p in self.verdict.effects.items()},
            "wall_s": round(self.wall_s, 1),
        }
        if self.verdict.holds:
            return plain
        plain["breaches"] = {breach.what: list(breach.details) for breach in self.verdict.breaches}
        plain["folder"] = str(self.folder)
        if self.shortest is not None:
            faults = [fault.model_dump(exclude_unset=True) for fault in self.shortest.faults]
            plain["shortest"] = faults
        return plain


@dataclass(slots=True)
class Totals:
    """What all runs together came to; the figures of merit."""

    runs: int = 0
    failed: int = 0
    parcels: int = 0
    lost: int = 0
    double_counted: int = 0
    wrong_chute: int = 0
    effects: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Count one more run."""
        self.runs += 1
        self.failed += not verdict.holds
        self.parcels += verdict.physical
        breached = {breach.what for breach in verdict.breaches}
        for effect, parcels in verdict.effects.items():
            name = effect.name.lower()
            self.effects[name] = self.effects.get(name, 0) + len(parcels)
            if effect.value in breached:
                self.lost += len(parcels) if effect in UNACCOUNTED else 0
                self.double_counted += len(parcels) if effect is Effect.COUNTED_TWICE else 0
                self.wrong_chute += len(parcels) if effect in WRONG_CHUTE else 0


class Theatre:
    """Runs stories on one line, in folders of its own.

    Parameters
    ----------
    line : Path
        Line file.
    keep : Path
        Folder that gets a folder for each story.
    say : callable
        Gets a line of text for people now and then.
    """

    def __init__(self, line: Path, keep: Path, say: Callable[[str], None]) -> None:
        self._line = line
        self._keep = keep
        self._say = say

    async def run(self, story: Story) -> RunResult:
        """Run a story; when it fails, keep everything and look for a shorter one.

        Raises
        ------
        CannotPerform
            It did not come to the first parcel.
        """
        folder = self.folder(f"seed-{story.seed}")
        _, result = await self.perform(story, folder)
        if result.verdict.holds:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            await self._shorten(result)
        return result

    def folder(self, name: str) -> Path:
        """Return where a story of that name leaves its files."""
        return self._keep / name

    async def perform(self, story: Story, folder: Path) -> tuple[Performance, RunResult]:
        """Run a story in an emptied folder and judge it; the folder stays."""
        shutil.rmtree(folder, ignore_errors=True)
        began_s = time.perf_counter()
        seen = await Stage(story, self._line, folder).perform()
        # In a thread: the links of other stories go through this loop.
        verdict = await asyncio.to_thread(judge, story, seen, self._line)
        return seen, RunResult(story, verdict, time.perf_counter() - began_s, folder)

    async def _shorten(self, result: RunResult) -> None:
        wanted = {breach.what for breach in result.verdict.breaches}
        until_s = time.perf_counter() + SHRINK_S
        folder = result.folder.with_name(f"{result.folder.name}-shorter")

        async def still_fails(faults: Sequence[Fault]) -> bool:
            story = result.story.with_faults(faults)
            result.tries += 1
            self._say(f"seed {story.seed}: does it fail with {_kinds(story)} only?")
            try:
                _, tried = await self.perform(story, folder)
            except CannotPerform:
                return False
            return bool(wanted & {breach.what for breach in tried.verdict.breaches})

        faults = await shortest(
            result.story.faults, still_fails, lambda: time.perf_counter() < until_s
        )
        shutil.rmtree(folder, ignore_errors=True)
        result.shortest = result.story.with_faults(faults)
        result.shortest.write(result.folder / "shortest.yaml", self._line)


def success_text(result: RunResult) -> str:
    """Return one line about a run in which everything held."""
    affected = ", ".join(
        f"{len(parcels)} {effect.name.lower().replace('_', ' ')}"
        for effect, parcels in result.verdict.effects.items()
    )
    explained = f" ({affected}, explained)" if affected else ""
    story = result.story
    told = f"seed {story.seed}: {story.protocol}, {_kinds(story)}"
    return f"{told}: holds{explained}, {result.wall_s:.0f} s"


def failure_text(result: RunResult) -> Iterator[str]:
    """Yield what people should know about a run that failed."""
    yield f"seed {result.story.seed} FAILED with {_kinds(result.story)}"
    for breach in result.verdict.breaches:
        yield f"  {breach.what}"
        yield from (f"    {detail}" for detail in breach.details)
    logs = (path.read_text(errors="replace") for path in result.folder.glob("sorter-*.log"))
    if any("records_dropped_by_plc" in log for log in logs):
        yield (
            "  the PLC's rings ran over while nobody read them: if no fault explains that, this "
            f"machine is too slow for --speed {result.story.speed:g}; try a lower one"
        )
    if result.shortest is not None:
        path = result.folder / "shortest.yaml"
        yield f"the shortest story that still fails ({result.tries} tries): {path}"
        yield path.read_text()
    yield f"journal, truth and logs: {result.folder}"


def _kinds(story: Story) -> str:
    return ", ".join(fault.kind for fault in story.faults) or "no fault at all"
