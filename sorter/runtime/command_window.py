"""The commands on their way to the PLC: nine in the window, the rest in a bounded queue."""

from __future__ import annotations

import numpy as np

from sorter.kernels.mailbox import encode_commands
from sorter.model import mailbox as wire
from sorter.model.codes import NONE
from sorter.model.columns import CommandColumn
from sorter.model.frames import Rows, Words

DEFAULT_QUEUE_CAPACITY = 256


class CommandWindow:
    """Slots of the command block, and what waits for a free one.

    On the wire commands are numbered without gaps, although the queue may replace one: the PLC
    may then simply take over ``ack + 1`` to ``head``. The sequences that ``decide`` gave are kept
    beside them for the journal.

    Parameters
    ----------
    block : uint16[COMMAND_WORDS]
        Command block; only its slots are written here.
    low_first : int
        1: the low word of a u32 lies at the lower address.
    queue_capacity : int

    Attributes
    ----------
    head : int
        Newest wire sequence in the window.
    acknowledged : int
        Newest wire sequence that the PLC has taken over.
    taken_over : int
        The same as ``decide`` numbered it.
    replaced, overflow : int
        Waiting commands that a newer one for the same parcel replaced; that did not fit.
    """

    def __init__(
        self, block: Words, low_first: int, queue_capacity: int = DEFAULT_QUEUE_CAPACITY
    ) -> None:
        self._block = block
        self._low_first = low_first
        self._queue_capacity = queue_capacity
        self._queue: dict[int, Rows] = {}
        self._slots = np.full(wire.COMMAND_SLOTS, NONE, np.int64)
        self._slot_cells = memoryview(self._slots.data)
        self.head = 0
        self.acknowledged = 0
        self.taken_over = 0
        self.replaced = 0
        self.overflow = 0

    @property
    def waiting(self) -> int:
        """Commands that wait for a free slot."""
        return len(self._queue)

    @property
    def in_window(self) -> int:
        """Commands in the window that the PLC has not taken over yet."""
        return self.head - self.acknowledged

    def put(self, commands: Rows) -> None:
        """Queue commands and move as many as fit into the window."""
        count = len(commands)
        if not self._queue and self.head - self.acknowledged + count <= wire.COMMAND_SLOTS:
            # The usual case in one call: commands come one or two at a time.
            encode_commands(self._block, self._low_first, self.head, commands, self._slots)
            self.head += count
            return
        queue = self._queue
        for command in commands:
            parcel = int(command[CommandColumn.PARCEL])
            if not queue and self.head - self.acknowledged < wire.COMMAND_SLOTS:
                self._send(command)
                continue
            if queue.pop(parcel, None) is not None:
                self.replaced += 1
            elif len(queue) >= self._queue_capacity:
                # The oldest has waited longest: it is the first to be too late anyway.
                del queue[next(iter(queue))]
                self.overflow += 1
            queue[parcel] = command.copy()

    def take_over(self, acknowledged: int) -> None:
        """Note the PLC's acknowledgement (of the current epoch) and use the slots it freed."""
        if not self.acknowledged < acknowledged <= self.head:
            return
        self.acknowledged = acknowledged
        self.taken_over = self._slot_cells[acknowledged % wire.COMMAND_SLOTS]
        queue = self._queue
        while queue and self.head - self.acknowledged < wire.COMMAND_SLOTS:
            self._send(queue.pop(next(iter(queue))))

    def restart(self) -> None:
        """Forget every command and start again at sequence 1, after a restart of the PLC."""
        self._queue.clear()
        self._block[wire.COMMAND_HEADER_WORDS :] = 0
        self.head = 0
        self.acknowledged = 0
        self.taken_over = 0
        self._slots[:] = NONE

    def _send(self, command: Rows) -> None:
        one = command.reshape(1, -1)
        encode_commands(self._block, self._low_first, self.head, one, self._slots)
        self.head += 1
