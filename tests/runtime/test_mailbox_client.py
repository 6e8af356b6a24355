"""The mailbox client against the real PLC program; restarts are in ``test_mailbox_restarts``."""

from __future__ import annotations

import numpy as np
import pytest
from plc_bench import (
    EPOCH,
    NO_COMMANDS,
    SMALL,
    START_EVENTS,
    UNKNOWN,
    Bench,
    client_of,
    fire_row,
    seqs,
)

from sorter.config.models import Mailbox
from sorter.errors import LinkLost, LinkRejected
from sorter.model.codes import EventKind, LineState
from sorter.model.columns import EventColumn
from sorter.model.mailbox import (
    EVENT_WORDS,
    SCAN_WORDS,
    STATUS_BOOT_ID,
    STATUS_VERSION,
)
from sorter.ports import Acknowledged
from sorter.runtime.mailbox_client import MailboxClient
from sorter.runtime.ring_reader import TORN_TRIES
from sorter.runtime.scan_payload import scan_read


@pytest.mark.parametrize("word_order", ["high_first", "low_first"])
async def test_first_frame_tells_the_state(word_order: str) -> None:
    bench = Bench(Mailbox(word_order=word_order))
    frame = await client_of(bench).exchange(UNKNOWN, NO_COMMANDS)
    assert frame.boot_id == 7
    assert frame.line_state == LineState.EXECUTE
    assert frame.events[:, 0].tolist() == [1, 2, 3, 4]
    assert frame.events[:3, 1].tolist() == [EventKind.CHUTE_CHANGED] * 3
    assert frame.encoder_count == bench.encoder - 10  # one scan later by now
    assert not frame.scans


async def test_a_frame_tells_until_when_the_program_stood() -> None:
    bench = Bench()
    client = client_of(bench)
    for _ in range(5):
        assert (await client.exchange(UNKNOWN, NO_COMMANDS)).stood_until_tick == 0
    tick = bench.tick + 2_000
    bench.plc.scan(bench.encoder, tick, bench.scans + 1)
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.stood_until_tick == frame.tick_100us == tick


async def test_each_event_once_in_order_through_window_and_ring() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    seen = await seqs(client)
    for burst in (1, 3, 8, 9, 10, 11, 20, 30, 2):
        bench.edge(burst)
        got = await seqs(client, Acknowledged(7, seen[-1], 0))
        seen += got
        assert not client.behind
        # the PLC frees the slots in the scan after this exchange
        await client.exchange(Acknowledged(7, seen[-1], 0), NO_COMMANDS)
    assert seen == list(range(1, START_EVENTS + 94 + 1))
    assert bench.plc.event_overflow == 0
    assert client.corrupt_records == 0


async def test_ring_reads_wrap_and_end_at_page_borders() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    await client.exchange(Acknowledged(7, 4, 0), NO_COMMANDS)
    bench.edge(37)
    assert await seqs(client) == list(range(5, 42))
    assert sum(count for _, count in bench.ring_reads) == 37
    assert bench.ring_reads == [(5, 32), (0, 5)]
    bench.ring_reads.clear()
    large = Bench(Mailbox(event_slots=1024))
    large.edge(199)
    await client_of(large).exchange(UNKNOWN, NO_COMMANDS)
    assert large.ring_reads == [(1, 79), (80, 80), (160, 44)]


async def test_a_long_backlog_comes_whole() -> None:
    """A part of it with the encoder count of now would let the unread rest count as missed."""
    bench = Bench(Mailbox(event_slots=1024))
    client = client_of(bench)
    bench.edge(700)
    await client.exchange(UNKNOWN, NO_COMMANDS)  # the probe after connecting reads it already
    bench.edge(300)
    assert len((await client.exchange(UNKNOWN, NO_COMMANDS)).events) == 300
    assert not client.urgent


async def test_overflow_is_counted_and_recovered_from() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(50)  # 33 fit beside the 4 that nobody has acknowledged
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert len(frame.events) == 33
    assert frame.event_overflow == 17
    await client.exchange(Acknowledged(7, 37, 0), NO_COMMANDS)
    bench.edge(2)
    assert await seqs(client) == [38, 39]


async def test_scans_with_codes_of_any_bytes() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    payloads = [(), (b"RMA-1",), (b"\x1d01\xff\x00", b"two"), (b"x" * 227,)]
    seen = []
    for codes in payloads:
        bench.read(*codes)
        seen += (await client.exchange(UNKNOWN, NO_COMMANDS)).scans
    assert [scan.codes for scan in seen] == payloads
    assert [scan.seq for scan in seen] == [1, 2, 3, 4]
    assert not any(scan.truncated for scan in seen)
    assert all(scan.scanner_idx == 0 and scan.encoder_count > 5000 for scan in seen)
    await client.exchange(Acknowledged(7, 0, 4), NO_COMMANDS)
    bench.read(b"y" * 255)
    (scan,) = (await client.exchange(UNKNOWN, NO_COMMANDS)).scans
    assert scan.truncated
    assert scan.seq == 5


@pytest.mark.parametrize(
    ("count", "used", "payload", "codes"),
    [
        (1, 4, b"\x05ABC", ()),  # claims more than there is
        (2, 4, b"\x03ABC", (b"ABC",)),  # fewer than claimed
        (1, 1, b"\x00", (b"",)),
    ],
)
def test_contradictory_payload_is_a_value(
    count: int, used: int, payload: bytes, codes: tuple[bytes, ...]
) -> None:
    read = scan_read([1, 0, 0, 0, count, 0, used], payload)
    assert read.codes == codes
    assert read.truncated == (len(codes) < count)


async def test_torn_slot_is_read_again_then_given_up() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(12)
    slot = (START_EVENTS + 3) * EVENT_WORDS
    bench.image.events[slot + 5] ^= 1
    assert await seqs(client) == [5, 6]
    assert client.behind
    bench.image.events[slot + 5] ^= 1  # the PLC has finished writing
    assert await seqs(client) == list(range(7, 17))
    assert (client.torn_reads, client.corrupt_records) == (1, 0)
    await client.exchange(Acknowledged(7, 16, 0), NO_COMMANDS)
    bench.edge(9)
    bench.image.events[17 * EVENT_WORDS + 5] ^= 1
    seen: list[int] = []
    for _ in range(TORN_TRIES):
        assert not seen
        seen = await seqs(client)
    assert seen == list(range(18, 26))
    assert client.corrupt_records == 1
    assert not client.behind


async def test_a_frame_is_no_newer_than_what_was_read_of_a_backlog() -> None:
    """Else every parcel whose record lies behind a torn one would count as missed by its eye."""
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(2)
    bench.edge(10)
    torn = (START_EVENTS + 3) * EVENT_WORDS + 5
    bench.image.events[torn] ^= 1
    partial = await client.exchange(UNKNOWN, NO_COMMANDS)
    last = partial.events[-1]
    assert (partial.encoder_count, partial.tick_100us) == (
        last[EventColumn.ENCODER],
        last[EventColumn.TICK],
    )
    nothing = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert len(nothing.events) == 0
    assert nothing.encoder_count == partial.encoder_count
    bench.image.events[torn] ^= 1
    whole = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert whole.encoder_count >= whole.events[-1, EventColumn.ENCODER] > nothing.encoder_count
    assert whole.tick_100us > partial.tick_100us


async def test_torn_scan_is_read_again_then_given_up() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.read(b"one")
    bench.read(b"two")
    bench.image.scans[SCAN_WORDS + 20] ^= 1
    got = []
    for _ in range(TORN_TRIES):
        assert not got
        got = [scan.codes for scan in (await client.exchange(UNKNOWN, NO_COMMANDS)).scans]
    assert got == [(b"two",)]
    assert client.corrupt_records == 1


async def test_torn_window_slot_comes_from_the_ring_in_the_same_exchange() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(2)
    bench.faults = [lambda: bench.image.status.__setitem__(24 + 6 * 12 + 4, 0x5555)]
    assert await seqs(client) == [5, 6]
    assert client.corrupt_records == 0


async def test_link_error_in_the_middle_loses_nothing() -> None:
    bench = Bench(SMALL)
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(20)
    bench.read(b"one")
    broken = LinkLost("bench", "cut")
    for good_calls in range(1, 3):  # exchange, event ring, scan ring
        bench.faults = [None] * good_calls + [broken]
        with pytest.raises(LinkLost):
            await client.exchange(UNKNOWN, NO_COMMANDS)
        bench.faults.clear()
    client.link_restored()
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.events[:, 0].tolist() == list(range(5, 25))
    assert [scan.codes for scan in frame.scans] == [(b"one",)]


async def test_commands_reach_the_plc_and_are_acknowledged() -> None:
    bench = Bench()
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    frame = await client.exchange(UNKNOWN, fire_row(1, parcel=11, fire=90_000))
    assert bench.plc.pending == 1
    assert frame.command_ack == 0
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.command_ack == 1
    assert client.window.in_window == 0


async def test_surplus_commands_wait_and_a_newer_one_replaces_an_older() -> None:
    bench = Bench()
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    rows = np.concatenate([fire_row(seq, parcel=seq, fire=90_000 + seq) for seq in range(1, 13)])
    bench.running = False
    await client.exchange(UNKNOWN, rows)
    assert client.window.waiting == 3
    assert not client.urgent, "a full window waits for the PLC"
    await client.exchange(UNKNOWN, fire_row(13, parcel=11, fire=95_000))
    assert (client.window.waiting, client.window.replaced) == (3, 1)
    bench.running = True
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.command_ack == 9
    assert client.urgent, "freed slots are used at once"
    await client.exchange(UNKNOWN, NO_COMMANDS)
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.command_ack == 13
    assert bench.plc.pending == 12
    assert client.window.waiting == 0


async def test_full_queue_drops_the_oldest_and_counts() -> None:
    bench = Bench()
    client = MailboxClient(bench, bench.mailbox, EPOCH, queue_capacity=2)
    bench.running = False
    rows = np.concatenate([fire_row(seq, parcel=seq, fire=90_000) for seq in range(1, 14)])
    await client.exchange(UNKNOWN, rows)
    assert (client.window.overflow, client.window.waiting) == (2, 2)


async def test_heartbeat_age() -> None:
    bench = Bench()
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    assert client.plc_heartbeat_age_exchanges == 0
    bench.running = False
    for _ in range(4):
        await client.exchange(UNKNOWN, NO_COMMANDS)
    assert client.plc_heartbeat_age_exchanges == 3


async def test_encoder_unwraps_across_the_wire_limit() -> None:
    bench = Bench()
    bench.encoder = (1 << 32) - 15
    bench.start(boot_id=3)
    client = client_of(bench)
    counts = []
    for _ in range(4):
        frame = await client.exchange(UNKNOWN, NO_COMMANDS)
        counts.append(frame.encoder_count)
    assert counts == [(1 << 32) - 5 + 10 * step for step in range(4)]


@pytest.mark.parametrize(
    ("word", "value", "text"),
    [(STATUS_VERSION, 2, "layout version 2"), (STATUS_BOOT_ID + 1, 0, "boot id is 0")],
)
async def test_unusable_status_is_rejected_in_words(word: int, value: int, text: str) -> None:
    bench = Bench()
    bench.image.status[word] = value
    client = client_of(bench)
    for _ in range(2):
        bench.running = False
        with pytest.raises(LinkRejected, match=text):
            await client.exchange(UNKNOWN, NO_COMMANDS)


async def test_a_status_block_older_than_the_last_one_is_rejected() -> None:
    """Something in between (a gateway, a cache) that answers with what it kept."""
    bench = Bench()
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    old = bench.image.status.copy()
    for _ in range(3):
        await client.exchange(UNKNOWN, NO_COMMANDS)
    bench.running = False
    bench.image.status[:] = old
    with pytest.raises(LinkRejected, match=r"8\.0 ms older"):
        await client.exchange(UNKNOWN, NO_COMMANDS)
    client.link_restored()
    await client.exchange(UNKNOWN, NO_COMMANDS)


async def test_short_status_is_rejected() -> None:
    bench = Bench()
    bench.image.status = bench.image.status[:100]
    bench.running = False
    with pytest.raises(LinkRejected, match="100 words"):
        await client_of(bench).exchange(UNKNOWN, NO_COMMANDS)


def test_epoch_must_fit() -> None:
    with pytest.raises(ValueError, match="epoch"):
        MailboxClient(Bench(), Mailbox(), 0)
