"""A server with stand-in services and workers under the real supervisor, and a handle on it for tests.

As a program (stand_in_server.py STATE_DIRECTORY FLAG=VALUE...) it runs the server. Its workers answer
each TCP connection with one line of JSON: who they are, and who answers on their channels.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[3] / "src"
SERVICE = Path(__file__).resolve().with_name("stand_in_service.py")


# --- the server


class _Refusal(Exception):
    exit_code = 255


class _StandInClient:
    """What worker and job runner have in common: two channels, and questions asked over them."""

    def __init__(self, about: dict[str, Any], shared_words: memoryview) -> None:
        self.about = about
        self.shared_words = shared_words
        self.channels: dict[str, socket.socket] = {}
        self.channels_received = 0
        self.lock = asyncio.Lock()

    def on_channel(self, name: str, stream: socket.socket) -> None:
        self.channels_received += 1
        if name in self.channels:
            self.channels[name].close()
        self.channels[name] = stream

    async def report(self) -> bytes:
        async with self.lock:
            answers = {name: await self._ask(name) for name in ("boundary", "audit")}
        report = {**self.about, **answers, "pid": os.getpid(), "epoch": self.shared_words[0]}
        report["channels_received"] = self.channels_received
        report["fds"] = [os.readlink(f"/proc/self/fd/{fd}") for fd in _own_fds()]
        return json.dumps(report).encode() + b"\n"

    async def _ask(self, name: str) -> Any:
        stream = self.channels.get(name)
        if stream is None:
            return None
        loop, answer = asyncio.get_running_loop(), b""
        try:
            await loop.sock_sendall(stream, b"?")
            while not answer.endswith(b"\n"):
                piece = await loop.sock_recv(stream, 65536)
                if not piece:
                    return None
                answer += piece
        except OSError:
            return None
        return json.loads(answer)


def _own_fds() -> Iterator[int]:
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            os.readlink(f"/proc/self/fd/{name}")
            yield int(name)


def serve_server(state: Path, flags: dict[str, str]) -> None:
    from strongroom.cli.root_secret import shelter_root_secret, take_root_secret

    shelter_root_secret()
    from strongroom.config import load_settings
    from strongroom.processes.channel import ControlChannel
    from strongroom.processes.contexts import (
        Children,
        JobsContext,
        PrepareContext,
        ServiceCommands,
        WorkerContext,
    )
    from strongroom.processes.server import run_server

    def prepare(context: PrepareContext) -> None:
        if (state / "prepare.refuse").exists():
            raise _Refusal((state / "prepare.refuse").read_text())

    def run_worker(context: WorkerContext) -> None:
        async def work() -> None:
            client = _StandInClient({"worker": context.index}, context.shared_words)
            control = ControlChannel(context.control, client.on_channel)
            control.start()
            ended = asyncio.Event()
            on_term = (lambda: None) if (state / "worker.stuck").exists() else ended.set
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_term)

            async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(await client.report())
                await writer.drain()
                writer.close()

            server = await asyncio.start_server(answer, sock=context.listening)
            control.send_ready()
            await ended.wait()
            server.close()

        asyncio.run(work())

    def run_jobs(context: JobsContext) -> None:
        async def work() -> None:
            client = _StandInClient({}, context.shared_words)
            control = ControlChannel(context.control, client.on_channel)
            control.start()
            ended = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
            control.send_ready()
            await ended.wait()

        asyncio.run(work())

    secret_fd = take_root_secret()
    settings = load_settings(
        "dev", flags=flags, environment=os.environ, file=None, root_secret_given=secret_fd is not None
    )
    command = (sys.executable, str(SERVICE))
    run_server(
        settings,
        Children(lambda: None, prepare, run_worker, run_jobs, lambda _: None, lambda _: None),
        root_secret_fd=secret_fd,
        commands=ServiceCommands((*command, "boundary", str(state)), (*command, "audit", str(state))),
        keeps_spare=True,
    )


def main() -> int:
    try:
        serve_server(Path(sys.argv[1]), dict(argument.split("=", 1) for argument in sys.argv[2:]))
    except Exception as error:
        exit_code = getattr(error, "exit_code", None)
        if not isinstance(exit_code, int):
            raise
        sys.stderr.write(f"strongroom: {error}\n")
        return exit_code
    return 0


# --- the handle on it


@dataclass
class RunningServer:
    """A started server. `pid` is the supervisor's."""

    process: subprocess.Popen[str]
    ready_lines: list[str]
    port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    def report(self) -> dict[str, Any]:
        """What one worker says of itself; the kernel picks the worker."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        report: dict[str, Any] = json.loads(answer)
        return report

    def report_when(
        self, condition: Callable[[dict[str, Any]], bool], timeout_seconds: float = 30
    ) -> dict[str, Any]:
        """Ask until the report is as expected."""
        deadline = time.monotonic() + timeout_seconds
        report: dict[str, Any] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                report = self.report()
                if condition(report):
                    return report
            time.sleep(0.005)
        raise AssertionError(f"not so within {timeout_seconds} s; last report: {report}")

    def children(self) -> dict[str, int]:
        """Process ids by title (forked children) or by kind (stand-in services).

        The spare boundary has begun later than the one that serves, and is left out.
        """
        found: dict[str, int] = {}
        for pid in sorted(child_pids(self.pid), key=started_at, reverse=True):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if str(SERVICE) in words:
                found[words[2]] = pid
            elif words[0].startswith("strongroom: "):  # else it has just been forked and has no name yet
                found[words[0].removeprefix("strongroom: ")] = pid
        found.pop("supervisor", None)  # forked, and not named yet
        return found

    def children_when(self, *names: str) -> dict[str, int]:
        """The children as soon as all of these have names; that of the jobs process may follow `Ready.`"""
        deadline = time.monotonic() + 30
        while not set(names) <= set(children := self.children()) and time.monotonic() < deadline:
            time.sleep(0.005)
        return children


def child_pids(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def started_at(pid: int) -> int:
    """When a process began, in clock ticks since the machine did."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_ended(pids: list[int], timeout_seconds: float = 30) -> list[int]:
    """Which of the processes are still there after the time; [] as soon as all have ended."""
    deadline = time.monotonic() + timeout_seconds
    while (left := [pid for pid in pids if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.005)
    return left


def start_process(
    state: Path, environment: dict[str, str] | None = None, **flags: str
) -> subprocess.Popen[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("STRONGROOM_")}
    flags = {"port": "0", **flags}
    return subprocess.Popen(
        [sys.executable, __file__, str(state), *(f"{name}={value}" for name, value in flags.items())],
        env={**inherited, "PYTHONPATH": str(SOURCE), "TMPDIR": str(state), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def running_server(
    state: Path, environment: dict[str, str] | None = None, **flags: str
) -> Iterator[RunningServer]:
    """A server that has said `Ready.`; ended afterwards, whatever the test did to it."""
    process = start_process(state, environment, **flags)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "Ready.":
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"the server did not start: {process.communicate()[1]}")
            lines.append(line.rstrip("\n"))
        url = next(line for line in lines if "AWS_ENDPOINT_URL_KMS" in line)
        yield RunningServer(process, lines, int(url.rsplit(":", 1)[1]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


if __name__ == "__main__":
    sys.exit(main())
