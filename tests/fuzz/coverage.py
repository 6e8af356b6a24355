"""Which lines of the product an input reaches; lines of kernels are not seen."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

from .target import Run

ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = (f"{ROOT}/sorter/", f"{ROOT}/plc_sim/")


class LineCoverage:
    """Collects the lines of ``sorter`` and ``plc_sim`` that traced calls run."""

    def __init__(self) -> None:
        self.lines: set[tuple[str, int]] = set()
        self._ours: dict[str, bool] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def run(self, function: Run, data: bytes) -> tuple[str, bool]:
        """Return what `function` says of `data`, and whether it reached a line for the first time.

        Ten times slower than the call alone.
        """
        before = len(self.lines)
        outer = sys.gettrace()
        sys.settrace(self._call)
        try:
            said = function(data)
        finally:
            sys.settrace(outer)
        return said, len(self.lines) > before

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        name = frame.f_code.co_filename
        ours = self._ours.get(name)
        if ours is None:
            ours = self._ours[name] = name.startswith(_FOLDERS)
        return self._line if ours else None

    def _line(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line
