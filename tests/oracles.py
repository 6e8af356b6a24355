"""What the kernels should do, in plain Python over dictionaries: slow, obvious, independent."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]


def passes(anchor: int, point: int, loop: int) -> list[tuple[int, int]]:
    """All (count, travel) at which the leading edge of a parcel is at a point of the line."""
    rounds = range(-1, 12) if loop else range(1)
    return [(anchor + point + lap * loop, point + lap * loop) for lap in rounds]


def explains(
    parcels: list[Record], line: Record, point: int, delay: int, count: int, length: int | None
) -> int | None:
    """The id of the parcel that explains an edge seen at `count`, or None."""
    found: list[tuple[bool, int, int]] = []
    for parcel in parcels:
        best = min(
            passes(parcel["anchor"], point, line["loop"]), key=lambda p: abs(p[0] + delay - count)
        )
        distance = abs(best[0] + delay - count)
        if distance > line["window"]:
            continue
        if length is not None:
            if abs(length - parcel["length"]) > line["tolerance"]:
                continue
            seen = parcel["seen_travel"]
            if best[1] < seen or (best[1] == seen and delay == 0):
                continue
        found.append((length is None and parcel["missed_eyes"] > 0, distance, parcel["id"]))
    return min(found)[2] if found else None


def reachable(parcel: Record, chute: Record, line: Record, now: int) -> tuple[int, int] | None:
    """(fire count, travel) of the first pass of this lap that can still be commanded, or None."""
    if chute["line_end"]:
        return parcel["anchor"] + chute["position"], chute["position"]
    for arrival, travel in passes(parcel["anchor"], chute["position"], line["loop"]):
        fire = arrival - chute["actuation"] - chute["hold"] // 2
        commit = fire - line["allowance"]
        if commit < now:
            continue
        lap_end = parcel["anchor"] + parcel["induct"] + (parcel["lap"] + 1) * line["loop"]
        if line["loop"] and commit >= lap_end:
            return None
        return fire, travel
    return None


def spacing(one: Record, other: Record, loop: int) -> int:
    """Shortest distance between two leading edges."""
    apart = abs(one["anchor"] - other["anchor"])
    return min(apart % loop, -apart % loop) if loop else apart


def window(parcel: Record, others: list[Record], index: int, chute: Record, fire: int, loop: int):
    """Name of the verdict on firing chute `index` at `fire`."""
    engaged = (fire, fire + chute["hold"])
    for other in others:
        if other["id"] == parcel["id"]:
            continue
        if 2 * spacing(parcel, other, loop) <= chute["hold"] + 1:
            return "WINDOW_TAKEN"
        overlap = engaged[0] <= other["fire"] + chute["hold"] and other["fire"] <= engaged[1]
        if other["chute"] == index and overlap:
            return "WINDOW_TAKEN"
    for other in others:
        close = abs(other["fire"] - fire) < chute["hold"] + chute["actuation"]
        if other["id"] != parcel["id"] and other["chute"] == index and close:
            return "RATE_LIMITED"
    return "CHOSEN"


def verdict(
    parcel: Record, others: list[Record], index: int, chute: Record, line: Record, now: int
) -> str:
    """Name of the first obstacle, CHOSEN when there is none."""
    if parcel["excluded"] == index:
        return "EXCLUDED"
    if any(parcel[side] > chute["max_" + side] for side in ("length", "width", "height")):
        return "OVER_SIZE"
    if parcel["weight"] > chute["max_weight"]:
        return "OVER_WEIGHT"
    for bit, wanted, name in (("open", True, "CLOSED"), ("jammed", False, "JAMMED")):
        if chute[bit] != wanted:
            return name
    full = chute["full"]
    if chute["capacity"]:
        full = full or chute["parcels"] + chute["reserved"] + 1 > chute["capacity"]
    if chute["capacity_length"]:
        load = chute["content_length"] + chute["reserved_length"] + parcel["length"]
        full = full or load > chute["capacity_length"]
    if full:
        return "FULL"
    there = reachable(parcel, chute, line, now)
    if there is None:
        return "UNREACHABLE"
    if chute["line_end"]:
        return "CHOSEN"
    return window(parcel, others, index, chute, there[0], line["loop"])


def fill(chute: Record) -> int:
    ratios = [0]
    if chute["capacity"]:
        ratios.append((chute["parcels"] + chute["reserved"]) * 1_000_000 // chute["capacity"])
    if chute["capacity_length"]:
        load = chute["content_length"] + chute["reserved_length"]
        ratios.append(load * 1_000_000 // chute["capacity_length"])
    return max(ratios)


def choose(
    parcel: Record,
    others: list[Record],
    chutes: list[Record],
    line: Record,
    groups: dict[tuple[int, int], list[list[int]]],
    overflow: list[int],
    now: int,
) -> tuple[int, int, list[tuple[int, str]]]:
    """(chute or -1, served stream or -1, verdicts in the order of looking)."""
    looked: list[tuple[int, str]] = []
    stream = parcel["stream"]
    while stream >= 0:
        for group in groups[parcel["grade"], stream]:
            verdicts = [verdict(parcel, others, c, chutes[c], line, now) for c in group]
            possible = [c for c, v in zip(group, verdicts, strict=True) if v == "CHOSEN"]
            best = -1
            if possible:
                best = possible[0]
                if line["balance"]:

                    def rank(c: int) -> tuple[int, int]:
                        there = reachable(parcel, chutes[c], line, now)
                        assert there is not None
                        return fill(chutes[c]), there[1]

                    best = min(possible, key=rank)
            for c, v in zip(group, verdicts, strict=True):
                looked.append((c, "NOT_BEST" if v == "CHOSEN" and c != best else v))
            if possible:
                return best, stream, looked
        stream = overflow[stream]
    return -1, -1, looked


def classify(parcel: Record, line: Record, policy: Record) -> tuple[int, int, str | None]:
    """(disposition, stream, name of the exception cause)."""
    matching = [
        rule
        for rule in policy["rules"]
        if rule["hazmat"] == parcel["hazmat"]
        and parcel["grade"] in rule["grades"]
        and (rule["categories"] is None or parcel["category"] in rule["categories"])
        and (rule["reasons"] is None or parcel["reason"] in rule["reasons"])
        and rule["value_from"] <= parcel["value"] < rule["value_to"]
    ]
    window_days = policy["window_days"].get(parcel["country"], policy["default_window"])
    checks = (
        ("TRACKING_LOST", parcel["unexpected"]),
        ("NO_READ", parcel["verdict"] in (None, "NO_READ")),
        ("MULTI_READ_CONFLICT", parcel["verdict"] == "CONFLICT"),
        ("NO_DATA", not parcel["known"]),
        ("HAZMAT", parcel["hazmat"] and not matching),
        ("OVER_SIZE", any(parcel[s] > line["max_" + s] for s in ("length", "width", "height"))),
        ("OVER_WEIGHT", parcel["weight"] > line["max_weight"]),
        ("WINDOW_EXPIRED", window_days is not None and parcel["days"] > window_days),
        ("UNGRADED", parcel["grade"] == 4),
        ("NO_RULE", not matching),
    )
    for name, holds in checks:
        if holds:
            return -1, -1, name
    return matching[0]["disposition"], matching[0]["stream"], None


def seats(waiting: int, capacity: int, inside: int) -> int:
    """How many of the waiting parcels get a command when a chute opens."""
    return max(0, min(waiting, capacity - inside))
