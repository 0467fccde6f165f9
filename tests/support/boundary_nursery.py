"""Boundary processes for tests that start hundreds: forked from one that has imported all that they need.

Starting Python and importing takes two thirds of a boundary's start. What runs in the child is the program
itself, from its first line (`process.main`): protections, self-tests, seal. Tests of the process itself
(how it starts, what it logs, how it ends) have one that is started as the supervisor starts it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import IO, Final

_NURSERY: Final = """
import gc, os, signal, socket, sys
sys.path.insert(0, sys.argv[1])
from strongroom.boundary import process
nursery = socket.socket(fileno=int(sys.argv[2]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that nobody has to be waited for
gc.freeze()
while True:
    packet, fds, _, _ = socket.recv_fds(nursery, 1, 2)
    if not packet:
        break
    control, errors = fds
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(errors, 2)
        os.close(errors)
        nursery.close()
        process.main(["--control-fd", str(control)])
    os.close(control)
    os.close(errors)
    nursery.send(pid.to_bytes(4, "big"))
"""


class NursedProcess:
    """What tests need of a `subprocess.Popen` whose parent is the nursery. The exit code is not known."""

    def __init__(self, pid: int, stderr: IO[bytes]) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._pidfd = os.pidfd_open(pid)  # it waits for its first packet, so it is there

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._pidfd], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"boundary {self.pid}", timeout or 0)
            os.close(self._pidfd)
            self.returncode = 1
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[None, bytes]:
        """Wait for the end; what it wrote."""
        if self.stderr.closed:
            return None, b""
        deadline = time.monotonic() + (timeout or 3600)
        written = b""
        while select.select([self.stderr], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(self.stderr.fileno(), 65536)
            if not chunk:
                break
            written += chunk
        self.wait(max(0.0, deadline - time.monotonic()))
        self.stderr.close()
        return None, written


@functools.cache
def _nursery(source: str, owner: int) -> socket.socket:
    """One for each test process. It ends when that does, since then its socket does."""
    assert owner == os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _NURSERY, source, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    process.returncode = 0  # it is never waited for, and nobody need be told
    ours.settimeout(60)
    return ours


def start_nursed(source: str, control: socket.socket) -> NursedProcess:
    """A boundary process that is given this end of its control socket."""
    nursery = _nursery(source, os.getpid())
    reader, writer = os.pipe()
    try:
        socket.send_fds(nursery, [b"b"], [control.fileno(), writer])
    finally:
        os.close(writer)
    pid = int.from_bytes(nursery.recv(4), "big")
    return NursedProcess(pid, os.fdopen(reader, "rb", buffering=0))
