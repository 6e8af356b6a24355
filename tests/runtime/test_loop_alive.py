"""The loop itself says that it goes round: the only thing a watchdog may be fed by."""

from __future__ import annotations

import itertools

import structlog
from plc_bench import Bench
from test_scan_loop import Parts, bench, line, parts  # noqa: F401

from sorter.errors import LinkLost

LOOK_NS = 10_000_000
"""The stopwatch moves on by so much with each look at it."""


async def test_an_idle_loop_says_that_it_is_alive(parts: Parts, bench: Bench) -> None:  # noqa: F811
    """No event and no scan, nothing to decide or to journal: the rounds alone count."""
    clock = itertools.count(step=LOOK_NS)
    alive_at: list[int] = []
    parts.loop._stopwatch = lambda: next(clock)
    parts.loop._alive = lambda: alive_at.append(bench.exchanges)
    await parts.run(lambda: bench.exchanges >= 200)
    assert parts.event_seqs() == [1, 2, 3, 4], "what a PLC reports when it starts, and no more"
    idle = [exchanges for exchanges in alive_at if exchanges > 100]
    # Three looks a round, so every seventh round is 200 ms after the last report.
    assert all(after - before <= 7 for before, after in itertools.pairwise(idle))
    assert len(idle) >= 10


async def test_a_loop_that_mends_its_link_says_so_at_each_attempt(
    parts: Parts,  # noqa: F811
    bench: Bench,  # noqa: F811
) -> None:
    """A restart of the controller would not bring the PLC back."""
    refused = 20
    left_at: list[int] = []

    def finished() -> bool:
        if bench.exchanges == 5:
            bench.exchanges += 1
            bench.connect_faults = [LinkLost("bench", "refused")] * refused
            bench.faults = [None, LinkLost("bench", "cut")]
        return bench.exchanges >= 10

    parts.loop._alive = lambda: left_at.append(len(bench.connect_faults))
    with structlog.testing.capture_logs():
        await parts.run(finished)
    assert parts.link.failures == refused
    assert set(left_at) == set(range(refused + 1))
