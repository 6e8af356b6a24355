"""Tells the service manager how the controller is: the protocol of ``sd_notify(3)``.

One datagram of ``NAME=value`` lines to the Unix socket that the environment names. systemd starts
what comes after the controller when it hears ``READY=1``, and restarts the controller when it has
not heard ``WATCHDOG=1`` for ``WatchdogSec``. That is sent from the control loop itself and from
nowhere else, so that a loop which hangs is silent whatever other threads still do.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping
from typing import Final, Self

from sorter.ports import Clock

STATUS_INTERVAL_NS: Final = 5_000_000_000
"""How often the status line is renewed where no watchdog asks for more."""
FEEDS_PER_PERIOD: Final = 3
NS_PER_US: Final = 1000


class ServiceManager:
    """The controller's side of the notification socket; does nothing where there is none.

    Never raises and never waits: a manager that does not listen must not hold up the line.

    Parameters
    ----------
    address : str
        Path of the socket, ``@name`` for an abstract one; empty: there is none.
    watchdog_us : int
        Time after which silence counts as hanging; 0: no watchdog.
    clock : Clock
    """

    def __init__(self, address: str, watchdog_us: int, clock: Clock) -> None:
        self._clock = clock
        self._watches = watchdog_us > 0
        self._interval_ns = watchdog_us * NS_PER_US // FEEDS_PER_PERIOD or STATUS_INTERVAL_NS
        self._due_ns = clock.now_ns()
        self._stopping = False
        self._status: Callable[[], str] = str
        self._socket: socket.socket | None = None
        if not address:
            return
        # A leading @ stands for the zero byte of Linux' abstract names.
        name = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(name)
        except OSError:
            self.close()

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str], clock: Clock) -> Self:
        """Return the manager that the environment names, and take its variables out of there.

        Child processes would otherwise speak in the controller's name.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        watchdog_us = environment.pop("WATCHDOG_USEC", "")
        watched_pid = environment.pop("WATCHDOG_PID", "")
        ours = not watched_pid or watched_pid == str(os.getpid())
        sure = ours and watchdog_us.isascii() and watchdog_us.isdecimal()
        return cls(address, int(watchdog_us) if sure else 0, clock)

    def status_from(self, status: Callable[[], str]) -> None:
        """Take the status line from this callable from now on; one line, for people."""
        self._status = status

    def ready(self) -> None:
        """Tell that the line sorts."""
        self._send("READY=1", f"STATUS={self._status()}")

    def alive(self) -> None:
        """Tell that the loop goes round; called often, sends seldom."""
        now_ns = self._clock.now_ns()
        if self._socket is None or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + self._interval_ns
        lines = [f"STATUS={self._status()}"]
        if self._watches:
            lines.append("WATCHDOG=1")
        self._send(*lines)

    def stopping(self) -> None:
        """Tell, once, that the controller was asked to stop."""
        if not self._stopping:
            self._stopping = True
            self._send("STOPPING=1", "STATUS=stopping: writing the journal")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send("\n".join(lines).encode())
