"""A real boundary process for tests, started as the supervisor starts it, and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.support.boundary_nursery import NursedProcess, start_nursed
from tests.support.softhsm import TestToken

import strongroom
from strongroom.boundary.client import BoundaryClient
from strongroom.boundary.interface import KeyBinding
from strongroom.boundary.messages import HEAD, HEAD_BYTES, Opcode, render_frame
from strongroom.processes.boundary_start import render_boundary_start, render_token_options
from strongroom.processes.control import receive_packet, send_packet
from strongroom.token_settings import parse_pkcs11

T = TypeVar("T")

ACCOUNT = "111122223333"
REGION = "eu-central-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY_ID = "99999999-12ab-34cd-56ef-1234567890ab"
MULTI_REGION_KEY_ID = "mrk-0123456789abcdef0123456789abcdef"
ROOT_SECRET = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

_SOURCE = str(Path(strongroom.__file__).parent.parent)
# -I keeps PYTHONPATH out, so a source tree that is not installed is put on the path by hand.
_START = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1));"
    " runpy.run_module('strongroom.boundary.process', run_name='__main__')"
)


class Refused(Exception):
    """The boundary answered INIT with E and this sentence."""


def token_options(token: TestToken) -> dict[str, str]:
    """What the start packet says of a token."""
    settings = parse_pkcs11(
        {
            "module": token.module,
            "token_label": token.label,
            "pin_file": str(token.directory.parent / "pin"),
            "directories": [str(token.directory)],
            "environment": dict(token.environment),
            "accepted_weaknesses": list(token.accepted_weaknesses),
            **({"init_arguments": token.init_arguments} if token.init_arguments else {}),
        }
    )
    return dict(render_token_options(settings))


class RunningBoundary:
    """One boundary process; `with` ends it."""

    def __init__(
        self,
        key_file: Path | None,
        seal_record: bytes = b"",
        root_secret: bytes | None = ROOT_SECRET,
        environment: Mapping[str, str] | None = None,
        token: TestToken | None = None,
        pin: bytes | None = None,
        options: Mapping[str, str] | None = None,
        program: str = _START,
        is_nursed: bool = False,
    ) -> None:
        """`is_nursed`: in the cheaper way of boundary_nursery.py, for who does not test the process itself.

        `environment` instead of this process's own; `options`: more of them; `program` instead of ours.

        `token` holds the keys; `pin` instead of its own.
        """
        self.options = {"mode": "dev", **(options or {})}
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process: subprocess.Popen[bytes] | NursedProcess
        with theirs:
            self.process = (
                start_nursed(_SOURCE, theirs)
                if is_nursed
                else subprocess.Popen(
                    [sys.executable, "-I", "-c", program, _SOURCE, "--control-fd", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=environment,
                )
            )
        self.control.settimeout(20)
        try:
            self.seal_record = self._initialise(key_file, seal_record, root_secret, token, pin)
        except BaseException:
            self.stop()
            raise

    def _initialise(
        self,
        key_file: Path | None,
        seal_record: bytes,
        root_secret: bytes | None,
        token: TestToken | None,
        pin: bytes | None,
    ) -> bytes:
        files: dict[str, int] = {}
        if key_file is not None:
            files["key_file"] = os.open(key_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if root_secret is not None:
            reader, writer = os.pipe()
            os.write(writer, root_secret)
            os.close(writer)
            files["root_secret"] = reader
        if token is not None:
            self.options.update(token_options(token))
            pin_file = token.directory.parent / "pin"
            pin_file.touch(0o600)
            pin_file.write_bytes((pin or token.pin) + b"\n")
            files["pkcs11_pin"] = os.open(pin_file, os.O_RDONLY)
        payload, fds = render_boundary_start(self.options, files, seal_record)
        with contextlib.suppress(BrokenPipeError):  # it has said already why it ended
            send_packet(self.control, b"I", payload, fds)
        for fd in fds:
            os.close(fd)
        answer = receive_packet(self.control)
        if answer is not None and answer.letter == b"P":  # its token's PIN was refused; the sentence follows
            answer = receive_packet(self.control)
        assert answer is not None, "ended without a word"
        if answer.letter == b"E":
            assert self.process.wait(10) != 0
            raise Refused(answer.payload.decode())
        assert answer.letter == b"R", answer
        return answer.payload

    def new_channel(self, name: str = "worker 1") -> socket.socket:
        """The worker's end of a new client channel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            socket.send_fds(self.control, [b"C" + name.encode()], [theirs.fileno()])
        ours.settimeout(10)
        return ours

    def facts(self) -> dict[str, str]:
        """What the process says in its status."""
        with self.new_channel() as stream:
            stream.sendall(render_frame(1, Opcode.STATUS, b""))
            received = b""
            while len(received) < HEAD_BYTES or len(received) < 4 + HEAD.unpack_from(received)[0]:
                received += stream.recv(65536)
        return dict(line.split("\t") for line in received[HEAD_BYTES:].decode().splitlines())

    def kill(self) -> None:
        """SIGKILL, as the out-of-memory killer would."""
        self.process.send_signal(signal.SIGKILL)

    def stop(self) -> bytes:
        """End the process by closing its control socket; returns what it logged."""
        self.control.close()
        try:
            _, logged = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return logged or b""

    def __enter__(self) -> RunningBoundary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.returncode is None or not self.process.stderr or not self.process.stderr.closed:
            self.stop()


class MemoryDomainKeyStore:
    """A DomainKeyStore in memory. `reads` and `inserts` count the calls."""

    def __init__(self) -> None:
        self.tokens: dict[str, list[tuple[bytes, bytes]]] = {}
        self.reads = 0
        self.inserts = 0

    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        await asyncio.sleep(0)
        return [token for _, token in self.tokens.get(region, [])]

    async def insert_domain_key_token(self, region: str, domain_key_id: bytes, token: bytes) -> bool:
        await asyncio.sleep(0)
        self.inserts += 1
        if self.tokens.get(region):
            return False
        self.tokens[region] = [(domain_key_id, token)]
        return True

    async def find_domain_key_token(self, domain_key_id: bytes) -> bytes | None:
        await asyncio.sleep(0)
        self.reads += 1
        for rows in self.tokens.values():
            for known_id, token in rows:
                if known_id == domain_key_id:
                    return token
        return None


def binding(key_id: str = KEY_ID, region: str = REGION) -> KeyBinding:
    """A symmetric key of the test account."""
    return KeyBinding(ACCOUNT, region, key_id, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")


def attached_client(
    boundary: RunningBoundary, store: MemoryDomainKeyStore, timeout_seconds: float = 5.0
) -> BoundaryClient:
    """A client on the running loop, on a channel of its own."""
    client = BoundaryClient(asyncio.get_running_loop(), store, timeout_seconds)
    client.attach(boundary.new_channel())
    return client


async def together(calls: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    """The outcomes of calls made in one turn. (asyncio.gather itself takes a bare Reply for a future.)"""

    async def wait(call: Awaitable[T]) -> T:
        return await call

    return await asyncio.gather(*(wait(call) for call in list(calls)), return_exceptions=True)


async def all_answered(calls: Iterable[Awaitable[T]]) -> list[T]:
    """The answers of calls made in one turn; raises the first error."""
    answers: list[T] = []
    for outcome in await together(calls):
        if isinstance(outcome, BaseException):
            raise outcome
        answers.append(outcome)
    return answers
