"""Faults of plant, PLC and its servers as a scenario lists them.

Times are seconds of simulated time, counted from when parcels begin to come. Any number of faults
may be active at once; those of one kind at one thing add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from plc_sim.quantities import Milliseconds, PositiveSeconds, Seconds, Share
from sorter.config.models import Line, Name
from sorter.config.section import Section
from sorter.model.codes import EventKind


# --- belt -----------------------------------------------------------------------------------------
class JamFault(Section):
    """The belt stops; all parcels of the zone are taken off; it starts again."""

    kind: Literal["jam"]
    at_s: Seconds
    zone: Name
    clear_after_s: PositiveSeconds = 20


class EmergencyStopFault(Section):
    """Somebody presses the red button."""

    kind: Literal["e_stop"]
    at_s: Seconds
    for_s: PositiveSeconds


class EncoderJumpFault(Section):
    """The encoder jumps against the belt, forward (+) or back (-)."""

    kind: Literal["encoder_jump"]
    at_s: Seconds
    jump_mm: Annotated[float, Field(ge=-100_000, le=100_000)]


class EncoderSlipFault(Section):
    """The encoder counts wrong for a while, as when its wheel slips on the belt."""

    kind: Literal["encoder_slip"]
    at_s: Seconds
    for_s: PositiveSeconds
    error: Annotated[float, Field(ge=-2, le=2)]
    """Counts too many (+) or too few (-) per count; -1: it stands, -2: it counts backward."""


class DoubleFeedFault(Section):
    """A parcel comes together with the next of its induction, one right behind the other.

    Parcels are named by row of the feed. Eyes, scanners and scales take two that touch for one
    long parcel. An induction with an arrival process of its own never feeds two.
    """

    kind: Literal["double_feed"]
    from_parcel: Annotated[int, Field(ge=0)]
    parcels: Annotated[int, Field(ge=1)] = 1
    gap_mm: Annotated[float, Field(ge=0, le=1000)] = 0
    """Belt between them; from 1 mm on eyes see two."""


# --- sensors --------------------------------------------------------------------------------------
class StuckEyeFault(Section):
    """A photo-eye always reports the same.

    ``blocked``: the PLC posts EYE_BLOCKED and no sighting; ``clear``: it sees nothing at all.
    """

    kind: Literal["stuck_eye"]
    eye: Name
    state: Literal["blocked", "clear"]
    at_s: Seconds
    for_s: PositiveSeconds


class ReadFault(Section):
    """Scanners misread a run of parcels, by row of the feed."""

    kind: Literal["no_read", "multi_read", "swapped_codes"]
    from_parcel: Annotated[int, Field(ge=0)]
    parcels: Annotated[int, Field(ge=1)] = 1


class ReadBurstFault(Section):
    """A scanner, or every one, misreads for a while.

    ``swapped_codes_burst``: two parcels that follow each other get each other's code.
    """

    kind: Literal["no_read_burst", "multi_read_burst", "swapped_codes_burst"]
    at_s: Seconds
    for_s: PositiveSeconds
    scanner: Name | None = None
    share: Share = 1
    """Of the parcels that pass."""


# --- diverters and chutes -------------------------------------------------------------------------
class FailedDivertFault(Section):
    """A diverter does not move the next times it is fired."""

    kind: Literal["failed_divert"]
    chute: Name
    at_s: Seconds = 0
    times: Annotated[int, Field(ge=1)] = 1


class SlowDivertFault(Section):
    """A diverter acts later than it should, for a while."""

    kind: Literal["slow_divert"]
    chute: Name
    at_s: Seconds
    for_s: PositiveSeconds
    delay_ms: Milliseconds


class ChuteJamFault(Section):
    """A chute is jammed for a while."""

    kind: Literal["chute_jam"]
    chute: Name
    at_s: Seconds
    for_s: PositiveSeconds


class ChuteFullLateFault(Section):
    """The PLC says later than it should that a chute is full."""

    kind: Literal["chute_full_late"]
    chute: Name
    at_s: Seconds
    for_s: PositiveSeconds
    delay_s: PositiveSeconds = 5


# --- the PLC's mailbox ----------------------------------------------------------------------------
EventName = Literal[
    "parcel_passed",
    "parcel_measured",
    "divert_fired",
    "divert_refused",
    "chute_entered",
    "chute_changed",
    "chute_emptied",
    "line_changed",
    "zone_cleared",
    "eye_blocked",
    "scan",
]
"""Kinds of records, ``scan`` for those of the scan ring."""
SOURCES: Final[dict[str, str]] = {
    "parcel_passed": "eye",
    "eye_blocked": "eye",
    "parcel_measured": "scale",
    "line_changed": "zone",
    "zone_cleared": "zone",
    "scan": "scanner",
}
"""What posts them, of those that no chute does."""


class _RecordFault(Section):
    """Something happens to records on their way into the mailbox."""

    at_s: Seconds = 0
    for_s: PositiveSeconds = 1e7
    events: Annotated[tuple[EventName, ...], Field(min_length=1)] = (
        "parcel_passed",
        "parcel_measured",
        "divert_fired",
        "chute_entered",
    )
    source: Name | None = None
    """Only of this eye, scale, scanner, chute or zone."""
    share: Share = 1
    """Of these records, drawn by the scenario's seed."""
    times: Annotated[int, Field(ge=1)] | None = None
    """At most so often."""

    @model_validator(mode="after")
    def _only_events_are_held_back(self) -> _RecordFault:
        kind = getattr(self, "kind", "")
        if "scan" in self.events and kind in ("event_delayed", "event_reordered"):
            raise ValueError(
                f"{kind} holds back events, not records of the scan ring: leave scan out"
            )
        return self

    def event_mask(self) -> int:
        """Return a bit per kind of event; bit 0: records of the scan ring."""
        return sum(
            1 << (0 if name == "scan" else EventKind[name.upper()]) for name in set(self.events)
        )

    def sources(self, line: Line) -> Iterator[tuple[int, int]]:
        """Yield (mask of event kinds, index of their source, -1: any)."""
        if self.source is None:
            yield self.event_mask(), -1
            return
        for name in sorted(set(self.events)):
            names = names_of(line)[SOURCES.get(name, "chute")]
            if self.source in names:
                bit = 0 if name == "scan" else EventKind[name.upper()]
                yield 1 << bit, names.index(self.source)

    def possible_sources(self, line: Line) -> list[str]:
        """Return every name that ``source`` could have."""
        groups = {SOURCES.get(name, "chute") for name in self.events}
        return [name for group in sorted(groups) for name in names_of(line)[group]]


class EventFault(_RecordFault):
    """Records are lost, or get into the ring in a wrong way.

    ``event_dropped``: never posted, and uses up no sequence; ``event_duplicated``: posted twice,
    with two sequences; ``event_reordered``: posted behind the next one, at the latest after 1 s.
    """

    kind: Literal["event_dropped", "event_duplicated", "event_reordered"]


class EventDelayedFault(_RecordFault):
    """Records are posted later, with count and time of their edge."""

    kind: Literal["event_delayed"]
    delay_ms: Milliseconds


class EventCorruptedFault(_RecordFault):
    """Records get into the ring damaged, and stay so."""

    kind: Literal["event_corrupted"]
    how: Literal["check_word", "nonsense"] = "check_word"
    """``check_word``: it does not fit; ``nonsense``: it does, and the words mean nothing."""


class MapShiftedFault(Section):
    """All blocks are served some words further up, as after a wrong download to the PLC.

    What is written lands as much further down.
    """

    kind: Literal["map_shifted"]
    at_s: Seconds
    for_s: PositiveSeconds
    words: Annotated[int, Field(ge=1, le=100)] = 1


# --- the PLC itself -------------------------------------------------------------------------------
class PlcFrozenFault(Section):
    """The PLC's program stands; its servers go on answering, with a heartbeat that stands still.

    Latches are hardware: what passes an eye meanwhile is posted when the program goes on. Fires
    whose window has passed by then are refused (TOO_LATE).
    """

    kind: Literal["plc_frozen"]
    at_s: Seconds
    for_s: PositiveSeconds
    belt: Literal["runs", "stops"] = "runs"
    """Whether the drives notice."""


class PlcRestartFault(Section):
    """The PLC stops, the belt with it, and starts again: new boot id, sequences from 1.

    Accepted commands are gone, encoder and tick begin again. Who was on the belt is taken off it
    (``emptied``) or still there (``kept``); a parcel under an eye is not seen by it any more.
    """

    kind: Literal["plc_restart"]
    at_s: Seconds
    down_s: PositiveSeconds = 3
    belts: Literal["emptied", "kept"] = "emptied"


LineFault = (
    JamFault
    | EmergencyStopFault
    | EncoderJumpFault
    | EncoderSlipFault
    | DoubleFeedFault
    | StuckEyeFault
    | ReadFault
    | ReadBurstFault
    | FailedDivertFault
    | SlowDivertFault
    | ChuteJamFault
    | ChuteFullLateFault
    | EventFault
    | EventDelayedFault
    | EventCorruptedFault
    | MapShiftedFault
    | PlcFrozenFault
    | PlcRestartFault
)
RecordFault = EventFault | EventDelayedFault | EventCorruptedFault


def names_of(line: Line) -> dict[str, list[str]]:
    """Return the names of all things of a line that a fault can name, in order on the wire."""
    return {
        "eye": [eye.name for eye in sorted(line.photo_eyes, key=lambda eye: eye.position_mm)],
        "scale": [scale.name for scale in line.scales],
        "scanner": [scanner.name for scanner in line.scanners],
        "chute": [chute.name for chute in line.chutes],
        "zone": [zone.name for zone in line.zones],
    }
