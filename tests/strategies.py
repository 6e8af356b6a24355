"""Hypothesis strategies for lines, parcels and chutes as the oracles describe them."""

from __future__ import annotations

from hypothesis import strategies as st

LOOP = 20_000
POINTS = st.integers(0, LOOP - 1)


@st.composite
def line_records(draw: st.DrawFn) -> dict:
    return {
        "loop": draw(st.sampled_from([0, LOOP])),
        "window": draw(st.integers(20, 120)),
        "tolerance": draw(st.integers(0, 80)),
        "allowance": draw(st.integers(0, 300)),
        "balance": draw(st.booleans()),
    }


@st.composite
def parcel_records(draw: st.DrawFn, now: int, loop: int, parcel_id: int) -> dict:
    """A parcel somewhere on the line: inducted, in some lap, seen somewhere behind."""
    induct = draw(st.sampled_from([0, 500, 7000, 12_000]))
    lap = draw(st.integers(0, 3)) if loop else 0
    ahead = draw(st.integers(0, 300)) * 61
    travel = induct + lap * loop + ahead % (loop or LOOP)
    seen = draw(st.integers(induct, max(induct, travel)))
    return {
        "id": parcel_id,
        "anchor": now - travel,
        "length": draw(st.integers(80, 700)),
        "seen_travel": seen,
        "missed_eyes": draw(st.sampled_from([0, 0, 1])),
        "induct": induct,
        "lap": lap,
        "travel": travel,
        "width": draw(st.sampled_from([-1, 100, 450, 451])),
        "height": draw(st.sampled_from([-1, 100, 400, 401])),
        "weight": draw(st.sampled_from([-1, 100, 20_000, 20_001])),
        "grade": draw(st.integers(0, 3)),
        "stream": draw(st.integers(0, 2)),
        "excluded": draw(st.sampled_from([-1, -1, 0, 1])),
        "chute": draw(st.sampled_from([-1, 0, 1, 2])),
        "fire": now,  # see sorting_lines
    }


@st.composite
def chute_records(draw: st.DrawFn) -> dict:
    capacity = draw(st.sampled_from([0, 1, 3, 10]))
    capacity_length = draw(st.sampled_from([0, 500, 3000]))
    return {
        "position": draw(POINTS),
        "actuation": draw(st.integers(0, 300)),
        "hold": draw(st.integers(1, 400)),
        "max_length": 600,
        "max_width": 450,
        "max_height": 400,
        "max_weight": 20_000,
        "capacity": capacity,
        "capacity_length": capacity_length,
        "line_end": False,
        "open": draw(st.sampled_from([True, True, True, False])),
        "jammed": draw(st.sampled_from([False, False, False, True])),
        "full": draw(st.sampled_from([False, False, False, True])),
        "parcels": draw(st.integers(0, 3)),
        "reserved": draw(st.integers(0, 2)),
        "content_length": draw(st.integers(0, 2500)),
        "reserved_length": draw(st.integers(0, 600)),
    }


@st.composite
def sorting_lines(draw: st.DrawFn, now: int) -> tuple[dict, list[dict], list[dict]]:
    """A line, its parcels and four chutes; planned diverts are aimed at their parcels.

    A parcel that slipped is off by the window at most, so a planned fire count is, too.
    """
    line = draw(line_records())
    count = draw(st.integers(1, 6))
    parcels = [draw(parcel_records(now, line["loop"], number + 1)) for number in range(count)]
    chutes = draw(st.lists(chute_records(), min_size=4, max_size=4))
    for parcel in parcels:
        if parcel["chute"] < 0:
            continue
        chute = chutes[parcel["chute"]]
        aim = parcel["anchor"] + chute["position"] - chute["actuation"] - chute["hold"] // 2
        aim += draw(st.integers(-1, 1)) * line["loop"]
        while line["loop"] and aim < now - line["loop"] // 2:
            aim += line["loop"]
        parcel["fire"] = aim + draw(st.integers(-line["window"], line["window"]))
    return line, parcels, chutes
