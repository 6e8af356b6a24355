import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sorter.runtime.journal_store import JournalReader

CHILD = Path(__file__).with_name("full_disk.py")
LINE = Path(__file__).with_name("small_disk.py")
START = Path(__file__).with_name("full_start.py")
TIMEOUT_S = 200


def run(arguments):
    child = subprocess.run(
        arguments, capture_output=True, text=True, timeout=TIMEOUT_S + 10, check=False
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def run_on_small_disk(folder, size, *arguments):
    """Run a child that gets a small disk as its first argument; keep its journal in `folder`."""
    # A file system of its own, in name spaces of its own: needs no right to mount anything.
    spaces = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*spaces, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody make name spaces")
    disk = folder / "disk"
    disk.mkdir()
    # Ends by itself: who waits for the shell cannot end what the shell has started.
    limit = ("timeout", "--signal=KILL", str(TIMEOUT_S))
    child = " ".join(map(str, (*limit, sys.executable, *arguments[:1], disk, *arguments[1:])))
    mount = f"mount -t tmpfs -o size={size} none {disk}"
    return run([*spaces, "sh", "-c", f"{mount} && {child} && cp {disk}/journal.sqlite* {folder}"])


def fill(how, folder):
    """Let the child fill a disk; return what it says. Its journal is in `folder` afterwards."""
    if how == "file_size":
        return run([sys.executable, str(CHILD), str(folder), how])
    return run_on_small_disk(folder, "1500k", CHILD, how)


@pytest.mark.parametrize("how", ["file_system", "file_size"])
def test_a_full_disk_loses_no_step_and_damages_nothing(how, tmp_path):
    said = fill(how, tmp_path)
    assert "cannot be written" in said["refused"]
    # Nothing is acknowledged that is not on the disk, and everything waits in memory.
    assert said["acknowledged_while_full"] < 4 * said["parcels"]
    assert said["waiting_while_full"] == 4 * said["parcels"] - said["acknowledged_while_full"]
    assert said["refused_afterwards"] == ""
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    with JournalReader(tmp_path / "journal.sqlite") as reader:
        (found,) = reader.runs()
        sequences = [int(step.inputs.events[0, 0]) for step in reader.steps(1, found.next_step - 1)]
        assert reader.sha256_hex(found) == found.sha256 == said["sha256"]
    assert sequences == list(range(1, 4 * said["parcels"] + 1))


def test_a_line_goes_on_in_its_journals_own_file_while_the_disk_stays_full(tmp_path):
    said = run_on_small_disk(tmp_path, "48m", LINE)
    # The alarm: refused, then tight for as long as there is no room for the reserve.
    assert said["states"] == ["REFUSED", "ROOMY", "TIGHT"]
    assert said["state_at_the_end"] == "TIGHT"
    # More than once: the log was used up and written anew.
    assert said["refusals"] > 1
    # The oldest parcels gave way to the new ones, each of which is in the journal and in its place.
    assert said["pruned_parcels"] > 0
    assert said["parcels"] == said["accounted_for"]
    assert said["unaccounted"] == said["truth_mismatches"] == 0, said["details"]
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    with JournalReader(tmp_path / "journal.sqlite") as reader:
        found = reader.last_run()
        assert found.ended_cleanly
        assert reader.sha256_hex(found) == found.sha256


def steps_in(path):
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    with JournalReader(path) as reader:
        found = reader.last_run()
        assert found.ended_cleanly
        return [int(step.inputs.events[0, 0]) for step in reader.steps(1, found.next_step - 1)]


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_controller_starts_on_a_full_disk_by_giving_up_its_reserve(end, tmp_path):
    """A stopped one has taken its log along, and the disk has no room for a new one either."""
    said = run_on_small_disk(tmp_path, "1500k", START, end, "reserve")
    assert said["error"] == ""
    assert said["reserve_before"]
    assert not said["reserve_at_start"]
    assert said["state"] == "TIGHT"
    assert steps_in(tmp_path / "journal.sqlite") == list(range(1, 9))


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_without_a_reserve_a_full_disk_is_named_and_the_journal_is_free_again(end, tmp_path):
    said = run_on_small_disk(tmp_path, "1500k", START, end, "nothing")
    assert "journal.sqlite: cannot be " in said["error"]
    assert "free space" in said["error"]
    assert steps_in(tmp_path / "journal.sqlite") == list(range(1, 9))
