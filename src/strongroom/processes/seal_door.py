"""Where a sealed server waits for its operator: a Unix socket in the data directory.

Who comes in is not listened to here: the connection goes on to the boundary, unread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path

SEAL_SOCKET_FILE = "seal.sock"
_PEER = struct.Struct("3i")


class SealDoor:
    """The listening socket. Only the user that the server runs as, and root, are let in: INVARIANT P6."""

    def __init__(self, data_directory: Path) -> None:
        """Listen; the socket of a server that was killed is replaced. Raises: OSError."""
        # By its open directory: a socket's path must be shorter than many a directory's.
        self._directory = os.open(data_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._unlink()
            before = os.umask(0o177)
            try:
                self._listening.bind(f"/proc/self/fd/{self._directory}/{SEAL_SOCKET_FILE}")
            finally:
                os.umask(before)
            self._listening.setblocking(False)
            self._listening.listen(8)
        except BaseException:
            self._listening.close()
            os.close(self._directory)
            raise

    def fileno(self) -> int:
        """For a selector: readable when somebody knocks."""
        return self._listening.fileno()

    def accept(self) -> socket.socket | None:
        """The connection of who knocks; None when he has gone, or is somebody else."""
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return None
        _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if user not in (0, os.geteuid()):
            connection.close()
            return None
        return connection

    def close(self) -> None:
        """Take the door away."""
        self._listening.close()
        self._unlink()
        os.close(self._directory)

    def _unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SEAL_SOCKET_FILE, dir_fd=self._directory)
