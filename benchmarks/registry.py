"""How long does it take to find the return record of a scan?"""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from sorter.host.barcode import read_payload
from sorter.host.generate import CATEGORIES, generate_returns
from sorter.host.registry import Registry
from sorter.host.resolver import RegistryHost
from sorter.model.columns import RuleColumn
from sorter.model.frames import ScanRead
from sorter.model.plan import ReturnsPolicy


def _policy() -> ReturnsPolicy:
    names = tuple(shape.name for shape in CATEGORIES)
    rules = np.zeros((len(RuleColumn), 0), np.int64)
    return ReturnsPolicy(names, ("PL", "DE"), np.full(3, 14, np.int64), rules)


def _resolve_us(host: RegistryHost, scans: list[tuple[ScanRead]]) -> float:
    started = perf_counter()
    for scan in scans:
        host.resolve(scan)
    return (perf_counter() - started) / len(scans) * 1e6


def measure(quick: bool) -> dict[str, float]:
    """Return microseconds per look-up, by way, and seconds to load a registry into memory."""
    count = 10_000 if quick else 100_000
    returns = [one.announced for one in generate_returns(count, 1)]
    scans = [
        (ScanRead(index, 0, index, index, (one.record.label.encode(),)),)
        for index, one in enumerate(returns)
    ]
    unknown = [
        (ScanRead(index, 0, index, index, (f"]C0UNKNOWN{index}".encode(),)),)
        for index in range(1000)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        Registry.create(Path(folder) / "r.db") as registry,
    ):
        started = perf_counter()
        registry.import_many(returns)
        import_us = (perf_counter() - started) / count * 1e6
        started = perf_counter()
        host = RegistryHost(registry, _policy())
        load_s = perf_counter() - started
        gc.collect()
        hit_us = min(_resolve_us(host, scans) for _ in range(3))
        unknown_us = _resolve_us(host, unknown)
        file_us = _resolve_us(RegistryHost(registry, _policy(), preload=0), scans[:10_000])
    started = perf_counter()
    for one in returns[:2000]:
        read_payload(one.record.label.encode())
    return {
        "resolve_label_us": hit_us,
        "resolve_from_file_us": file_us,
        "resolve_unknown_us": unknown_us,
        "read_payload_us": (perf_counter() - started) / 2000 * 1e6,
        "import_us_per_record": import_us,
        "load_s": load_s,
    }
