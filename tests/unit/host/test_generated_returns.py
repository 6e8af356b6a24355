"""Generated returns and feeds."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_sim.feed import read_feed
from sorter.errors import ReturnsFileError
from sorter.host.barcode import Check, Family, read_payload
from sorter.host.feed import feed_from_registry
from sorter.host.generate import (
    CATEGORIES,
    FeedRow,
    escape_label,
    feed_row,
    generate_returns,
    unescape_label,
    write_feed,
)
from sorter.host.registry import Registry
from sorter.host.returns_file import import_csv, write_csv
from sorter.model.codes import Grade, ReturnReason


def test_every_label_reads_back_as_its_identity():
    families = Counter()
    for one in generate_returns(400, 3):
        reading = read_payload(one.label.encode())
        assert reading.identity == one.record.identity
        assert reading.check is (Check.NONE if reading.family is Family.PLAIN else Check.OK)
        families[reading.family] += 1
    assert set(families) == {
        Family.GS1_ELEMENT_STRING, Family.GS1_DIGITAL_LINK, Family.UPU_S10, Family.PLAIN,
    }  # fmt: skip


def test_the_same_seed_gives_the_same_returns_and_a_longer_run_begins_alike():
    assert list(generate_returns(50, 7)) == list(generate_returns(80, 7))[:50]
    assert list(generate_returns(50, 7)) != list(generate_returns(50, 8))
    assert list(generate_returns(0, 7)) == []


def test_labels_are_unique_across_chunks():
    returns = list(generate_returns(60_000, 11))
    assert len({one.label for one in returns}) == len(returns)
    assert len({one.record.identity for one in returns}) == len(returns)


def test_shares_are_as_documented():
    """60,000 draws: every bound is more than five standard deviations wide."""
    returns = list(generate_returns(60_000, 11))
    grades = Counter(one.record.grade for one in returns)
    reasons = Counter(one.record.reason for one in returns)
    count = len(returns)
    assert abs(grades[Grade.A] / count - 0.93) < 0.006
    assert abs(grades[Grade.D] / count - 0.01) < 0.003
    assert abs(reasons[ReturnReason.WRONG_SIZE] / count - 0.30) < 0.01
    assert abs(reasons[ReturnReason.OTHER] / count - 0.10) < 0.007
    for share, chosen in [
        (0.005, sum(not one.registered for one in returns)),
        (0.004, sum(one.record.hazmat for one in returns)),
        (0.004, grades[Grade.U]),
        (0.003, sum(one.announced.width_mm > 450 for one in returns)),
        (0.003, sum(one.announced.weight_g > 20_000 for one in returns)),
        (0.008, sum(one.record.days_held > (30 if one.record.country in ("GB", "US") else 14)
                    for one in returns)),
    ]:  # fmt: skip
        assert abs(chosen / count - share) < 0.002


def test_sizes_stay_in_the_ranges_of_the_category():
    shapes = {shape.name: shape for shape in CATEGORIES}
    for one in generate_returns(2000, 2):
        low, high = shapes[one.record.category].length_mm
        assert low <= one.announced.length_mm <= high
        assert one.announced.weight_g > 0


@given(st.text())
def test_any_label_survives_its_escapes(label):
    escaped = escape_label(label)
    assert escaped.isascii()
    assert unescape_label(escaped) == label


@given(st.text())
def test_unescaping_takes_any_text(text):
    assert isinstance(unescape_label(text), str)


def test_unknown_escapes_stay():
    assert unescape_label(r"(10)A\(\q\xZZ\U00110000") == r"(10)A\(\q\xZZ\U00110000"


def test_the_simulator_reads_the_feed_as_written(tmp_path):
    path = tmp_path / "feed.csv"
    labels = ["]d2010590123412345721SN\x1d10L", 'a,"b"', "łódź\\x1d", " x "]
    rows = [FeedRow(label, 300, 200, 100, 500, number) for number, label in enumerate(labels)]
    assert write_feed(path, rows) == 4
    parcels = read_feed(path)
    assert [parcel.label.decode() for parcel in parcels] == labels
    assert [parcel.arrive_ms for parcel in parcels] == [0, 1, 2, 3]
    generated = list(generate_returns(20, 1))
    write_feed(path, map(feed_row, generated))
    assert [parcel.label.decode() for parcel in read_feed(path)] == [one.label for one in generated]
    assert {parcel.arrive_ms for parcel in read_feed(path)} == {None}


def test_a_feed_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(ReturnsFileError, match="cannot be written"):
        write_feed(tmp_path / "no" / "feed.csv", [])


def _timed_registry(days):
    """A registry with so many returns on each day."""
    registry = Registry.create(":memory:")
    returns = generate_returns(sum(days), 4, 0.0)
    rows = []
    for day, count in enumerate(days, start=1):
        for _ in range(count):
            announced = next(returns).announced
            rows.append(
                type(announced)(
                    announced.record, announced_at=f"2011-01-{day:02d}T10:00:00", units=3
                )
            )
    registry.import_many(reversed(rows))
    return registry


def test_a_feed_from_the_registry_is_in_time_order_at_the_mean_rate():
    with _timed_registry([20, 200, 20]) as registry:
        rows = list(feed_from_registry(registry, 1, rate_parcels_per_h=36_000))
        assert rows == list(feed_from_registry(registry, 1, rate_parcels_per_h=36_000))
        assert len(list(feed_from_registry(registry, 1, limit=7))) == 7
    times = [row.arrive_ms for row in rows]
    assert times == sorted(times)
    assert times[0] == 0
    # 240 parcels at 10 a second: 24 s, less the distance before the first
    assert 23_700 < times[-1] < 24_000
    quiet, busy = times[19] / 19, (times[219] - times[20]) / 199
    assert busy < quiet
    assert min(after - before for before, after in pairwise(times)) >= 100 / 1.5 * 0.5 - 1
    assert all(row.length_mm > 0 and 0 < row.weight_g <= 15_000 for row in rows)


def test_an_empty_registry_gives_an_empty_feed():
    with Registry.create(":memory:") as registry:
        assert list(feed_from_registry(registry, 1)) == []


def test_known_sizes_are_kept_in_the_feed(tmp_path):
    write_csv(tmp_path / "r.csv", (one.announced for one in generate_returns(30, 6, 0.0)))
    with Registry.create(":memory:") as registry:
        import_csv(tmp_path / "r.csv", registry)
        sizes = [(one.length_mm, one.weight_g) for one in registry]
        assert [(row.length_mm, row.weight_g) for row in feed_from_registry(registry, 1)] == sizes
