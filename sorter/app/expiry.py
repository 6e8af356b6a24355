"""What runs out: certificates, which are warned of, and return records, which are erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sorter.config.models import Io
from sorter.errors import ConfigError
from sorter.host.registry import Registry
from sorter.security.layout import login_keys, uses_certificates
from sorter.security.wall_clock import utc_now

WARN_DAYS: Final = 30
_SECONDS_A_DAY: Final = 86_400


class CertificateWatch(Collector):
    """Says when the controller's certificates and those it trusts expire.

    The files are read at each scrape and at the start, so a renewed certificate shows at once. The
    metric warns a line that runs for years; the log one that is started now and then.

    Parameters
    ----------
    io : Io
        With the places of the files.
    others : sequence of Path
        Certificates that have nothing to do with the link.
    """

    def __init__(self, io: Io, others: Sequence[Path] = ()) -> None:
        self._paths: list[Path] = [*others]
        self._trusted: Path | None = None
        if not uses_certificates(io):
            return
        self._trusted = Path(io.certificates.trusted)
        self._paths.append(Path(io.certificates.certificate))
        security = io.opcua.security
        if io.protocol == "opcua" and "user_certificate" in login_keys(security):
            self._paths.append(Path(security.user_certificate))

    def warn(self, now: datetime) -> None:
        """Log a warning for each certificate that expires within :data:`WARN_DAYS`."""
        for path, expires in self._expiries():
            days_left = (expires - now).days
            if days_left < WARN_DAYS:
                structlog.get_logger().warning(
                    "certificate_expires",
                    file=str(path),
                    days_left=days_left,
                    remedy="make a new one before that day, see docs/security.md",
                )

    def collect(self) -> Iterator[Metric]:
        """Yield the time at which each certificate expires."""
        family = GaugeMetricFamily(
            "sorter_certificate_expiry_timestamp_seconds",
            "Wall time at which a certificate expires, by file.",
            labels=("file",),
        )
        for path, expires in self._expiries():
            family.add_metric((str(path),), expires.timestamp())
        yield family

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a registry need not collect to learn the names."""
        return ()

    def _expiries(self) -> Iterator[tuple[Path, datetime]]:
        if not self._paths:
            return
        # Loaded late: a plain link need not wait for cryptography.
        from sorter.security.certificates import certificate_files, load_certificate  # noqa: PLC0415

        trusted = certificate_files(self._trusted) if self._trusted is not None else []
        for path in (*self._paths, *trusted):
            try:
                yield path, load_certificate(path).not_valid_after_utc
            except ConfigError as error:
                # Somebody is just replacing it; a connect would say the same.
                structlog.get_logger().warning("certificate_unreadable", problem=str(error))


def erase_expired_returns(registry: Registry, retention_days: int) -> None:
    """Erase the return records whose retention is over, and log how many they were."""
    today = int(utc_now().timestamp()) // _SECONDS_A_DAY
    erased = registry.erase_imported_before(today - retention_days)
    if erased.returns:
        structlog.get_logger().info(
            "returns_erased", returns=erased.returns, older_than_days=retention_days
        )
