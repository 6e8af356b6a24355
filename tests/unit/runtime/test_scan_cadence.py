"""A PLC whose clock goes on while its program stands, and one that is only looked at rarely."""

from __future__ import annotations

import pytest

from sorter.runtime.scan_cadence import ScanCadence

SCAN_TICKS = 100


def looked_at(*looks: tuple[int, int]) -> ScanCadence:
    """Return what has seen so many scans and ticks pass, one after the other."""
    cadence, scans, ticks = ScanCadence(), 65_500, 7_000
    cadence.look(scans, ticks)
    for more_scans, more_ticks in looks:
        scans, ticks = scans + more_scans, ticks + more_ticks
        cadence.look(scans & 0xFFFF, ticks)
    return cadence


USUAL = ((1, SCAN_TICKS),) * 20


@pytest.mark.parametrize(
    "looks",
    [
        (),
        ((1, SCAN_TICKS),),
        ((1, SCAN_TICKS), (0, 0), (0, 0)),
        ((50, 50 * SCAN_TICKS + 90), (6_000, 6_000 * SCAN_TICKS + 1_000)),
        ((70_000, 70_000 * SCAN_TICKS), (200_000, 200_000 * SCAN_TICKS)),
        ((1, SCAN_TICKS // 2), (1, 3 * SCAN_TICKS // 2)),
    ],
    ids=["none", "one", "the same scan", "link away", "counter went round", "unsteady"],
)
def test_a_program_that_runs(looks: tuple[tuple[int, int], ...]) -> None:
    assert looked_at(*USUAL, *looks).stood_until_tick == 0


@pytest.mark.parametrize(
    ("scans", "stood_ticks"), [(0, 250), (1, 250), (1, 60_000), (500, 250), (70_000, 20_000)]
)
def test_a_program_that_stood(scans: int, stood_ticks: int) -> None:
    """It is told until when, and still after looks at a program that runs."""
    elapsed = scans * SCAN_TICKS + stood_ticks
    stood_until = 7_000 + 20 * SCAN_TICKS + elapsed
    assert looked_at(*USUAL, (scans, elapsed)).stood_until_tick == stood_until
    assert looked_at(*USUAL, (scans, elapsed), *USUAL).stood_until_tick == stood_until


def test_a_scan_may_take_longer_from_now_on() -> None:
    slower = looked_at(*USUAL, *((1, 5 * SCAN_TICKS),) * 6_000)
    assert slower.stood_until_tick < 7_000 + 20 * SCAN_TICKS + 5 * SCAN_TICKS * 6_000


def test_a_heartbeat_that_goes_back_says_nothing_of_a_scan() -> None:
    cadence = looked_at((-5, SCAN_TICKS), *USUAL)
    assert cadence.stood_until_tick == 0
    assert looked_at((-5, SCAN_TICKS), *USUAL, (1, 5 * SCAN_TICKS)).stood_until_tick > 0


def test_another_start_of_the_plc_has_a_clock_of_its_own() -> None:
    cadence = looked_at(*USUAL, (1, 5 * SCAN_TICKS))
    cadence.restart()
    cadence.look(1, 10)
    cadence.look(2, 10 + 5 * SCAN_TICKS)
    assert cadence.stood_until_tick == 0
