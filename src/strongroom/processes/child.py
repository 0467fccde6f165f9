"""One child of the supervisor: its process, its control socket, and how often it has died."""

from __future__ import annotations

import collections
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

START_SECONDS: Final = 30.0
"""A child that is not ready by then is killed."""
END_SECONDS: Final = 1.0
"""A child that closed its control socket must end within this."""
FAILED_STARTS_MAX: Final = 10
DEATHS_MAX: Final = 20
DEATHS_WINDOW_SECONDS: Final = 10.0
RESPAWN_DELAY_SECONDS_MAX: Final = 0.4


@dataclass(slots=True, eq=False)
class Child:
    """The supervisor's view of one process, over all its lives."""

    name: str
    spawn: Callable[[socket.socket], int]
    """Starts the process with its end of a control socket; returns the process id."""
    pid: int | None = None
    control: socket.socket | None = None
    ready: bool = False
    protections: dict[str, str] = field(default_factory=dict)
    """What it gave up, or why not, as it said when it was ready."""
    refusal: str | None = None
    """The sentence it sent before it ended."""
    deadline_at: float | None = None
    """When it is killed for not having become ready, or not having ended. Monotonic seconds."""
    respawn_at: float | None = None
    failed_starts: int = 0
    """How many lives in a row ended before it was ready."""
    deaths: collections.deque[float] = field(default_factory=lambda: collections.deque(maxlen=DEATHS_MAX))

    def note_death(self) -> None:
        """The process is gone: forget it, and settle when it may come back."""
        now = time.monotonic()
        self.deaths.append(now)
        if self.ready:  # it worked, so it comes back at once: requests wait for it
            self.failed_starts = 0
            self.respawn_at = now
        else:
            self.failed_starts += 1
            self.respawn_at = now + min(RESPAWN_DELAY_SECONDS_MAX, 0.025 * 2**self.failed_starts)
        self.pid = None
        self.protections = {}
        self.ready = False
        self.deadline_at = None

    def note_protections(self, report: bytes) -> None:
        """What it gave up. Shape: lines NAME TAB STATE."""
        lines = report.decode("utf-8", "replace").splitlines()
        self.protections = {name: state for name, _, state in (line.partition("\t") for line in lines)}

    def take_process_of(self, spare: Child) -> None:
        """Go on with a process that was started ahead of need; the spare is left without one."""
        self.pid, self.control = spare.pid, spare.control
        spare.pid = spare.control = None
        spare.failed_starts = 0

    def is_crash_looping(self) -> bool:
        """Whether starting it again has stopped making sense."""
        if self.failed_starts >= FAILED_STARTS_MAX:
            return True
        return len(self.deaths) == DEATHS_MAX and time.monotonic() - self.deaths[0] < DEATHS_WINDOW_SECONDS

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the process, if there is one. Safe: its id is not reused before we have reaped it."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def reap(self) -> int | None:
        """The exit code of the process that has ended (below 0: minus the signal), None while it runs."""
        if self.pid is None:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else os.waitstatus_to_exitcode(status)


def render_ending(exit_code: int) -> str:
    """How a process ended, for a sentence."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"
