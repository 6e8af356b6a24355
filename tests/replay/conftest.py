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
