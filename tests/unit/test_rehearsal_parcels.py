"""What a rehearsal does to the folder it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from sorter.errors import SorterError
from sorter.rehearsal.parcels import prepare_parcels
from sorter.runtime.journal_files import lock_journal


def test_a_folder_in_which_a_controller_sorts_is_left_alone(tmp_path: Path) -> None:
    _, registry, _, _ = prepare_parcels(tmp_path, 5, 20_000, 1, None)
    before = registry.read_bytes()
    lock = lock_journal(str(tmp_path / "journal.sqlite"))
    assert lock is not None
    with lock, pytest.raises(SorterError, match="name another folder with --keep"):
        prepare_parcels(tmp_path, 5, 20_000, 2, None)
    assert registry.read_bytes() == before
    prepare_parcels(tmp_path, 5, 20_000, 2, None)
    assert registry.read_bytes() != before
