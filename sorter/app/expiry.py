"""What runs out: certificates, which are warned of, and return records, which are erased."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sorter.config.models import Io
from sorter.errors import ConfigError
from sorter.host.late import BUSY_TIMEOUT_S, FILE_ERRORS
from sorter.host.registry import Registry
from sorter.security.layout import login_keys, uses_certificates

WARN_DAYS: Final = 30
ERASE_PERIOD_S: Final = 3600.0
_STOP_DEADLINE_S: Final = 1.0
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


class ExpiredReturns:
    """Erases return records whose retention is over, now and every hour, in a thread of its own.

    The line waits neither for the registry's file nor for an import that is writing it: what cannot
    be erased now is an hour later.

    Parameters
    ----------
    path : Path
        Registry file.
    retention_days : int
    calendar_s : callable
        Wall time in s.
    """

    def __init__(self, path: Path, retention_days: int, calendar_s: Callable[[], float]) -> None:
        self._path = path
        self._retention_days = retention_days
        self._calendar_s = calendar_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expired returns", daemon=True)

    def erase(self) -> None:
        """Erase once, and log how many records it were and whether some may still be found."""
        log = structlog.get_logger()
        today = int(self._calendar_s()) // _SECONDS_A_DAY
        try:
            with Registry.open(self._path, BUSY_TIMEOUT_S) as registry:
                erased = registry.erase_imported_before(today - self._retention_days)
        except FILE_ERRORS as error:
            log.info("returns_not_erased", problem=str(error), again_in_s=ERASE_PERIOD_S)
            return
        if erased.returns:
            log.info("returns_erased", returns=erased.returns, older_than_days=self._retention_days)
        if not erased.traceless:
            log.warning(
                "erased_returns_left",
                registry=str(self._path),
                problem="another process is using it, or its disk has no room for a copy of it: "
                "its files may still hold what was erased",
                again_in_s=ERASE_PERIOD_S,
            )

    def _run(self) -> None:
        while True:
            self.erase()
            if self._stop.wait(ERASE_PERIOD_S):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(_STOP_DEADLINE_S)
