"""Load on a running server from several connections, keeping what each call was answered and when.

Raw HTTP and not boto3: a call is a socket write and a read, so its time is the server's and a hang is
seen as one. The open authenticator is enough; nothing is signed.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import itertools
import json
import os
import socket
import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.http_front import RawClient, Response, render_request
from tests.support.server import REGION, Server

CLIENT_TIMEOUT_SECONDS = 15.0
SERVER_FAILURE = 500


class WrongAnswer(Exception):
    """The server said something that is not true."""


class KmsConnection:
    """One connection that speaks AWS JSON; a context manager."""

    def __init__(self, port: int, timeout_seconds: float = CLIENT_TIMEOUT_SECONDS) -> None:
        self.raw = RawClient(port)
        self.raw.socket.settimeout(timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.socket.close()

    def call(self, operation: str, **members: object) -> Response:
        """One call. Raises: ConnectionError, TimeoutError."""
        scope = f"AKIDEXAMPLE/20260101/{REGION}/kms/aws4_request"
        signature = f"SignedHeaders=host, Signature={'0' * 64}"
        fields = [
            b"Content-Type: application/x-amz-json-1.1",
            b"User-Agent: tests",
            b"X-Amz-Target: TrentService." + operation.encode(),
            f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, {signature}".encode(),
        ]
        return self.raw.ask(render_request(json.dumps(members).encode(), fields=fields))

    def create_key(self) -> str:
        """The id of a new key. Raises RuntimeError when it was refused."""
        response = self.call("CreateKey")
        if response.status != 200:
            raise RuntimeError(response.body.decode())
        key_id: str = response.json["KeyMetadata"]["KeyId"]
        return key_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call: what came back, and when. `status` 0: the connection ended without an answer."""

    operation: str
    status: int
    error: str
    started_at: float
    ended_at: float
    request_id: str

    @property
    def seconds(self) -> float:
        return self.ended_at - self.started_at


Work = Callable[["Caller"], None]


class Caller(threading.Thread):
    """One connection that works until `stopping`. Keeps every outcome; `faults` must stay empty."""

    def __init__(self, server: Server, work: Work, stopping: threading.Event, key_id: str) -> None:
        super().__init__(daemon=True)
        self.port = server.port
        self.work = work
        self.stopping = stopping
        self.key_id = key_id
        self.outcomes: list[Outcome] = []
        self.faults: list[str] = []
        self.connection: KmsConnection | None = None
        self.kept: dict[str, Any] = {}
        """For `work`, between its calls."""

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.work(self)
            except WrongAnswer as wrong:
                self.faults.append(f"wrong: {wrong}")
            except Exception as fault:
                self.faults.append(f"{type(fault).__name__}: {fault}")
                return
        self.disconnect()

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.raw.socket.close()
            self.connection = None

    def call(self, operation: str, **members: object) -> Response | None:
        """One call that must succeed or fail as a whole; its answer when it succeeded."""
        response = self.ask(operation, **members)
        if response is None or response.status == 200:
            return response
        if response.status != SERVER_FAILURE or response.json["__type"] != "KMSInternalException":
            raise WrongAnswer(f"{operation}: {response.status} {response.body!r}")
        return None

    def ask(self, operation: str, **members: object) -> Response | None:
        """One call, kept as an outcome; None when the connection ended. A hang is a fault."""
        started_at = time.monotonic()
        status, error, request_id, response = 0, "", "", None
        try:
            if self.connection is None:
                self.connection = KmsConnection(self.port)
            response = self.connection.call(operation, **members)
            status = response.status
            request_id = response.fields.get("x-amzn-requestid", "")
            if status != 200:
                error = response.json["__type"]
        except TimeoutError:
            self.faults.append(f"{operation} hung")
            self.disconnect()
        except OSError:
            self.disconnect()
        self.outcomes.append(Outcome(operation, status, error, started_at, time.monotonic(), request_id))
        return response


def round_trip(caller: Caller) -> None:
    """Encrypt or make a data key, decrypt, compare."""
    if len(caller.outcomes) % 3:
        plaintext = os.urandom(64)
        sealed = caller.call("Encrypt", KeyId=caller.key_id, Plaintext=base64.b64encode(plaintext).decode())
    else:
        sealed = caller.call("GenerateDataKey", KeyId=caller.key_id, KeySpec="AES_256")
        plaintext = b"" if sealed is None else base64.b64decode(sealed.json["Plaintext"])
    if sealed is None:
        time.sleep(0.002)  # clients pause after a failure, if only a moment
        return
    blob = sealed.json["CiphertextBlob"]
    opened = caller.call("Decrypt", CiphertextBlob=blob)
    if opened is not None and base64.b64decode(opened.json["Plaintext"]) != plaintext:
        raise WrongAnswer("Decrypt gave another plaintext")
    # Now and then what must be refused, which a failing server must never take for good.
    if len(caller.outcomes) % 10 == 0:
        forged = bytearray(base64.b64decode(blob))
        forged[-1] ^= 1
        refused = caller.ask("Decrypt", CiphertextBlob=base64.b64encode(forged).decode())
        if refused is not None and (refused.status, refused.json["__type"]) not in (
            (400, "InvalidCiphertextException"),
            (SERVER_FAILURE, "KMSInternalException"),
        ):
            raise WrongAnswer(f"a forged ciphertext was answered {refused.status}")


@dataclass
class Load:
    """Callers at work."""

    callers: list[Caller]
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for caller in self.callers for outcome in caller.outcomes]

    @property
    def faults(self) -> list[str]:
        return [fault for caller in self.callers for fault in caller.faults]

    def stop(self) -> None:
        """Let every caller finish its call. A caller that does not is a fault."""
        self.stopping.set()
        for caller in self.callers:
            caller.join(CLIENT_TIMEOUT_SECONDS + 5)
            if caller.is_alive():
                caller.faults.append("the caller hung")


@contextlib.contextmanager
def load_on(server: Server, connections: int = 8, work: Work = round_trip) -> Iterator[Load]:
    """Keep a server busy for as long as the context lasts.

    Without the garbage collector: going through the outcomes that pile up takes it 90 ms, in which all
    connections wait, and the server would be blamed.
    """
    stopping = threading.Event()
    with KmsConnection(server.port) as first:
        callers = [Caller(server, work, stopping, first.create_key()) for _ in range(connections)]
    load = Load(callers, stopping)
    gc.disable()
    for caller in callers:
        caller.start()
    try:
        yield load
    finally:
        load.stop()
        gc.enable()


def first_success_seconds(load: Load, after: float) -> float:
    """From `after` to the first answer 200 of a call that began later, over all connections."""
    return min((_first_success(caller, after) for caller in load.callers), default=float("inf")) - after


def all_served_again_seconds(load: Load, after: float) -> float:
    """From `after` until the slowest connection has had its first success."""
    return max(_first_success(caller, after) for caller in load.callers) - after


def _first_success(caller: Caller, after: float) -> float:
    """When it ended; a connection's calls follow one another."""
    begin = bisect_left(caller.outcomes, after, key=lambda outcome: outcome.started_at)
    for outcome in itertools.islice(caller.outcomes, begin, None):
        if outcome.status == 200:
            return outcome.ended_at
    return float("inf")


def serving_process(server: Server, kind: str) -> int:
    """The process id of the boundary (or another kind) that serves: a spare one has begun later."""
    deadline = time.monotonic() + 10
    while True:
        pids = [pid for title, found in server.processes().items() if kind in title for pid in found]
        if pids or time.monotonic() > deadline:
            return min(pids, key=_started_at)
        time.sleep(0.01)  # one that has just begun has no title yet


def _started_at(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])


def wait_until_served(server: Server, seconds: float) -> float:
    """How long it takes until a call succeeds. Raises TimeoutError after `seconds`."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        with (
            contextlib.suppress(OSError, RuntimeError, socket.timeout),
            KmsConnection(server.port, 5.0) as one,
        ):
            if one.call("GenerateRandom", NumberOfBytes=8).status == 200:
                return time.monotonic() - begun
        time.sleep(0.01)
    raise TimeoutError(f"not served again within {seconds} s")


def render_milliseconds(seconds: Sequence[float]) -> str:
    """Median and maximum, for the figures that a fault test prints."""
    if not seconds:
        return "none"
    return f"{statistics.median(seconds) * 1000:.1f} ms (median), {max(seconds) * 1000:.0f} ms (most)"
