"""The demo as a user types it: two processes, real sockets, reconciled with the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import ROOT, sorter

ONLINE_RETAIL = ROOT.parent / "shared" / "data" / "online_retail_returns.csv"
ZEROS = ("unaccounted", "truth_mismatches", "missed_deadlines", "missorted", "lost")


def run_demo(tmp_path: Path, *arguments: str) -> dict[str, object]:
    done = sorter(
        *("demo", "--json", "--keep", str(tmp_path), "--parcels", "60", "--speed", "8"),
        *arguments,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout)
    return summary


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
def test_the_line_sorts_over_real_sockets(protocol: str, tmp_path: Path) -> None:
    summary = run_demo(tmp_path, "--protocol", protocol)
    assert summary["parcels"] == 60
    assert {key: summary[key] for key in ZEROS} == dict.fromkeys(ZEROS, 0)
    assert summary["protocol"] == protocol
    assert summary["exit_codes"] == {"sorter run": 0, "plc_sim": 0}
    latency, slack = summary["decision_latency_us"], summary["slack_ms"]
    assert isinstance(latency, dict)
    assert isinstance(slack, dict)
    assert latency.keys() >= {"p50", "p99", "p999", "max"}
    assert slack.keys() >= {"min", "p1", "p50"}
    assert slack["min"] > 0
    replayed = sorter("replay", str(summary["journal"]))
    assert replayed.returncode == 0, replayed.stdout


def test_real_return_lines_are_sorted(tmp_path: Path) -> None:
    if not ONLINE_RETAIL.is_file():
        pytest.skip("the Online Retail file is not beside the project")
    summary = run_demo(tmp_path, "--returns", str(ONLINE_RETAIL))
    assert summary["parcels"] == 60
    assert {key: summary[key] for key in ZEROS} == dict.fromkeys(ZEROS, 0)


def test_a_scenario_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    done = sorter("demo", "--scenario", str(tmp_path / "none.yaml"), "--keep", str(tmp_path))
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr
