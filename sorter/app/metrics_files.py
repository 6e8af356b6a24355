"""The certificate and key of the metrics endpoint, where the line file names them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from sorter.config.checks_machine import files_of_the_metrics
from sorter.config.documents import Document
from sorter.config.load import LINE, LoadedLine
from sorter.errors import ConfigError
from sorter.security.secret_files import located
from sorter.security.wall_clock import utc_now


@dataclass(frozen=True, slots=True)
class MetricsFiles:
    """Where the files are.

    Attributes
    ----------
    certificates : tuple of Path
        The endpoint's; none without encryption.
    private_key : Path or None
    """

    certificates: tuple[Path, ...] = ()
    private_key: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """Return what the endpoint encrypts with; None for plain HTTP."""
        if self.private_key is None:
            return None
        # Imported late: cryptography takes a fifth of a second to load.
        from sorter.security.tls import open_server_context  # noqa: PLC0415

        return open_server_context(self.certificates[0], self.private_key)


def metrics_of(loaded: LoadedLine) -> MetricsFiles:
    """Return the files that the line file names.

    Raises
    ------
    ConfigError
        With every problem: missing, readable by others, expired, not belonging together.
    """
    metrics = loaded.line_file.service.metrics
    if metrics.certificate is None or metrics.private_key is None:
        return MetricsFiles()
    base = loaded.line_path.parent
    document = Document(str(loaded.line_path), loaded.files[LINE], {}, {})
    problems = files_of_the_metrics(metrics, document, base, utc_now())
    if problems:
        raise ConfigError.of(problems)
    return MetricsFiles((located(metrics.certificate, base),), located(metrics.private_key, base))
