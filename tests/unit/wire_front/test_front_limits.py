from __future__ import annotations

import time

import pytest
from tests.support.http_front import (
    CONTENT_TYPE,
    HeldService,
    RawClient,
    RunningFront,
    echo,
    render_request,
    reset,
)
from tests.support.strength import promised

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.fast_lane import connections_of
from strongroom.wire.limits import Limits

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
SHORT = Limits(request_seconds_max=0.4, keep_alive_seconds=0.8)


@pytest.mark.parametrize("field", ["body_bytes_max", "connections_max", "request_seconds_max"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_limits_that_are_no_bound_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Limits(**{field: value})  # type: ignore[arg-type]


def test_default_limits_pass_the_largest_legal_request() -> None:
    attestation_document_base64 = 4 * 262_144 // 3
    escaped_policy = 6 * 32_768
    assert Limits().body_bytes_max > 1.4 * max(attestation_document_base64, escaped_policy)


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 1001\r\n\r\n",
        HEAD + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        HEAD + b"Content-Length: 999999999999999\r\n\r\n",
        HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3E9\r\n" + b"x" * 1001,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"64\r\n%b\r\n" % (b"x" * 100) * 11,
        b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
    ],
)
def test_body_over_the_limit_is_413_and_closed(request_bytes: bytes) -> None:
    """INVARIANT H1."""
    with RunningFront(limits=Limits(body_bytes_max=1000)) as front, front.connect() as client:
        response = client.ask(request_bytes)
        assert (response.status, response.json["__type"]) == (413, "RequestEntityTooLarge")
        assert client.is_closed_by_server()


def test_body_at_the_limit_is_taken() -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"
    with RunningFront(limits=Limits(body_bytes_max=1000)) as front, front.connect() as client:
        assert client.ask(render_request(b"x" * 1000)).status == 200
        assert client.ask(chunked).json["body"] == "x" * 1000
        for at in range(len(chunked)):
            client.send(chunked[at : at + 1])
        assert client.receive().json["body"] == "x" * 1000


def test_body_over_the_limit_still_being_sent_client_reads_the_answer() -> None:
    with RunningFront(limits=Limits(body_bytes_max=1000)) as front, front.connect() as client:
        client.send(HEAD + b"Content-Length: 50000000\r\n\r\n")
        client.send(b"x" * 5_000_000)  # a reset here would lose the answer
        assert client.receive().status == 413


def test_head_in_too_many_fields_is_431() -> None:
    """INVARIANT H1."""
    with RunningFront(limits=Limits(header_count_max=20)) as front:
        with front.connect() as client:
            assert client.ask(render_request(fields=[b"A: b"] * 18)).status == 200
            assert client.ask(render_request(fields=[b"A: b"] * 19)).status == 431
            assert client.is_closed_by_server()
        with front.connect() as client:
            assert client.ask(render_request(fields=[b"A%d: b" % n for n in range(19)])).status == 431


@pytest.mark.parametrize("piece_bytes", [100_000, 700, 1])
@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"X: " + b"x" * 5000 + b"\r\n\r\n",
        HEAD + b"X: " + b"x" * 50_000,
        HEAD + b"X" * 50_000,
        b"POST /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /" + b"x" * 50_000,
        HEAD + b"A: b\r\n" * 1000,
    ],
)
def test_head_over_the_limit_is_431(request_bytes: bytes, piece_bytes: int) -> None:
    """INVARIANT H1."""
    limits = Limits(header_bytes_max=2000, header_count_max=100_000)
    with RunningFront(limits=limits) as front, front.connect() as client:
        try:
            for at in range(0, len(request_bytes), piece_bytes):
                client.send(request_bytes[at : at + piece_bytes])
        except OSError:  # it has been refused and closed meanwhile
            pass
        response = client.receive()
        assert (response.status, response.json["__type"]) == (431, "RequestHeaderFieldsTooLarge")


def test_head_at_the_limit_behind_a_pipelined_request_is_taken() -> None:
    limits = Limits(header_bytes_max=2000)
    with RunningFront(limits=limits) as front, front.connect() as client:
        large = render_request(fields=[b"X: " + b"x" * 1900])
        client.send(render_request() + large[:1500])
        client.receive()
        assert client.ask(large[1500:]).status == 200


@pytest.mark.parametrize(
    "rest",
    [b"1;" + b"x" * 100_000, b"1;x\r\nx\r\n" + b"1;" + b"y" * 100_000, b"0\r\nX: " + b"x" * 100_000],
)
def test_chunk_extensions_and_trailers_without_end_are_refused(rest: bytes) -> None:
    """INVARIANT H1."""
    with RunningFront(limits=Limits(header_bytes_max=2000)) as front, front.connect() as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(rest), 1000):
            client.send(rest[at : at + 1000])
        assert client.receive().status == 400


@pytest.mark.parametrize(
    "start",
    [b"P", HEAD, HEAD + b"Content-Length: 5\r\n\r\nab", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5"],
)
def test_request_that_does_not_get_on_is_408(start: bytes) -> None:
    with RunningFront(limits=SHORT) as front, front.connect() as client:
        began = time.monotonic()
        response = client.ask(start)
        assert (response.status, response.json["__type"]) == (408, "RequestTimeout")
        assert 0.2 < time.monotonic() - began < promised(2.0, among_others=10.0)
        assert client.is_closed_by_server()


def is_ended_while_trickling(client: RawClient, byte: bytes, count: int) -> bool:
    """Whether the server ends the connection while bytes come one by one."""
    try:
        for _ in range(count):
            client.send(byte)
            time.sleep(0.05)
    except OSError:
        return True
    return False


@pytest.mark.parametrize("start", [HEAD + b"X: ", HEAD + b"Content-Length: 500\r\n\r\n"])
def test_request_that_trickles_is_408(start: bytes) -> None:
    with RunningFront(limits=SHORT) as front, front.connect() as client:
        client.send(start)
        # Whether the 408 can still be read depends on the race with our last byte; the end does not.
        assert is_ended_while_trickling(client, b"x", 100)


def test_idle_connection_is_closed_without_a_word_and_blank_lines_do_not_count() -> None:
    with RunningFront(limits=SHORT) as front, front.connect() as quiet, front.connect() as blank:
        began = time.monotonic()
        with front.connect() as busy:
            while time.monotonic() - began < 1.6:  # twice the time-out
                assert busy.ask(render_request()).status == 200
                time.sleep(0.1)
        assert quiet.is_closed_by_server()
        assert is_ended_while_trickling(blank, b"\r\n", 20)


def test_long_request_is_not_cut_by_any_deadline() -> None:
    service = HeldService()
    with RunningFront(service, SHORT) as front, front.connect() as client:
        client.send(render_request(b"long"))
        service.wait_for_request()
        client.send(HEAD)  # the next one waits its turn: no deadline of its own yet
        assert client.is_silent(1.5)
        service.release(b"long")
        assert client.receive().body == b"answer to long"
        assert client.receive().status == 408


def test_connections_over_the_limit_get_503_and_others_are_served_on() -> None:
    """INVARIANT H1."""
    with RunningFront(limits=Limits(connections_max=2)) as front:
        with front.connect() as one, front.connect() as two:
            assert one.ask(render_request()).status == two.ask(render_request()).status == 200
            with front.connect() as three:
                response = three.receive()
                assert (response.status, response.json["__type"]) == (503, "ServiceUnavailable")
                assert three.is_closed_by_server()
            assert one.ask(render_request()).status == two.ask(render_request()).status == 200
        deadline = time.monotonic() + 30
        while True:
            with front.connect() as later:
                if later.ask(render_request()).status == 200:
                    break
            assert time.monotonic() < deadline


def test_unfinished_requests_over_the_limit_in_all_get_503() -> None:
    """INVARIANT H1."""
    limits = Limits(buffered_bytes_max=100_000)
    part = HEAD + b"Content-Length: 90000\r\n\r\n" + b"x" * 60_000
    with RunningFront(limits=limits) as front, front.connect() as one, front.connect() as two:
        one.send(part)
        assert one.is_silent(0.1)
        assert two.ask(part).status == 503
        assert one.ask(b"x" * 30_000).status == 200
        assert one.ask(render_request(b"x" * 90_000)).status == 200
        assert front.front is not None
        assert front.front._desk.buffered_bytes == 0


def test_client_that_does_not_read_stops_being_read_and_is_ended() -> None:
    """INVARIANT H1: answers that are not taken do not pile up."""
    served = 0

    async def large(request: HttpRequest) -> Answer:
        nonlocal served
        served += 1
        return Answer(200, CONTENT_TYPE, b"x" * 1_000_000, "large")

    with RunningFront(large, SHORT) as front, front.connect() as client:
        client.socket.settimeout(2)
        with pytest.raises(OSError):  # noqa: PT012
            for _ in range(2000):
                client.send(render_request() * 10)
                time.sleep(0.002)
            client.send(render_request() * 100_000)
        assert served < 40


def test_client_that_reads_slowly_gets_all_answers() -> None:
    async def large(request: HttpRequest) -> Answer:
        return Answer(200, CONTENT_TYPE, request.body * 300_000, "large")

    with RunningFront(large) as front, front.connect() as client:
        client.send(b"".join(render_request(b"%d" % (n % 10)) for n in range(40)))
        for number in range(40):
            time.sleep(0.005)
            assert client.receive().body == b"%d" % (number % 10) * 300_000


def test_requests_piled_up_behind_a_long_one_are_not_read_until_their_turn() -> None:
    """INVARIANT H1: what waits in the queue is bounded."""
    service = HeldService()

    async def hold_the_first(request: HttpRequest) -> Answer:
        return await (service(request) if request.body == b"long" else echo(request))

    with RunningFront(hold_the_first) as front, front.connect() as client:
        client.send(render_request(b"long"))
        service.wait_for_request()
        requests = render_request(b"x" * 500) * 1000
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.send(requests * 100)  # more than the kernel's buffers hold
        assert front.front is not None
        (connection,) = connections_of(front.front.server_state)
        assert len(connection._queue) < 100
        assert len(connection._unparsed) < 1_000_000
        reset(client)
        service.release(b"long")
