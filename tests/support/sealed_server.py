"""A real server whose seal needs somebody to open it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time

from tests.support.server import Server

SECONDS_MAX = 30.0


class SealedServer(Server):
    """A server that is started and not waited for."""

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.command[self.command.index("--port") + 1] = str(port)
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.environment, start_new_session=True,
        )  # fmt: skip

    def wait_for(self, text: str) -> str:
        """Read the log until `text` stands in it."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + SECONDS_MAX
        while text not in self.logged.decode():
            left = deadline - time.monotonic()
            assert left > 0, self.logged.decode()
            if select.select([self.process.stdout], [], [], left)[0]:
                chunk = os.read(self.process.stdout.fileno(), 65536)
                assert chunk, self.logged.decode()
                self.logged += chunk
        return self.logged.decode()

    def wait_for_front(self) -> None:
        """Until the sealed front answers."""
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            if "strongroom: sealed front" in self.processes():
                return
            time.sleep(0.05)
        raise AssertionError(self.logged.decode())

    def wait_for_spare(self, *, other_than: int = 0) -> int:
        """The process id of a spare boundary that has imported what it needs."""
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            for pid in self.processes().get("strongroom: spare boundary", []):
                if pid != other_than:
                    return pid
            time.sleep(0.02)
        raise AssertionError("no spare boundary")

    def boundary(self) -> int:
        return self.pid_of("strongroom: boundary")
