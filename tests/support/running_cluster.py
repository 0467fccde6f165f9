"""The process of an HSM cluster for tests, started as the supervisor starts it, and one client of it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from types import TracebackType

from tests.support.hsm_clusters import TestCluster

from strongroom.boundary.messages import HEAD, HEAD_BYTES, render_fields, render_frame
from strongroom.boundary.secret_transport import TransportKeys
from strongroom.hsm.frames import Opcode, Status

STORE_ID = "cks-1"
SECONDS_MAX = 30.0


class ClusterRefusedIt(Exception):
    """The process answered with another status than OK."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class ClusterGone(Exception):
    """The process has ended."""


class RunningCluster:
    """One process; `with` ends it."""

    def __init__(self, cluster: TestCluster, **options: str) -> None:
        token = cluster.token
        lines = {
            "module": token.module,
            "token_label": token.label,
            "user": "",
            "init_arguments": token.init_arguments,
            "threads": "8",
            **{f"environment.{name}": value for name, value in token.environment.items()},
            **options,
        }
        self.cluster = cluster
        self._start = f"I{cluster.cluster_id}\n" + "\n".join(f"{name}\t{lines[name]}" for name in lines)
        self._last_call_id = 0
        self._unparsed = b""

    def __enter__(self) -> RunningCluster:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "strongroom.hsm.process", "--control-fd", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, env={"PATH": os.defpath}
        )
        theirs.close()
        self.control.send(self._start.encode())
        assert self.control.recv(16) == b"R"
        self.transport = TransportKeys()
        self._send_end(b"K").sendall(self.transport.make(self.cluster.cluster_id))
        self.stream = self.client()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.process.kill()
        self.process.communicate()

    def client(self) -> socket.socket:
        """A further client channel."""
        stream = self._send_end(b"C")
        stream.settimeout(SECONDS_MAX)
        return stream

    def _send_end(self, letter: bytes) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            socket.send_fds(self.control, [letter], [theirs.fileno()])
        return ours

    def send(self, opcode: Opcode, *fields: bytes) -> int:
        """Ask, and do not wait; returns the call's id."""
        self._last_call_id += 1
        body = render_fields(*fields) if fields else b""
        self.stream.sendall(render_frame(self._last_call_id, opcode, body))
        return self._last_call_id

    def receive(self) -> tuple[int, Status, bytes]:
        """The next answer, whosever. Raises ClusterGone."""
        while True:
            if len(self._unparsed) >= HEAD_BYTES:
                length, call_id, status = HEAD.unpack_from(self._unparsed)
                if len(self._unparsed) >= 4 + length:
                    body = self._unparsed[HEAD_BYTES : 4 + length]
                    self._unparsed = self._unparsed[4 + length :]
                    return call_id, Status(status), body
            try:
                received = self.stream.recv(65536)
            except ConnectionError:
                received = b""
            if not received:
                raise ClusterGone
            self._unparsed += received

    def ask(self, opcode: Opcode, *fields: bytes) -> bytes:
        """Ask and wait. Raises ClusterRefusedIt, ClusterGone."""
        call_id = self.send(opcode, *fields)
        answered, status, body = self.receive()
        assert answered == call_id
        if status is not Status.OK:
            raise ClusterRefusedIt(status)
        return body

    def refusal(self, opcode: Opcode, *fields: bytes) -> Status:
        """The status of a request that must be refused."""
        try:
            self.ask(opcode, *fields)
        except ClusterRefusedIt as refused:
            return refused.status
        raise AssertionError("it was not refused")

    def ask_beside(self, opcode: Opcode, *fields: bytes) -> bytes:
        """Ask by another channel, while answers are awaited on the first."""
        first, unparsed = self.stream, self._unparsed
        self.stream, self._unparsed = self.client(), b""
        try:
            return self.ask(opcode, *fields)
        finally:
            self.stream.close()
            self.stream, self._unparsed = first, unparsed

    def log_in(self, opcode: Opcode = Opcode.CONNECT, pin: bytes | None = None) -> None:
        """CONNECT or RESUME."""
        sealed = self.transport.seal(self.cluster.cluster_id, STORE_ID, pin or self.cluster.token.pin)
        self.ask(opcode, STORE_ID.encode(), sealed)

    def wait_for_end(self, seconds: float) -> int:
        """The exit code of a process that ends by itself."""
        return self.process.wait(seconds)

    def rate(self, opcode: Opcode, *fields: bytes, calls: int, under_way: int) -> float:
        """Calls a second, so many of them under way at once."""
        began = time.monotonic()
        sent = 0
        while sent < min(under_way, calls):
            self.send(opcode, *fields)
            sent += 1
        for _ in range(calls):
            _, status, _ = self.receive()
            assert status is Status.OK, status
            if sent < calls:
                self.send(opcode, *fields)
                sent += 1
        return calls / (time.monotonic() - began)
