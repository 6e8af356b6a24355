"""Sees to it that one controller at a time commands a PLC.

Two `sorter run` with the address of the same PLC would acknowledge each other's events and number
parcels side by side. Nothing on the wire forbids that, but both can see it: the command block can
be read, and in it the heartbeat of whoever writes it; and the status block says whose epoch the
PLC follows. See docs/decisions/0012.
"""

from __future__ import annotations

from typing import Final

import structlog

from sorter.errors import LinkContested
from sorter.kernels.mailbox import read_u32
from sorter.model import mailbox as wire
from sorter.ports import FieldBus
from sorter.runtime.clock import Pause
from sorter.runtime.mailbox_client import MailboxClient

BETWEEN_LOOKS_S: Final = 0.05
STILL_LOOKS: Final = 5
"""A controller writes its heartbeat every 100 ms at least: after 250 ms without it, it is gone."""
STILL_LOOKS_BEHIND_OWN_RUN: Final = 1
"""The run before in the own journal is over, or its lock would not be free; unless on a copy."""
EPOCHS_OF_A_RUN: Final = 1000
"""A run counts its epoch up by one at each PLC start and each contest."""
MOVES_OF_A_LIVING_ONE: Final = 3
"""One late write of a controller that is dead can still arrive; a bus has one under way at most."""


class Contest:
    """Watches the command block before this controller commands.

    Parameters
    ----------
    client : MailboxClient
        Of this controller.
    bus : FieldBus
        The same that `client` uses.
    low_first : bool
        The low word of a u32 lies at the lower address.
    pause : callable
        Waits for so many seconds.
    epoch_before : int
        With which the run before began, 0 when that is not known.

    Attributes
    ----------
    contested : bool
        Another controller commands the PLC, and this one must not.
    times : int
        How often that has begun.
    """

    def __init__(
        self,
        client: MailboxClient,
        bus: FieldBus,
        low_first: bool,
        pause: Pause,
        epoch_before: int = 0,
    ) -> None:
        self._client = client
        self._bus = bus
        self._low_first = int(low_first)
        self._pause = pause
        self._epoch_before = epoch_before
        self._log = structlog.get_logger("sorter.contest")
        self.contested = False
        self.times = 0

    async def admit(self) -> None:
        """Return when nobody else commands the PLC; only looks, writes nothing.

        What another controller that was killed has left behind is watched for a quarter of a
        second, what the run before left a fifth of that, what this one has written not at all.

        Raises
        ------
        LinkContested
            Somebody else does.
        LinkError
            The link broke meanwhile.
        """
        first = seen = await self._look()
        if not self.contested and seen[0] in (0, self._client.epoch):
            return
        still = moves = 0
        while still < self._looks_at(seen[0]):
            await self._pause(BETWEEN_LOOKS_S)
            look = await self._look()
            if look == seen:
                still += 1
                continue
            seen, still, moves = look, 0, moves + 1
            if moves == MOVES_OF_A_LIVING_ONE:
                raise self._refusal(first, seen)
        self._client.begin_epoch()
        self._end()

    def begin(self, error: LinkContested) -> None:
        """Take note that another controller commands; logged once until it is over."""
        if not self.contested:
            self.contested = True
            self.times += 1
            self._log.error("controller_contested", link=error.link, problem=error.problem)

    def _end(self) -> None:
        if self.contested:
            self.contested = False
            self._log.info("controller_alone", link=self._bus.name, epoch=self._client.epoch)

    def _looks_at(self, epoch: int) -> int:
        """Return how often the block of an epoch must stand still for its writer to be dead."""
        of_run_before = self._epoch_before and 0 <= epoch - self._epoch_before < EPOCHS_OF_A_RUN
        return STILL_LOOKS_BEHIND_OWN_RUN if of_run_before else STILL_LOOKS

    async def _look(self) -> tuple[int, int]:
        """Return epoch and heartbeat in the command block."""
        words = await self._bus.read_commands()
        epoch = read_u32(words, wire.COMMAND_EPOCH, self._low_first)
        return epoch, int(words[wire.COMMAND_HEARTBEAT])

    def _refusal(self, first: tuple[int, int], last: tuple[int, int]) -> LinkContested:
        error = LinkContested(
            self._bus.name,
            f"another controller (epoch {last[0]}) commands this PLC: in its command block the "
            f"heartbeat went from {first[1]} to {last[1]} while this one (epoch "
            f"{self._client.epoch}) only looked. This one commands nothing. Stop one of the two, "
            "or correct the PLC's address in section io of the line file of the wrong one",
        )
        self.begin(error)
        return error
