"""The PLC program: mailboxes, commands, counters that wrap."""

from __future__ import annotations

import numpy as np
import pytest

from plc_sim.words import SCAN_PAYLOAD_BYTES, encode_event, encode_scan, pack_codes
from sim.lines import line_file, rig
from sim.mini import SECOND, MiniController
from sorter.model import mailbox as m
from sorter.model.codes import ChuteBit, CommandKind, EventKind, LineState, RefusalCause


def test_golden_event_words_in_both_orders():
    words = np.zeros(m.EVENT_WORDS, np.uint16)
    encode_event(words, 0, 0x00010002, 1, 3, 0xFFFFFFFE, 0x12345678, 320, 7, 0)
    high = [0x0001, 0x0002, 1, 3, 0xFFFF, 0xFFFE, 0x1234, 0x5678, 0, 320, 7]
    check = 0xA5A5
    for word in high:
        check = ((check << 1 | check >> 15) & 0xFFFF) ^ word
    assert words.tolist() == [*high, check]
    assert check == 0xBF89
    encode_event(words, 0, 0x00010002, 1, 3, 0xFFFFFFFE, 0x12345678, 320, 7, 1)
    assert words.tolist()[:11] == [2, 1, 1, 3, 0xFFFE, 0xFFFF, 0x5678, 0x1234, 320, 0, 7]


def test_golden_scan_words():
    payload, count, truncated = pack_codes((b"ABC", b"\xff"))
    assert (payload, count, truncated) == (b"\x03ABC\x01\xff", 2, False)
    buffer = np.zeros(SCAN_PAYLOAD_BYTES, np.uint8)
    buffer[: len(payload)] = list(payload)
    buffer[len(payload)] = 0x77  # behind the used bytes: must not get into the words
    words = np.zeros(m.SCAN_WORDS, np.uint16)
    encode_scan(words, 0, 5, 1, 70000, 9, count, 0, buffer, len(payload), 0)
    start = [0, 5, 1, 1, 4464, 0, 9, 2, 0, 6, 0x0341, 0x4243, 0x01FF, 0]
    assert words.tolist()[: len(start)] == start
    check = 0xA5A5
    for word in words[:-1].tolist():
        check = ((check << 1 | check >> 15) & 0xFFFF) ^ word
    assert words[m.SCAN_CHECK] == check


def test_codes_that_do_not_fit_are_left_out_and_flagged():
    assert pack_codes((b"x" * 255, b"ok")) == (b"\x02ok", 1, True)
    assert pack_codes((b"x" * 227,)) == (b"\xe3" + b"x" * 227, 1, False)
    assert pack_codes(()) == (b"", 0, False)


def test_a_controller_learns_the_state_of_line_and_chutes_at_start():
    mini = MiniController(rig())
    mini.poll()
    changed = [(e.source, e.b) for e in mini.of(EventKind.CHUTE_CHANGED)]
    assert changed == [(0, ChuteBit.OPEN), (1, ChuteBit.OPEN), (2, ChuteBit.OPEN)]
    assert [(e.source, e.b) for e in mini.of(EventKind.LINE_CHANGED)] == [
        (0xFFFF, LineState.EXECUTE)
    ]
    assert mini.image.status[m.STATUS_VERSION] == m.LAYOUT_VERSION
    assert mini.status32(m.STATUS_BOOT_ID) == 1
    assert mini.image.status[m.STATUS_LINE_STATE] == LineState.EXECUTE


def test_window_of_newest_events_repeats_the_ring():
    mini = MiniController(rig())
    status, events = mini.image.status, mini.image.events
    head = mini.status32(m.STATUS_EVENT_HEAD)
    assert head == 4
    for slot in range(m.WINDOW_SLOTS):
        start = m.STATUS_HEADER_WORDS + slot * m.EVENT_WORDS
        shown = status[start : start + m.EVENT_WORDS]
        seq = slot + 1
        if seq <= head:
            ring = events[seq * m.EVENT_WORDS : (seq + 1) * m.EVENT_WORDS]
            assert shown.tolist() == ring.tolist()
        else:
            assert not shown.any()
    mini.rig.start_arrivals()
    mini.run(30)
    head = mini.status32(m.STATUS_EVENT_HEAD)
    assert head > 8
    shown = [mini.get32(status, m.STATUS_HEADER_WORDS + s * m.EVENT_WORDS) for s in range(8)]
    assert shown == list(range(head - 7, head + 1))


def test_heartbeat_and_encoder_move_without_events():
    mini = MiniController(rig(0))
    mini.rig.advance(SECOND)
    assert mini.image.status[m.STATUS_HEARTBEAT] == 200
    assert mini.status32(m.STATUS_ENCODER) == 3500
    assert mini.status32(m.STATUS_TICK) == 10_000
    mini.rig.advance(2 * SECOND)
    assert mini.image.status[m.STATUS_HEARTBEAT] == 400


def test_advancing_in_steps_of_a_scan_or_by_news_gives_the_same_words():
    def run(step_ns: int | None) -> bytes:
        mini = MiniController(rig(20, arrivals={"process": "poisson"}))
        mini.rig.start_arrivals()
        end = 60 * SECOND
        while mini.rig.now_ns < end:
            if step_ns is None:
                mini.rig.advance_to_news(end)
            else:
                mini.rig.advance(mini.rig.now_ns + step_ns)
        mini.rig.advance(end)
        return mini.image.events.tobytes() + mini.image.scans.tobytes()

    assert run(None) == run(5_000_000) == run(20_000_000)


def test_an_edge_carries_count_and_tick_of_the_leading_edge():
    mini = MiniController(rig())
    mini.rig.start_arrivals()
    mini.run(2)
    passed = mini.of(EventKind.PARCEL_PASSED)[0]
    assert passed.encoder == 1000 + 300  # put on the belt 300 mm before the eye at count 1000
    assert passed.tick == pytest.approx(300 / 2500 * 10_000, abs=1)
    assert passed.a == 300
    measured = mini.of(EventKind.PARCEL_MEASURED)[0]
    assert (measured.encoder, measured.a, measured.b) == (2300, 240 << 16 | 120, 80)
    assert mini.scans[0].encoder == 3300
    assert mini.scans[0].codes == (b"L00000",)


def test_a_command_fires_on_the_scan_grid_and_reports_its_slack():
    mini = MiniController(rig(0))
    mini.command(7, 0, 2003)
    mini.run(1)
    fired = mini.of(EventKind.DIVERT_FIRED)
    assert len(fired) == 1
    assert fired[0].a == 7
    assert 2003 <= fired[0].encoder < 2003 + 13  # 5 ms of belt are 12.5 counts
    assert fired[0].tick % 50 == 0
    assert fired[0].b == 2003 - 1012  # accepted in the first scan, at count 1012
    assert mini.status32(m.STATUS_COMMAND_ACK) == 1


def test_the_same_command_again_is_not_executed_again():
    mini = MiniController(rig(0))
    mini.command(7, 0, 2000)
    mini.run(0.1)
    mini.command(7, 0, 2000, seq=1)
    mini.run(1)
    mini.command(7, 0, 9000, seq=1)
    mini.run(5)
    assert len(mini.of(EventKind.DIVERT_FIRED)) == 1
    assert mini.refusals() == []


def test_a_newer_command_replaces_the_one_of_its_parcel():
    mini = MiniController(rig(0))
    mini.command(7, 0, 2000)
    mini.command(8, 1, 2100)
    mini.run(0.1)
    mini.command(7, 2, 3000)
    mini.run(2)
    assert [(e.a, e.source) for e in mini.of(EventKind.DIVERT_FIRED)] == [(8, 1), (7, 2)]


def test_a_cancelled_command_does_not_fire():
    mini = MiniController(rig(0))
    mini.command(7, 0, 2000)
    mini.run(0.1)
    assert mini.rig.plc.pending == 1
    mini.command(7, 0, 0, kind=CommandKind.CANCEL_DIVERT)
    mini.run(1)
    assert mini.rig.plc.pending == 0
    assert mini.of(EventKind.DIVERT_FIRED) == []
    assert mini.refusals() == []


def test_late_and_expired_commands_are_refused():
    mini = MiniController(rig(0))
    mini.run(1)
    mini.command(1, 0, 1500, expiry=9000)
    mini.command(2, 0, 9000, expiry=1500)
    mini.run(5)
    assert mini.refusals() == [(1, RefusalCause.TOO_LATE), (2, RefusalCause.EXPIRED)]
    assert mini.of(EventKind.DIVERT_FIRED) == []


@pytest.mark.parametrize(
    "wrong", [{"kind": 9}, {"chute": 77}, {"hold": 0}, {"spoil": 1}], ids=lambda w: next(iter(w))
)
def test_a_bad_command_is_refused_and_does_not_block_the_next(wrong):
    mini = MiniController(rig(0))
    mini.command(1, **{"chute": 0, "fire": 2000, **wrong})
    mini.command(2, 1, 2000)
    mini.run(1)
    assert mini.refusals() == [(1, RefusalCause.BAD_COMMAND)]
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == [2]


def test_a_chute_without_diverter_cannot_be_fired():
    mini = MiniController(rig(0, line_file("line")))
    mini.command(1, 3, 2000)
    mini.run(1)
    assert mini.refusals() == [(1, RefusalCause.BAD_COMMAND)]


def test_a_slot_that_is_still_being_written_waits():
    mini = MiniController(rig(0))
    mini.command(1, 0, 2000)
    whole = mini.image.command.copy()
    base = m.COMMAND_HEADER_WORDS + m.COMMAND_SLOT_WORDS
    mini.image.command[base : base + m.COMMAND_SLOT_WORDS] = 0  # head is there, the slot not yet
    mini.run(0.05)
    assert mini.status32(m.STATUS_COMMAND_ACK) == 0
    mini.image.command[:] = whole
    mini.run(1)
    assert mini.refusals() == []
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == [1]


def test_a_half_written_slot_is_taken_when_it_is_whole():
    mini = MiniController(rig(0))
    mini.command(1, 0, 2000, spoil=0x40)
    mini.rig.advance_to_news(5_000_000)
    assert mini.status32(m.STATUS_COMMAND_ACK) == 0
    mini.command(1, 0, 2000, seq=1)
    mini.run(1)
    assert mini.refusals() == []
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == [1]


def test_a_new_controller_starts_counting_again_and_pending_fires_stay():
    shared = rig(0)
    first = MiniController(shared)
    first.command(1, 0, 3000)
    first.run(0.1)
    second = MiniController(shared, epoch=2)
    second.command(2, 1, 3500)
    assert second.command_seq == 1
    second.run(2)
    assert [e.a for e in second.of(EventKind.DIVERT_FIRED)] == [1, 2]
    assert second.status32(m.STATUS_CONTROLLER_EPOCH) == 2
    assert second.status32(m.STATUS_COMMAND_ACK) == 1


def test_more_commands_than_the_window_holds_go_through_in_order():
    mini = MiniController(rig(0))
    for number in range(1, 101):
        mini.command(number, 0, 5000 + 500 * number)
        if number % m.COMMAND_SLOTS == 0:
            mini.run(number * 0.01)
    mini.run(60)
    assert [e.a for e in mini.of(EventKind.DIVERT_FIRED)] == list(range(1, 101))


def test_an_unacknowledged_event_is_never_overwritten():
    line = line_file(mailbox={"event_slots": 16, "scan_slots": 4})
    mini = MiniController(rig(20, line), acknowledge=False)
    mini.rig.start_arrivals()
    mini.rig.advance(30 * SECOND)
    assert mini.status32(m.STATUS_EVENT_HEAD) == 16
    assert mini.status32(m.STATUS_SCAN_HEAD) == 4
    overflow = int(mini.image.status[m.STATUS_EVENT_OVERFLOW])
    assert overflow == mini.rig.plc.event_overflow > 20
    assert mini.image.status[m.STATUS_SCAN_OVERFLOW] == mini.rig.plc.scan_overflow > 5
    mini.poll()
    assert [e.seq for e in mini.events] == list(range(1, 17))
    mini.acknowledge = True
    mini.run(40)
    assert mini.status32(m.STATUS_EVENT_HEAD) > 16
    assert [e.seq for e in mini.events] == list(range(1, mini.seen + 1))
    mini.rig.advance(41 * SECOND)
    assert mini.status32(m.STATUS_EVENT_ACK) == mini.seen


def test_an_acknowledgement_of_another_life_is_ignored():
    mini = MiniController(rig(0), acknowledge=False)
    mini.put32(mini.image.command, m.COMMAND_EVENT_ACK, 4711)
    mini.rig.advance(SECOND)
    assert mini.status32(m.STATUS_EVENT_ACK) == 0


@pytest.mark.parametrize("word_order", ["high_first", "low_first"])
def test_encoder_and_tick_wrap_in_mid_flight(word_order):
    line = line_file(mailbox={"word_order": word_order})
    start = {"encoder_start": 2**32 - 3000, "tick_start": 2**32 - 15_000}
    mini = MiniController(rig(3, line, plc=start))
    mini.rig.start_arrivals()
    parcels = iter(range(1, 100))

    def divert(event):
        if event.kind == EventKind.PARCEL_PASSED and event.source == 0:
            mini.fire_at(next(parcels), 0, event.encoder, 500)

    mini.on_event = divert
    mini.run_out(120)
    assert mini.rig.truth.by_chute()["one"] == 3
    counts = [e.encoder for e in mini.of(EventKind.PARCEL_PASSED)]
    assert min(counts) < 10_000
    assert max(counts) > 2**32 - 3000
    ticks = [e.tick for e in mini.of(EventKind.PARCEL_PASSED)]
    assert min(ticks) < 2**31 < max(ticks)
    truth = mini.rig.truth.parcels[0]
    assert truth.induct_count == 2**32 - 3000 + 300


def test_the_pending_table_is_bounded():
    mini = MiniController(rig(0))
    for number in range(1, 515):
        mini.command(number, 0, 1_000_000)
        if number % m.COMMAND_SLOTS == 0 or number > 510:
            mini.run(mini.rig.now_ns / SECOND + 0.01)
    assert mini.rig.plc.pending == 512
    assert mini.refusals() == [(n, RefusalCause.TABLE_FULL) for n in (513, 514)]
