"""What confined processes ask of the supervisor, for they cannot do it: the packets F, A and T of control.py.

INVARIANT P8: a client gets no file but those that the settings have it read again, and writes none but the
anchor of the domain keys, which the job runner brings. What is opened here is passed on unread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.config import Settings
from strongroom.processes.child import Child
from strongroom.processes.control import Packet
from strongroom.processes.data_directory import SEAL_RECORD_FILE, DataDirectory
from strongroom.processes.process_table import open_process_table

JOBS: Final = "jobs"
LETTERS: Final = (b"F", b"A", b"T")


class Requests:
    """Answers the clients. Concurrency: the supervisor's thread; a file on a slow disk holds it up."""

    def __init__(
        self,
        settings: Settings,
        data_directory: DataDirectory,
        send: Callable[[Child, bytes, bytes, Sequence[int]], None],
    ) -> None:
        """`send` sends a packet: to whom, its letter, its payload, its files."""
        self._data_directory = data_directory
        self._send = send
        self._read_again = {str(file) for _, file in settings.oidc_issuers}
        self._read_again_by_jobs = {*self._read_again, str(data_directory.path / SEAL_RECORD_FILE)}

    def answer(self, client: Child, packet: Packet, children: Sequence[Child]) -> None:
        """Do what is asked, or say why not. `children`: all, for the table."""
        payload, files = b"0", []
        try:
            if client.name != JOBS and packet.letter != b"F":
                raise _refusal(errno.EACCES)
            if packet.letter == b"A":
                self._data_directory.save_domain_key_anchor(packet.payload)
            elif packet.letter == b"T":
                running = [(one.name, one.pid, one.protections) for one in children if one.pid is not None]
                files = [open_process_table(running)]
            else:
                allowed = self._read_again_by_jobs if client.name == JOBS else self._read_again
                files = [_open_file(os.fsdecode(packet.payload), allowed)]
        except OSError as error:
            payload = b"%d" % (error.errno or errno.EIO)
        self._send(client, packet.letter, payload, files)
        for fd in files:
            os.close(fd)


def _open_file(path: str, allowed: set[str]) -> int:
    if path not in allowed:
        raise _refusal(errno.EACCES)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _refusal(errno.EINVAL)
    return fd


def _refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))
