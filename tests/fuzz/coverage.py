"""Which lines of the product an input reaches; those of kernels while they are plain Python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from .target import Run

ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = (f"{ROOT}/sorter/", f"{ROOT}/plc_sim/")
Tracer = Callable[[FrameType, str, Any], Any]


class _Code(NamedTuple):
    """A piece of the product's code.

    Attributes
    ----------
    code : CodeType
        Kept, or another one could get its id.
    line : callable
        Its tracer.
    own : frozenset of int
        Numbers of its lines, without the one that its call is on.
    reached : set of int
        Those reached, with others of the same file.
    """

    code: CodeType
    line: Tracer | None
    own: frozenset[int]
    reached: set[int]


class LineCoverage:
    """Collects the lines of ``sorter`` and ``plc_sim`` that traced calls run.

    Attributes
    ----------
    lines : dict of str to set of int
        Numbers of the lines by file, with its path below the repository.
    """

    def __init__(self) -> None:
        self.lines: dict[str, set[int]] = {}
        self._codes: dict[int, _Code] = {}

    def __len__(self) -> int:
        return sum(map(len, self.lines.values()))

    def run(self, function: Run, data: bytes) -> tuple[str, bool]:
        """Return what `function` says of `data`, and whether it reached a line for the first time.

        Ten times slower than the call alone.
        """
        before = len(self)
        outer = sys.gettrace()
        sys.settrace(self._call)
        try:
            said = function(data)
        finally:
            sys.settrace(outer)
        return said, len(self) > before

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Tracer | None:
        code = frame.f_code
        known = self._codes.get(id(code))
        if known is None:
            known = self._codes[id(code)] = self._new(code)
        if known.line is not None and known.own <= known.reached:
            # Nothing is left to be seen in it: from the next call on it is not slowed down.
            self._codes[id(code)] = known._replace(line=None)
        return known.line

    def _new(self, code: CodeType) -> _Code:
        if not code.co_filename.startswith(_FOLDERS):
            return _Code(code, None, frozenset(), set())
        path = str(Path(code.co_filename).relative_to(ROOT))
        reached = self.lines.setdefault(path, set())
        add = reached.add

        def line(frame: FrameType, _event: str, _argument: Any) -> Tracer:
            add(frame.f_lineno)
            return line

        numbers = {number for _, _, number in code.co_lines() if number is not None}
        return _Code(code, line, frozenset(numbers - {code.co_firstlineno}), reached)
