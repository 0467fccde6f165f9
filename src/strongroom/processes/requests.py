"""What confined processes ask of the supervisor, for they cannot do it: the packets F, W and T of control.py.

INVARIANT P8: a client is opened no file but those that it reads again when they change, and none is written
but those that the job runner keeps beside the data. What is opened here is passed on unread.
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
PROXY: Final = "xks proxy"
LETTERS: Final = (b"F", b"W", b"T")


class Requests:
    """Answers the clients. Concurrency: the supervisor's thread; a file on a slow disk holds it up."""

    def __init__(
        self,
        settings: Settings,
        data_directory: DataDirectory,
        kept_files: Sequence[str],
        send: Callable[[Child, bytes, bytes, Sequence[int]], None],
    ) -> None:
        """`kept_files`: the job runner's, by name. `send`: to whom, a packet's letter, payload and files."""
        self._data_directory = data_directory
        self._send = send
        self._kept = {str(data_directory.path / name): name for name in kept_files}
        proxy = settings.xks_proxy
        shared = {str(file) for _, file in settings.oidc_issuers} | set(map(str, settings.xks_client_files))
        self._read_again = {
            JOBS: {*shared, *self._kept, str(data_directory.path / SEAL_RECORD_FILE)},
            PROXY: set() if proxy is None else set(map(str, proxy.tls_files)),
        }
        self._read_again_by_workers = {*shared, *map(str, settings.tls_files)}

    def answer(self, client: Child, packet: Packet, children: Sequence[Child]) -> None:
        """Do what is asked, or say why not. `children`: all, for the table."""
        payload, files = b"0", []
        try:
            if client.name != JOBS and packet.letter != b"F":
                raise _refusal(errno.EACCES)
            if packet.letter == b"W":
                self._replace_file(packet.payload)
            elif packet.letter == b"T":
                running = [(one.name, one.pid, one.protections) for one in children if one.pid is not None]
                files = [open_process_table(running)]
            else:
                allowed = self._read_again.get(client.name, self._read_again_by_workers)
                files = [_open_file(os.fsdecode(packet.payload), allowed)]
        except OSError as error:
            payload = b"%d" % (error.errno or errno.EIO)
        self._send(client, packet.letter, payload, files)
        for fd in files:
            os.close(fd)

    def _replace_file(self, payload: bytes) -> None:
        path, _, content = payload.partition(b"\0")
        name = self._kept.get(os.fsdecode(path))
        if name is None:
            raise _refusal(errno.EACCES)
        self._data_directory.replace_file(name, content)


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
