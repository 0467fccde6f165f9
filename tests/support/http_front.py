"""A real HTTP front on a free loopback port, in a thread with a uvloop of its own, and a raw client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import uvloop

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.reply import Reply
from strongroom.wire.app import DevelopmentControls, build_app
from strongroom.wire.front_desk import Service
from strongroom.wire.http_front import HttpFront
from strongroom.wire.limits import Limits
from strongroom.wire.tls import TlsFiles

CONTENT_TYPE = b"application/x-amz-json-1.1"


def render_request(
    body: bytes = b"{}", *, target: bytes = b"/", method: bytes = b"POST", fields: Sequence[bytes] = ()
) -> bytes:
    """A sound request with a Content-Length."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: localhost", *fields]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def echo(request: HttpRequest) -> Answer:
    """Tells what arrived."""
    seen = {
        "method": request.method,
        "target": request.target.decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers],
        "body": request.body.decode("latin-1"),
        "source_ip": request.source_ip,
        "secure": request.secure,
    }
    return Answer(200, CONTENT_TYPE, json.dumps(seen).encode(), "echo-request-id")


def refuse_other(request: HttpRequest) -> Answer:
    """Stands for the answer to another service's call; its body tells which."""
    return Answer(400, b"text/xml", b"<Other>%b</Other>" % request.target, "other-request-id")


async def refuse_presigned(request: HttpRequest) -> Answer:
    """Stands for the answer to a GET of the root that carries a signature."""
    return refuse_other(request)


async def always_ready() -> bool:
    return True


class HeldService:
    """A service that answers only when the test says so."""

    def __init__(self) -> None:
        self.started: list[bytes] = []
        self.finished: list[bytes] = []
        self._arrived = threading.Semaphore(0)
        self._held: dict[bytes, Reply[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, request: HttpRequest) -> Answer:
        self._loop = asyncio.get_running_loop()
        reply: Reply[None] = Reply(self._loop)
        self._held[request.body] = reply
        self.started.append(request.body)
        self._arrived.release()
        await reply
        self.finished.append(request.body)
        return Answer(200, CONTENT_TYPE, b"answer to " + request.body, "held-request-id")

    def wait_for_request(self) -> None:
        assert self._arrived.acquire(timeout=5), "the request never reached the service"

    def release(self, body: bytes) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._held.pop(body).resolve, None)


class RunningFront:
    """A front serving until the context ends; then any fault that loop or log has seen fails the test."""

    def __init__(
        self,
        service: Service = echo,
        limits: Limits | None = None,
        *,
        tls: TlsFiles | None = None,
        controls: DevelopmentControls | None = None,
        is_ready: Callable[[], Any] = always_ready,
        other: Callable[[HttpRequest], Answer] = refuse_other,
        faults_expected: bool = False,
    ) -> None:
        self._service = service
        self._limits = limits or Limits()
        self._tls = tls
        self._app = build_app(is_ready=is_ready, other=other, presigned=refuse_presigned, controls=controls)
        self._faults_expected = faults_expected
        self.faults: list[str] = []
        self.front: HttpFront | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.signals_before: object = None
        self._ready = threading.Event()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(lambda _, context: self.faults.append(str(context)))
            with contextlib.suppress(asyncio.CancelledError):
                runner.run(self._serve())

    async def _serve(self) -> None:
        self.front = HttpFront(
            self._service, self._app, self._limits, tls=self._tls, on_ready=self._ready.set
        )
        await self.front.serve([self._listener])

    def __enter__(self) -> Self:
        self._log = _FaultLog(self.faults)
        for name in ("strongroom.wire", "uvicorn.error", "asyncio"):
            logging.getLogger(name).addHandler(self._log)
        self._thread.start()
        assert self._ready.wait(5), "the front did not get ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.join(15)
        for name in ("strongroom.wire", "uvicorn.error", "asyncio"):
            logging.getLogger(name).removeHandler(self._log)
        if kind is None and not self._faults_expected:
            assert self.faults == [], self.faults

    def stop(self) -> None:
        """Begin a graceful stop."""
        if self.loop is not None and self.front is not None and self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.front.stop)

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)
        assert not self._thread.is_alive(), "the front did not stop"

    def connect(self, tls: ssl.SSLContext | None = None) -> RawClient:
        return RawClient(self.port, tls)


class _FaultLog(logging.Handler):
    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults.append(self.format(record))


class Response:
    """One response as received. Field names are in lower case."""

    def __init__(self, status: int, fields: dict[str, str], body: bytes) -> None:
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """A socket that says exactly what the test says; a context manager."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> None:
        """`session`: of an earlier connection, to be resumed."""
        raw = socket.create_connection(("127.0.0.1", port), timeout=5)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = (
            raw if tls is None else tls.wrap_socket(raw, server_hostname="127.0.0.1", session=session)
        )
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, *, bodiless: bool = False) -> Response:
        """The next response. Raises: ConnectionError when there is none, TimeoutError."""
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            assert name.lower() not in fields
            fields[name.lower()] = value
        length = 0 if bodiless else int(fields.get("content-length", "0"))
        while len(self._buffer) < length:
            self._read()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Response(int(lines[0].split(" ")[1]), fields, body)

    def ask(self, data: bytes) -> Response:
        self.send(data)
        return self.receive()

    def is_closed_by_server(self) -> bool:
        """Whether the server ends the connection, without another byte, within the time-out."""
        assert self._buffer == b"", self._buffer
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for a while, the connection staying open."""
        self.socket.settimeout(seconds)
        try:
            self._read()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)
        return False

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed by the server")
        self._buffer += data


def reset(client: RawClient) -> None:
    """Leave with a TCP reset instead of a goodbye."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
