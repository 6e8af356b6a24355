"""Prometheus families of one value, or of one store of samples."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from platform import python_version

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from sorter.runtime.metrics import SampleStore


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """Return a counter without labels."""
    return CounterMetricFamily(name, text, value=int(value))


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, text, value=float(value))


def histogram(
    name: str, text: str, bounds: Sequence[float], store: SampleStore, total: float
) -> HistogramMetricFamily:
    """Return a histogram of the samples in a store, in the unit of its bounds."""
    labels = [repr(bound) for bound in bounds] + ["+Inf"]
    counts = accumulate(store.buckets.tolist())
    return HistogramMetricFamily(
        name, text, buckets=list(zip(labels, counts, strict=True)), sum_value=total
    )


def build_info() -> GaugeMetricFamily:
    """Return which software this is."""
    try:
        release = version("parcel-sorter")
    except PackageNotFoundError:
        release = "unknown"
    family = GaugeMetricFamily(
        "sorter_build_info", "Version of the software.", labels=("version", "python")
    )
    family.add_metric((release, python_version()), 1)
    return family
