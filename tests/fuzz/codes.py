"""What scanners send and people type: bar codes and their escapes."""

from __future__ import annotations

from pathlib import Path

from sorter.config.load import load_line
from sorter.host.barcode import Family, read_payload
from sorter.host.generate import escape_label, generate_returns, unescape_label
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.host.verdict import judge
from sorter.model.codes import ScanVerdict
from sorter.model.columns import ScanColumn
from sorter.model.frames import ScanRead
from sorter.runtime.parcel_search import unescaped

from .coverage import ROOT
from .target import Broken, Run, Target, kind_of

SEPARATOR = b"\x00\xff"
"""Between the codes of one passage."""

SEEDS = [
    b"340123450000000018",
    b"00340123450000000018",
    b"]C1010590123412345721SN17",
    b"]d2010590123412345710LOT\x1d21SN17",
    b"(01)05901234123457(21)SN17",
    b"https://id.gs1.org/01/05901234123457/21/SN17",
    b"RR123456785PL",
    b"RR 123 456 785 PL",
    b"5901234123457",
    b"RMA000123",
    "Rücksendung 7".encode(),
    b"RMA-1" + SEPARATOR + b"340123450000000018",
    b"0105901234123457" + b"11251231" + b"3103000750" + b"21SN17",
    b"\x1d02059012341234573715\x1d8005000199",
]
TOKENS = (
    b"\x1d", b"]C1", b"]d2", b"]Q3", b"]e0", b"(01)", b"(21)", b"(00)", b"01", b"21", b"00",
    b"10", b"17", b"310", b"392", b"8005", b"8200", b"7003", b"https://", b"http://", b"/01/",
    b"/21/", b"?17=", b"%1D", b"%", b"\\(", b"\\", SEPARATOR, b"5901234123457", b"PL",
)  # fmt: skip


def _barcode(_folder: Path) -> Run:
    line = load_line(ROOT / "config" / "small_line.yaml")
    registry = Registry.create(":memory:")
    registry.import_many(one.announced for one in generate_returns(50, 1, 0.0))
    host = RegistryHost(registry, line.policy)

    def run(data: bytes) -> str:
        codes = tuple(data.split(SEPARATOR)[:70])
        readings = [read_payload(code) for code in codes]
        for reading in readings:
            if reading.identity is not None and not reading.legible:
                raise Broken("an illegible payload has an identity")
            if reading.family is Family.JUNK and (reading.text or not reading.problem):
                raise Broken("junk has a text, or does not say why it is junk")
        verdict, identity = judge(readings)
        if (verdict == ScanVerdict.READ) != (identity is not None):
            raise Broken(f"{verdict.name} with identity {identity!r}")
        row = host.resolve([ScanRead(1, 0, 100, 100, codes)])[0]
        if (row[ScanColumn.VERDICT] == ScanVerdict.READ) != (row[ScanColumn.IDENTITY] != 0):
            raise Broken("the resolved row and its verdict disagree")
        if host.lookup_errors:
            raise Broken(f"the registry could not be asked: {host.last_error}")
        first = readings[0]
        return f"{verdict.name}: {first.family.value}, {kind_of(first.problem or '')[:40]}"

    return run


def _escapes(_folder: Path) -> Run:
    def run(data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape")
        label = unescape_label(text)
        if unescape_label(escape_label(label)) != label:
            raise Broken("an escaped label does not come back")
        if not escape_label(label).isascii():
            raise Broken("an escaped label is not plain")
        unescaped(text)
        read_payload(label.encode("utf-8", "surrogatepass"))
        return "accepted" if label == text else "accepted: escapes"

    return run


TARGETS = (
    Target(
        "barcode", "host.barcode.read_payload, verdict.judge, resolver.RegistryHost",
        lambda: SEEDS, _barcode, TOKENS, limit_bytes=4300, text=True, budget_s=0.25,
    ),
    Target(
        "escapes", "host.generate.unescape_label, runtime.explain",
        lambda: [b"RMA\\x1d21\\u0142\\n\\\\", b"\\U0001f4e6\\101"], _escapes,
        (b"\\x", b"\\u", b"\\U", b"\\N{", b"\\", b"110000", b"d800", b"ffffffff"),
    ),
)  # fmt: skip
