"""``docs/faults.md``: what each kind of fault does, measured one at a time.

A parcel counts as affected when its end or its number of laps is another one than in the same run
without any fault. Detection is measured from the moment the fault begins to the first look at the
controller's metrics that shows the alarm.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plc_sim.chaos.drawing import CATALOGUE, LineShape, Values
from plc_sim.chaos.examples import (
    NEEDS_SMALL_CHUTE,
    at_busiest_chute,
    example,
    variants,
    with_small_chute,
)
from plc_sim.chaos.performing import LOOK_PERIOD_S, Performance
from plc_sim.chaos.rules import RULES
from plc_sim.chaos.running import Theatre, failure_text, success_text
from plc_sim.chaos.story import RATE_PARCELS_PER_H, Story
from plc_sim.scenario import Fault
from sorter.config.load import load_yaml_model
from sorter.config.models import LineFile
from sorter.errors import SorterError
from sorter.rehearsal.account import Record, account_for
from sorter.rehearsal.snapshot import LineSnapshot

CLOCKS_APART_S: Final = 0.5
HEADER: Final = """\
# Faults: what each one does

Written by `sorter chaos --document docs/faults.md` from one run per kind of fault, and per variant
where a kind does different things ({parcels} parcels at {rate:,.0f} parcels/h, speed {speed:g},
seed {seed}); do not edit. A parcel is *affected* when the fault struck it by the simulator's
account, or its end or its number of laps is another one than in the same run without any fault.
*Detected after* is wall time from the beginning of the fault to the first look at the metrics that
shows the alarm, above what the run without faults shows by then (one look every {look_ms:.0f} ms):
the wait for a parcel that meets the fault is part of it, and at speed {speed:g} belts run {speed:g}
times as fast. "-": no metric tells of it. A chute that must be full holds one parcel.

| fault | detected after | alarm | parcels affected | what happens to them |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric that tells of a fault.

    Attributes
    ----------
    text : str
        For people.
    value : callable or None
        Rises more than without the fault: the alarm is up. None: there is no metric to look at.
    metrics : tuple of str
        Names in the exposition.
    log : str
        Name of the log record that says it as well.
    """

    text: str
    value: Callable[[LineSnapshot], float] | None = None
    metrics: tuple[str, ...] = ()
    log: str = ""


def _metric(name: str, label: str = "", wanted: str = "", *, log: str = "") -> Alarm:
    said = f", log `{log}`" if log else ""
    if not label:
        return Alarm(f"`{name}`{said}", lambda line: line.value(name), (name,), log)
    text = f'`{name}{{{label}="{wanted}"}}`{said}'
    return Alarm(text, lambda line: line.labelled(name, label).get(wanted, 0.0), (name,), log)


def _any_of(*alarms: Alarm, log: str = "") -> Alarm:
    """Return an alarm that several metrics can raise."""
    text = " or ".join(alarm.text for alarm in alarms) + (f", log `{log}`" if log else "")
    metrics = tuple(name for alarm in alarms for name in alarm.metrics)
    values = [alarm.value for alarm in alarms if alarm.value]
    return Alarm(text, lambda line: sum(value(line) for value in values), metrics, log)


def _line_state(number: int, name: str) -> Alarm:
    return Alarm(
        f"`sorter_line_state` = {number} ({name})",
        lambda line: float(line.value("sorter_line_state") == number),
        ("sorter_line_state",),
    )


def _down(name: str, log: str = "") -> Alarm:
    text = f"`{name}` = 0" + (f", log `{log}`" if log else "")
    return Alarm(text, lambda line: 1.0 - line.value(name), (name,), log)


_LINK: Final = _down("sorter_link_up", "link_down")
_MISSED_EYES: Final = _metric("sorter_eyes_missed_total")
_SLOW: Final = _metric("sorter_loop_overruns_total")
_NO_READS: Final = _metric("sorter_no_reads_total")
_CONFLICTS: Final = _metric("sorter_read_conflicts_total")
_DIVERT_FAILED: Final = _metric(
    "sorter_chute_failed_passes_total", "result", "missed", log="divert_failed"
)
_ENCODER: Final = _metric("sorter_anomalies_total", "kind", "encoder_jumps", log="encoder_jumped")

_MALFORMED: Final = _metric("sorter_anomalies_total", "kind", "malformed_reports")
_CORRUPT: Final = _metric("sorter_mailbox_corrupt_total")

ALARMS: Final[dict[str, Alarm]] = {
    "jam": _line_state(11, "Held"),
    "e_stop": _line_state(9, "Aborted"),
    "failed_divert": _DIVERT_FAILED,
    "slow_divert": _DIVERT_FAILED,
    "chute_jam": _metric("sorter_chute_state", "state", "jammed"),
    "chute_full_late": _metric("sorter_chute_full_unreported", log="chute_full_unreported"),
    "no_read": _NO_READS,
    "no_read_burst": _NO_READS,
    "multi_read": _CONFLICTS,
    "multi_read_burst": _CONFLICTS,
    "swapped_codes": Alarm("none is possible: two valid codes"),
    "swapped_codes_burst": Alarm("none is possible: two valid codes"),
    "encoder_jump": _ENCODER,
    "encoder_slip": _ENCODER,
    "double_feed": _MISSED_EYES,
    "stuck_eye": _any_of(
        _metric("sorter_eye_blocked"),
        _metric("sorter_eye_silent"),
        _metric("sorter_parcels_unexpected_total"),
        log="eye_blocked",
    ),
    "event_dropped": _MISSED_EYES,
    "event_duplicated": _metric("sorter_anomalies_total", "kind", "duplicate_reports"),
    "event_reordered": Alarm("none is needed: counts are latched"),
    "event_delayed": _metric("sorter_anomalies_total", "kind", "late_reports", log="reports_late"),
    "event_corrupted": _any_of(_CORRUPT, _MALFORMED),
    "map_shifted": _LINK,
    "plc_frozen": _LINK,
    "plc_restart": _metric("sorter_plc_starts_total"),
    "link_cut": _LINK,
    "link_half_open": _LINK,
    "link_latency": _SLOW,
    "link_loss": _SLOW,
    "host_down": _down("sorter_host_up", "host_down"),
    "disk_full": _metric("sorter_journal_refusals_total"),
    "clock_step": Alarm("none is needed: nothing that decides looks at it"),
    "kill_controller": Alarm("the process ends: systemd starts it again, log `looked_back`"),
    "kill_plc": _LINK,
}
"""By kind of fault; every kind that a scenario knows is here."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind.

    Attributes
    ----------
    seen : Performance
    broken : tuple of str
        What did not hold.
    ends : dict
        How each physical parcel ended, in words.
    chutes : tuple of str or None
        Where each of them lies.
    struck : dict
        Kinds of faults that struck each of them, by the simulator's account.
    """

    seen: Performance
    broken: tuple[str, ...]
    ends: dict[int, tuple[str, ...]] = field(default_factory=dict)
    chutes: tuple[str | None, ...] = ()
    struck: dict[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """What one run with one fault showed."""

    kind: str
    variant: Values
    """What makes it this one of several of its kind."""
    detected_s: float | None
    affected: int
    happened: str
    broken: tuple[str, ...] = ()
    """What did not hold in this run."""


async def measured_document(
    line: Path,
    theatre: Theatre,
    story: Story,
    say: Callable[[str], None],
    kinds: Sequence[str] = CATALOGUE,
) -> tuple[bool, str]:
    """Run the story without faults, then with one of each kind and variant.

    Returns
    -------
    bool
        Whether everything held in every run.
    str
        The document.
    """
    usual = await _run(theatre, story, (), say)
    holds = not usual.broken
    shape = LineShape.of(load_yaml_model(line, LineFile), story.parcels, RATE_PARCELS_PER_H)
    # While parcels come, and where they go: a fault that no parcel meets shows nothing.
    shape = at_busiest_chute(replace(shape, span_s=story.arrivals_s), usual.chutes)
    stages = {False: (theatre, usual)}
    if NEEDS_SMALL_CHUTE & set(kinds):
        small = with_small_chute(line, shape.chutes[0], theatre.folder("small-chute"))
        other = Theatre(small, theatre.folder("small-chute"), say)
        stages[True] = (other, await _run(other, story, (), say))
        holds = holds and not stages[True][1].broken
    rows = []
    for kind, variant in variants(kinds):
        fault = example(kind, shape, story.seed, variant)
        on, without = stages[kind in NEEDS_SMALL_CHUTE]
        run = await _run(on, story, (fault,), say)
        holds = holds and not run.broken
        affected = affected_by(run, without, kind)
        detected_s = detection_s(ALARMS[kind], began_s(fault, story), run.seen, without.seen)
        rows.append(Row(kind, variant, detected_s, len(affected), _happened(affected), run.broken))
    return holds, document_text(rows, story)


def document_text(rows: Sequence[Row], story: Story) -> str:
    """Return the whole document."""
    head = HEADER.format(
        parcels=story.parcels,
        rate=story.rate_parcels_per_h,
        speed=story.speed,
        seed=story.seed,
        look_ms=LOOK_PERIOD_S * 1000,
    )
    lines = []
    for row in rows:
        detected = "-" if row.detected_s is None else f"{row.detected_s:.2f} s"
        failed = f"**did not hold** ({', '.join(row.broken)}); " if row.broken else ""
        happened = f"{failed}{row.happened}: {RULES[row.kind].because}"
        alarm = ALARMS[row.kind].text
        variant = "".join(f" (`{key}: {value}`)" for key, value in row.variant.items())
        lines.append(
            f"| `{row.kind}`{variant} | {detected} | {alarm} | {row.affected} | {happened} |\n"
        )
    return head + "".join(lines)


def began_s(fault: Any, story: Story) -> float:
    """Return the wall time from the first parcel's coming to the beginning of a fault."""
    if hasattr(fault, "from_parcel"):
        return float(fault.from_parcel) * 3600 / story.rate_parcels_per_h / story.speed
    return float(getattr(fault, "at_s", 0.0)) / story.speed


def detection_s(
    alarm: Alarm, fault_s: float, seen: Performance, usual: Performance
) -> float | None:
    """Return the wall time from a fault's beginning to its alarm; None: it did not come up.

    What the alarm's metric does by itself, as without any fault, does not count. The clock of the
    looks begins a moment behind the simulator's own, so the look just before the fault may show it.
    """
    value = alarm.value
    if value is None:
        return None

    before_s = fault_s - CLOCKS_APART_S

    def risen(run: Performance, at_s: float) -> float:
        values = [value(line) for looked_s, line in run.timeline if looked_s <= at_s]
        before = [value(line) for looked_s, line in run.timeline if looked_s < before_s]
        return (values or [0.0])[-1] - (before or [0.0])[-1]

    for at_s, _ in seen.timeline:
        if at_s >= fault_s and risen(seen, at_s) > max(0.0, risen(usual, at_s)):
            return at_s - fault_s
    return None


async def _run(
    theatre: Theatre, story: Story, faults: tuple[Fault, ...], say: Callable[[str], None]
) -> Run:
    told = story.with_faults(faults)
    folder = theatre.folder("-".join(("only", *told.kinds)))
    seen, result = await theatre.perform(told, folder)
    say(success_text(result) if result.verdict.holds else "\n".join(failure_text(result)))
    broken = tuple(breach.what for breach in result.verdict.breaches)
    try:
        account = account_for(seen.journal, seen.truth)
    except SorterError:
        return Run(seen, broken)
    if not broken:
        shutil.rmtree(folder)
    ends = {number: _end(all_of) for number, all_of in account.records.items()}
    chutes = tuple(row["chute"] for row in account.truth)
    struck = {int(row["physical_id"]): tuple(row["faults"]) for row in account.truth}
    return Run(seen, broken, ends, chutes, struck)


def affected_by(run: Run, without: Run, kind: str) -> dict[int, tuple[str, ...]]:
    """Return how each parcel ended that the fault struck, or that ended otherwise than without."""
    # The simulator's account knows no bursts, and names what befell one parcel.
    named = kind.removesuffix("_burst").replace("swapped_codes", "swapped_code")
    affected = {}
    for number, end in run.ends.items():
        if end != without.ends.get(number):
            affected[number] = end
        elif named in run.struck.get(number, ()):
            affected[number] = (*end, "all the same")
    return affected


def _end(records: Sequence[Record]) -> tuple[str, ...]:
    """Return how a parcel ended, in words; the chute is not part of it, as chutes share work."""
    last = records[-1]
    words = [last.disposition + (f" ({last.cause})" if last.cause else "")]
    if last.laps:
        words.append(f"after {last.laps} laps" if last.laps > 1 else "after a lap")
    if len(records) > 1:
        words.append("met again as unexpected")
    return tuple(words)


def _happened(changed: dict[int, tuple[str, ...]]) -> str:
    if not changed:
        return "nothing"
    counts = Counter(" ".join(end) for end in changed.values())
    return ", ".join(f"{count} {what}" for what, count in counts.most_common(4))
