"""Scenario files: what comes to the line, and how imperfect the simulated plant is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from plc_sim.fault_sections import LineFault, RecordFault, names_of
from plc_sim.quantities import PositiveSeconds, Seconds, Share
from plc_sim.runner_faults import RunnerFault
from sorter.config.documents import KeyPath
from sorter.config.load import load_yaml_model
from sorter.config.models import (
    LineFile,
    Name,
    PositiveMillimetres,
)
from sorter.config.section import Section
from sorter.config.wording import closest


# --- durations and sizes ------------------------------------------------------------------------
class ConstantTime(Section):
    """Always the same."""

    kind: Literal["constant"] = "constant"
    value_s: Seconds


class ExponentialTime(Section):
    """Memoryless."""

    kind: Literal["exponential"]
    mean_s: PositiveSeconds


class NormalTime(Section):
    """Normal, cut off at ``least_s``."""

    kind: Literal["normal"]
    mean_s: PositiveSeconds
    sd_s: Seconds
    least_s: Seconds = 0


class UniformTime(Section):
    """Anything between two bounds."""

    kind: Literal["uniform"]
    from_s: Seconds
    to_s: PositiveSeconds


class GeometricTime(Section):
    """Whole slots of time until a first success, at least one."""

    kind: Literal["geometric"]
    success: Annotated[float, Field(gt=0, le=1)]
    slot_s: PositiveSeconds


Duration = Annotated[
    ConstantTime | ExponentialTime | NormalTime | UniformTime | GeometricTime,
    Field(discriminator="kind"),
]


class Spread(Section):
    """Normal distribution cut off at both ends."""

    mean: Annotated[float, Field(gt=0)]
    sd: Annotated[float, Field(ge=0)] = 0
    least: Annotated[float, Field(gt=0)]
    most: Annotated[float, Field(gt=0)]


# --- what comes ---------------------------------------------------------------------------------
class Arrivals(Section):
    """How parcels come to the inductions.

    ``regular`` and ``poisson`` follow ``rate_parcels_per_h`` of the whole line, shared in turn;
    ``as_recorded`` takes the times of the feed; ``saturated`` has always a next parcel, which is
    ready ``preparation`` after the one before was put on the belt.
    """

    process: Literal["regular", "poisson", "as_recorded", "saturated"] = "poisson"
    rate_parcels_per_h: Annotated[float, Field(gt=0, le=500_000)] = 20_000
    preparation: Duration = ConstantTime(value_s=0)
    min_gap_mm: PositiveMillimetres | None = None
    """Free belt before and behind a parcel put on it; the line's ``min_gap_mm`` unless given."""
    induction_distance_mm: PositiveMillimetres = 300
    """How far before its photo-eye an induction puts a parcel's leading edge on the belt."""
    carrier_pitch_mm: PositiveMillimetres | None = None
    """Tray sorter: parcels lie on trays at this pitch only."""


class InductionArrivals(Section):
    """Another arrival process at the induction before one eye."""

    eye: Name
    process: Literal["poisson", "geometric", "saturated"]
    mean_s: PositiveSeconds = 1.0
    """Mean time between arrivals (``poisson``)."""
    interval: Duration | None = None
    """Time between arrivals (``geometric``) or preparation (``saturated``)."""


class ParcelSizes(Section):
    """Sizes for feeds that are generated."""

    length_mm: Spread = Spread(mean=320, sd=80, least=120, most=600)
    width_mm: Spread = Spread(mean=240, sd=50, least=80, most=450)
    height_mm: Spread = Spread(mean=110, sd=50, least=10, most=400)
    weight_g: Spread = Spread(mean=900, sd=700, least=30, most=20_000)


# --- how imperfect the plant is -----------------------------------------------------------------
class ScannerQuality(Section):
    """What scanners make of labels, each a share of all passages."""

    read_rate: Share = 1
    multi_read_rate: Share = 0
    """The code of the parcel in front is reported as well."""
    swapped_code_rate: Share = 0
    """Two neighbours' codes are taken for each other's, at every scanner."""


class ScaleQuality(Section):
    """Standard deviations of a scale."""

    weight_sd_g: Annotated[float, Field(ge=0, le=1000)] = 0
    size_sd_mm: Annotated[float, Field(ge=0, le=100)] = 0


class DiverterQuality(Section):
    """How exactly diverters act."""

    actuation_jitter_ms: Annotated[float, Field(ge=0, le=1000)] = 0
    """Standard deviation."""
    fail_rate: Share = 0
    """Share of firings after which the diverter does not move."""


class BeltQuality(Section):
    """How well encoder, belt and parcels agree."""

    encoder_slip: Annotated[float, Field(ge=-0.05, le=0.05)] = 0
    """Relative error of the encoder: counts too many (+) or too few (-)."""
    parcel_slip_sd_mm: Annotated[float, Field(ge=0, le=50)] = 0
    """How far a parcel shifts on the belt between two photo-eyes, standard deviation."""


class Operator(Section):
    """Changes the bag of a chute."""

    call_at_fill_ratio: Annotated[float, Field(gt=0, le=1)] = 0.9
    response: Duration = NormalTime(kind="normal", mean_s=20, sd_s=8, least_s=3)
    change: Duration = NormalTime(kind="normal", mean_s=15, sd_s=4, least_s=5)
    """The chute is closed for so long."""


class Takeaway(Section):
    """Takes parcels out of a chute one by one."""

    servers: Annotated[int, Field(ge=1, le=1000)] = 1
    service: Duration = ConstantTime(value_s=1.5)


class ChuteService(Section):
    """How chutes are emptied, by the line's ``emptied_by``."""

    operator: Operator = Operator()
    takeaway: Takeaway = Takeaway()


class Jams(Section):
    """Parcels that get stuck and stop the belt until an operator has cleared the zone."""

    rate: Share = 0
    """Share of parcels that jam, at most once each, behind some photo-eye."""
    clear: Duration = NormalTime(kind="normal", mean_s=20, sd_s=5, least_s=5)


Fault = Annotated[LineFault | RunnerFault, Field(discriminator="kind")]


class PlcStart(Section):
    """State of the PLC when it starts; high values test that counters wrap."""

    scan_ms: Annotated[float, Field(ge=0.1, le=100)] = 5
    boot_id: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = 1
    encoder_start: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] = 1000
    tick_start: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] = 0


_SPOKEN = {"eye": "photo-eye"}


class ScenarioFile(Section):
    """``scenarios/*.yaml``: one rehearsal or simulation."""

    kind: Literal["scenario"]
    name: Name
    line: str = "../line.yaml"
    """Line file, relative to this file."""
    arrivals: Arrivals = Arrivals()
    inductions: tuple[InductionArrivals, ...] = ()
    parcels: ParcelSizes = ParcelSizes()
    scanners: ScannerQuality = ScannerQuality()
    scales: ScaleQuality = ScaleQuality()
    diverters: DiverterQuality = DiverterQuality()
    belt: BeltQuality = BeltQuality()
    chutes: ChuteService = ChuteService()
    jams: Jams = Jams()
    faults: tuple[Fault, ...] = ()
    plc: PlcStart = PlcStart()

    def problems_against(self, line_file: LineFile) -> list[tuple[KeyPath, str, str]]:
        """Return what of the scenario the line does not have.

        Returns
        -------
        list of (key path, str, str)
            Where it is named, what is wrong, and what would be right.
        """
        line = line_file.line
        known = names_of(line)
        eyes = [eye.name for eye in line.photo_eyes if eye.inducts]
        problems: list[tuple[KeyPath, str, str]] = []
        for number, fault in enumerate(self.faults):
            path: KeyPath = ("faults", number)
            for key, names in known.items():
                name = getattr(fault, key, None)
                if name is not None and name not in names:
                    what = f"the line has no {_SPOKEN.get(key, key)} {name}"
                    problems.append(((*path, key), what, closest(name, names)))
            if isinstance(fault, RecordFault) and fault.source is not None:
                possible = fault.possible_sources(line)
                if fault.source not in possible:
                    what = f"{fault.source} posts none of {', '.join(fault.events)}"
                    problems.append(((*path, "source"), what, closest(fault.source, possible)))
        for number, induction in enumerate(self.inductions):
            # A line without any inducting eye is the line's own problem, not the scenario's.
            if eyes and induction.eye not in eyes:
                what = f"the line has no inducting eye {induction.eye}"
                problems.append((("inductions", number, "eye"), what, closest(induction.eye, eyes)))
        return problems


def load_scenario(path: Path) -> ScenarioFile:
    """Return a scenario; raises :class:`~sorter.errors.ConfigError` with every problem."""
    return load_yaml_model(path, ScenarioFile)


def line_path(path: Path, scenario: ScenarioFile) -> Path:
    """Return where the scenario's line file is."""
    return (path.parent / scenario.line).resolve()
