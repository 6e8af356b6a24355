"""Lines, runs and statistics for the comparison with queueing theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from plc_sim.rig import Rig
from sim.lines import chute, feed, line_file, scenario
from sim.mini import Event, MiniController
from sorter.config.models import LineFile
from sorter.model.codes import EventKind

T_999 = 3.88
"""Two-sided 99.9 % point of Student's t with 19 degrees of freedom (20 batches)."""
EYE_MM = 500


def batch_means(samples: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of its 99.9 % interval from 20 batch means, first tenth left out."""
    values = np.asarray(samples, float)[len(samples) // 10 :]
    size = len(values) // 20
    means = values[: 20 * size].reshape(20, size).mean(axis=1)
    return float(means.mean()), T_999 * float(means.std(ddof=1)) / math.sqrt(20)


def assert_agrees(samples: Sequence[float], theory: float, within: float, bias: float) -> None:
    """The interval covers theory, but for a known small `bias`, and is narrow enough to say so."""
    mean, half = batch_means(samples)
    assert half < within * theory, f"{mean:.4f} +- {half:.4f}: too few parcels to tell"
    assert abs(mean - theory) < half + bias * theory, f"{mean:.4f} +- {half:.4f}, not {theory:.4f}"


def mm1k(rho: float, places: int) -> float:
    return (1 - rho) * rho**places / (1 - rho ** (places + 1))


def one_chute_line(topology: str, places: int, length_mm: float = 20_000, **more: Any) -> LineFile:
    """An eye, a scanner behind everything, a chute with so many places."""
    chutes = [
        chute(
            "one",
            2000,
            entry_distance_mm=1,
            capacity={"parcels": places},
            emptied_by="takeaway",
            **more,
        )
    ]
    return line_file(
        topology,
        length_mm=length_mm,
        zones=[{"name": "all", "start_mm": 0, "end_mm": length_mm}],
        photo_eyes=[{"name": "induct", "position_mm": EYE_MM, "inducts": True}],
        scales=[],
        scanners=[{"name": "scanner", "position_mm": 600}],
        chutes=chutes,
    )


def takeaway(kind: str, service_s: float, servers: int = 1) -> dict[str, Any]:
    times = {"constant": "value_s", "exponential": "mean_s"}
    service = {"kind": kind, times[kind]: service_s}
    return {"takeaway": {"servers": servers, "service": service}}


def attempts_blocked(
    line: LineFile, parcels: int, mean_gap_s: float, chutes: dict[str, Any]
) -> list[int]:
    """Send every parcel to chute 0 each time it passes the eye; return 1 for each one refused."""
    arrivals = {"process": "poisson", "rate_parcels_per_h": 3600 / mean_gap_s}
    # A fixed seed per case: the draws of one chute are one stream.
    run = Rig(scenario(arrivals=arrivals, chutes=chutes), line, feed(parcels), seed=5)
    mini = MiniController(run)
    mini.keep = False
    blocked: list[int] = []
    number = 0

    def on_event(event: Event) -> None:
        nonlocal number
        if event.kind == EventKind.PARCEL_PASSED:
            number += 1
            mini.fire_at(number, 0, event.encoder, EYE_MM)
        elif event.kind == EventKind.DIVERT_FIRED:
            blocked.append(0)
        elif event.kind == EventKind.DIVERT_REFUSED:
            blocked.append(1)

    mini.on_event = on_event
    run.start_arrivals()
    mini.run_out()
    return blocked
