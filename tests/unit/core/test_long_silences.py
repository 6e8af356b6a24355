"""The link is cut, or the count jumps: what is concluded about the parcels on the line."""

from __future__ import annotations

import pytest
from tiny_layout import LOOP
from tiny_line import Parcel, TinyLine


def waits_for_a_bench(line: TinyLine) -> Parcel:
    line.chute_becomes("bench")
    return line.known_parcel(at=1_000, category="electronics")


@pytest.mark.parametrize("rounds", [20, 30_000])
def test_laps_that_nobody_saw_are_not_counted(rounds: int) -> None:
    line = TinyLine(rows=4)
    parcel = waits_for_a_bench(line)
    line.hears_nothing_until(parcel.at("far") + rounds * LOOP)
    line.runs_to(line.now + 1)
    assert parcel.end == "LOST: MISTRACKED"
    assert "RECIRCULATED 2" not in parcel.story


def test_a_jump_of_the_count_drops_no_closing() -> None:
    line = TinyLine(rows=4)
    parcels = [line.known_parcel(at=1_000 + 3_000 * n, identity=n) for n in range(4)]
    line.hears_nothing_until(line.now + (1 << 31))
    line.runs_to(line.now + 1)
    assert [parcel.end for parcel in parcels] == ["LOST: MISTRACKED"] * 4
    assert line.counted("DROPPED_OUTPUTS") == 0
    assert line.state.tracked_count() == 0
