"""Break the shipped configuration in one place each; exactly that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sorter.config.check import check_files
from sorter.errors import Problem

LINE, PLAN, POLICY = "line.yaml", "sort_plan.yaml", "returns_policy.yaml"
SMALL, SMALL_PLAN = "small_line.yaml", "small_sort_plan.yaml"


@dataclass(frozen=True)
class Break:
    """Replace `old` by `new` in `file`; expect `problem` at `key` in the line that holds `at`."""

    file: str
    old: str
    new: str
    key: str
    at: str
    problem: str
    remedy: str = ""
    reported_in: str = ""
    others: tuple[str, ...] = ()
    """Texts of further problems that the same mistake must cause."""


GEOMETRY = {
    "duplicate chute name": Break(
        LINE,
        "{name: A05, position_mm: 18200",
        "{name: A02, position_mm: 18200",
        "line.chutes[4].name",
        "position_mm: 18200",
        "the name 'A02' is used twice",
        "each its own name",
    ),
    "duplicate eye name": Break(
        LINE,
        "{name: verify_B",
        "{name: verify_A",
        "line.photo_eyes[4].name",
        "position_mm: 64800",
        "'verify_A' is used twice",
    ),
    "eye beyond the length": Break(
        LINE,
        "{name: middle_B, position_mm: 90600}",
        "{name: middle_B, position_mm: 130600}",
        "line.photo_eyes[5].position_mm",
        "position_mm: 130600",
        "middle_B at 130600 mm is beyond the line's length of 120000 mm",
    ),
    "chute at the seam of a loop": Break(
        LINE,
        "{name: B17, position_mm: 111800",
        "{name: B17, position_mm: 120000",
        "line.chutes[33].position_mm",
        "position_mm: 120000",
        "beyond the line's length",
    ),
    "eyes out of order": Break(
        LINE,
        "{name: middle_A, position_mm: 30600}",
        "{name: middle_A, position_mm: 4000}",
        "line.photo_eyes[2].position_mm",
        "{name: middle_A",
        "is listed behind verify_A",
        "list photo-eyes by position",
    ),
    "two eyes in one window": Break(
        LINE,
        "{name: middle_A, position_mm: 30600}",
        "{name: middle_A, position_mm: 4850}",
        "line.photo_eyes[2].position_mm",
        "{name: middle_A",
        "within one tracking window",
        "more than tracking.window_mm = 90 mm apart",
    ),
    "zones leave a gap": Break(
        LINE,
        "{name: sort_A2, start_mm: 31000",
        "{name: sort_A2, start_mm: 31500",
        "line.zones[2].start_mm",
        "{name: sort_A2",
        "no zone covers 31000 to 31500 mm",
        "start sort_A2 at 31000 mm",
    ),
    "zones overlap": Break(
        LINE,
        "{name: sort_A2, start_mm: 31000",
        "{name: sort_A2, start_mm: 30500",
        "line.zones[2].start_mm",
        "{name: sort_A2",
        "overlaps the zone before it",
    ),
    "zones end early": Break(
        LINE,
        "start_mm: 91000, end_mm: 120000",
        "start_mm: 91000, end_mm: 119000",
        "line.zones[5].end_mm",
        "{name: sort_B2",
        "the zones end at 119000 mm, the line at 120000 mm",
    ),
    "zone ends before it starts": Break(
        LINE,
        "{name: infeed_B, start_mm: 60000, end_mm: 66000}",
        "{name: infeed_B, start_mm: 60000, end_mm: 59000}",
        "line.zones[3].end_mm",
        "{name: infeed_B",
        "before it starts",
        others=("no zone covers 60000 to 66000 mm",),
    ),
    "no inducting eye": Break(
        SMALL,
        "position_mm: 400, inducts: true",
        "position_mm: 400",
        "line.photo_eyes",
        "photo_eyes:",
        "no photo-eye inducts",
        others=("scale is not between an induction and its scanner",),
    ),
    "ambiguous tracking window": Break(
        LINE,
        "window_mm: 90 #",
        "window_mm: 95 #",
        "line.tracking.window_mm",
        "window_mm: 95 #",
        "can hold two neighbours",
        "at most 90 mm",
    ),
    "encoder too coarse": Break(
        LINE,
        "mm_per_count: 1.0",
        "mm_per_count: 50",
        "line.encoder.mm_per_count",
        "mm_per_count: 50",
        "too coarse for a tracking window of +-90 mm",
        "at most 45 mm",
    ),
    "encoder too fine": Break(
        LINE,
        "mm_per_count: 1.0",
        "mm_per_count: 1.0e-5",
        "line.encoder.mm_per_count",
        "mm_per_count: 1.0e-5",
        "longer than a 32-bit encoder can tell",
        others=("do not fit the 16 bits of a command",) * 34,
    ),
    "design rate above the belt": Break(
        LINE,
        "belt_speed_mm_s: 2500",
        "belt_speed_mm_s: 1500",
        "line.design_rate_parcels_per_h",
        "design_rate_parcels_per_h",
        "the belt cannot carry 20000 parcels/h: 2 induction(s)",
        "at most 15000",
    ),
}

CHUTES = {
    "end chute on a loop": Break(
        LINE,
        "{name: B15, position_mm: 106200, side: left",
        "{name: B15, position_mm: 106200, side: end",
        "line.chutes[31].side",
        "{name: B15",
        "at the end of a loop, which has none",
    ),
    "no end chute on a line": Break(
        SMALL,
        "{name: END, position_mm: 27600, side: end",
        "{name: END, position_mm: 26400, capacity: *bag, side: left",
        "line.chutes",
        "chutes:",
        "no chute takes what runs off the end",
        "side: end",
        others=("nobody can confirm chute END",),
    ),
    "end chute before others": Break(
        SMALL,
        "{name: END, position_mm: 27600",
        "{name: END, position_mm: 25000",
        "line.chutes[15].side",
        "{name: END",
        "not the end of the line: a chute stands at 25800 mm",
    ),
    "two ends": Break(
        SMALL,
        "{name: X9, position_mm: 25800, side: left",
        "{name: X9, position_mm: 27700, side: end",
        "line.chutes[15].side",
        "{name: END",
        "not the end of the line: another chute is",
        others=("X9 is the end of the line",),
    ),
    "chute beyond the last eye": Break(
        SMALL,
        "{name: X9, position_mm: 25800",
        "{name: X9, position_mm: 26700",
        "line.chutes[14].position_mm",
        "{name: X9",
        "beyond the last eye (last at 26600 mm)",
        "add a photo-eye behind it",
    ),
    "chute before the induction": Break(
        SMALL,
        "{name: X9, position_mm: 25800",
        "{name: X9, position_mm: 100",
        "line.chutes[14].position_mm",
        "{name: X9",
        "upstream of every induction",
        others=("nobody can confirm chute X9",),
    ),
    "entry behind the end of a loop": Break(
        LINE,
        "{name: B17, position_mm: 111800",
        "{name: B17, position_mm: 119700",
        "line.chutes[33].position_mm",
        "{name: B17",
        "a parcel has entered B17 at 120100 mm (position_mm + entry_distance_mm), past the loop's "
        "end at 120000 mm",
        "place it from 230 to 119600 mm",
    ),
    "divert window over the end of a loop": Break(
        LINE,
        "{name: B17, position_mm: 111800",
        "{name: B17, position_mm: 119950",
        "line.chutes[33].position_mm",
        "{name: B17",
        "the divert window of B17, 119720 to 120030 mm (actuation_distance_mm + window_mm), "
        "crosses the loop's end",
    ),
    "fired before the end of a loop": Break(
        LINE,
        "{name: B17, position_mm: 111800, side: left",
        "{name: B17, position_mm: 100, side: left, entry_distance_mm: 200",
        "line.chutes[33].position_mm",
        "{name: B17",
        "the divert window of B17, -130 to 180 mm",
        "place it from 230 to 119800 mm",
    ),
    "chute nobody can confirm": Break(
        LINE,
        "{name: middle_A, position_mm: 30600}",
        "{name: middle_A, position_mm: 29800}",
        "line.chutes[8].position_mm",
        "{name: A09",
        "nobody can confirm chute A09: middle_A stands 400 mm behind it",
        "keep 490 mm",
    ),
    "divert windows overlap": Break(
        LINE,
        "{name: A02, position_mm: 9800, side: right",
        "{name: A02, position_mm: 7200, side: right",
        "line.chutes[1].position_mm",
        "{name: A02",
        "the divert windows of A01 and A02 overlap by 110 mm",
    ),
    "operator chute without capacity": Break(
        LINE,
        "capacity: {parcels: 300}} # fallback",
        "capacity: {parcels: 0}} # fallback",
        "line.chutes[31].capacity",
        "{name: B15",
        "emptied by an operator but has no capacity",
    ),
    "no scanner before the first chute": Break(
        LINE,
        "{name: scanner_B, position_mm: 63200}",
        "{name: scanner_B, position_mm: 68000}",
        "line.photo_eyes[3]",
        "{name: induct_B",
        "no scanner stands between induction induct_B and the first chute, B01",
    ),
    "commit point before the scan": Break(
        LINE,
        "{name: scanner_A, position_mm: 3200}",
        "{name: scanner_A, position_mm: 6200}",
        "line.chutes[0].position_mm",
        "{name: A01",
        "the commit point of A01 is 6120 mm behind induct_A, before the scan by scanner_A is "
        "complete at 6390 mm",
        "by 270 mm",
    ),
    "scanner too near": Break(
        LINE,
        "{name: scanner_A, position_mm: 3200}",
        "{name: scanner_A, position_mm: 1000}",
        "line.scanners[0].position_mm",
        "{name: scanner_A",
        "scanner_A stands 500 mm behind induct_A, closer than the longest parcel (600 mm)",
        others=("scale_A is not between an induction and its scanner",),
    ),
    "scale behind the scanner": Break(
        LINE,
        "{name: scale_A, position_mm: 1700}",
        "{name: scale_A, position_mm: 4000}",
        "line.scales[0].position_mm",
        "{name: scale_A",
        "scale_A is not between an induction and its scanner",
        "upstream of the scanner",
    ),
}

IO = {
    "blocks overlap": Break(
        LINE,
        "event_address: 1000",
        "event_address: 300",
        "io.modbus.event_address",
        "event_address: 300",
        "overlaps the command block, which takes 200 to 319",
        "start it at 320",
    ),
    "block beyond the registers": Break(
        LINE,
        "scan_address: 26000",
        "scan_address: 40000",
        "io.modbus.scan_address",
        "scan_address: 40000",
        "ends at 71999, beyond 65535",
        "start it at 33536 or before",
    ),
    "allowance shorter than a poll": Break(
        LINE,
        "poll_ms: 5\n",
        "poll_ms: 80\n",
        "line.tracking.io_allowance_ms",
        "io_allowance_ms",
        "no longer than one modbus cycle (80 ms)",
    ),
    "tag without its index": Break(
        LINE,
        "Mailbox.EventPage.{page}",
        "Mailbox.EventPage",
        "io.opcua.tags.event_page",
        "event_page:",
        "the same node id",
        "put {page}",
    ),
    "tag with a stray brace": Break(
        LINE,
        "Mailbox.Scan.{slot}",
        "'Mailbox.Scan.{slot'",
        "io.opcua.tags.scan_slot",
        "scan_slot:",
        "the same node id, or none",
    ),
    "not an OPC UA endpoint": Break(
        LINE,
        "opc.tcp://127",
        "http://127",
        "io.opcua.endpoint",
        "endpoint:",
        "is not an OPC UA endpoint",
        "like opc.tcp://",
    ),
    "no such plan file": Break(
        LINE,
        "sort_plan: sort_plan.yaml",
        "sort_plan: sort_plam.yaml",
        "service.sort_plan",
        "sort_plan: sort_plam",
        "there is no file",
        "it counts from",
    ),
    "plan file of another kind": Break(
        LINE,
        "sort_plan: sort_plan.yaml",
        "sort_plan: returns_policy.yaml",
        "kind",
        "kind:",
        "'returns_policy' is not allowed here",
        "expected 'sort_plan'",
        reported_in=POLICY,
        others=("unknown key",) * 4 + ("this key is missing",) * 2,
    ),
}

PLANS = {
    "overflow cycle": Break(
        PLAN,
        "refurbish: inspect",
        "restock_general: restock_fashion",
        "overflow.restock_fashion",
        "restock_fashion: restock_general",
        "restock_fashion -> restock_general -> restock_fashion",
        "take one of these lines out",
    ),
    "overflow into itself": Break(
        PLAN,
        "repair: inspect",
        "repair: repair",
        "overflow.repair",
        "repair: repair",
        "in a cycle: repair -> repair",
        others=("sends grade C to inspect",),
    ),
    "overflow to an unknown stream": Break(
        PLAN,
        "repair: inspect",
        "repair: inspekt",
        "overflow.repair",
        "repair: inspekt",
        "the stream 'inspekt' has no route",
        "did you mean 'inspect'?",
        others=("sends grade C to inspect",),
    ),
    "overflow from an unknown stream": Break(
        PLAN,
        "repair: inspect",
        "repare: inspect",
        "overflow.repare",
        "repare: inspect",
        "the stream 'repare' has no route",
        "did you mean 'repair'?",
        others=("sends grade C to inspect",),
    ),
    "overflow without a common grade": Break(
        PLAN,
        "repair: inspect",
        "recycle: inspect",
        "overflow.recycle",
        "recycle: inspect",
        "inspect has no route for a grade of recycle (D)",
        others=("sends grade C to inspect",),
    ),
    "shares above one": Break(
        PLAN,
        "groups: [[A17]], expected_share: 0.009",
        "groups: [[A17]], expected_share: 0.0325",
        "routes[11].expected_share",
        "stream: inspect,",
        "the expected shares add up to 1.01",
        others=("recycle needs more capacity",),
    ),
    "more than the chutes can take": Break(
        PLAN,
        "groups: [[B11], [A16]]",
        "groups: [[A16]]",
        "routes[2].expected_share",
        "expected_share: 0.106",
        "restock_electronics needs more capacity than there is: 2120 parcels/h expected "
        "(share 0.106 of 20000), its chutes can be emptied of 1500 parcels/h",
        "add a chute",
    ),
    "cell routed by two routes": Break(
        PLAN,
        "  - {stream: recycle, grades: [D]",
        "  - {stream: donate, grades: [C], groups: [[A17]]}\n  - {stream: recycle, grades: [D]",
        "routes[8].grades",
        "{stream: donate, grades: [C], groups: [[A17]]}",
        "grade C of donate is routed twice",
        "join the two",
    ),
    "empty group": Break(
        PLAN,
        "groups: [[A07]]",
        "groups: [[A07], []]",
        "routes[4].groups[1]",
        "groups: [[A07], []]",
        "the group names no chute",
    ),
    "chute twice in a route": Break(
        PLAN,
        "groups: [[A07]]",
        "groups: [[A07], [A07]]",
        "routes[4].groups[1]",
        "groups: [[A07], [A07]]",
        "A07 is in this route twice",
    ),
    "two causes share an outlet": Break(
        PLAN,
        "no_data: A08",
        "no_data: A02",
        "exceptions.no_data",
        "no_data: A02",
        "no_data shares chute A02 with no_read",
        "an outlet of its own",
    ),
    "outlet is also routed": Break(
        PLAN,
        "no_data: A08",
        "no_data: B16",
        "exceptions.no_data",
        "no_data: B16",
        "chute B16 is also used by the route of donate",
    ),
    "unknown chute in a route": Break(
        PLAN,
        "groups: [[A07]]",
        "groups: [[A70]]",
        "routes[4].groups[0][0]",
        "groups: [[A70]]",
        "the line has no chute 'A70'",
        "known: A01, A02",
        others=("refurbish needs more capacity",),
    ),
    "unknown chute as an outlet": Break(
        PLAN,
        "no_data: A08",
        "no_data: A80",
        "exceptions.no_data",
        "no_data: A80",
        "the line has no chute 'A80'",
    ),
    "route to the end of the line": Break(
        SMALL_PLAN,
        "groups: [[S4]]",
        "groups: [[S4], [END]]",
        "routes[3].groups[1]",
        "groups: [[S4], [END]]",
        "END is the end of the line",
        others=("is also used by the route of outlet", "claims larger limits than the line"),
    ),
    "over-size outlet is no larger": Break(
        LINE,
        "limits: {length_mm: 1200, width_mm: 800, height_mm: 700, weight_g: 35000}",
        "limits: {length_mm: 1200, width_mm: 800, weight_g: 35000}",
        "exceptions.over_size",
        "over_size: B02",
        "B02 takes nothing larger than the line does (height_mm)",
        reported_in=PLAN,
    ),
    "chute larger than the line": Break(
        LINE,
        "limits: {length_mm: 500, width_mm: 350",
        "limits: {length_mm: 700, width_mm: 350",
        "routes[8].groups",
        "stream: recycle",
        "A17 claims larger limits than the line (length_mm)",
        reported_in=PLAN,
    ),
}

POLICIES = {
    "stream with no outlet": Break(
        POLICY,
        "grades: [D], disposition: RECYCLE, stream: recycle",
        "grades: [D], disposition: RECYCLE, stream: recykle",
        "rules[17].stream",
        "stream: recykle",
        "stream 'recykle' has no outlet",
        "did you mean 'recycle'?",
        others=("no rule of",),
    ),
    "stream with no outlet for a grade": Break(
        POLICY,
        "{grades: [D], disposition: RECYCLE",
        "{grades: [C, D], disposition: RECYCLE",
        "rules[17].stream",
        "disposition: RECYCLE",
        "stream 'recycle' has no outlet for grade C",
        "add a route for it to",
    ),
    "route that no rule reaches": Break(
        PLAN,
        "{stream: recycle, grades: [D]",
        "{stream: recycle, grades: [C, D]",
        "routes[8].grades",
        "{stream: recycle",
        "sends grade C to recycle",
        "take it out, or add a rule",
    ),
    "unknown category": Break(
        POLICY,
        "grades: [B], categories: [beauty]",
        "grades: [B], categories: [beuaty]",
        "rules[6].categories",
        "[beuaty]",
        "the category 'beuaty' is not listed",
        "did you mean 'beauty'?",
    ),
    "category twice": Break(
        POLICY,
        "sport, other]\n\n",
        "sport, other, toys]\n\n",
        "categories[9]",
        "categories: [fashion, shoes, electronics, home",
        "'toys' is listed twice",
    ),
    "value range is empty": Break(
        POLICY,
        "value_from_cents: 30000,",
        "value_from_cents: 30000, value_to_cents: 20000,",
        "rules[2].value_to_cents",
        "value_to_cents: 20000",
        "no value is from 30000 to below 20000 cents",
        "more than 30000",
    ),
    "rule for grade U": Break(
        POLICY,
        "{grades: [D], disposition: RECYCLE",
        "{grades: [D, U], disposition: RECYCLE",
        "rules[17].grades",
        "[D, U]",
        "grade U never gets here",
    ),
    "rule shadowed by one": Break(
        POLICY,
        "  - {grades: [B], disposition: OUTLET, stream: outlet}",
        "  - {grades: [B], disposition: OUTLET, stream: outlet}\n"
        "  - {grades: [B], categories: [toys], disposition: OUTLET, stream: outlet}",
        "rules[11]",
        "categories: [toys], disposition",
        "rule 12 can never match: ",
        "move it up",
    ),
    "rule shadowed by several together": Break(
        POLICY,
        "  # --- D, salvage.",
        "  - {grades: [D], value_to_cents: 100, disposition: DESTROY, stream: destroy}\n"
        "  - {grades: [D], value_from_cents: 100, disposition: RECYCLE, stream: recycle}",
        "rules[18]",
        "categories: [beauty, other]",
        "rule 19 can never match: rule 17 (line",
        others=("rule 20 can never match",),
    ),
}

FORM = {
    "unknown key": Break(
        LINE,
        "  max_laps: 3",
        "  max_lapse: 3",
        "line.max_lapse",
        "max_lapse",
        "unknown key",
        "did you mean 'max_laps'?",
    ),
    "missing key": Break(
        LINE,
        "  length_mm: 120000 # once round\n",
        "",
        "line.length_mm",
        "line:\n",
        "this key is missing",
        "add it: a number, like 2500 or 0.5, above 0, at most 1e+07",
    ),
    "text for a number": Break(
        LINE,
        "belt_speed_mm_s: 2500",
        "belt_speed_mm_s: fast",
        "line.belt_speed_mm_s",
        "belt_speed_mm_s: fast",
        "'fast' is not allowed here",
        "expected a number",
    ),
    "quoted number": Break(
        LINE,
        "  max_laps: 3",
        "  max_laps: '3'",
        "line.max_laps",
        "max_laps: '3'",
        "'3' is not allowed here",
        "a whole number",
    ),
    "truth for a number": Break(
        LINE,
        "&bag80 {parcels: 80}",
        "&bag80 {parcels: true}",
        "line.chutes[1].capacity.parcels",
        "parcels: true",
        "true is not allowed here",
        others=("true is not allowed here",) * 7,
    ),
    "fraction for a whole number": Break(
        LINE,
        "  max_laps: 3",
        "  max_laps: 2.5",
        "line.max_laps",
        "max_laps: 2.5",
        "2.5 is not allowed here",
        "expected a whole number, like 20, at least 1, at most 100",
    ),
    "too small": Break(
        LINE,
        "  max_laps: 3",
        "  max_laps: 0",
        "line.max_laps",
        "max_laps: 0",
        "0 is less than 1",
    ),
    "zero where more is needed": Break(
        LINE,
        "belt_speed_mm_s: 2500",
        "belt_speed_mm_s: 0",
        "line.belt_speed_mm_s",
        "belt_speed_mm_s: 0",
        "0 is not greater than 0",
    ),
    "not a finite number": Break(
        LINE,
        "belt_speed_mm_s: 2500",
        "belt_speed_mm_s: .inf",
        "line.belt_speed_mm_s",
        "belt_speed_mm_s: .inf",
        "inf is",
    ),
    "another choice": Break(
        LINE,
        "  topology: loop",
        "  topology: lop",
        "line.topology",
        "topology: lop",
        "'lop' is not allowed here",
        "did you mean 'loop'?",
    ),
    "list for a mapping": Break(
        LINE,
        "    mm_per_count: 1.0",
        "    - 1.0",
        "line.encoder",
        "encoder:",
        "a list is not allowed here",
        "a mapping with the keys mm_per_count",
    ),
    "nothing for a mapping": Break(
        LINE,
        "    mm_per_count: 1.0",
        "",
        "line.encoder",
        "encoder:",
        "nothing is not allowed here",
    ),
    "bad name": Break(
        LINE,
        "  name: returns-1",
        "  name: 1st line",
        "line.name",
        "name: 1st line",
        "'1st line' is not allowed here",
        "a letter, then letters",
    ),
    "empty list": Break(
        POLICY,
        "{grades: [B], disposition: OUTLET",
        "{grades: [B], categories: 7, disposition: OUTLET",
        "rules[10].categories",
        "categories: 7",
        "7 is not allowed here",
        "a list",
    ),
    "too few": Break(
        PLAN,
        "{stream: donate, grades: [C]",
        "{stream: donate, grades: []",
        "routes[7].grades",
        "{stream: donate",
        "0 items are too few",
        "at least 1 of them",
    ),
    "bad country": Break(
        POLICY,
        "  PL: 14",
        "  Poland: 14",
        "window_days.Poland",
        "Poland: 14",
        "the key is not allowed",
        "two capital letters, like PL",
    ),
    "key written twice": Break(
        LINE,
        "  max_laps: 3",
        "  max_laps: 3\n  max_laps: 4",
        "line.max_laps",
        "max_laps: 4",
        "written twice, first in line",
        "keep one of the two",
    ),
    "key that is a number": Break(
        POLICY,
        "  PL: 14",
        "  48: 14",
        "window_days",
        "48: 14",
        "the key '48' is not text",
        'put it in quotes: "48"',
    ),
    "foreign tag": Break(
        LINE,
        "  max_laps: 3",
        "  max_laps: !!python/name:os.system 3",
        "line.max_laps",
        "max_laps:",
        "the tag",
        "leave the tag out",
        others=("'3' is not allowed here",),
    ),
    "merge key": Break(
        LINE,
        "    mm_per_count: 1.0",
        "    <<: {mm_per_count: 1.0}",
        "line.encoder",
        "<<:",
        "merge keys (<<) are not supported",
    ),
    "not YAML": Break(
        LINE,
        "{name: scale_A, position_mm: 1700}",
        "{name: scale_A, position_mm: 1700",
        "",
        "{name: scale_B",
        "this is not YAML",
        "brackets",
    ),
}

ALL = {**GEOMETRY, **CHUTES, **IO, **PLANS, **POLICIES, **FORM}


def expected_line(text: str, at: str) -> int:
    """Return the line of the only place that holds `at`."""
    assert text.count(at) == 1, f"{at!r} occurs {text.count(at)} times"
    return text[: text.index(at)].count("\n") + 1


def describe(problems: list[Problem]) -> str:
    return "\n" + "\n".join(str(problem) for problem in problems)


@pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())
def test_one_mistake_is_reported_where_it_is(config: Path, case: Break) -> None:
    broken = config / case.file
    text = broken.read_text("utf-8")
    assert text.count(case.old) == 1, f"{case.old!r} occurs {text.count(case.old)} times"
    broken.write_text(text.replace(case.old, case.new), "utf-8")
    line_file = config / (SMALL if case.file.startswith("small") else LINE)
    problems = check_files([line_file])

    reported_in = config / (case.reported_in or case.file)
    line = expected_line(reported_in.read_text("utf-8"), case.at)
    hits = [
        problem
        for problem in problems
        if (problem.file, problem.key_path, problem.line) == (str(reported_in), case.key, line)
        and case.problem in problem.problem
        and case.remedy in problem.remedy
    ]
    assert hits, f"expected {case.key!r} in line {line}, got:{describe(problems)}"
    left = [problem for problem in problems if problem is not hits[0]]
    for other in case.others:
        found = next((problem for problem in left if other in problem.problem), None)
        assert found is not None, f"expected also {other!r}, got:{describe(problems)}"
        left.remove(found)
    assert not left, f"more than was broken:{describe(left)}"


def test_all_problems_of_all_files_come_at_once(config: Path) -> None:
    for file, old, new in (
        (LINE, "  max_laps: 3", "  max_laps: 0"),
        (PLAN, "repair: inspect", "repair: repair"),
        (POLICY, "grades: [B], categories: [beauty]", "grades: [B], categories: [pets]"),
    ):
        path = config / file
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    problems = check_files([config / LINE, config / PLAN, config / POLICY])
    assert [(Path(problem.file).name, problem.key_path) for problem in problems] == [
        (LINE, "line.max_laps"),
        (PLAN, "routes[11].grades"),  # nothing overflows to inspect any more
        (PLAN, "overflow.repair"),
        (POLICY, "rules[6].categories"),
    ]


def test_on_a_loop_the_first_eye_confirms_the_chutes_behind_the_last(config: Path) -> None:
    path = config / LINE
    last_chute = "{name: B17, position_mm: 111800, side: left"
    moved = "{name: B17, position_mm: 119500, side: left, entry_distance_mm: 500"
    text = path.read_text("utf-8").replace(last_chute, moved)
    path.write_text(text, "utf-8")
    assert check_files([path]) == []
    near = text.replace("{name: induct_A, position_mm: 500", "{name: induct_A, position_mm: 50")
    path.write_text(near, "utf-8")
    (problem,) = check_files([path])
    assert problem.key_path == "line.chutes[33].position_mm"
    assert "nobody can confirm chute B17: induct_A stands 550 mm behind it" in problem.problem


def test_a_chute_name_used_twice_hides_no_other_unknown_name(config: Path) -> None:
    line, plan = config / LINE, config / PLAN
    line.write_text(line.read_text("utf-8").replace("{name: A02,", "{name: A01,"), "utf-8")
    assert [problem.key_path for problem in check_files([line])] == ["line.chutes[1].name"]
    plan.write_text(plan.read_text("utf-8").replace("no_data: A08", "no_data: A80"), "utf-8")
    problems = {problem.key_path: problem for problem in check_files([line])}
    assert set(problems) == {"line.chutes[1].name", "exceptions.no_read", "exceptions.no_data"}
    assert "known: A01, A03, A04" in problems["exceptions.no_read"].remedy
