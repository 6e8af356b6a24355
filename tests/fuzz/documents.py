"""Files that people and other systems write: configuration, return files, feeds, truth ledgers."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from plc_sim.feed import FeedError, read_feed
from sorter.config.check import check_files
from sorter.config.load import load_line
from sorter.errors import ConfigError, Problem, ReturnsFileError, SorterError
from sorter.host.registry import Registry
from sorter.host.returns_file import COLUMNS, import_csv, import_online_retail
from sorter.host.returns_lines import ImportReport
from sorter.runtime.journal_parcels import ParcelRow
from sorter.runtime.reconcile import reconcile_rows
from sorter.runtime.truth_file import read_truth

from .target import Broken, Run, Target, kind_of

LINE = b"""kind: line
line:
  name: tiny
  topology: line
  length_mm: 9000
  belt_speed_mm_s: 1500
  design_rate_parcels_per_h: 100
  max_laps: 1
  zones: [{name: all, start_mm: 0, end_mm: 9000}]
  photo_eyes:
    - {name: induct, position_mm: 400, inducts: true}
    - {name: last, position_mm: 7000}
  scales: [{name: scale, position_mm: 700}]
  scanners: [{name: scanner, position_mm: 900}]
  chutes:
    - {name: A1, position_mm: 4000, side: left, capacity: {parcels: 300}}
    - {name: A2, position_mm: 5500, side: right, limits: {weight_g: 35000}}
    - {name: END, position_mm: 8500, side: end}
io:
  protocol: modbus
  mailbox: {word_order: high_first, event_slots: 64}
service: {sort_plan: sort_plan.yaml, returns_policy: returns_policy.yaml}
"""
PLAN = b"""kind: sort_plan
name: day
choose: first_fit
routes:
  - {stream: restock, grades: [A], groups: [[A1]], expected_share: 0.5}
  - {stream: rest, grades: [A, B, C, D], groups: [[A2]], expected_share: 0.5}
overflow: {restock: rest}
exceptions: {no_read: END, multi_read_conflict: END, no_data: END, ungraded: END, hazmat: END,
  over_size: END, over_weight: END, window_expired: END, tracking_lost: END, fallback: END}
"""
POLICY = b"""kind: returns_policy
name: short
categories: [fashion, other]
window_days: {PL: 14, "NO": 30}
default_window_days: 30
rules:
  - {hazmat: true, grades: [A], categories: [other], disposition: DESTROY, stream: rest}
  - {grades: [A], reasons: [defect], value_from_cents: 30000, disposition: INSPECT, stream: rest}
  - {grades: [A], disposition: RESTOCK, stream: restock}
  - {grades: [B, C, D], disposition: RECYCLE, stream: rest}
"""
SCENARIO = b"""kind: scenario
name: calm
line: good_line.yaml
arrivals: {process: poisson, rate_parcels_per_h: 100}
parcels: {length_mm: {mean: 320, sd: 80, least: 120, most: 500}}
scanners: {read_rate: 0.99}
diverters: {fail_rate: 0.001}
jams: {rate: 0.001, clear: {kind: constant, value_s: 2}}
"""
FILES = {
    "good_line.yaml": LINE,
    "sort_plan.yaml": PLAN,
    "returns_policy.yaml": POLICY,
}
_CONFIG_TOKENS = (
    b"kind: ", b"line", b"sort_plan", b"returns_policy", b"scenario", b"&a ", b"*a", b"<<: ",
    b"!!python/object:os.system ", b"!!binary ", b"!!set ", b"? ", b"- ", b": ", b"{", b"}", b"[",
    b"]", b"\n", b"  ", b"\t", b"|\n", b">\n", b"'", b'"', b"# ", b"---\n", b"...\n",
    b"%YAML 1.1\n",
    b"topology: loop", b"position_mm: ", b"side: end", b"inducts: true", b"END", b"A1", b".nan",
    b".inf", b"0.0000001", b"1e308", b"service: {registry: /dev/zero}", b"protocol: opcua",
    b"host: ''", b"port: 0", b"endpoint: ", b"mm_per_count: 1e-300", b"as_recorded",
)  # fmt: skip


LOADED_OF = 4
"""One broken file of so many is loaded after its check as well: that checks it once more."""


def _config(folder: Path) -> Run:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    path = folder / "given.yaml"

    def run(data: bytes) -> str:
        path.write_bytes(data)
        problems = check_files([path])
        for problem in problems:
            if not isinstance(problem, Problem) or not problem.problem or not problem.remedy:
                raise Broken(f"a problem that says nothing: {problem!r}")
            json.dumps(str(problem)).encode()
        if problems and zlib.crc32(data) % LOADED_OF:
            return f"rejected: {kind_of(problems[0].problem)}"
        try:
            load_line(path)
        except ConfigError as error:
            if not problems and "kind: line" in str(data[:10]):
                raise Broken("what the check found good cannot be loaded") from error
        if problems:
            return f"rejected: {kind_of(problems[0].problem)}"
        return "accepted"

    return run


CSV = (
    ",".join(COLUMNS).encode()
    + b"\n"
    + b"340123450000000018,A,fashion,defect,no,1999,PL,3,300,200,100,800,2026-01-05T08:00:00Z\n"
    + b"RMA\\x1d21\\u0142,B,home,other,yes,0,DE,,,,,,\n"
    + b'"a,""b""",U,other,wrong_size,1,5,GB,14,1,1,1,1,2026-01-05\n'
)
RETAIL = (
    b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    b"C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527,United Kingdom\n"
    b"C536391,22556,PLASTERS IN TIN CIRCUS PARADE,-12,2010-12-01 10:24:00,1.65,17548,EIRE\n"
)
_CSV_TOKENS = (
    b",", b";", b'"', b'""', b"\n", b"\r", b"\r\n", b"\x00", b"\xef\xbb\xbf", b"label", b"grade",
    b"yes", b"-1", b"1e308", b"nan", b"A", b"U", b"2026-02-30", b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59-12:00", b"\\ud800", b"\\U00110000", b"\\x1d", b"C1",
    b"\x85", b"\xe2\x80\xa8",
)  # fmt: skip


def _check_report(report: ImportReport) -> str:
    rest = report.blank + report.continued
    if report.lines != report.accepted + len(report.rejected) + rest:
        raise Broken("a line is not accounted for")
    if report.inserted + report.updated != report.accepted:
        raise Broken(f"{report.accepted} accepted, {report.inserted} + {report.updated} stored")
    for one in report.rejected:
        if not one.cause.isprintable():
            raise Broken(f"a cause that cannot be printed: {one.cause!r}")
    causes = next(iter(report.causes()), "nothing") if report.rejected else "nothing"
    return f"accepted: {min(report.accepted, 3)}, rejected for {kind_of(causes)}"


def _returns(folder: Path, *, retail: bool) -> Run:
    path = folder / "returns.csv"
    registry = Registry.create(":memory:")

    def run(data: bytes) -> str:
        path.write_bytes(data)
        try:
            if retail:
                report = import_online_retail(path, registry, 1)
            else:
                report = import_csv(path, registry)
        except ReturnsFileError as error:
            return f"rejected: {kind_of(str(error).removeprefix(str(path)))}"
        if retail and report.accepted:
            return _check_report(report)
        said = _check_report(report)
        for announced in registry.returns(3):
            announced.record.identity.encode()
        return said

    return run


def _feed(folder: Path) -> Run:
    path = folder / "feed.csv"

    def run(data: bytes) -> str:
        path.write_bytes(data)
        try:
            parcels = read_feed(path)
        except FeedError as error:
            return f"rejected: {kind_of(str(error).removeprefix(str(path)))}"
        for one in parcels:
            sizes = (one.length_mm, one.width_mm, one.height_mm, one.arrive_ms or 0.0)
            if not all(abs(size) < 1e15 for size in sizes) or one.weight_g > 1 << 40:
                raise Broken(f"a parcel that cannot be: {one}")
        return f"accepted: {min(len(parcels), 3)}"

    return run


FEED = (
    b"label,length_mm,width_mm,height_mm,weight_g,arrive_ms\n"
    b"340123450000000018,320,240,120,800,0.0\nRMA\\x1d1,1,2,3,4,\n"
)
TRUTH = (
    b'{"physical_id":0,"label":"RMA-1","end":"chute","chute":"A1","end_count":4711,'
    b'"induct_eye":0,"induct_count":100,"sightings":[[0,100],[1,900]],"faults":["no_read"]}\n'
    b'{"physical_id":1,"label":"RMA-2","end":"removed","chute":null,"end_count":-1,'
    b'"induct_eye":0,"induct_count":1100,"sightings":[],"faults":[]}\n'
)
_TRUTH_TOKENS = (
    b"null", b"true", b"-1", b"1e400", b"NaN", b"Infinity", b"[", b"]", b"{", b"}", b'"', b",",
    b":", b"\n", b'"chute"', b'"end"', b'"sightings"', b'"on_line"', b'"line_end"', b"[[0,1]]",
    b"[[[]]]", b'"faults"', b"{}", b"1.5",
)  # fmt: skip


def _truth(folder: Path) -> Run:
    path = folder / "truth.jsonl"
    recorded = [
        ParcelRow(1, 1, "RMA-1", 1, 5, 0, 100, -1, 0, 0, 0, 0, 1, -1, 0, 4711),
        ParcelRow(2, 1, None, 1, 5, 0, 1100, -1, 0, 0, 0, 0, 0, -1, -1, -1),
    ]

    def run(data: bytes) -> str:
        path.write_bytes(data)
        try:
            rows = read_truth(path)
        except SorterError as error:
            return f"rejected: {kind_of(str(error).removeprefix(str(path)))}"
        found = reconcile_rows(recorded, ("A1", "A2"), rows)
        return f"accepted: {min(found.unaccounted, 3)} {min(found.truth_mismatches, 3)}"

    return run


TARGETS = (
    Target(
        "config", "config.check.check_files, config.load.load_line",
        lambda: [LINE, PLAN, POLICY, SCENARIO], _config, _CONFIG_TOKENS,
        limit_bytes=20_000, text=True, budget_s=30.0,  # bounded, see docs/decisions/0013
    ),
    Target(
        "returns_csv", "host.returns_file.import_csv", lambda: [CSV, b"\xef\xbb\xbf" + CSV],
        lambda folder: _returns(folder, retail=False), _CSV_TOKENS, limit_bytes=40_000, text=True,
    ),
    Target(
        "online_retail", "host.online_retail.import_online_retail", lambda: [RETAIL],
        lambda folder: _returns(folder, retail=True), _CSV_TOKENS, limit_bytes=40_000, text=True,
    ),
    Target("feed", "plc_sim.feed.read_feed", lambda: [FEED], _feed, _CSV_TOKENS, text=True),
    Target(
        "truth", "runtime.truth_file.read_truth, reconcile_rows", lambda: [TRUTH], _truth,
        _TRUTH_TOKENS, limit_bytes=20_000, text=True,
    ),
)  # fmt: skip
