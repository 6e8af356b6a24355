"""The two mailboxes when one of the sides starts anew."""

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
    command_word,
    fire_row,
    seqs,
)

from sorter.config.models import Mailbox
from sorter.errors import LinkRejected
from sorter.model.mailbox import (
    COMMAND_EPOCH,
    COMMAND_EVENT_ACK,
    COMMAND_HEAD,
    STATUS_BOOT_ID,
    STATUS_EVENT_ACK,
)
from sorter.ports import Acknowledged
from sorter.runtime.mailbox_client import MailboxClient


async def test_plc_restart_starts_anew_and_keeps_old_commands_away() -> None:
    bench = Bench()
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    await client.exchange(Acknowledged(7, 4, 0), fire_row(1, parcel=1, fire=90_000))
    await client.exchange(Acknowledged(7, 4, 0), fire_row(2, parcel=2, fire=90_000))
    bench.encoder = 100
    bench.start(boot_id=8)
    client.link_restored()
    bench.edge(3)
    frame = await client.exchange(Acknowledged(7, 4, 0), NO_COMMANDS)
    assert frame.boot_id == 8
    assert frame.events[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert frame.encoder_count < 200
    assert client.epoch != EPOCH
    await client.exchange(Acknowledged(8, 7, 0), fire_row(1, parcel=5, fire=90_000))
    frame = await client.exchange(Acknowledged(8, 7, 0), NO_COMMANDS)
    assert frame.command_ack == 1
    assert bench.plc.pending == 1, "the new one; those for the old belt were never taken over"


async def test_restart_unnoticed_by_the_link() -> None:
    """The PLC comes back so fast that the connection survives: no probe goes first."""
    bench = Bench()
    client = client_of(bench)
    for seq in range(1, 6):
        await client.exchange(UNKNOWN, fire_row(seq, parcel=seq, fire=90_000))
    bench.encoder = 100
    bench.start(boot_id=9)
    bench.edge(2)
    frame = await client.exchange(Acknowledged(7, 4, 0), NO_COMMANDS)
    assert frame.boot_id == 9
    assert frame.events[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    status = bench.image.status
    assert bench.plc.pending == 0, "the block with the commands for the old belt was still there"
    assert status[STATUS_EVENT_ACK + 1] == 0, "and its acknowledgement, which fits by chance"
    await client.exchange(Acknowledged(9, 4, 0), fire_row(1, parcel=77, fire=90_000))
    frame = await client.exchange(Acknowledged(9, 4, 0), NO_COMMANDS)
    assert frame.command_ack == 1
    assert bench.plc.pending == 1
    assert status[STATUS_EVENT_ACK + 1] == 4


async def test_a_plc_whose_program_stood_goes_on_where_it_was() -> None:
    bench = Bench()
    client = client_of(bench)
    bench.edge(3)
    frame = await client.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.events[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    await client.exchange(Acknowledged(7, 4, 0), fire_row(1, parcel=1, fire=90_000))
    bench.image.status[STATUS_BOOT_ID + 1] = 0
    bench.running = False
    for _ in range(2):
        with pytest.raises(LinkRejected, match="boot id is 0"):
            await client.exchange(Acknowledged(7, 4, 0), NO_COMMANDS)
    client.link_restored()
    bench.image.status[STATUS_BOOT_ID + 1] = 7
    bench.running = True
    bench.edge()
    frame = await client.exchange(Acknowledged(7, 4, 0), NO_COMMANDS)
    assert frame.events[:, 0].tolist() == [8], "nothing a second time"
    assert (client.epoch, client.boots_seen) == (EPOCH, 1)
    await client.exchange(Acknowledged(7, 8, 0), fire_row(2, parcel=2, fire=90_000))
    await client.exchange(Acknowledged(7, 8, 0), NO_COMMANDS)
    assert bench.plc.pending == 2


async def test_a_late_block_of_a_former_controller_does_not_bring_its_commands_back() -> None:
    bench = Bench()
    former = client_of(bench)
    await former.exchange(UNKNOWN, NO_COMMANDS)
    await former.exchange(UNKNOWN, fire_row(1, parcel=1, fire=90_000))
    late = np.frombuffer(bench.written[-1], np.uint16)
    present = MailboxClient(bench, bench.mailbox, EPOCH + 1)
    await present.exchange(UNKNOWN, NO_COMMANDS)
    await present.exchange(UNKNOWN, fire_row(1, parcel=1, fire=90_500, chute=1))
    assert bench.pending_of(1) == (1, 90_500)
    bench.image.command[:] = late
    bench.scan()
    assert bench.pending_of(1) == (1, 90_500)
    await present.exchange(UNKNOWN, NO_COMMANDS)
    frame = await present.exchange(UNKNOWN, NO_COMMANDS)
    assert (frame.command_ack, bench.plc.pending) == (1, 1)


async def test_controller_restart_resumes_behind_its_journal() -> None:
    bench = Bench(SMALL)
    first = client_of(bench)
    await first.exchange(UNKNOWN, NO_COMMANDS)
    bench.edge(20)
    await first.exchange(Acknowledged(7, 10, 0), NO_COMMANDS)
    second = MailboxClient(bench, SMALL, EPOCH + 1)
    second.resume(Acknowledged(7, 14, 0))  # the journal had more than the PLC was told
    assert await seqs(second) == list(range(15, 25))
    third = MailboxClient(bench, SMALL, EPOCH + 2)  # no journal: behind what the PLC knows safe
    assert await seqs(third) == list(range(11, 25))
    fourth = MailboxClient(bench, SMALL, EPOCH + 3)
    fourth.resume(Acknowledged(6, 23, 0))  # of another PLC start
    assert await seqs(fourth) == list(range(11, 25))


@pytest.mark.parametrize("words", [-4, -3, -2, -1, 1, 2, 3, 5])
@pytest.mark.parametrize("word_order", ["high_first", "low_first"])
@pytest.mark.parametrize("boot_id", [1, 9, 0x5EED_0001])
async def test_a_map_that_has_shifted_is_refused_whatever_its_words_look_like(
    word_order: str, boot_id: int, words: int
) -> None:
    bench = Bench(Mailbox(word_order=word_order), boot_id=boot_id)
    client = client_of(bench)
    seen = await seqs(client)
    bench.edge(3)
    seen += await seqs(client)

    def shift() -> None:
        status = bench.image.status
        shown = np.roll(status, words)
        shown[slice(words) if words > 0 else slice(words, None)] = 0
        status[:] = shown

    bench.faults = [shift]
    with pytest.raises(LinkRejected, match=r"check the status address|has not started"):
        await client.exchange(UNKNOWN, NO_COMMANDS)
    client.link_restored()
    bench.scan()
    bench.edge(2)
    seen += await seqs(client)
    assert seen == list(range(1, START_EVENTS + 6))
    assert (client.boots_seen, client.corrupt_records) == (1, 0)


async def test_acknowledged_command_of_another_epoch_does_not_count() -> None:
    bench = Bench()
    first = client_of(bench)
    await first.exchange(UNKNOWN, NO_COMMANDS)
    await first.exchange(UNKNOWN, fire_row(1, parcel=1, fire=90_000))
    await first.exchange(UNKNOWN, fire_row(2, parcel=2, fire=90_000))
    second = MailboxClient(bench, bench.mailbox, EPOCH + 1)
    frame = await second.exchange(UNKNOWN, fire_row(1, parcel=3, fire=90_000))
    assert frame.command_ack == 0
    assert second.window.in_window == 1
    await second.exchange(UNKNOWN, NO_COMMANDS)
    frame = await second.exchange(UNKNOWN, NO_COMMANDS)
    assert frame.command_ack == 1
    assert bench.plc.pending == 3


async def test_probe_carries_neither_acks_nor_commands() -> None:
    bench = Bench()
    client = client_of(bench)
    await client.exchange(UNKNOWN, NO_COMMANDS)
    await client.exchange(Acknowledged(7, 4, 0), fire_row(1, parcel=1, fire=90_000))
    client.link_restored()
    await client.exchange(Acknowledged(7, 4, 0), NO_COMMANDS)
    before, probe = bench.written[-2:]
    assert [command_word(before, at) for at in (COMMAND_EVENT_ACK, COMMAND_HEAD)] == [4, 1]
    assert [command_word(probe, at) for at in (COMMAND_EVENT_ACK, COMMAND_HEAD)] == [0, 0]
    assert command_word(probe, COMMAND_EPOCH) == EPOCH
    assert not np.frombuffer(probe, np.uint16)[12:].any()
    assert client.urgent, "the command goes out again with the next exchange"
    assert bench.plc.pending == 1
