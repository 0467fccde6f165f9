"""A real server for tests: the command a user runs, on a free port, ended by process id."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from botocore.config import Config
from tests.support.aws_clients import new_client

STRONGROOM = Path(sys.executable).with_name("strongroom")
READY_SECONDS_MAX = 60.0
ACCOUNT = "000000000000"
REGION = "eu-central-1"

ROOT_ACCESS_KEY_ID = "AKIASTRONGROOMROOT01"
ROOT_SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Server:
    """`strongroom dev`, `serve` or `xks-proxy serve` as a subprocess; a context manager."""

    def __init__(
        self,
        *arguments: str,
        command: str = "dev",
        environment: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        port: int = 0,
    ) -> None:
        self.command = [str(STRONGROOM), *command.split(), *arguments]
        if command == "dev":
            self.command += ["--port", str(port)]
        if data_dir is not None:
            self.command += ["--data-dir", str(data_dir)]
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("AWS_", "STRONGROOM_"))
            },
            **(environment or {}),
        }
        self.output: list[str] = []
        self.logged = bytearray()
        """Everything that the server wrote to standard output and error."""
        self._reader: threading.Thread | None = None
        self.process: subprocess.Popen[bytes]
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait for the line `Ready.`"""
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        stream = self.process.stdout.fileno()
        os.set_blocking(stream, False)
        text = ""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not re.search(r"^Ready\.$", text, re.M):
            if not select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.kill()
                raise TimeoutError(f"not ready: {text}")
            chunk = os.read(stream, 65536)
            if not chunk:
                raise RuntimeError(f"ended with {self.process.wait()}: {text}")
            text += chunk.decode()
        self.output = text.splitlines()
        self.logged = bytearray(text.encode())
        os.set_blocking(stream, True)
        # Somebody must read: a server whose log is a full pipe has nobody to tell its troubles to.
        self._reader = threading.Thread(target=self._keep_log, daemon=True)
        self._reader.start()
        found = re.search(r"AWS_ENDPOINT_URL_KMS=(\S+)", text)
        assert found is not None, text
        self.url = found.group(1)

    def _keep_log(self) -> None:
        """Reads until every process of the server has ended."""
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self.process.stdout.fileno(), 65536):
                self.logged += chunk

    def _close_log(self) -> None:
        if self._reader is not None:
            self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM, wait, and kill what is left. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        self._close_log()
        return self.process.returncode

    def kill(self) -> None:
        """kill -9 of every process of the server at once."""
        for pids in self.processes().values():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._close_log()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def processes(self) -> dict[str, list[int]]:
        """The server's processes by title: {"strongroom: boundary": [pid], ...}."""
        found: dict[str, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                title = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")[0].decode().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == self.process.pid and title.startswith("strongroom:"):
                found.setdefault(title, []).append(int(entry.name))
        return found

    def pid_of(self, title: str) -> int:
        """The one process of this title, which may have been forked a moment ago and have no title yet."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while len(pids := self.processes().get(title, [])) != 1:
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.02)
        return pids[0]

    def client(
        self,
        service: str = "kms",
        *,
        region: str = REGION,
        access_key_id: str = "test",
        secret_access_key: str = "test",
        retries: int = 0,
    ) -> Any:
        """An unmodified boto3 client of this server."""
        return new_client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(retries={"total_max_attempts": retries + 1}, connect_timeout=5, read_timeout=20),
        )


def strict_environment() -> dict[str, str]:
    """The root's credentials, as a user gives them to `--auth strict`."""
    return {
        "STRONGROOM_ROOT_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
        "STRONGROOM_ROOT_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY,
    }
