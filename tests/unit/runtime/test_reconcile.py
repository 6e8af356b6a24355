import json

import pytest
from journal_samples import INFO, parcel_life

from sorter.errors import SorterError
from sorter.model.codes import Cause, FinalDisposition
from sorter.runtime.journal import InlineJournal
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.reconcile import reconcile, reconcile_rows
from sorter.runtime.truth_file import read_truth

CHUTES = ("c0", "c1", "c2")
SORTED, MISSORTED, REJECTED, LOST, REMOVED = FinalDisposition


def recorded(parcel=1, disposition=SORTED, *, chute=0, cause=-1, eye=0, encoder=1000):
    return ParcelRow(
        parcel,
        1,
        opened_eye=eye,
        opened_encoder=encoder,
        disposition=disposition,
        chute=chute,
        cause=cause,
    )


def true(physical_id=0, end="chute", chute="c0", *, count=1000, end_count=9000):
    return {
        "physical_id": physical_id,
        "label": f"RMA-{physical_id}",
        "induct_eye": 0,
        "induct_count": count,
        "sightings": [[0, count], [1, count + 3000]],
        "end": end,
        "chute": chute,
        "end_count": end_count,
        "faults": [],
    }


def compare(ours, theirs):
    found = reconcile_rows(ours, CHUTES, theirs)
    return found.unaccounted, found.truth_mismatches, found


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (recorded(), true()),
        (recorded(disposition=MISSORTED, chute=1), true(chute="c1")),
        (recorded(disposition=REJECTED, cause=Cause.NO_READ), true()),
        (
            recorded(disposition=REJECTED, cause=Cause.LINE_END, chute=-1),
            true(end="line_end", chute=None),
        ),
        (recorded(disposition=REJECTED, cause=Cause.LINE_END), true()),
        (recorded(disposition=REMOVED, chute=-1), true(end="removed", chute=None)),
        (recorded(disposition=LOST, chute=-1), true(end="removed", chute=None)),
        # Seen first at a later eye, or only at the chute's entry.
        (recorded(eye=1, encoder=4000), true()),
        (recorded(disposition=MISSORTED, eye=-1, encoder=9000), true()),
        # The PLC's counter has wrapped; the controller began to unwrap elsewhere.
        (recorded(encoder=1000 + 3 * 2**32), true(count=1000 + 2**32)),
    ],
)
def test_what_agrees(ours, theirs):
    unaccounted, mismatches, found = compare([ours], [theirs])
    assert (unaccounted, mismatches, found.details) == (0, 0, ())
    assert (found.physical, found.recorded) == (1, 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (recorded(chute=1), true(), "says sorted into c1; in truth it went into c0 at count 9000"),
        (recorded(disposition=LOST, chute=-1), true(), "says lost; in truth it went into c0"),
        (recorded(disposition=REMOVED, chute=-1), true(), "says removed; in truth it went into"),
        (
            recorded(disposition=REMOVED, chute=-1),
            true(end="on_line", chute=None),
            "says removed; in truth it is still on the line",
        ),
        (
            recorded(disposition=LOST, chute=-1, cause=Cause.MISTRACKED),
            true(end="on_line", chute=None),
            "says lost (mistracked); in truth it is still on the line",
        ),
        (recorded(), true(end="removed", chute=None), "in truth an operator took it off the belt"),
        (recorded(), true(end="line_end", chute=None), "in truth it ran off the end"),
        (
            recorded(disposition=LOST, chute=-1),
            true(end="line_end", chute=None),
            "says lost; in truth it ran off the end",
        ),
    ],
)
def test_what_does_not_agree(ours, theirs, told):
    unaccounted, mismatches, found = compare([ours], [theirs])
    assert (unaccounted, mismatches) == (0, 1)
    assert told in found.details[0]
    assert "parcel 1 = physical parcel 0 ('RMA-0')" in found.details[0]


def test_a_parcel_nobody_recorded_is_unaccounted():
    unaccounted, mismatches, found = compare([recorded()], [true(), true(1, count=5000)])
    assert unaccounted == 1
    assert "physical parcel 1 ('RMA-1'): the controller never saw it" in found.details[0]
    assert mismatches == 1  # the chute's count cannot agree either
    assert found.chutes == {"c0": (1, 2)}


def test_a_parcel_without_an_end_is_unaccounted():
    unaccounted, _, found = compare([recorded(disposition=0, chute=-1)], [true()])
    assert unaccounted == 1
    assert "no final disposition; in truth it went into c0" in found.details[0]


def test_a_parcel_that_never_was_is_a_mismatch():
    unaccounted, mismatches, found = compare([recorded(), recorded(2, encoder=77)], [true()])
    assert (unaccounted, mismatches) == (0, 1)
    assert (
        "parcel 2: the controller says sorted into c0; in truth there was no such parcel"
        in (found.details[0])
    )


def test_a_parcel_lost_and_found_again_ends_once():
    lost = recorded(1, LOST, chute=-1, cause=Cause.MISTRACKED)
    again = recorded(2, REJECTED, cause=Cause.TRACKING_LOST, eye=1, encoder=4000)
    unaccounted, mismatches, found = compare([lost, again], [true()])
    assert (unaccounted, mismatches, found.found_again) == (0, 0, 1)


def test_a_parcel_counted_twice_is_a_mismatch():
    twice = [recorded(1), recorded(2, eye=1, encoder=4000)]
    unaccounted, mismatches, found = compare(twice, [true()])
    assert (unaccounted, mismatches) == (0, 1)
    assert "counted twice, already as parcel 1: sorted into c0" in found.details[0]


DOUBLE = {"faults": ["double_feed"]}
UNSEEN = DOUBLE | {"end": "removed", "chute": None, "sightings": []}


def test_two_parcels_that_touched_are_two_records_once_they_came_apart():
    """The long one was missed by its diverter, which had its first half; the rest was removed."""
    long_one = recorded(1, REMOVED, chute=-1, cause=Cause.ZONE_CLEARED)
    first_half = recorded(2, MISSORTED, cause=Cause.TRACKING_LOST, eye=-1, encoder=9000)
    pair = [true(4) | DOUBLE, true(6, count=1300) | UNSEEN]
    unaccounted, mismatches, found = compare([long_one, first_half], pair)
    assert (unaccounted, mismatches) == (0, 0)
    assert {number: [row.parcel for row in rows] for number, rows in found.owners.items()} == {
        4: [2],
        6: [1],
    }


@pytest.mark.parametrize("other", [DOUBLE, UNSEEN | {"faults": []}, UNSEEN | {"end": "chute"}])
def test_only_one_that_touched_and_ended_so_takes_the_other_record(other):
    records = [
        recorded(1, REMOVED, chute=-1, cause=Cause.ZONE_CLEARED),
        recorded(2, MISSORTED, cause=Cause.TRACKING_LOST, eye=-1, encoder=9000),
    ]
    there = true(6, chute="c1", count=1300, end_count=12_000) | other
    _, mismatches, found = compare(records, [true(4) | DOUBLE, there])
    assert mismatches >= 1
    assert "counted twice, already as parcel 1" in found.details[0]


def test_a_double_count_is_not_taken_for_somebody_far_behind():
    records = [
        recorded(1, REMOVED, chute=-1, cause=Cause.ZONE_CLEARED),
        recorded(2, MISSORTED, cause=Cause.TRACKING_LOST, eye=-1, encoder=9000),
    ]
    between = [true(n, count=100_000 * n, end_count=100_000 * n + 1) for n in range(1, 9)]
    far = true(9, count=900_000) | UNSEEN
    ours = [recorded(10 + n, encoder=100_000 * n) for n in range(1, 9)]
    unaccounted, mismatches, _ = compare([*records, *ours], [true() | DOUBLE, *between, far])
    assert (unaccounted, mismatches) == (0, 1)


def test_one_that_was_met_again_at_an_eye_is_no_pair():
    records = [
        recorded(1, SORTED, chute=1),
        recorded(2, REJECTED, cause=Cause.TRACKING_LOST, eye=1, encoder=4000),
    ]
    lost = true(1, chute="c1", count=1300, end_count=12_000) | DOUBLE | {"sightings": []}
    unaccounted, mismatches, _ = compare(records, [true() | DOUBLE, lost])
    assert (unaccounted, mismatches) == (1, 1)


def test_a_journal_is_compared_with_a_ledger_file(tmp_path):
    journal = InlineJournal(tmp_path / "journal.sqlite", INFO)
    for step in parcel_life(1, 1) + parcel_life(2, 5, closed=False):
        journal.append(*step)
    sorted_into = INFO.layout.chute_names[2]
    rows = [
        true(0, chute=sorted_into, count=100, end_count=400),
        true(1, end="on_line", chute=None, count=500),
    ]
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(json.dumps(row) + "\n" for row in rows))
    journal._commit()
    running = reconcile(tmp_path / "journal.sqlite", truth)
    journal.close()
    assert reconcile(tmp_path / "journal.sqlite", truth) == running
    assert (running.physical, running.recorded) == (2, 2)
    assert (running.unaccounted, running.truth_mismatches) == (1, 0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"physical_id": 1, "end": "chute"}\nnot json\n', ":2: is not JSON"),
        ("[1, 2]\n", ":1: is no row of a truth ledger"),
        ('{"other": 1}\n', ":1: is no row of a truth ledger"),
        ("\udcff", "is no text"),
    ],
)
def test_a_damaged_ledger_is_named(tmp_path, content, told):
    path = tmp_path / "truth.jsonl"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SorterError, match=told):
        read_truth(path)


def test_a_missing_ledger_is_named(tmp_path):
    with pytest.raises(SorterError, match="the truth ledger cannot be read"):
        read_truth(tmp_path / "none.jsonl")
