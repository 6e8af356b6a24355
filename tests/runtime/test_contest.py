"""Two controllers on one PLC: the later one is not let in, one that was overtaken steps aside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from plc_bench import EPOCH, NO_COMMANDS, UNKNOWN, Bench, command_word, fire_row
from structlog.testing import capture_logs

from sorter.errors import LinkContested, LinkLost
from sorter.model.mailbox import COMMAND_BOOT_ID, COMMAND_EPOCH
from sorter.runtime.contest import BETWEEN_LOOKS_S, MOVES_OF_A_LIVING_ONE, STILL_LOOKS, Contest
from sorter.runtime.mailbox_client import UNFOLLOWED_SCANS, MailboxClient
from sorter.runtime.supervisor import LinkSupervisor

OTHER = 0x6000_0001


class Meanwhile:
    """A pause in which others do something; nobody waits."""

    def __init__(self) -> None:
        self.do: Callable[[], Awaitable[object]] | None = None
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        if self.do is not None:
            await self.do()


class Controller:
    """Client, contest and supervisor as they are assembled, on the bench."""

    def __init__(self, bench: Bench, epoch: int, epoch_before: int = 0) -> None:
        self.pause = Meanwhile()
        self.client = MailboxClient(bench, bench.mailbox, epoch)
        contest = Contest(self.client, bench, False, self.pause, epoch_before)
        self.link = LinkSupervisor(
            bench, bench, np.random.default_rng(1), pause=self.pause, contest=contest
        )

    async def beat(self) -> object:
        return await self.client.exchange(UNKNOWN, NO_COMMANDS)

    async def connect(self) -> None:
        await self.link.connect(10.0)
        self.client.link_restored()


def one_in(times: int, beat: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """Return what beats at one of so many calls."""
    calls = iter(range(1, 1_000_000))

    async def now_and_then() -> None:
        if next(calls) % times == 0:
            await beat()

    return now_and_then


async def commanding(bench: Bench, epoch: int) -> Controller:
    """Return a controller that the PLC follows."""
    controller = Controller(bench, epoch)
    for _ in range(3):
        await controller.beat()
    return controller


async def until_raised(beat: Callable[[], Awaitable[object]]) -> None:
    for _ in range(2 * UNFOLLOWED_SCANS):
        await beat()


async def test_a_plc_that_no_controller_was_ever_at_is_taken_at_once() -> None:
    controller = Controller(Bench(), EPOCH)
    await controller.connect()
    assert controller.pause.taken == []


@pytest.mark.parametrize("plc_starts_since", [0, 3])
async def test_what_the_run_before_left_behind_costs_one_look(plc_starts_since: int) -> None:
    bench = Bench()
    await commanding(bench, OTHER + plc_starts_since)
    second = Controller(bench, EPOCH, epoch_before=OTHER)
    await second.connect()
    assert second.pause.taken == [BETWEEN_LOOKS_S]


async def test_a_run_before_that_lives_elsewhere_is_seen_all_the_same() -> None:
    """The journal was copied to another machine while its controller ran."""
    bench = Bench()
    first = await commanding(bench, OTHER)
    second = Controller(bench, EPOCH, epoch_before=OTHER)
    second.pause.do = first.beat
    with pytest.raises(LinkContested):
        await second.connect()


async def test_what_a_killed_controller_left_behind_costs_a_quarter_of_a_second() -> None:
    bench = Bench()
    await commanding(bench, OTHER)
    second = Controller(bench, EPOCH)
    with capture_logs() as logs:
        await second.connect()
    assert len(second.pause.taken) == STILL_LOOKS
    assert sum(second.pause.taken) < 0.3
    assert (second.link.contested, second.link.contests, logs) == (False, 0, [])
    assert second.client.epoch == EPOCH


async def test_a_late_write_of_a_killed_controller_is_no_sign_of_life() -> None:
    bench = Bench()
    killed = await commanding(bench, OTHER)
    late = [killed.beat] * (MOVES_OF_A_LIVING_ONE - 1)

    async def arrive() -> None:
        if late:
            await late.pop()()

    second = Controller(bench, EPOCH)
    second.pause.do = arrive
    await second.connect()
    assert not second.link.contested


@pytest.mark.parametrize("every", [1, 2, 4])
async def test_a_living_controller_is_left_alone(every: int) -> None:
    """Also when its heartbeat moves more slowly than it is looked at: 100 ms are allowed."""
    bench = Bench()
    first = await commanding(bench, OTHER)
    second = Controller(bench, EPOCH)
    second.pause.do = one_in(every, first.beat)
    with (
        capture_logs() as logs,
        pytest.raises(
            LinkContested, match=rf"bench: .*epoch {OTHER}\) commands .*Stop one"
        ) as said,
    ):
        await second.connect()
    assert said.value.exit_code == 3
    epochs = {command_word(block, COMMAND_EPOCH) for block in bench.written}
    assert epochs == {OTHER}, "it wrote nothing"
    assert [entry["event"] for entry in logs] == ["controller_contested"]
    assert (second.link.contested, second.link.contests) == (True, 1)


async def test_it_is_looked_at_again_only_after_somebody_else_wrote() -> None:
    controller = Controller(Bench(), EPOCH)
    await controller.connect()
    await controller.beat()
    await controller.beat()
    assert await controller.link.reconnect(LinkLost("bench", "closed"), lambda: False)
    assert len(controller.pause.taken) == 1, "the pause before the attempt"
    assert controller.client.epoch == EPOCH


async def test_who_is_overtaken_notices_with_the_next_answer_and_loses_no_event() -> None:
    bench = Bench()
    first = await commanding(bench, EPOCH)
    second = MailboxClient(bench, bench.mailbox, OTHER)
    await second.exchange(UNKNOWN, NO_COMMANDS)
    await second.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(3)
    written = len(bench.written)
    with pytest.raises(LinkContested, match=rf"follows .*{OTHER}\), not this one .*{EPOCH}"):
        await first.beat()
    assert len(bench.written) == written + 1
    assert first.client.delivered_event_seq == 4, "the three edges are still to come"


async def test_who_was_overtaken_waits_and_goes_on_when_the_other_one_is_silent() -> None:
    bench = Bench()
    first, second = await commanding(bench, EPOCH), await commanding(bench, OTHER)
    bench.edge(3)
    # One that was never taken over, and is for the belt as it was then.
    first.client.window.put(fire_row(1, parcel=1, fire=90_000))
    first.pause.do = one_in(3, second.beat)  # at first its own block is still there
    attempts = 0

    def give_up() -> bool:
        nonlocal attempts
        attempts += 1
        if attempts == 5:
            first.pause.do = None  # the other one dies
        return False

    with pytest.raises(LinkContested) as overtaken:
        await first.beat()
    written = len(bench.written)
    with capture_logs() as logs:
        assert await first.link.reconnect(overtaken.value, give_up)
    own = [
        block for block in bench.written[written:] if command_word(block, COMMAND_EPOCH) == EPOCH
    ]
    assert own == [], "not even a probe"
    assert [entry["event"] for entry in logs] == ["controller_contested", "controller_alone"]
    assert (first.link.contested, first.link.contests) == (False, 1)
    await _goes_on(bench, first)


async def test_who_is_told_to_stop_while_it_looks_has_no_contest() -> None:
    bench = Bench()
    await commanding(bench, OTHER)
    second = Controller(bench, EPOCH)
    looks = second.pause.taken
    second.pause.do = asyncio.Event().wait
    written = len(bench.written)
    with capture_logs() as logs:
        async with asyncio.timeout(30):
            assert not await second.link.connect(60.0, lambda: bool(looks))
    assert (second.link.contested, second.link.connected, logs) == (False, False, [])
    assert len(bench.written) == written


async def _goes_on(bench: Bench, first: Controller) -> None:
    """It gets what came meanwhile, once, and the PLC follows it again, in another epoch."""
    first.client.link_restored()
    frame = await first.client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.events[:, 0].tolist() == [5, 6, 7]
    await first.client.exchange(UNKNOWN, fire_row(9, parcel=2, fire=95_000))
    frame = await first.client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.command_ack == 9
    assert first.client.epoch != EPOCH
    assert (bench.pending_of(1), bench.pending_of(2)) == (None, (0, 95_000))


async def test_a_controller_that_came_and_went_during_a_cut_is_found_out_by_its_block() -> None:
    """The PLC would ignore the epoch from before for good."""
    bench = Bench()
    first = await commanding(bench, EPOCH)
    await commanding(bench, OTHER)
    bench.edge(3)
    assert await first.link.reconnect(LinkLost("bench", "closed"), lambda: False)
    await _goes_on(bench, first)


async def test_a_restart_of_the_plc_is_no_other_controller() -> None:
    bench = Bench()
    first = await commanding(bench, EPOCH)
    bench.start(boot_id=8)
    for _ in range(4):
        await first.beat()
    assert command_word(bench.written[-1], COMMAND_BOOT_ID) == 8


async def test_of_two_that_start_at_the_same_time_the_one_not_followed_notices() -> None:
    """The PLC never gave its epoch back, or not when it was looked at."""
    bench = Bench()
    first, second = Controller(bench, EPOCH), Controller(bench, OTHER)
    for controller in (first, second, first, second):
        await controller.beat()
    with pytest.raises(LinkContested):
        await until_raised(first.beat)
    for _ in range(3):
        await second.beat()


async def test_one_whose_words_are_always_overwritten_before_the_plc_looks_notices() -> None:
    bench = Bench()
    second = await commanding(bench, OTHER)
    first = Controller(bench, EPOCH)

    async def unheard() -> None:
        bench.running = False
        await first.beat()
        bench.running = True
        await second.beat()

    with pytest.raises(LinkContested):
        await until_raised(unheard)
    assert not second.link.contested


async def test_a_plc_that_stands_still_follows_nobody() -> None:
    bench = Bench()
    await commanding(bench, OTHER)
    bench.running = False
    first = Controller(bench, EPOCH)
    for _ in range(2 * UNFOLLOWED_SCANS):
        await first.beat()
    assert first.client.plc_heartbeat_age_exchanges > UNFOLLOWED_SCANS
    assert not first.link.contested
