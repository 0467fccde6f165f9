"""The proxy's HTTP front over real TLS: methods, refusals in the API's words, and clients' certificates."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop
from tests.support.certificates import Authority

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.http_front import HttpFront
from strongroom.wire.tls import TlsFiles
from strongroom.xks_proxy.front import BODY_BYTES_MAX, build_proxy_front, is_client_named

HOST = "localhost"
NAME = "cks.kms.eu-central-1.amazonaws.com"


class Front:
    """Serves until the context ends. The service tells the path and the length of what it was sent."""

    def __init__(self, tls: TlsFiles, client_names: tuple[str, ...] = ()) -> None:
        self.asked = 0
        self.is_well = True
        self._tls, self._client_names = tls, client_names
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._front: HttpFront | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _answer(self, request: HttpRequest) -> Answer:
        self.asked += 1
        if request.body == b"fault":
            raise RuntimeError("planted")
        told = {"target": request.target.decode(), "bytes": len(request.body)}
        return Answer(200, b"application/json", json.dumps(told).encode(), "request-1")

    async def _is_ready(self) -> bool:
        return self.is_well

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._front = build_proxy_front(
            self._answer,
            self._is_ready,
            self._tls,
            client_names=self._client_names,
            connections_max=10,
            on_ready=self._ready.set,
        )
        await self._front.serve([self._listener])

    @contextmanager
    def running(self) -> Iterator[Front]:
        self._thread.start()
        assert self._ready.wait(10)
        yield self
        assert self._loop is not None
        assert self._front is not None
        self._loop.call_soon_threadsafe(self._front.stop)
        self._thread.join(10)
        assert not self._thread.is_alive()


def client_tls(authority: Authority, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    if shown is not None:
        context.load_cert_chain(*shown)
    return context


def ask(
    front: Front,
    tls: ssl.SSLContext,
    method: str = "POST",
    path: str = "/tenant-1/kms/xks/v1/health",
    body: bytes | None = b"{}",
) -> tuple[int, dict[str, object], http.client.HTTPMessage]:
    connection = http.client.HTTPSConnection(HOST, front.port, timeout=10, context=tls)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else {}, response.headers
    finally:
        connection.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def front(authority: Authority) -> Iterator[Front]:
    with Front(TlsFiles(*authority.issue(HOST))).running() as front:
        yield front


def test_every_post_is_the_services_and_no_other_method_is(front: Front, authority: Authority) -> None:
    tls = client_tls(authority)
    for path in ("/", "/tenant-1/kms/xks/v1/keys/foo/encrypt", "/healthz", "/a?b=c"):
        status, told, headers = ask(front, tls, path=path)
        assert (status, told) == (200, {"target": path, "bytes": 2})
        assert headers["content-type"] == "application/json"
    assert front.asked == 4
    for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
        status, _, headers = ask(front, tls, method, body=None)
        assert (status, headers["allow"]) == (405, "POST")
    assert front.asked == 4


def test_load_balancers_get_their_health(front: Front, authority: Authority) -> None:
    tls = client_tls(authority)
    assert ask(front, tls, "GET", "/healthz", None)[0] == 200
    assert ask(front, tls, "GET", "/readyz", None)[0] == 200
    front.is_well = False
    assert ask(front, tls, "GET", "/readyz", None)[0] == 503
    assert ask(front, tls, "GET", "/healthz", None)[0] == 200


def test_refusals_of_the_front_are_errors_of_the_api(front: Front, authority: Authority) -> None:
    tls = client_tls(authority)
    assert ask(front, tls, body=bytes(BODY_BYTES_MAX))[0] == 200
    status, told, _ = ask(front, tls, body=bytes(BODY_BYTES_MAX + 1))
    assert (status, told["errorName"]) == (501, "UnsupportedOperationException")
    status, told, _ = ask(front, tls, body=b"fault")
    assert (status, told["errorName"]) == (500, "InternalException")
    assert "planted" not in str(told)
    raw = tls.wrap_socket(socket.create_connection(("127.0.0.1", front.port), 10), server_hostname=HOST)
    with raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n")
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"errorName":"ValidationException"' in answer


def test_client_of_the_right_authority_and_name_is_served_and_no_other(
    tmp_path: Path, authority: Authority
) -> None:
    clients = Authority(tmp_path, "clients")
    files = TlsFiles(*authority.issue(HOST), clients.ca_file)
    with Front(files, (NAME,)).running() as front:
        assert ask(front, client_tls(authority, clients.issue(NAME)))[0] == 200
        asked = front.asked
        refused = {
            "no certificate": None,
            "another name": clients.issue("cks.kms.us-east-1.amazonaws.com"),
            "another authority": authority.issue(NAME),
            "expired": Authority(tmp_path, "clients-old").issue(NAME, days=-1),
        }
        for shown in refused.values():
            with pytest.raises((OSError, http.client.HTTPException)):  # also ssl.SSLError
                ask(front, client_tls(authority, shown))
        assert front.asked == asked  # INVARIANT K4


@pytest.mark.parametrize(
    ("subject", "named"),
    [
        (((("commonName", NAME),),), True),
        (((("organizationName", "x"),), (("commonName", NAME),)), True),
        (((("commonName", NAME.upper()),),), False),
        (((("organizationName", NAME),),), False),
        (((("commonName", "a"),), (("commonName", NAME),)), False),  # which of two would be the name?
        (((("commonName", NAME), ("commonName", NAME)),), False),
        ((), False),
    ],
)
def test_common_name_of_a_subject_decides(subject: object, named: bool) -> None:
    assert is_client_named({"subject": subject}, (NAME,)) is named
    assert not is_client_named({}, (NAME,))
