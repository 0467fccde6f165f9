"""A PIN that the boundary's PKCS#11 token has refused: it is not tried again before its file has changed.

Tokens count wrong PINs and lock after a few, which only their officer can undo, or nobody. A supervisor that
starts its boundary again, or a service manager that starts the server again, would lock it in seconds.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from strongroom.processes.operator_log import write_line

REFUSED_PIN_FILE: Final = "pkcs11-pin.refused"
_LENGTH_MAX: Final = 200


class RefusedPin:
    """Which PIN file was refused, kept in the data directory (INVARIANT P7).

    Secrets: the file is looked at, never read.
    """

    SENTENCE: Final = (
        "The PKCS#11 token refused the PIN in the PIN file, or did not say whether it did, and tokens lock"
        " after a few wrong ones: the file is not tried again as it is. Put the right PIN into it; if the"
        " one in it is right by now, touch the file."
    )

    def __init__(self, directory: Path, pin_fd: int | None) -> None:
        """`pin_fd`: the open PIN file; None where there is no token."""
        self._path = directory / REFUSED_PIN_FILE
        self._pin_fd = pin_fd
        self._noted = b"" if pin_fd is None else self._load()

    def is_noted(self) -> bool:
        """Whether the PIN file is still the one that was refused."""
        return bool(self._noted) and self._noted == self._identity()

    def note(self) -> None:
        """The token has refused it."""
        self._noted = self._identity()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(self._path, flags, 0o600), "wb") as stream:
                stream.write(self._noted)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            write_line(
                f"strongroom: {self._path} cannot be written ({error.strerror}): the PIN that the PKCS#11"
                " token refuses will be tried again when the server is started again."
            )

    def forget(self) -> None:
        """The token has taken a PIN."""
        if self._noted:
            self._noted = b""
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _load(self) -> bytes:
        try:
            with open(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
                return stream.read(_LENGTH_MAX)
        except OSError:
            return b""

    def _identity(self) -> bytes:
        if self._pin_fd is None:
            return b""
        status = os.fstat(self._pin_fd)
        return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}\n".encode()
