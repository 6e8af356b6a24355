"""The parcels of a rehearsal: return records for the controller, a feed for the simulator."""

from __future__ import annotations

from pathlib import Path

from sorter.errors import JournalError, SorterError
from sorter.host.feed import feed_from_registry
from sorter.host.generate import feed_row, generate_returns, write_feed
from sorter.host.online_retail import import_online_retail
from sorter.host.registry import Registry
from sorter.runtime.journal_files import lock_journal


def prepare_parcels(
    work_dir: Path, parcels: int, rate_parcels_per_h: float, seed: int, returns_file: Path | None
) -> tuple[Path, Path, int, list[str]]:
    """Fill a fresh registry and write the simulator's feed.

    Parameters
    ----------
    work_dir : Path
        Gets ``returns.sqlite`` and ``feed.csv``.
    parcels : int
        How many to put on the line; fewer when the file has fewer.
    rate_parcels_per_h : float
        Mean rate to which recorded times are compressed.
    seed : int
    returns_file : Path or None
        Real return lines; generated ones when None.

    Returns
    -------
    feed, registry : Path
    count : int
        Parcels in the feed.
    notes : list of str
        What people must know about the data, e.g. what was drawn.

    Raises
    ------
    SorterError
        The folder cannot be used, or is in use.
    """
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SorterError(
            f"{work_dir}: cannot be made: {error.strerror}; name another folder with --keep"
        ) from error
    _refuse_if_used(work_dir)
    feed_path, registry_path = work_dir / "feed.csv", work_dir / "returns.sqlite"
    for suffix in ("", "-wal", "-shm"):
        registry_path.with_name(registry_path.name + suffix).unlink(missing_ok=True)
    with Registry.create(registry_path) as registry:
        if returns_file is None:
            returns = list(generate_returns(parcels, seed))
            registry.import_many(item.announced for item in returns if item.registered)
            count = write_feed(feed_path, (feed_row(item) for item in returns))
            return feed_path, registry_path, count, []
        report = import_online_retail(returns_file, registry, seed)
        rows = feed_from_registry(registry, seed, parcels, rate_parcels_per_h)
        count = write_feed(feed_path, rows)
        imported = (
            f"{returns_file}: {report.lines} lines, {report.accepted} accepted, "
            f"{len(report.rejected)} rejected"
        )
        return feed_path, registry_path, count, [imported, *report.notes()]


def _refuse_if_used(work_dir: Path) -> None:
    """Raise when a controller sorts in this folder: it would find its registry exchanged."""
    try:
        lock = lock_journal(str(work_dir / "journal.sqlite"))
    except JournalError as error:
        raise SorterError(
            f"{work_dir}: a controller is sorting in this folder; wait for its end, or name "
            "another folder with --keep"
        ) from error
    if lock is not None:
        lock.close()
