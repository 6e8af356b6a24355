"""Link supervision: patience, jitter, frozen peers, and one error for all that failed."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from plc_bench import Bench
from structlog.testing import capture_logs

from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.runtime.supervisor import LinkPolicy, LinkSupervisor, connect_all


class Pauses:
    """Turns the bench's clock instead of sleeping, and remembers how long it was asked to."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.bench.now += int(seconds * 1e9)


def supervised(
    bench: Bench, seed: int = 1, policy: LinkPolicy | None = None
) -> tuple[LinkSupervisor, Pauses]:
    pauses = Pauses(bench)
    return LinkSupervisor(bench, bench, np.random.default_rng(seed), policy, pauses), pauses


def never() -> bool:
    return False


async def test_why_attempts_fail_is_in_the_log() -> None:
    """A link can go down for one reason and stay down for another: a certificate has expired."""
    bench = Bench()
    bench.connect_faults = [LinkLost("bench", "certificate refused"), LinkLost("bench", "refused")]
    link, _ = supervised(bench)
    with capture_logs() as logs:
        assert await link.reconnect(LinkLost("bench", "closed by the peer"), never)
    assert [(entry["event"], entry["problem"]) for entry in logs] == [
        ("link_not_connected", "certificate refused"),
        ("link_not_connected", "refused"),
    ]
    assert link.failures == 2


async def test_first_connection_after_some_failures() -> None:
    bench = Bench()
    bench.connect_faults = [LinkLost("bench", "refused")] * 3
    link, pauses = supervised(bench)
    assert await link.connect(10.0)
    assert link.connected
    assert not link.up, "up only when the heartbeat moves"
    assert (link.failures, link.reconnects, len(pauses.taken)) == (3, 0, 3)


async def test_start_up_error_lists_every_problem() -> None:
    bench = Bench()
    bench.connect_faults = [LinkLost("bench", "refused"), LinkRejected("bench", "layout 2")] * 50
    link, pauses = supervised(bench)
    with pytest.raises(LinkError, match=r"not connected within 3 s: refused \(\d+ x\); layout 2"):
        await link.connect(3.0)
    assert sum(pauses.taken) <= 3.0
    assert not link.connected


async def test_backoff_grows_to_its_limit_with_seeded_jitter() -> None:
    waits = []
    for seed in (1, 1, 2):
        bench = Bench()
        bench.connect_faults = [LinkLost("bench", "refused")] * 12
        link, pauses = supervised(bench, seed)
        assert await link.reconnect(LinkLost("bench", "cut"), never)
        waits.append(pauses.taken)
    assert waits[0] == waits[1]
    assert waits[0] != waits[2]
    longest = LinkPolicy().longest_delay_s
    full = [min(0.05 * 2**step, longest) for step in range(13)]
    assert longest < 0.5, "a link that is back must not wait for us"
    assert all(0.75 * most <= wait <= most for wait, most in zip(waits[0], full, strict=True))


async def test_a_peer_that_accepts_and_stays_frozen_is_not_hammered() -> None:
    bench = Bench()
    link, pauses = supervised(bench)
    await link.connect(1.0)
    frozen = LinkTimeout("bench", "frozen")
    for _ in range(8):
        link.note_heartbeat(77, bench.now)
        assert not link.up
        await link.reconnect(frozen, never)
    assert pauses.taken[-1] > 0.5 * LinkPolicy().longest_delay_s, (
        "backoff goes on although every connection was accepted"
    )
    link.note_heartbeat(77, bench.now)
    link.note_heartbeat(78, bench.now)
    assert link.up
    await link.reconnect(frozen, never)
    assert pauses.taken[-1] < 0.06, "and starts anew once the heartbeat has moved"
    assert not link.up
    assert link.reconnects == 9


async def test_heartbeat_that_stands_still_makes_answers_stale_then_the_link_broken() -> None:
    bench = Bench()
    link, _ = supervised(bench, policy=LinkPolicy(stale_after_ms=50, frozen_after_ms=200))
    await link.connect(1.0)
    assert not link.note_heartbeat(5, 0), "nobody knows yet how old that is"
    assert link.note_heartbeat(6, 150_000_000)
    assert link.note_heartbeat(6, 200_000_000)
    assert not link.note_heartbeat(6, 201_000_000)
    assert not link.up
    link.raise_when_frozen(350_000_000)
    with pytest.raises(LinkTimeout, match="has not moved for 201 ms"):
        link.raise_when_frozen(351_000_000)
    assert link.note_heartbeat(7, 352_000_000)
    await link.reconnect(LinkTimeout("bench", "frozen"), never)
    assert not link.note_heartbeat(7, 352_000_000), "a new connection has to prove itself again"


async def test_a_bus_that_hangs_in_close_does_not_hold_the_supervisor() -> None:
    bench = Bench()

    async def hang() -> None:
        await asyncio.Event().wait()

    bench.close = hang  # type: ignore[method-assign]
    link, _ = supervised(bench, policy=LinkPolicy(connect_deadline_s=0.01))
    async with asyncio.timeout(5):
        assert await link.reconnect(LinkLost("bench", "cut"), never)


async def test_giving_up_between_attempts() -> None:
    bench = Bench()
    bench.connect_faults = [LinkLost("bench", "refused")] * 100
    link, pauses = supervised(bench)
    assert not await link.reconnect(LinkLost("bench", "cut"), lambda: len(pauses.taken) == 4)
    assert len(pauses.taken) == 4
    assert bench.closed == 1
    assert link.last_problem == "refused"


@pytest.mark.parametrize("first", [True, False])
async def test_giving_up_while_an_attempt_hangs(first: bool) -> None:
    bench = Bench()
    asked: list[str] = []

    async def hang() -> None:
        asked.append("connect")
        try:
            await asyncio.Event().wait()
        finally:
            asked.append("cancelled")

    def give_up() -> bool:
        return bool(asked)

    bench.connect = hang  # type: ignore[method-assign]
    link, _ = supervised(bench, policy=LinkPolicy(connect_deadline_s=60))
    with capture_logs() as logs:
        async with asyncio.timeout(30):
            if first:
                assert not await link.connect(60.0, give_up)
            else:
                assert not await link.reconnect(LinkLost("bench", "cut"), give_up)
    assert asked == ["connect", "cancelled"]
    assert not link.connected
    assert logs == []


async def test_who_is_to_stop_already_does_not_knock() -> None:
    bench = Bench()
    link, _ = supervised(bench)
    assert not await link.connect(10.0, lambda: True)
    assert bench.connections == 0


async def test_a_connect_that_hangs_ends_at_its_deadline() -> None:
    bench = Bench()

    async def hang() -> None:
        await asyncio.Event().wait()

    bench.connect = hang  # type: ignore[method-assign]
    link, _ = supervised(bench, policy=LinkPolicy(connect_deadline_s=0.01, first_delay_s=1))
    with pytest.raises(LinkError, match=r"no connection within 0.01 s"):
        await link.connect(0.5)


async def test_one_error_names_every_failed_link() -> None:
    good, bad, worse = Bench(), Bench(), Bench()
    bad.connect_faults = [LinkLost("scanner", "refused")] * 100
    worse.connect_faults = [LinkLost("plc", "no route")] * 100
    links = [supervised(bench)[0] for bench in (good, bad, worse)]
    with pytest.raises(LinkError) as caught:
        await connect_all(links, 1.0)
    assert "refused" in str(caught.value)
    assert "no route" in str(caught.value)
    assert links[0].connected
    with pytest.raises(LinkError, match="refused"):
        await connect_all(links[:2], 1.0)
    await connect_all(links[:1], 1.0)
