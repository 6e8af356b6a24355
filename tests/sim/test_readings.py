"""Scanners and scales: what they make of parcels."""

from __future__ import annotations

from plc_sim.feed import FeedParcel
from sim.driving import ONE, divert_all, started
from sorter.model.codes import EventKind


def test_scanner_errors_are_as_frequent_as_asked_and_in_the_truth():
    quality = {"read_rate": 0.8, "multi_read_rate": 0.1}
    mini = started(500, scanners=quality)
    divert_all(mini, ONE)
    mini.run_out(600)
    empty = sum(scan.codes == () for scan in mini.scans)
    double = sum(len(scan.codes) == 2 for scan in mini.scans)
    assert 70 < empty < 130
    assert 20 < double < 65
    truth = mini.rig.truth.parcels
    assert sum("no_read" in p.faults for p in truth) == empty
    assert sum("multi_read" in p.faults for p in truth) == double
    assert [p.codes_read[0][1] for p in truth] == [scan.codes for scan in mini.scans]


def test_read_faults_hit_the_parcels_they_name():
    faults = [
        {"kind": "no_read", "from_parcel": 1, "parcels": 2},
        {"kind": "multi_read", "from_parcel": 4},
        {"kind": "swapped_codes", "from_parcel": 6},
    ]
    mini = started(9, faults=faults)
    divert_all(mini, ONE)
    mini.run_out(60)
    codes = [scan.codes for scan in mini.scans]
    label = [(b"L%05d" % row,) for row in range(9)]
    assert codes[0:4] == [label[0], (), (), label[3]]
    assert codes[4] == (*label[4], *label[3])
    assert codes[5:9] == [label[5], label[7], label[6], label[8]]
    assert mini.rig.truth.parcels[6].faults == ("swapped_code",)
    assert mini.rig.truth.row(mini.rig.truth.parcels[6])["label"] == "L00006"


def test_a_parcel_without_label_is_a_no_read():
    mini = started([FeedParcel(b"")])
    mini.run(5)
    assert mini.scans[0].codes == ()


def test_a_scale_errs_by_its_standard_deviation():
    mini = started(200, scales={"weight_sd_g": 50, "size_sd_mm": 5})
    divert_all(mini, ONE)
    mini.run_out(300)
    weights = [e.b * 10 for e in mini.of(EventKind.PARCEL_MEASURED)]
    assert 780 < sum(weights) / len(weights) < 820
    assert len(set(weights)) > 10
    assert len({e.a >> 16 for e in mini.of(EventKind.PARCEL_MEASURED)}) > 10
