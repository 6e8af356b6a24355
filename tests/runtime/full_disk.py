"""Runs in a child process: a threaded journal on a disk that fills up and is emptied again.

Arguments: the journal's folder, and how the disk is filled: ``file_system`` (its last byte is
taken) or ``file_size`` (this process may make no file longer). Prints what happened as JSON.
"""

import json
import resource
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "runtime"))

from journal_samples import INFO, parcel_life

from sorter.runtime.clock import MonotonicClock
from sorter.runtime.journal import ThreadedJournal
from sorter.runtime.logs import configure_logs

DEADLINE_S = 30.0
PARCELS = 400


def until(condition, what):
    pause = threading.Event()
    for _ in range(int(DEADLINE_S / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise SystemExit(f"not within {DEADLINE_S} s: {what}")


def fill_file_system(folder):
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    return ballast.unlink


def fill_file_size(folder):
    longest = max(path.stat().st_size for path in folder.iterdir())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def main(folder, how):
    path = folder / "journal.sqlite"
    journal = ThreadedJournal(path, INFO, commit_interval_s=0.001)
    lives = [parcel_life(number, 4 * number - 3) for number in range(1, PARCELS + 1)]
    for step in lives[0]:
        journal.append(*step)
    until(lambda: journal.acknowledged().event_seq == 4, "first steps committed")
    make_room = fill_file_system(folder) if how == "file_system" else fill_file_size(folder)
    for life in lives[1:]:
        for step in life:
            journal.append(*step)
    until(lambda: journal.refusals > 2, "the disk refuses")
    said = {
        "refused": journal.refused,
        "acknowledged_while_full": journal.acknowledged().event_seq,
        "waiting_while_full": journal.lag_steps,
    }
    make_room()
    until(lambda: journal.acknowledged().event_seq == 4 * PARCELS, "all steps committed")
    said["refused_afterwards"] = journal.refused
    journal.close()
    sys.stdout.write(json.dumps({**said, "sha256": journal.sha256_hex(), "parcels": PARCELS}))


if __name__ == "__main__":
    configure_logs(MonotonicClock())
    main(Path(sys.argv[1]), sys.argv[2])
