"""Asks the registry file in place of a loop that must not wait for it.

The file may be locked, missing or broken for a while, or lie on a disk that stalls; SQLite by
itself waits up to ten seconds for a process that is stuck in a recovery. So a thread asks: the loop
waits for it no longer than it can spare, and not at all while the thread is known to be stuck.

What the file did not know when a parcel was scanned (a return may be announced while its parcel is
on the belt), or did not say, the thread asks again. An answer becomes one more scan row of the same
passage, upon which the parcel is decided anew if its commit point is still ahead.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sorter.errors import RegistryUnusable, ReturnsFileError
from sorter.files import DATABASE_ERRORS, DamagedRow, database_words
from sorter.host.barcode import BarcodeReading, read_payload
from sorter.host.registry import Registry
from sorter.host.registry_rows import FactsRow
from sorter.model.frames import ScanRead

PERIOD_S: Final = 0.05
"""Between two rounds of asking; a round without news costs the thread some 20 us."""
ROUNDS: Final = 12_000
"""After so many rounds, ten minutes, a parcel is not waited for any more."""
CAPACITY: Final = 2048
"""Passages remembered at most: as many as parcels can be tracked. The oldest gives way."""
BUSY_TIMEOUT_S: Final = 0.2
START_DEADLINE_S: Final = 0.5
"""What a start can spare for the file to be opened: usually that takes some milliseconds."""
PRELOAD_DEADLINE_S: Final = 30.0
"""And for the records of a file that does answer: about one second for 250,000."""
ANSWER_DEADLINE_S: Final = 0.01
"""What the loop can spare for an answer; the file takes a hundredth of it."""
SILENT_AFTER_S: Final = 0.5
"""A file that has not answered for so long is not reachable, whatever comes of it."""
_STOP_DEADLINE_S: Final = 5.0

FILE_ERRORS: Final = (*DATABASE_ERRORS, ReturnsFileError, OSError)
"""What a file that does not answer raises; a TimeoutError is an OSError."""
UNANSWERED: Final = (*DATABASE_ERRORS, RegistryUnusable, OSError)
"""The same without what says that the file is no return registry."""
AnswerT = TypeVar("AnswerT")

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


@dataclass(slots=True)
class _Question:
    """What the loop asks now: the thread writes either an answer or an error, then `done`."""

    ask: Callable[[Registry], Any]
    answer: Any = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class LateAsker:
    """Asks a registry file in a thread of its own, at once or again and again.

    Without its thread (before it is entered) it asks in the caller's.

    Parameters
    ----------
    path : Path
        Registry file. It may be missing, locked or replaced at any time.
    period_s : float
        Between two rounds.

    Attributes
    ----------
    problem : str
        What the file said last when it did not answer.
    changes : int
        Goes up whenever some process has written to the file, or another one took its place.
    answered, given_up : int
        Passages whose record came later, and those not waited for any more.
    """

    def __init__(self, path: Path, period_s: float = PERIOD_S) -> None:
        self.problem = ""
        self.changes = 0
        self.answered = 0
        self.given_up = 0
        self._answers_at_all = True
        self._busy_since_s: float | None = None
        self._overdue = False
        self._question: _Question | None = None
        self._wake = threading.Event()
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

    # --- the loop's side: hardly waits --------------------------------------------------------
    @property
    def reachable(self) -> bool:
        """Whether the file answers."""
        since_s = self._busy_since_s
        silent = since_s is not None and time.perf_counter() - since_s > SILENT_AFTER_S
        return self._answers_at_all and not silent

    def ask_now(self, question: Callable[[Registry], AnswerT]) -> AnswerT:
        """Return the answer to one question.

        Raises
        ------
        sqlite3.Error, ReturnsFileError, OSError
            The file does not answer, or not in time (TimeoutError). While it is known not to, this
            is said at once.
        """
        if self._thread is not None and (self._overdue or not self.reachable):
            raise TimeoutError(self.problem or "the registry file does not answer")
        return self._ask_within(ANSWER_DEADLINE_S, question)

    def _ask_within(self, deadline_s: float, question: Callable[[Registry], AnswerT]) -> AnswerT:
        """Have the thread, if there is one, ask the file."""
        if self._thread is None:
            return question(self._current())
        asked = _Question(question)
        self._question = asked
        self._wake.set()
        if not asked.done.wait(deadline_s):
            self._overdue = True  # until the thread gets through again
            raise TimeoutError(f"no answer within {deadline_s * 1000:g} ms")
        if asked.error is not None:
            raise asked.error
        answer: AnswerT = asked.answer
        return answer

    def records_at_start(self, limit: int) -> tuple[int, list[FactsRow]]:
        """Return the newest records, and which of the `changes` they are of.

        None while the file does not answer: a line is not kept from starting by its host.

        Raises
        ------
        ReturnsFileError
            It answers, but is no return registry.
        """

        def newest(registry: Registry) -> tuple[int, list[FactsRow]]:
            return self.changes, list(registry.all_facts(limit))

        try:
            self._ask_within(START_DEADLINE_S, lambda registry: registry.generation())
            return self._ask_within(PRELOAD_DEADLINE_S, newest)
        except UNANSWERED as error:
            self._answers_at_all = False  # until the thread gets through
            self.problem = database_words(error)
            return self.changes, []

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
            self.changes += changed
            fresh = len(self._new)
            asked = [self._new.popleft() for _ in range(fresh)]
            if changed:
                asked = [*self._waiting, *asked]
                self._waiting.clear()
            self._ask_about(registry, asked)
            self._generation = generation
        except FILE_ERRORS as error:
            self._answers_at_all = False
            self.problem = database_words(error)
            self._generation = -1  # whatever was not answered is asked again
            self._close()
        else:
            self._answers_at_all = True
            self._overdue = False
        self._age()

    def _answer(self, asked: _Question) -> None:
        """Answer what the loop asks now."""
        try:
            asked.answer = asked.ask(self._current())
        except FILE_ERRORS as error:
            asked.error = error
        asked.done.set()

    def _ask_about(self, registry: Registry, passages: list[_Passage]) -> None:
        for index, passage in enumerate(passages):
            if passage.life != self._life:
                continue
            try:
                found = _records_of(registry, passage.scan)
            except DamagedRow:
                self.given_up += 1  # asked again it would say the same, and keep others waiting
                continue
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
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_STOP_DEADLINE_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._busy_since_s = time.perf_counter()
                asked, self._question = self._question, None
                if asked is not None:
                    self._answer(asked)
                self.ask()
                self._busy_since_s = None
                self._wake.wait(self._period_s)
                self._wake.clear()
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
