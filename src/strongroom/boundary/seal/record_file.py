"""The seal record on disk: read, and replaced whole or not at all. Used by the seal program alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal_format import RECORD_BYTES_MAX

RECORD_FILE: Final = "seal.record"
LOCK_FILE: Final = "seal.lock"


class RecordFile:
    """The record of one data directory. Concurrency: who changes it holds `lock` meanwhile."""

    def __init__(self, data_directory: Path) -> None:
        """Raises SealRefused where there is no such directory, or it is somebody else's."""
        self.path = data_directory / RECORD_FILE
        self._directory = data_directory
        try:
            owner = data_directory.stat().st_uid
        except OSError as error:
            raise SealRefused(f"Cannot use the data directory {data_directory}: {error.strerror}.") from None
        if owner != os.geteuid():
            raise SealRefused(
                f"The data directory {data_directory} belongs to user {owner}: call this as that user,"
                " so that"
                " the server can read what is written. Nothing was changed."
            )

    def lock(self) -> None:
        """Wait for others that change the record; the lock ends with the process."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            fcntl.flock(os.open(self._directory / LOCK_FILE, flags, 0o600), fcntl.LOCK_EX)
        except OSError as error:
            raise SealRefused(
                f"Cannot take the lock in {self._directory}: {error.strerror}. Nothing was changed."
            ) from None

    def load(self) -> bytes:
        """Its bytes; none where there is no record. Raises SealRefused."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(fd, "rb") as stream:
                return stream.read(RECORD_BYTES_MAX + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise SealRefused(f"Cannot read the seal record {self.path}: {error.strerror}.") from None

    def save(self, record: bytes) -> None:
        """Replace it; it is on disk when this returns. Raises SealRefused."""
        draft = self.path.with_name(f"{RECORD_FILE}.new")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as stream:
                stream.write(record)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self.path)
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise SealRefused(
                f"Cannot write the seal record {self.path}: {error.strerror}. The record is as it was."
            ) from None
