import shutil

import pytest
from recorded_run import record


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """Journal and summary of one run; not to be changed."""
    return record(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def journal(recorded, tmp_path):
    """A copy of the journal, to be changed at will."""
    copy = tmp_path / "journal.sqlite"
    shutil.copyfile(recorded[0], copy)
    return copy


@pytest.fixture
def long_journal(tmp_path):
    """A journal of many snapshots, so that there is something to prune before the newest ones."""
    return record(tmp_path, parcels=900)[0]
