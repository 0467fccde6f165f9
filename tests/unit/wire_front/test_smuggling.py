"""INVARIANT H2: what two servers could read differently is refused, and nothing after it is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.http_front import RunningFront, echo

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
LENGTH_3 = HEAD + b"Content-Length: 3\r\n"
CHUNKED_LINE = b"Transfer-Encoding: chunked\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SECOND = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled"

REFUSED = {
    "content-length and transfer-encoding": HEAD
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding and content-length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "content-length twice": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "content-length list": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "content-length signed": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "content-length negative": HEAD + b"Content-Length: -3\r\n\r\nabc",
    "content-length hexadecimal": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "content-length empty": HEAD + b"Content-Length:\r\n\r\nabc",
    "content-length overflow": HEAD + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "blank before colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "folded line": HEAD + b"X: a\r\n b\r\n\r\n",
    "folded line by tab": HEAD + b"X: a\r\n\tb\r\n\r\n",
    "folded transfer-encoding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "first line folded": b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
    "gzip before chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity then chunked": HEAD
    + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "almost chunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with parameter": HEAD + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "transfer-encoding empty": HEAD + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"POST / HTTP/1.1\nHost: a\n\n",
    "bare line feed in head": b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 3\r\n\r\nabc",
    "bare carriage return": b"POST / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "null byte": HEAD + b"X: a\0b\r\n\r\n",
    "name with blank": HEAD + b"X Y: 1\r\n\r\n",
    "no name": HEAD + b": x\r\n\r\n",
    "no colon": HEAD + b"foo\r\n\r\n",
    "chunk size with line feed": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "chunk size with blank": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk size signed": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size prefixed": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size overflow": CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "chunk without end": CHUNKED + b"3\r\nabc0\r\n\r\n",
    "trailer field": CHUNKED + b"3\r\nabc\r\n0\r\nX-Amz-Target: T.Other\r\n\r\n",
    "host missing": b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    "host twice": HEAD + b"Host: b\r\n\r\n",
    "authorization twice": HEAD + b"Authorization: a\r\nauthorization: b\r\n\r\n",
    "target twice": HEAD + b"X-Amz-Target: a\r\nX-Amz-Target: b\r\n\r\n",
    "security token twice": HEAD + b"X-Amz-Security-Token: a\r\nX-Amz-Security-Token: a\r\n\r\n",
    "upgrade with body": HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 57\r\n\r\n" + SECOND,
    "websocket": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "tunnel": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0": b"POST / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"POST / HTTP/0.9\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"POST / HTTP/1.2\r\nHost: a\r\n\r\n",
    "blank in target": b"POST / x HTTP/1.1\r\nHost: a\r\n\r\n",
    "byte over 127 in target": b"POST /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case method": b"post / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


class Recorder:
    """Remembers what was served."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, request: HttpRequest) -> Answer:
        self.bodies.append(request.body)
        return await echo(request)


RECORDER = Recorder()


@pytest.fixture(scope="module")
def front() -> Iterator[RunningFront]:
    with RunningFront(RECORDER) as running:
        yield running


@pytest.mark.parametrize("follower", [b"", SECOND], ids=["alone", "followed"])
@pytest.mark.parametrize("pieces", [1, 0], ids=["bytewise", "whole"])
@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED.keys())
def test_ambiguous_request_is_refused_and_nothing_after_it_is_served(
    front: RunningFront, request_bytes: bytes, pieces: int, follower: bytes
) -> None:
    """INVARIANT H2."""
    RECORDER.bodies.clear()
    sent = request_bytes + follower
    with front.connect() as client:
        for at in range(0, len(sent), pieces or len(sent)):
            client.send(sent[at : at + (pieces or len(sent))])
        response = client.receive()
        assert response.status in (400, 501, 505)
        assert response.fields["connection"] == "close"
        assert response.fields["content-type"] == "application/x-amz-json-1.1"
        assert response.json["__type"] in ("BadRequest", "NotImplemented", "HttpVersionNotSupported")
        assert client.is_closed_by_server()
    assert RECORDER.bodies == []


@pytest.mark.parametrize("field", [b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED "])
def test_chunked_request_alone_is_taken(front: RunningFront, field: bytes) -> None:
    with front.connect() as client:
        request = HEAD + field + b"\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"
        for _ in range(2):
            assert client.ask(request).json["body"] == "abc0123456789"


def test_upgrade_field_without_connection_field_is_an_ordinary_request(front: RunningFront) -> None:
    with front.connect() as client:
        assert client.ask(HEAD + b"Upgrade: h2c\r\nContent-Length: 3\r\n\r\nabc").json["body"] == "abc"
