"""Standard error as a log that can neither stop a process nor fill a disk."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from typing import Final

REPEAT_SECONDS: Final = 1.0
"""A line that was written is not written again within this; how often it came is told with the next one."""
_LINES_REMEMBERED_MAX: Final = 256
_ATOMIC_BYTES: Final = 4096


class OperatorLog(logging.Handler):
    """Writes lines for the operator to `fd`, as long as somebody reads there.

    A worker that waited for a full pipe would answer nobody, so a line that finds no room is dropped.
    When a service is gone thousands of requests fail alike each second: their lines are counted, and
    one a second is written.
    Concurrency: any thread.
    """

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self._fd = fd
        self._written: dict[tuple[str, int, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it. A log that fails must not fail the request."""
        with contextlib.suppress(Exception):
            kind = (record.name, record.levelno, record.getMessage())
            now = time.monotonic()
            written_at, repeated = self._written.get(kind, (-REPEAT_SECONDS, 0))
            if now - written_at < REPEAT_SECONDS:
                self._written[kind] = (written_at, repeated + 1)
                return
            if len(self._written) >= _LINES_REMEMBERED_MAX:
                self._written.clear()
            self._written[kind] = (now, 0)
            line = self.format(record)
            if repeated:
                line += f" (and {repeated} times more)"
            write_line(line, self._fd)


def write_line(line: str, fd: int = 2) -> None:
    """Write a line where there is room for it; what finds none is dropped."""
    rest = f"{line}\n".encode("utf-8", "replace")
    with contextlib.suppress(OSError, ValueError):
        # A pipe that polls as writable takes this many bytes without making anyone wait.
        while rest and select.select([], [fd], [], 0)[1]:
            rest = rest[os.write(fd, rest[:_ATOMIC_BYTES]) :]
