"""What the running controller says about its line, read from its Prometheus endpoint."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

SCRAPE_TIMEOUT_S = 2.0


@dataclass(slots=True)
class LineSnapshot:
    """Samples of one scrape."""

    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def value(self, name: str) -> float:
        """Return the sum of a metric over all its labels, 0 when it is not there."""
        return sum(value for sample, _, value in self.samples if sample == name)

    def labelled(self, name: str, label: str) -> dict[str, float]:
        """Return a metric by one of its labels, summed over the others."""
        totals: dict[str, float] = defaultdict(float)
        for sample, labels, value in self.samples:
            if sample == name and label in labels:
                totals[labels[label]] += value
        return dict(totals)


async def scrape(port: int) -> LineSnapshot | None:
    """Return the controller's metrics, or None while its endpoint does not answer."""
    try:
        text = await asyncio.wait_for(asyncio.to_thread(_fetch, port), SCRAPE_TIMEOUT_S * 2)
    except (OSError, urllib.error.URLError, TimeoutError):
        return None
    return parse(text)


def parse(text: str) -> LineSnapshot:
    """Return the values of a Prometheus text exposition."""
    return LineSnapshot(
        [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]
    )


def _fetch(port: int) -> str:
    url = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url, timeout=SCRAPE_TIMEOUT_S) as answer:
        body: bytes = answer.read()
    return body.decode()
