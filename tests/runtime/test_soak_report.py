"""What a soak concludes from its samples."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest

from plc_sim.soak_command import soak_view
from sorter.runtime.soak_report import (
    Latency,
    Sample,
    SampleLog,
    look_at,
    report,
    slope_per_million,
)


def samples(leak_bytes_per_parcel: float, *, warm_up_bytes: int = 0) -> list[Sample]:
    made = []
    for parcels in range(0, 1_000_001, 10_000):
        rss = 200_000_000 + int(leak_bytes_per_parcel * parcels)
        rss += warm_up_bytes if parcels >= 50_000 else 0
        made.append(Sample(parcels, parcels / 1000, rss, 10, 3, 1, 5000))
    return made


@pytest.mark.parametrize(("leak", "holds"), [(0.0, True), (0.9, True), (1.1, False), (40, False)])
def test_a_leak_is_told_from_a_warm_up(leak: float, holds: bool) -> None:
    found = report(samples(leak, warm_up_bytes=90_000_000), [Latency(10, 20, 100)], {})
    assert found["memory_holds"] is holds
    assert found["memory_slope_mb_per_million"] == pytest.approx(leak, abs=0.01)
    assert found["warm_up_share"] == 0.1


@pytest.mark.parametrize(("last", "holds"), [(100.0, True), (109.0, True), (112.0, False)])
def test_the_last_tenth_is_compared_with_the_first(last: float, holds: bool) -> None:
    tenths = [Latency(50, 100, 9), Latency(50, 500, 9), Latency(50, last, 9)]
    found = report(samples(0), tenths, {"protocol": "none"})
    assert found["latency_holds"] is holds
    assert found["protocol"] == "none"


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100, 1000])
def test_a_log_keeps_few_samples_evenly_spread_and_the_newest(count: int) -> None:
    log = SampleLog(capacity=8)
    offered = [Sample(10 * at, at / 8, 200 + at, 10, 3, 1, 5000, at) for at in range(count)]
    for sample in offered:
        log.add(sample)
    kept = log.samples()
    assert kept[-1] == offered[-1]
    assert min(count, 4) <= len(kept) <= 9
    strides = {b.preemptions - a.preemptions for a, b in itertools.pairwise(kept[:-1])}
    assert len(strides) <= 1
    assert set(kept) <= set(offered)


def test_a_slope_needs_two_places() -> None:
    assert slope_per_million([5, 5, 5], [1, 2, 3]) == 0.0
    assert slope_per_million([0, 500_000], [1, 2]) == pytest.approx(2.0)


def test_a_process_is_looked_at(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    journal.write_bytes(b"1234")
    Path(f"{journal}-wal").write_bytes(b"123")
    before = look_at(os.getpid(), 1, 1.0, 0, journal)
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    with journal.open("rb"):
        ballast = bytearray(os.urandom(1 << 20) * 64)
        after = look_at(os.getpid(), 1, 1.0, 0, journal)
    go_on.set()
    thread.join(10)
    assert after.files == before.files + 1
    assert after.threads == before.threads + 1
    assert after.rss_bytes - before.rss_bytes > len(ballast) // 2
    assert after.journal_bytes == 7


def test_a_run_shorter_than_its_samples_shows_no_row_before_its_first() -> None:
    """Tenths that end before the first sample showed the last one, and preempted below zero."""
    few = [Sample(parcels, 1.0, 200_000_000, 10, 3, 1, 5000, parcels) for parcels in (5000, 9000)]
    facts = {"protocol": "in_process", "wall_s": 2.0, "unaccounted": 0, "truth_mismatches": 0}
    latencies = [Latency(0.0, 0.0, 0), *[Latency(10.0, 20.0, 100)] * 9]
    table = soak_view(report(few, latencies, facts))
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["parcels"][0] == "5,000"
    assert columns["parcels"][-1] == "9,000"
    assert columns["p99 us"][0] == "-"
    assert all(int(cell.replace(",", "")) >= 0 for cell in columns["preempted"])
