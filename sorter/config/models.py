"""Frozen pydantic models of the configuration files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sorter.config.link_security import Certificates, ModbusTls, OpcUaSecurity
from sorter.config.section import NAME_PATTERN, FileName, HostName
from sorter.config.section import Section as Section  # noqa: PLC0414 - for other kinds
from sorter.model import mailbox

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Millimetres = Annotated[float, Field(ge=0, le=10_000_000)]
PositiveMillimetres = Annotated[float, Field(gt=0, le=10_000_000)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Days = Annotated[int, Field(ge=0, le=100_000)]
GradeLetter = Literal["A", "B", "C", "D", "U"]
ReasonName = Literal["wrong_size", "not_as_described", "defect", "change_of_mind", "other"]
DispositionName = Literal[
    "RESTOCK",
    "OUTLET",
    "REFURBISH",
    "REPAIR",
    "RETURN_TO_VENDOR",
    "DONATE",
    "RECYCLE",
    "DESTROY",
    "QUARANTINE",
    "INSPECT",
]


# --- line.yaml: geometry ------------------------------------------------------------------------
class Encoder(Section):
    """Belt encoder."""

    mm_per_count: Annotated[float, Field(gt=0, le=100)] = 1.0
    speed_tolerance_percent: Annotated[float, Field(gt=0, le=100)] = 100.0
    """How far the belt's speed may be from nominal while the line is in EXECUTE.

    When the encoder counts more or less than that for a while, it has jumped or slips, and the
    parcels on the belt are given up. Set it to what the belt was measured to keep: a belt that is
    merely slower than its data sheet must not lose parcels. Slips below it go unnoticed; with 100,
    only what is twice too fast, or backward, is noticed.
    """


class Zone(Section):
    """Named stretch of the line, for jams and clearing."""

    name: Name
    start_mm: Millimetres
    end_mm: PositiveMillimetres


class PhotoEye(Section):
    """Photo-eye across the line. With ``inducts`` it stands right behind an induction."""

    name: Name
    position_mm: Millimetres
    inducts: bool = False


class Station(Section):
    """Scanner or scale (weight and dimensions)."""

    name: Name
    position_mm: Millimetres


class Limits(Section):
    """Largest parcel that fits."""

    length_mm: PositiveMillimetres = 600
    width_mm: PositiveMillimetres = 450
    height_mm: PositiveMillimetres = 400
    weight_g: Annotated[int, Field(gt=0, le=500_000)] = 20_000


class Capacity(Section):
    """When a chute is full: by number of parcels, by their summed length, or both."""

    parcels: Annotated[int, Field(ge=0, le=100_000)] = 0
    length_mm: Millimetres = 0


class Chute(Section):
    """One chute and the diverter that serves it. Limits not stated are the line's.

    ``position_mm`` is its mouth; the diverter is fired ``actuation_distance_mm`` before the
    parcel's leading edge gets there and stays engaged for ``window_mm`` of belt travel.
    """

    name: Name
    position_mm: Millimetres
    side: Literal["left", "right", "end"] = "left"
    actuation_distance_mm: Millimetres = 150
    window_mm: PositiveMillimetres = 160
    entry_distance_mm: Millimetres = 400
    limits: Limits = Limits()
    capacity: Capacity = Capacity()
    emptied_by: Literal["operator", "takeaway"] = "operator"
    bag_change_every_min: Annotated[float, Field(gt=0, le=1440)] = 20
    """How often somebody can change the bag, or how long take-away needs to clear a full chute;
    for checking the plan's capacity."""


class Tracking(Section):
    """How far a parcel may be from where it is expected."""

    window_mm: PositiveMillimetres = 90
    length_tolerance_mm: Millimetres = 60
    min_gap_mm: PositiveMillimetres = 120
    lost_after_missed_eyes: Annotated[int, Field(ge=1, le=100)] = 2
    io_allowance_ms: Annotated[float, Field(ge=0, le=10_000)] = 60
    """Time a command needs from the decision to the PLC; part of every deadline."""
    starved_after_mm: Millimetres = 100_000
    """Travel of an empty belt after which the line counts as starved; 0: never."""


class Line(Section):
    """Geometry of one line. Positions grow in the direction of travel."""

    name: Name
    topology: Literal["loop", "line"]
    length_mm: PositiveMillimetres
    belt_speed_mm_s: Annotated[float, Field(gt=0, le=20_000)]
    design_rate_parcels_per_h: Annotated[float, Field(gt=0, le=500_000)] = 20_000
    max_laps: Annotated[int, Field(ge=1, le=100)] = 3
    encoder: Encoder = Encoder()
    limits: Limits = Limits()
    tracking: Tracking = Tracking()
    zones: tuple[Zone, ...] = Field(min_length=1, max_length=1024)
    photo_eyes: tuple[PhotoEye, ...] = Field(min_length=1, max_length=1024)
    scanners: tuple[Station, ...] = Field(min_length=1, max_length=256)
    scales: tuple[Station, ...] = Field(default=(), max_length=256)
    chutes: tuple[Chute, ...] = Field(min_length=1, max_length=1024)


# --- line.yaml: how to talk to the PLC -----------------------------------------------------------
class ModbusLink(Section):
    """Modbus/TCP peer and where the blocks lie in its holding registers.

    Port 802 is that of Modbus/TCP Security; plain Modbus/TCP has 502.
    """

    host: HostName = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 802
    tls: ModbusTls = ModbusTls()
    device_id: Annotated[int, Field(ge=0, le=255)] = 1
    timeout_ms: Annotated[float, Field(ge=10, le=60_000)] = 250
    poll_ms: Annotated[float, Field(ge=1, le=1000)] = 5
    status_address: Annotated[int, Field(ge=0, le=65535)] = mailbox.DEFAULT_STATUS_ADDRESS
    command_address: Annotated[int, Field(ge=0, le=65535)] = mailbox.DEFAULT_COMMAND_ADDRESS
    event_address: Annotated[int, Field(ge=0, le=65535)] = mailbox.DEFAULT_EVENT_ADDRESS
    scan_address: Annotated[int, Field(ge=0, le=65535)] = mailbox.DEFAULT_SCAN_ADDRESS


class OpcUaTags(Section):
    """Node ids of the UInt16 array variables. ``{page}``/``{slot}`` is the ring index."""

    namespace_uri: str = "urn:parcel-sorter:mailbox"
    status: str = "Mailbox.Status"
    command: str = "Mailbox.Command"
    event_page: str = "Mailbox.EventPage.{page}"
    scan_slot: str = "Mailbox.Scan.{slot}"


class OpcUaLink(Section):
    """OPC UA peer and its tag map."""

    endpoint: str = "opc.tcp://127.0.0.1:4840/parcel-sorter/"
    security: OpcUaSecurity = OpcUaSecurity()
    timeout_ms: Annotated[float, Field(ge=10, le=60_000)] = 500
    publishing_interval_ms: Annotated[float, Field(ge=0, le=10_000)] = 5
    poll_ms: Annotated[float, Field(ge=1, le=1000)] = 50
    """Longest time between two exchanges when the subscription reports nothing."""
    source_age_limit_ms: Annotated[float, Field(ge=10, le=60_000)] = 1000
    """How much older than the server's time the source time of a value may be."""
    tags: OpcUaTags = OpcUaTags()


class Mailbox(Section):
    """Wire details that differ between PLC makes."""

    word_order: Literal["high_first", "low_first"] = "high_first"
    event_slots: Annotated[int, Field(ge=16, le=4096)] = mailbox.DEFAULT_EVENT_SLOTS
    scan_slots: Annotated[int, Field(ge=4, le=512)] = mailbox.DEFAULT_SCAN_SLOTS


class Io(Section):
    """Connection to the PLC."""

    protocol: Literal["modbus", "opcua"] = "modbus"
    mailbox: Mailbox = Mailbox()
    certificates: Certificates = Certificates()
    modbus: ModbusLink = ModbusLink()
    opcua: OpcUaLink = OpcUaLink()


class Metrics(Section):
    """Prometheus endpoint; port 0 takes a free one.

    HTTPS with a certificate and its key, whose files are named as those of ``io.certificates``.
    """

    host: HostName = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    certificate: FileName | None = None
    private_key: FileName | None = None
    """Must not be readable by other users."""
    accept_plain_text_off_loopback: bool = False
    """Allow plain HTTP on an address that other machines reach."""


class Retention(Section):
    """How much of the past the journal keeps, and what it does when its disk is full.

    What a restart or an open parcel needs is kept whatever these say.
    """

    max_age_days: Annotated[float, Field(gt=0, le=3650)] = 30
    max_mb: Annotated[int, Field(ge=16, le=10_000_000)] = 4096
    """Of the journal file; the oldest steps go when it is larger. A parcel takes about 5 kB."""
    reserve_mb: Annotated[int, Field(ge=0, le=10_000)] = 32
    """Space on the disk kept for the day it is full: it lets the journal go on in its own file."""


class Logs(Section):
    """Log lines go to standard error, which systemd keeps; and to a file if one is named."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: FileName = ""
    max_mb: Annotated[float, Field(gt=0, le=10_000)] = 16
    """Of one file; then a new one is begun."""
    files: Annotated[int, Field(ge=1, le=1000)] = 4


class Service(Section):
    """Files and endpoint of the control service; relative paths count from the line file."""

    sort_plan: FileName = "sort_plan.yaml"
    returns_policy: FileName = "returns_policy.yaml"
    registry: FileName = "../var/returns.sqlite"
    registry_retention_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """Return records are erased so many days after their import."""
    journal: FileName = "../var/journal.sqlite"
    metrics: Metrics = Metrics()
    retention: Retention = Retention()
    logs: Logs = Logs()


class LineFile(Section):
    """``line.yaml``: the line, its PLC and the service's files."""

    kind: Literal["line"] = "line"
    line: Line
    io: Io = Io()
    service: Service = Service()


# --- sort_plan.yaml ---
class Route(Section):
    """Chutes for parcels of these grades in this stream: groups tried in order."""

    stream: Name
    grades: tuple[GradeLetter, ...] = Field(min_length=1)
    groups: tuple[tuple[Name, ...], ...] = Field(min_length=1)
    expected_share: Annotated[float, Field(ge=0, le=1)] = 0
    """Part of all parcels this route is to take, for checking the plan's capacity."""


class ExceptionOutlets(Section):
    """One chute per exception cause, and the chute for what nothing else takes."""

    no_read: Name
    multi_read_conflict: Name
    no_data: Name
    ungraded: Name
    hazmat: Name
    over_size: Name
    over_weight: Name
    window_expired: Name
    tracking_lost: Name
    fallback: Name


class SortPlanFile(Section):
    """``sort_plan.yaml``: grade x stream -> chutes, overflow, exception outlets."""

    kind: Literal["sort_plan"]
    name: Name
    choose: Literal["first_fit", "balance"] = "balance"
    routes: tuple[Route, ...] = Field(min_length=1, max_length=1024)
    overflow: dict[Name, Name] = Field(default={})
    exceptions: ExceptionOutlets


# --- returns_policy.yaml ---
class Rule(Section):
    """Conditions (all must hold; an absent one holds always) and what follows."""

    grades: tuple[GradeLetter, ...] = ("A", "B", "C", "D")
    categories: tuple[Name, ...] = ()
    reasons: tuple[ReasonName, ...] = ()
    value_from_cents: Annotated[int, Field(ge=0, le=10**12)] = 0
    value_to_cents: Annotated[int, Field(gt=0, le=10**12)] | None = None
    hazmat: bool = False
    """Holds for hazardous articles only (true) or for all others only (false)."""
    disposition: DispositionName
    stream: Name


class ReturnsPolicyFile(Section):
    """``returns_policy.yaml``: return windows and disposition rules.

    A hazardous article that no ``hazmat: true`` rule matches, an ungraded one, and one returned
    after its country's window go to the outlets that the sort plan names for these causes.
    """

    kind: Literal["returns_policy"]
    name: Name
    categories: tuple[Name, ...] = Field(max_length=62)
    window_days: dict[CountryCode, Days]
    default_window_days: Days | None = None
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=500)
