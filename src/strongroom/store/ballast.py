"""Disk space kept back, so that on a full disk a key can still be disabled or deleted."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

BALLAST_BYTES = 8 * 1024 * 1024
"""Twice what the write-ahead log takes before it is copied to the database file."""


class Ballast:
    """A file that holds nothing but room on the database's disk; empty when that was given away.

    INVARIANT S5: changes and removals of rows may use this room, new rows may not: the room is
    taken back before a row is added, and when that fails the row is refused.

    Concurrency: any number of processes; the file itself is the state.
    """

    def __init__(self, path: Path, ballast_bytes: int) -> None:
        self._path = path
        self._bytes = ballast_bytes

    def is_held(self) -> bool:
        """Whether the room is kept back now."""
        try:
            status = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return status.st_size >= self._bytes

    def hold(self) -> None:
        """Take the room, if it is not taken. Raises OSError (ENOSPC) when there is too little."""
        if self._bytes == 0 or self.is_held():
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except PermissionError:
            if os.path.lexists(self._path):
                raise
            return  # somebody removed it, and a confined process makes none: the next start does
        try:
            os.posix_fallocate(descriptor, 0, self._bytes)
        except OSError:
            self.release()
            raise
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give the room to whoever writes next."""
        with suppress(FileNotFoundError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC))

    @property
    def path(self) -> Path:
        """Where the room is kept."""
        return self._path


def is_lack_of_space(error: OSError) -> bool:
    """Whether the disk, or the owner's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
