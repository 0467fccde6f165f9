"""Arbitrary bytes, split anywhere: never a traceback, never a hang, never a broken neighbour."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.http_front import RunningFront, render_request

from strongroom.wire.limits import Limits

LIMITS = Limits(
    body_bytes_max=2000,
    header_bytes_max=1000,
    header_count_max=12,
    request_seconds_max=0.3,
    keep_alive_seconds=0.3,
)

PIECES = st.sampled_from(
    [
        b"POST / HTTP/1.1\r\n",
        b"POST /?q HTTP/1.1\r\n",
        b"GET /healthz HTTP/1.1\r\n",
        b"HEAD / HTTP/1.0\r\n",
        b"PUT /b/k HTTP/1.1\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"POST http:// HTTP/1.1\r\n",
        b"GET //?# HTTP/1.1\r\n",
        b"GET /%ff%zz HTTP/1.1\r\n",
        b"Host: h\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 99999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: x\r\n",
        b"Authorization: AWS4-HMAC-SHA256 x\r\n",
        b"X: \xff\t \r\n",
        b"\r\n",
        b"hello",
        b"5\r\nhello\r\n",
        b"1;e=f\r\nx\r\n",
        b"0\r\n\r\n",
        b"0\r\nTrailer: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"x" * 1500,
        b"\x16\x03\x01",
        render_request(b"{}"),
        render_request(b"{}", method=b"GET", target=b"/readyz"),
    ]
)


@pytest.fixture(scope="module")
def front() -> Iterator[RunningFront]:
    with RunningFront(limits=LIMITS) as running:
        yield running


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.one_of(PIECES, PIECES, PIECES, st.binary(max_size=30)), min_size=1, max_size=14),
    cuts=st.lists(st.integers(0, 4000), max_size=6),
    half_close=st.sampled_from([True, True, False]),
)
def test_any_bytes_end_in_answers_or_a_close_and_a_neighbour_is_served(
    front: RunningFront, pieces: list[bytes], cuts: list[int], half_close: bool
) -> None:
    """INVARIANT H1, H4. That no fault was logged is checked when the front ends."""
    stream = b"".join(pieces)
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    with front.connect() as client:
        received = b""
        try:
            for start, end in itertools.pairwise(bounds):
                client.send(stream[start:end])
            if half_close:
                client.socket.shutdown(socket.SHUT_WR)
            while data := client.socket.recv(65536):  # ends: every time-out of LIMITS is short
                received += data
        except TimeoutError:  # a hang
            raise
        except OSError:
            pass
        assert received == b"" or received.startswith(b"HTTP/1.1 ")
        with front.connect() as neighbour:
            assert neighbour.ask(render_request()).status == 200
    assert front.faults == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 4000), max_size=8),
    chunked=st.booleans(),
)
def test_sound_requests_split_anywhere_are_each_answered(
    front: RunningFront, bodies: list[bytes], cuts: list[int], chunked: bool
) -> None:
    """INVARIANT H3."""
    stream = b""
    for body in bodies:
        if chunked:
            framed = b"".join(b"1\r\n%b\r\n" % body[at : at + 1] for at in range(len(body))) + b"0\r\n\r\n"
            stream += b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + framed
        else:
            stream += render_request(body)
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    with front.connect() as client:
        for start, end in itertools.pairwise(bounds):
            client.send(stream[start:end])
        for body in bodies:
            assert client.receive().json["body"] == body.decode("latin-1")
