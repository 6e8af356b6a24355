import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sorter.runtime.journal_store import JournalReader

CHILD = Path(__file__).with_name("full_disk.py")
IN_A_SMALL_DISK = (
    "mount -t tmpfs -o size=1500k none {disk} && "
    "{python} {child} {disk} file_system && cp {disk}/journal.sqlite* {kept}"
)


def run(arguments):
    child = subprocess.run(arguments, capture_output=True, text=True, timeout=90, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def fill(how, folder):
    """Let the child fill a disk; return what it says. Its journal is in `folder` afterwards."""
    if how == "file_size":
        return run([sys.executable, str(CHILD), str(folder), how])
    # A file system of its own, in name spaces of its own: needs no right to mount anything.
    spaces = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*spaces, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody make name spaces")
    disk = folder / "disk"
    disk.mkdir()
    command = IN_A_SMALL_DISK.format(disk=disk, python=sys.executable, child=CHILD, kept=folder)
    return run([*spaces, "sh", "-c", command])


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
