"""Signals as something to wait for beside sockets, instead of something that interrupts."""

from __future__ import annotations

import signal
import socket
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SIGNALS: Final = (*STOP_SIGNALS, signal.SIGCHLD)


class SignalInbox:
    """Takes SIGTERM, SIGINT, SIGHUP and SIGCHLD from now on, until closed. Main thread only."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._handlers_before = {number: signal.signal(number, _only_wake) for number in _SIGNALS}
        self.stops = 0
        """How many times somebody asked the server to stop."""

    def fileno(self) -> int:
        """Readable when there are signals."""
        return self._reading.fileno()

    def take(self) -> None:
        """Count what has come. SIGCHLD needs no counting: it has woken whoever waits."""
        try:
            numbers = self._reading.recv(4096)
        except BlockingIOError:
            return
        self.stops += sum(1 for number in numbers if number in STOP_SIGNALS)

    def close(self) -> None:
        """Give the signals back."""
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.set_wakeup_fd(self._wakeup_before)
        self._reading.close()
        self._writing.close()


def _only_wake(number: int, frame: FrameType | None) -> None:
    """Python writes the number to the wake-up socket only for signals that have a handler."""
