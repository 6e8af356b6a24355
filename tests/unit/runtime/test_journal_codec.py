import contextlib
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_samples import assert_same, parcel_step, steps

from sorter.errors import JournalError
from sorter.model.codes import OutcomeKind
from sorter.model.frames import Decisions, Inputs, ScanRead
from sorter.runtime.journal_codec import decode_group, encode_group, group_check
from sorter.runtime.journal_group import StepHash, gather

SCANNED = parcel_step(1, OutcomeKind.SCANNED, 5, code=b"RMA-1")


def hashed(*batches):
    found = StepHash()
    for batch in batches:
        found.update(gather(batch).group())
    return found.hexdigest()


def encoded(*appended):
    return encode_group(gather(appended).group())


@settings(max_examples=150, deadline=None)
@given(st.lists(steps(), min_size=1, max_size=4))
def test_a_group_gives_back_what_was_put_in(appended):
    payload = encoded(*appended)
    found = list(decode_group(10, payload, group_check(payload)))
    assert [step.step for step in found] == list(range(10, 10 + len(appended)))
    for step, there in zip(found, appended, strict=True):
        assert_same(step, there)


def test_steps_outside_the_wanted_range_are_passed_over():
    payload = encoded(*[SCANNED] * 5)
    found = decode_group(10, payload, group_check(payload), first=12, last=13)
    assert [step.step for step in found] == [12, 13]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_changed_byte_is_noticed(data):
    payload = bytearray(encoded(SCANNED))
    check = group_check(bytes(payload))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(JournalError, match="step 42 is damaged"):
        list(decode_group(42, bytes(payload), check))


@pytest.mark.parametrize("cut", [1, 8, 30, 200, 450])
def test_a_cut_group_names_its_step_even_with_a_fitting_check_sum(cut):
    payload = encoded(SCANNED, SCANNED)
    payload = payload[:-cut]
    with pytest.raises(JournalError, match="step 7 is damaged"):
        list(decode_group(7, payload, group_check(payload)))


def test_scanned_codes_that_are_cut_name_their_own_step():
    payload = encoded(SCANNED, SCANNED)
    code = payload.rindex(b"RMA-1")
    payload = payload[: code - 4] + b"\xff" + payload[code - 3 :]
    found = decode_group(7, payload, group_check(payload))
    assert next(found).step == 7
    with pytest.raises(JournalError, match="step 8 is damaged: a scanned code is cut short"):
        next(found)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_junk_with_a_fitting_check_sum_is_a_journal_error_at_most(junk, begins_well):
    if begins_well:
        junk = encoded(SCANNED)[:4] + junk
    found = []
    with contextlib.suppress(JournalError):
        found.extend(decode_group(1, junk, group_check(junk)))
    # A step has a head at least: junk never turns into more steps than it has room for.
    assert len(found) <= len(junk) // 60


def test_another_format_version_is_named():
    payload = b"\x09\x00" + encoded(SCANNED)[2:]
    with pytest.raises(JournalError, match="format 9"):
        list(decode_group(1, payload, group_check(payload)))


def test_a_registry_answer_must_belong_to_each_scan():
    read = ScanRead(1, 0, 0, 0, ())
    with pytest.raises(JournalError, match="1 scanner results were joined to 0"):
        gather([(0, Inputs(1, 6, 0), (read,), Decisions())])


def test_a_value_that_does_not_fit_is_a_journal_error():
    with pytest.raises(JournalError, match="boot id 9223372036854775808"):
        gather([(0, Inputs(2**63, 6, 0), (), Decisions())])


def test_the_hash_sees_decisions_but_not_when_the_loop_looked():
    now_ns, inputs, reads, decided = SCANNED
    later = dataclasses.replace(inputs, boot_id=9, encoder_count=123, line_state=11)
    assert hashed([SCANNED]) == hashed([(now_ns + 1, later, reads, decided)])
    changed = dataclasses.replace(decided, outcomes=decided.outcomes + 1)
    assert hashed([SCANNED]) != hashed([(now_ns, inputs, reads, changed)])
    other_code = (reads[0]._replace(codes=(b"RMA-2",)),)
    assert hashed([SCANNED]) != hashed([(now_ns, inputs, other_code, decided)])


def test_the_hash_sees_in_which_step_something_was_decided():
    now_ns, inputs, reads, decided = SCANNED
    first = (now_ns, inputs, reads, Decisions())
    second = (now_ns, Inputs(7, 6, 500), (), decided)
    assert hashed([first, second]) != hashed([SCANNED])


def test_the_hash_passes_over_empty_steps_and_does_not_see_groups():
    empty = (5, Inputs(1, 6, 77), (), Decisions())
    other = parcel_step(1, OutcomeKind.SEEN, 6)
    assert hashed([empty]) == hashed()
    assert hashed([empty, SCANNED, empty, other]) == hashed([SCANNED], [empty], [other])


def test_arrays_that_are_not_contiguous_are_kept_right():
    now_ns, inputs, reads, decided = parcel_step(1, OutcomeKind.SEEN, 3)
    wide = np.arange(6 * 12, dtype=np.int64).reshape(6, 12)
    strided = Decisions(outcomes=wide[::2, ::2])
    payload = encoded((now_ns, inputs, reads, strided))
    (step,) = decode_group(1, payload, group_check(payload))
    assert np.array_equal(step.decided.outcomes, wide[::2, ::2])
    assert decided.outcomes.shape[1] == step.decided.outcomes.shape[1]
