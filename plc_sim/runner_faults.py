"""Faults that a simulated line cannot make itself: those of link, host, disk and processes.

They stand in the same list of a scenario as all others, so that one file tells one whole story. A
runner (``sorter chaos``) takes them out with :func:`split_faults`, makes them, and gives the rest
to the simulator; everything else refuses a scenario that has some. Times are simulated seconds as
of all faults: a runner divides them by the speed of the rig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from plc_sim.quantities import Milliseconds, PositiveSeconds, Seconds, Share
from sorter.config.section import Section

if TYPE_CHECKING:
    from plc_sim.scenario import ScenarioFile


class LinkCutFault(Section):
    """The connection between PLC and controller is closed, and refused for a while."""

    kind: Literal["link_cut"]
    at_s: Seconds
    for_s: Annotated[float, Field(ge=0.1, le=60)]


class LinkHalfOpenFault(Section):
    """The connection stays open and nothing comes through, in either direction."""

    kind: Literal["link_half_open"]
    at_s: Seconds
    for_s: PositiveSeconds


class LinkLatencyFault(Section):
    """Everything on the link arrives later, in order."""

    kind: Literal["link_latency"]
    at_s: Seconds
    for_s: PositiveSeconds
    latency_ms: Milliseconds = 50
    """Added in each direction."""
    jitter_ms: Milliseconds = 0
    """Up to so much more, evenly distributed."""


class LinkLossFault(Section):
    """Segments get lost on the link: each stands still until it has been sent again."""

    kind: Literal["link_loss"]
    at_s: Seconds
    for_s: PositiveSeconds
    share: Share = 0.05
    stall_ms: Milliseconds = 200
    """How long it takes until a lost segment has been sent again."""


class HostDownFault(Section):
    """The host (return registry, WMS) does not answer."""

    kind: Literal["host_down"]
    at_s: Seconds
    for_s: PositiveSeconds


class DiskFullFault(Section):
    """The controller's disk takes no more."""

    kind: Literal["disk_full"]
    at_s: Seconds
    for_s: PositiveSeconds


class ClockStepFault(Section):
    """The wall clock of the line PC is set, forward (+) or back (-)."""

    kind: Literal["clock_step"]
    at_s: Seconds
    step_s: Annotated[float, Field(ge=-1e7, le=1e7)]


class KillControllerFault(Section):
    """The controller's process is killed (SIGKILL), and started again."""

    kind: Literal["kill_controller"]
    at_s: Seconds
    down_s: Seconds = 0
    """From its end to its next start."""


class KillPlcFault(Section):
    """The simulator's process is killed (SIGKILL), and started again with an empty belt."""

    kind: Literal["kill_plc"]
    at_s: Seconds
    down_s: Seconds = 0
    """From its end to its next start."""


RunnerFault = (
    LinkCutFault
    | LinkHalfOpenFault
    | LinkLatencyFault
    | LinkLossFault
    | HostDownFault
    | DiskFullFault
    | ClockStepFault
    | KillControllerFault
    | KillPlcFault
)


def split_faults(scenario: ScenarioFile) -> tuple[ScenarioFile, tuple[RunnerFault, ...]]:
    """Return the scenario without the faults that a runner makes, and those.

    Parameters
    ----------
    scenario : ScenarioFile
    """
    runners = tuple(fault for fault in scenario.faults if isinstance(fault, RunnerFault))
    others = tuple(fault for fault in scenario.faults if not isinstance(fault, RunnerFault))
    return scenario.model_copy(update={"faults": others}), runners


def refusal_of_runner_faults(scenario: ScenarioFile) -> str:
    """Return why a simulated line alone cannot run a scenario; empty: it can."""
    kinds = sorted({fault.kind for fault in split_faults(scenario)[1]})
    if not kinds:
        return ""
    return (
        f"a simulated line cannot make {', '.join(kinds)}: these are faults of link, host, disk or "
        "processes, made by who runs both sides: take them out, or use sorter chaos"
    )
