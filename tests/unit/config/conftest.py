"""A copy of the shipped configuration that a test may break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[3] / "config"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a folder with the shipped YAML files."""
    folder = tmp_path / "config"
    folder.mkdir()
    for source in SHIPPED.glob("*.yaml"):
        shutil.copy(source, folder / source.name)
    return folder
