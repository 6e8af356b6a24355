"""Lines that run, with a controller that fires for every parcel."""

from __future__ import annotations

from sim.lines import rig
from sim.mini import Event, MiniController
from sorter.model.codes import EventKind

ONE, TWO, THREE = 0, 1, 2


def divert_all(mini: MiniController, to: int | list[int]) -> None:
    """Fire for every parcel that passes the first eye: to one chute, or in turn."""
    chutes = [to] if isinstance(to, int) else to
    count = 0

    def on_event(event: Event) -> None:
        nonlocal count
        if event.kind == EventKind.PARCEL_PASSED and event.source == 0:
            mini.fire_at(count + 1, chutes[count % len(chutes)], event.encoder, 500)
            count += 1

    mini.on_event = on_event


def started(*args, **changes) -> MiniController:
    mini = MiniController(rig(*args, **changes))
    mini.rig.start_arrivals()
    return mini
