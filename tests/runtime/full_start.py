"""Runs in a child process: a journal that is begun again on a disk with nothing left on it.

Arguments: the journal's folder, a small file system of its own; how the run before ended
(``stopped`` or ``killed``); and whether it left a reserve. Prints what happened as JSON.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "runtime"))

from full_disk import fill_file_system, until
from journal_samples import INFO, parcel_life

from sorter.errors import JournalError
from sorter.runtime.clock import Calendar, MonotonicClock
from sorter.runtime.journal import ThreadedJournal
from sorter.runtime.journal_retention import Limits
from sorter.runtime.logs import configure_logs

RESERVE_BYTES = 300_000


def begin(path, reserve):
    limits = Limits(reserve_bytes=RESERVE_BYTES if reserve else 0)
    return ThreadedJournal(path, INFO, 0.001, limits=limits, calendar_s=Calendar().now_s)


def live(journal, parcel):
    for step in parcel_life(parcel, 4 * parcel - 3):
        journal.append(*step)
    until(lambda: journal.acknowledged().event_seq == 4 * parcel, "steps committed")


def run_before(path, end, reserve):
    journal = begin(path, reserve)
    live(journal, 1)
    kept = Path(f"{path}.reserve")
    until(lambda: kept.exists() or not reserve, "the reserve kept")
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    journal.close()


def main(folder, end, reserve):
    path = folder / "journal.sqlite"
    before = [sys.executable, __file__, str(folder), end, reserve, "before"]
    subprocess.run(before, check=end != "killed")
    empty = fill_file_system(folder)
    said = {"reserve_before": Path(f"{path}.reserve").exists(), "error": ""}
    try:
        journal = begin(path, reserve == "reserve")
    except JournalError as error:
        said["error"] = str(error)
        empty()
        # In the same process: whoever was refused must not keep the journal for itself.
        journal = begin(path, reserve=False)
    said["reserve_at_start"] = Path(f"{path}.reserve").exists()
    live(journal, 2)
    said["state"] = journal.storage.state.name
    journal.close()
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    configure_logs(MonotonicClock())
    if sys.argv[4:] == ["before"]:
        run_before(Path(sys.argv[1]) / "journal.sqlite", sys.argv[2], sys.argv[3] == "reserve")
    else:
        main(Path(sys.argv[1]), *sys.argv[2:4])
