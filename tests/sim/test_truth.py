"""The truth ledger tells the same whichever way it is asked, and survives its writer."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from pathlib import Path

import pytest

from plc_sim.continuation import Continuation, TruthFileError, read_continuation
from plc_sim.rig import Rig
from plc_sim.truth_log import TruthLog
from sim.driving import ONE, divert_all, started
from sim.lines import feed, line_file, rig, scenario
from sim.mini import SECOND, MiniController
from sorter.runtime.truth_file import read_truth


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


@pytest.mark.parametrize("belts", ["emptied", "kept"])
def test_both_forms_know_which_start_of_the_plc_a_count_is_of(belts):
    fault = {"kind": "plc_restart", "at_s": 8.2, "down_s": 1, "belts": belts}
    mini = started(12, faults=[fault])
    divert_all(mini, ONE)
    mini.run(8.1)
    mini.rig.advance(12 * SECOND)
    whole, short = list(mini.rig.truth.rows()), mini.rig.truth.ends()
    for row, full in zip(short, whole, strict=True):
        assert {**full, **row, "faults": list(row["faults"])} == full
    assert {row["end_boot"] for row in whole if row["end"] == "chute"} >= {1}
    assert {boot for row in whole for _, _, boot in row["sightings"]} == {1, 2}


def run_with_log(file, until_s: float) -> MiniController:
    """A line whose ledger is written as it goes, as a served one's is."""
    mini = started(20, scanners={"read_rate": 0.7}, arrivals={"process": "poisson"})
    divert_all(mini, ONE)
    with closing(TruthLog(file, mini.rig.truth)) as log:
        for step in range(int(until_s * 4)):
            mini.run(step / 4)
            log.update()
        written = file.read_bytes()
    assert file.read_bytes() == written
    return mini


def test_the_file_is_right_at_every_moment(tmp_path):
    file = tmp_path / "truth.jsonl"
    mini = run_with_log(file, 30)
    rows = read_truth(file)
    assert rows == list(mini.rig.truth.rows())
    assert {row["end"] for row in rows} == {"chute", "on_line"} or len(rows) == 20
    assert any(row["faults"] for row in rows)


def test_a_full_log_of_the_plant_gets_into_the_file_whole(tmp_path):
    file = tmp_path / "truth.jsonl"
    busy = rig(100, arrivals={"process": "saturated"})
    busy.start_arrivals()
    with closing(TruthLog(file, busy.truth)) as log:
        for second in range(0, 1100, 500):
            busy.advance(second * SECOND)
            log.update()
    assert len(busy.plant.memory.log) > 0
    assert read_truth(file) == list(busy.truth.rows())


def test_half_a_line_that_a_killed_writer_left_is_passed_over(tmp_path):
    file = tmp_path / "truth.jsonl"
    mini = run_with_log(file, 10)
    with file.open("a") as end:
        end.write('{"seen":3,"eye":0,"cou')
    assert read_truth(file) == list(mini.rig.truth.rows())
    before = read_continuation(file)
    with closing(TruthLog(file, rig(0).truth)) as log:
        log.go_on(before.on_belt, ())
    assert len(read_truth(file)) == len(mini.rig.truth.parcels)
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_a_line_goes_on_where_a_killed_one_was(tmp_path):
    file = tmp_path / "truth.jsonl"
    faults = [
        {"kind": "e_stop", "at_s": 1, "for_s": 0.5},
        {"kind": "e_stop", "at_s": 30, "for_s": 0.5},
        {"kind": "no_read", "from_parcel": 15},
    ]
    described = scenario(faults=faults)
    parcels = feed(20)
    first = MiniController(Rig(described, line_file(), parcels, 1))
    first.rig.start_arrivals()
    divert_all(first, ONE)
    with closing(TruthLog(file, first.rig.truth)) as log:
        for step in range(41):
            first.run(step / 4)
            log.update()

    earlier = read_continuation(file)
    assert earlier.put_on == set(range(len(first.rig.truth)))
    assert len(earlier.on_belt) == first.rig.parcels_on_line > 0
    rest = earlier.rest_of_scenario(described)
    assert [getattr(fault, "at_s", None) for fault in rest.faults] == [
        pytest.approx(30 - earlier.elapsed_s),
        None,
    ]
    boot = rest.plc.model_copy(update={"boot_id": 77})
    second = MiniController(
        Rig(rest.model_copy(update={"plc": boot}), line_file(), earlier.rest_of_feed(parcels), 1),
        epoch=2,
    )
    with closing(TruthLog(file, second.rig.truth, earlier.elapsed_s)) as log:
        log.go_on(earlier.on_belt, earlier.lately_ended)
        second.rig.start_arrivals()
        divert_all(second, ONE)
        second.run_out(100)

    rows = read_truth(file)
    assert [row["physical_id"] for row in rows] == list(range(20))
    assert [row["label"] for row in rows] == [f"L{number:05d}" for number in range(20)]
    ends = [row["end"] for row in rows]
    assert [n for n, end in enumerate(ends) if end == "removed"] == sorted(earlier.on_belt)
    assert ends.count("chute") == 20 - len(earlier.on_belt)
    assert all("plc_restart" in rows[number]["faults"] for number in earlier.on_belt)
    assert rows[15]["faults"] == ["no_read"]
    assert rows[15]["codes_read"] == [[0, []]]
    boots = [{boot for _, _, boot in row["sightings"]} for row in rows]
    assert boots[0] == {1}
    assert boots[-1] == {77}


def test_recorded_arrivals_go_on_from_where_they_were(tmp_path):
    file = tmp_path / "truth.jsonl"
    file.write_text('{"physical_id":0,"label":"A","length_mm":300,"weight_g":1,"at_s":4.0}\n')
    earlier = read_continuation(file)
    parcels = [*feed(1, arrive_ms=4000.0), *feed(1, arrive_ms=4500.0), *feed(1, arrive_ms=1000.0)]
    assert [(p.physical_id, p.arrive_ms) for p in earlier.rest_of_feed(parcels)] == [
        (1, 500.0),
        (2, 0.0),
    ]


@pytest.mark.parametrize("content", ["no json\n", "[1]\n"])
def test_a_file_that_is_no_ledger_is_named(tmp_path, content):
    file = tmp_path / "truth.jsonl"
    file.write_text(content)
    with pytest.raises(TruthFileError, match=r"truth.jsonl:1: is no.*; delete the file"):
        read_continuation(file)


def test_without_a_file_nothing_was_before(tmp_path):
    earlier = read_continuation(tmp_path / "none.jsonl")
    assert not earlier.put_on
    assert earlier.rest_of_feed(feed(3)) == feed(3)


def test_a_pipe_that_nobody_reads_is_refused_as_ledger(tmp_path):
    pipe = tmp_path / "truth.jsonl"
    os.mkfifo(pipe)
    assert read_continuation(pipe) == Continuation()
    with pytest.raises(TruthFileError, match="a pipe or socket that nobody reads"):
        TruthLog(pipe, rig(0).truth)


@pytest.mark.parametrize(
    ("name", "problem"), [(".", "Is a directory"), ("none/truth", "No such file or directory")]
)
def test_what_cannot_be_a_ledger_is_named_with_what_to_do(tmp_path, name, problem):
    path = tmp_path / name
    says = re.escape(f"{path}: the truth ledger cannot be written ({problem}); name a file ")
    with pytest.raises(TruthFileError, match=f"^{says}"):
        TruthLog(path, rig(0).truth)


def test_a_ledger_that_is_no_text_is_named_with_what_to_do(tmp_path):
    file = tmp_path / "truth.jsonl"
    file.write_bytes(b"\xff\n")
    with pytest.raises(TruthFileError, match=r"cannot be read \(it is no text\); name another"):
        read_continuation(file)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_disk_that_fills_up_is_named():
    mini = started(3)
    log = TruthLog(Path("/dev/full"), mini.rig.truth)
    mini.run(8.0)
    for write in (log.update, log.close):
        with pytest.raises(TruthFileError, match=r"/dev/full: .* \(No space left on device\); "):
            write()
