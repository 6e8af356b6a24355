"""Chutes: they fill, and an operator or a takeaway conveyor empties them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from sorter.config.models import Chute
from sorter.model.codes import ChuteBit

from .arrivals import Concern, Draws, generator
from .scenario import ChuteService


class Scheduler(Protocol):
    """Calls back at a time."""

    def after(self, delay_ns: int, callback: Callable[[int], None], argument: int) -> None:
        """Call `callback(argument)` when `delay_ns` has passed."""
        ...


class ChuteSensors(Protocol):
    """Where a chute's sensors are wired to."""

    def chute_changed(self, chute: int, bits: int) -> None:
        """Take over the state bits of a chute."""
        ...

    def chute_emptied(self, chute: int, parcels: int) -> None:
        """Take over that parcels were taken out, 0: all."""
        ...


class ChuteState:
    """One chute."""

    __slots__ = (
        "bits",
        "busy_servers",
        "called",
        "capacity_mm",
        "capacity_parcels",
        "change",
        "jammed",
        "lengths",
        "open",
        "operator",
        "response",
        "service",
        "used_mm",
    )

    def __init__(self, chute: Chute, index: int, service: ChuteService, seed: int) -> None:
        self.capacity_parcels = chute.capacity.parcels
        self.capacity_mm = chute.capacity.length_mm
        self.operator = chute.emptied_by == "operator"
        self.lengths: deque[float] = deque()
        self.used_mm = 0.0
        self.bits = int(ChuteBit.OPEN)
        self.open = True
        self.jammed = False
        self.called = False
        self.busy_servers = 0
        drawn = generator(seed, Concern.CHUTE_SERVICE, index)
        self.service = Draws(service.takeaway.service, drawn)
        self.response = Draws(
            service.operator.response, generator(seed, Concern.OPERATOR, 2 * index)
        )
        self.change = Draws(
            service.operator.change, generator(seed, Concern.OPERATOR, 2 * index + 1)
        )

    def fill_ratio(self) -> float:
        """Return how full it is; 1 is full, 0 for a chute without a limit."""
        ratio = 0.0
        if self.capacity_parcels:
            ratio = len(self.lengths) / self.capacity_parcels
        if self.capacity_mm:
            ratio = max(ratio, self.used_mm / self.capacity_mm)
        return ratio

    def sensed(self) -> int:
        """Return the state bits that its sensors show."""
        ratio = self.fill_ratio()
        bits = int(ChuteBit.OPEN) if self.open else 0
        if ratio >= 0.5:
            bits |= int(ChuteBit.HALF_FULL)
        if ratio >= 1.0:
            bits |= int(ChuteBit.FULL)
        if self.jammed:
            bits |= int(ChuteBit.JAMMED)
        return bits


class ChuteFloor:
    """All chutes and the people and conveyors that empty them."""

    def __init__(
        self,
        chutes: tuple[Chute, ...],
        service: ChuteService,
        seed: int,
        scheduler: Scheduler,
        sensors: ChuteSensors,
    ) -> None:
        self.states = [ChuteState(chute, i, service, seed) for i, chute in enumerate(chutes)]
        self._servers = service.takeaway.servers
        self._call_ratio = service.operator.call_at_fill_ratio
        self._scheduler = scheduler
        self._sensors = sensors

    def entered(self, index: int, length_mm: float) -> None:
        """Put a parcel into a chute, full or not."""
        state = self.states[index]
        state.lengths.append(length_mm)
        state.used_mm += length_mm
        self._sense(index)
        if not state.operator:
            if state.busy_servers < self._servers:
                state.busy_servers += 1
                self._scheduler.after(state.service.next_ns(), self._served, index)
        elif not state.called and state.fill_ratio() >= self._call_ratio:
            state.called = True
            self._scheduler.after(state.response.next_ns(), self._close, index)

    def jam(self, index: int, jammed: bool) -> None:
        """Jam a chute, or free it."""
        self.states[index].jammed = jammed
        self._sense(index)

    def _sense(self, index: int) -> None:
        state = self.states[index]
        bits = state.sensed()
        if bits != state.bits:
            state.bits = bits
            self._sensors.chute_changed(index, bits)

    def _served(self, index: int) -> None:
        state = self.states[index]
        if state.lengths:
            state.used_mm -= state.lengths.popleft()
            self._sensors.chute_emptied(index, 1)
            self._sense(index)
        if len(state.lengths) >= state.busy_servers:
            self._scheduler.after(state.service.next_ns(), self._served, index)
        else:
            state.busy_servers -= 1

    def _close(self, index: int) -> None:
        state = self.states[index]
        state.open = False
        self._sense(index)
        self._scheduler.after(state.change.next_ns(), self._changed, index)

    def _changed(self, index: int) -> None:
        state = self.states[index]
        state.lengths.clear()
        state.used_mm = 0.0
        state.open = True
        state.called = False
        self._sensors.chute_emptied(index, 0)
        self._sense(index)
