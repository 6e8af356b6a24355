"""Faults in a scenario that only who runs both sides can make."""

from __future__ import annotations

import pytest

from plc_sim.rig import Rig
from plc_sim.runner_faults import split_faults
from sim.lines import feed, line_file, rig, scenario
from sorter.errors import ConfigError

ALL = [
    {"kind": "link_cut", "at_s": 1, "for_s": 0.1},
    {"kind": "link_half_open", "at_s": 1, "for_s": 5},
    {"kind": "link_latency", "at_s": 1, "for_s": 5, "latency_ms": 40, "jitter_ms": 10},
    {"kind": "link_loss", "at_s": 1, "for_s": 5, "share": 0.1},
    {"kind": "host_down", "at_s": 1, "for_s": 5},
    {"kind": "disk_full", "at_s": 1, "for_s": 5},
    {"kind": "clock_step", "at_s": 1, "step_s": -3600},
    {"kind": "kill_controller", "at_s": 1, "down_s": 2},
    {"kind": "kill_plc", "at_s": 1, "down_s": 2},
]
STOP = {"kind": "e_stop", "at_s": 1, "for_s": 2}


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault["kind"])
def test_a_line_alone_refuses_what_it_cannot_do(fault):
    with pytest.raises(ConfigError, match=f"cannot make {fault['kind']}"):
        rig(1, faults=[STOP, fault])


def test_a_runner_takes_them_out_and_the_rest_runs():
    described, mine = split_faults(scenario(faults=[*ALL, STOP]))
    assert [fault.kind for fault in mine] == [fault["kind"] for fault in ALL]
    assert [fault.kind for fault in described.faults] == ["e_stop"]
    assert Rig(described, line_file(), feed(1)).released == 0


@pytest.mark.parametrize("for_s", [0.05, 61])
def test_a_link_cut_lasts_from_a_tenth_of_a_second_to_a_minute(for_s):
    with pytest.raises(ValueError, match="for_s"):
        scenario(faults=[{"kind": "link_cut", "at_s": 0, "for_s": for_s}])
