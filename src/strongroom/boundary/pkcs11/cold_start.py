"""One start of a PKCS#11 module at a time on a host.

Several processes that start a module at the same instant can find no token, or a general error, where one
alone finds all (SoftHSM 2.6 in 10 of 100 starts). So they take turns, and who still fails tries again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from typing import Final

TURN_SECONDS_MAX: Final = 10.0
"""Whoever holds the turn longer is overtaken: it is a courtesy, and must not be a way to stop others."""
RETRY_PAUSES_SECONDS: Final = (0.05, 0.15, 0.4)
_POLL_SECONDS: Final = 0.02


@contextlib.contextmanager
def cold_start_turn(path: str, seconds_max: float = TURN_SECONDS_MAX) -> Iterator[None]:
    """Wait for the turn to start the module at `path`; the module's own file is the lock."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield  # whoever loads it says what is wrong
        return
    try:
        deadline = time.monotonic() + seconds_max
        while not _try_lock(fd) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
