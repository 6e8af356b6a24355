"""Asks the registry again for parcels that it did not know when they were scanned.

A return may be announced while its parcel is already on the belt, and the registry file may be
locked, missing or broken for a while. The loop never waits for either: it decides by what it has,
and a thread asks again. An answer becomes one more scan row of the same passage, upon which the
parcel is decided anew if its commit point is still ahead.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from sorter.errors import ReturnsFileError
from sorter.host.barcode import BarcodeReading, read_payload
from sorter.host.registry import FactsRow, Registry
from sorter.model.frames import ScanRead

PERIOD_S: Final = 0.05
"""Between two rounds of asking; a round without news costs the thread some 20 us."""
ROUNDS: Final = 12_000
"""After so many rounds, ten minutes, a parcel is not waited for any more."""
CAPACITY: Final = 2048
"""Passages remembered at most: as many as parcels can be tracked. The oldest gives way."""
BUSY_TIMEOUT_S: Final = 0.2
_STOP_DEADLINE_S: Final = 5.0

Answer = tuple[ScanRead, list[tuple[bytes, FactsRow]]]
"""A scanner result and the records of its codes, as far as there are any."""


def find_record(registry: Registry, reading: BarcodeReading) -> FactsRow | None:
    """Return the record that a legible payload belongs to, by its text or by its GS1 key.

    Raises
    ------
    sqlite3.Error
        The file does not answer.
    """
    return registry.facts_of(reading.text) or registry.facts_of_identity(reading.key)


@dataclass(slots=True)
class _Passage:
    scan: ScanRead
    life: int
    rounds: int = 0


class LateAsker:
    """Remembers unknown passages and asks a registry file about them, in a thread of its own.

    Parameters
    ----------
    path : Path
        Registry file. It may be missing, locked or replaced at any time.
    period_s : float
        Between two rounds.

    Attributes
    ----------
    reachable : bool
        The last round got an answer from the file.
    problem : str
        What it said last when it did not.
    answered, given_up : int
        Passages whose record came later, and those not waited for any more.
    """

    def __init__(self, path: Path, period_s: float = PERIOD_S) -> None:
        self.reachable = True
        self.problem = ""
        self.answered = 0
        self.given_up = 0
        self._path = path
        self._period_s = period_s
        self._registry: Registry | None = None
        self._file: tuple[int, int] = (0, 0)
        self._generation = -1
        self._life = 0
        self._new: deque[_Passage] = deque(maxlen=CAPACITY)
        self._waiting: deque[_Passage] = deque(maxlen=CAPACITY)
        self._answers: deque[tuple[int, Answer]] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- the loop's side: never waits ---------------------------------------------------------
    @property
    def waiting(self) -> int:
        """Passages without an answer."""
        return len(self._waiting) + len(self._new)

    def remember(self, scan: ScanRead) -> None:
        """Ask about this passage from now on."""
        if len(self._new) == CAPACITY:
            self.given_up += 1
        self._new.append(_Passage(scan, self._life))

    def answers(self) -> Sequence[Answer]:
        """Return what has been found since the last call."""
        if not self._answers:
            return ()
        taken = []
        while self._answers:
            life, answer = self._answers.popleft()
            if life == self._life:
                taken.append(answer)
        self.answered += len(taken)
        return taken

    def forget(self) -> None:
        """Ask about none of the passages any more: their numbers mean other parcels from now on."""
        self._life += 1

    # --- the thread's side ----------------------------------------------------------------------
    def ask(self) -> None:
        """Ask once about what is new, and about everything if the registry has changed."""
        try:
            registry = self._current()
            generation = registry.generation()
            changed = generation != self._generation
            fresh = len(self._new)
            asked = [self._new.popleft() for _ in range(fresh)]
            if changed:
                asked = [*self._waiting, *asked]
                self._waiting.clear()
            self._ask_about(registry, asked)
            self._generation = generation
        except (sqlite3.Error, ReturnsFileError, OSError) as error:
            self.reachable = False
            self.problem = str(error)
            self._generation = -1  # whatever was not answered is asked again
            self._close()
        else:
            self.reachable = True
        self._age()

    def _ask_about(self, registry: Registry, passages: list[_Passage]) -> None:
        for index, passage in enumerate(passages):
            if passage.life != self._life:
                continue
            try:
                found = _records_of(registry, passage.scan)
            except BaseException:
                self._keep(passages[index:])
                raise
            if found:
                self._answers.append((passage.life, (passage.scan, found)))
            else:
                self._keep([passage])

    def _keep(self, passages: list[_Passage]) -> None:
        overflow = len(self._waiting) + len(passages) - CAPACITY
        self.given_up += max(0, overflow)
        self._waiting.extend(passages)

    def _age(self) -> None:
        waiting = self._waiting
        for passage in waiting:
            passage.rounds += 1
        while waiting and (waiting[0].rounds > ROUNDS or waiting[0].life != self._life):
            self.given_up += waiting.popleft().life == self._life

    def _current(self) -> Registry:
        """Return the registry, opened anew when another file has taken its place."""
        try:
            status = self._path.stat()
        except OSError:
            self._close()
            raise
        file = (status.st_dev, status.st_ino)
        if self._registry is None or file != self._file:
            self._close()
            self._registry = Registry.open(self._path, BUSY_TIMEOUT_S)
            self._file = file
            self._generation = -1
        return self._registry

    def _close(self) -> None:
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    # --- life -----------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="late host", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_DEADLINE_S)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._period_s):
                self.ask()
        finally:
            self._close()


def _records_of(registry: Registry, scan: ScanRead) -> list[tuple[bytes, FactsRow]]:
    found = []
    for code in scan.codes:
        reading = read_payload(code)
        record = find_record(registry, reading) if reading.legible else None
        if record is not None:
            found.append((code, record))
    return found
