"""A small supervisor for tests: starts the real audit writer process and hands out channels."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

SOURCES = Path(__file__).parents[2] / "src"


def record(name: str, size_bytes: int = 0) -> bytes:
    """A record of the trail's form that can be found again by its name."""
    return b'{"eventVersion":"1.11","eventID":"%b","filler":"%b"}' % (name.encode(), b"x" * size_bytes)


def read_names(directory: Path) -> list[str]:
    """The names of all records in the trail, in the order of the chain."""
    names = []
    for segment in sorted(directory.glob("*.jsonl")):
        for line in segment.read_bytes().rstrip(b"\0").splitlines():
            if not line.startswith(b'{"chain":'):
                names.append(json.loads(line)["eventID"])
    return names


class WriterProcess:
    """One life of the audit writer."""

    def __init__(self, directory: Path, mode: str = "durable") -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(20)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "strongroom.audit.process", "--control-fd", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.control.send(b"I" + mode.encode() + b"\0" + os.fsencode(directory))
        self.answer = self.control.recv(65536)

    def __enter__(self) -> WriterProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        if self.process.poll() is None:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.communicate()

    def open_channel(self) -> socket.socket:
        """A worker's end of a new channel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            socket.send_fds(self.control, [b"Cworker"], [theirs.fileno()])
        return ours

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """The orderly end: the supervisor closes the control socket."""
        self.control.close()
        return self.process.wait(10)
