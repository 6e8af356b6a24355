"""Runs ``sorter`` on a wall clock that somebody else can set while it runs.

``python -m plc_sim.chaos.stepped_clock STEP_FILE run ...``: what Python code reads as wall time
(``time.time``, ``time.time_ns``, ``datetime.now`` and ``utcnow``) is the machine's plus the float64
in STEP_FILE, in seconds. Setting the machine's own clock needs rights that a rig should not have,
and would set it for everybody; libraries in C that ask the system themselves are not reached.
"""

from __future__ import annotations

import datetime
import mmap
import struct
import sys
import time
from pathlib import Path
from typing import Any, Final

STEP: Final = struct.Struct("=d")
NS_PER_S: Final = 1_000_000_000


def write_step(path: Path, step_s: float) -> None:
    """Set every clock that runs on this file to so many seconds before or behind the machine's."""
    if not path.exists():
        path.write_bytes(STEP.pack(step_s))
        return
    with path.open("r+b") as file:
        file.write(STEP.pack(step_s))


def install(path: Path) -> None:
    """Let this process live on the stepped clock from now on."""
    with path.open("rb") as file:
        step = mmap.mmap(file.fileno(), STEP.size, access=mmap.ACCESS_READ)
    real_time, real_time_ns = time.time, time.time_ns  # noqa: TID251  what is stepped here
    real_datetime = datetime.datetime

    def step_s() -> float:
        return float(STEP.unpack_from(step)[0])

    class AnyDatetime(type):
        """Takes what C code makes for one of ours."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real_datetime)

    class SteppedDatetime(real_datetime, metaclass=AnyDatetime):  # type: ignore[misc, valid-type]
        """``datetime`` on the stepped clock."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real_datetime.fromtimestamp(real_time() + step_s(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    time.time = lambda: real_time() + step_s()  # noqa: TID251
    time.time_ns = lambda: real_time_ns() + int(step_s() * NS_PER_S)
    datetime.datetime = SteppedDatetime  # type: ignore[misc]


def main() -> None:
    """Step the clock, then be ``sorter``."""
    step_file = Path(sys.argv[1])
    sys.argv = ["sorter", *sys.argv[2:]]
    install(step_file)
    # Only now: whoever imports the clock by name must get the stepped one.
    from sorter.cli import main as sorter_main  # noqa: PLC0415

    sorter_main()


if __name__ == "__main__":
    main()
