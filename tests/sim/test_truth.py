"""The truth ledger tells the same whichever way it is asked."""

from __future__ import annotations

from sim.lines import rig
from sim.mini import SECOND


def test_the_short_form_agrees_with_the_whole_one_parcel_by_parcel():
    line = rig(60, arrivals={"process": "saturated"})
    line.start_arrivals()
    line.advance(3000 * SECOND)
    whole = list(line.truth.rows())
    short = line.truth.ends()
    assert len(short) == len(line.truth) > 40
    assert sum(len(row["sightings"]) for row in short) > 60
    for row, full in zip(short, whole, strict=True):
        assert {**full, **row, "faults": list(row["faults"])} == full
