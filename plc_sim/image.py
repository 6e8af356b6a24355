"""The mailbox as words in the PLC's memory: one image, served by every protocol server."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sorter.config.models import Mailbox
from sorter.model.frames import Words
from sorter.model.mailbox import (
    COMMAND_WORDS,
    EVENT_WORDS,
    SCAN_WORDS,
    STATUS_WORDS,
)


@dataclass(slots=True)
class MailboxImage:
    """Words of one PLC. The PLC program writes all but ``command``; servers write only that.

    Attributes
    ----------
    low_word_first : bool
        Which half of a u32 lies at the lower address.
    status : uint16[STATUS_WORDS]
    command : uint16[COMMAND_WORDS]
    events : uint16[event_slots * EVENT_WORDS]
    scans : uint16[scan_slots * SCAN_WORDS]
    shift : int
        By how many words servers show every block too far up, a fault; 0: as it should be.
    """

    low_word_first: bool
    event_slots: int
    scan_slots: int
    status: Words = field(default_factory=lambda: np.zeros(STATUS_WORDS, np.uint16))
    command: Words = field(default_factory=lambda: np.zeros(COMMAND_WORDS, np.uint16))
    events: Words = field(init=False)
    scans: Words = field(init=False)
    shift: int = 0

    def __post_init__(self) -> None:
        self.events = np.zeros(self.event_slots * EVENT_WORDS, np.uint16)
        self.scans = np.zeros(self.scan_slots * SCAN_WORDS, np.uint16)

    @classmethod
    def from_config(cls, mailbox: Mailbox) -> MailboxImage:
        """Return an empty image of the configured size and word order."""
        return cls(mailbox.word_order == "low_first", mailbox.event_slots, mailbox.scan_slots)

    def shown(self, words: Words) -> Words:
        """Return a block, or a part of one, as a server shows it."""
        if not self.shift:
            return words
        shifted = np.zeros_like(words)
        shifted[self.shift :] = words[: -self.shift]
        return shifted

    def write_command(self, first: int, values: Words | list[int]) -> None:
        """Write words of the command block, as a server does for its client."""
        start = first - self.shift
        if start >= 0:
            self.command[start : start + len(values)] = values
        elif start + len(values) > 0:
            self.command[: start + len(values)] = values[-start:]
