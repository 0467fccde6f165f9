from __future__ import annotations

import email.utils
import time

import pytest
from tests.support.http_front import HeldService, RunningFront, echo, render_request

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.http_response import render_response


def test_post_root_a_sound_request_is_answered_with_aws_fields() -> None:
    with RunningFront() as front, front.connect() as client:
        response = client.ask(
            render_request(b'{"KeyId":"x"}', fields=[b"X-Amz-Target:  TrentService.Encrypt \t"])
        )
    assert response.status == 200
    assert response.fields["x-amzn-requestid"] == "echo-request-id"
    assert response.fields["content-type"] == "application/x-amz-json-1.1"
    assert set(response.fields) == {"x-amzn-requestid", "content-type", "content-length", "date"}
    told = email.utils.parsedate_to_datetime(response.fields["date"]).timestamp()
    assert abs(told - time.time()) < 3
    seen = response.json
    assert (seen["method"], seen["target"], seen["body"]) == ("POST", "/", '{"KeyId":"x"}')
    assert (seen["source_ip"], seen["secure"]) == ("127.0.0.1", False)
    assert ["x-amz-target", "TrentService.Encrypt"] in seen["headers"]
    assert [name for name, _ in seen["headers"]] == ["host", "x-amz-target", "content-length"]


def test_render_response_spells_fields_as_aws_does() -> None:
    """MongoDB's libmongocrypt finds no body behind a `content-length`."""
    answer = Answer(200, b"application/x-amz-json-1.1", b"{}", "1234")
    assert render_response(answer, b"Date: now\r\n", keep_alive=False).split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"x-amzn-RequestId: 1234",
        b"Content-Type: application/x-amz-json-1.1",
        b"Content-Length: 2",
        b"Date: now",
        b"Connection: close",
        b"",
        b"{}",
    ]


def test_post_root_a_presigned_query_reaches_the_service_undecoded() -> None:
    target = b"/?X-Amz-Credential=AKIA%2F20260101&a=%41+b"
    with RunningFront() as front, front.connect() as client:
        assert client.ask(render_request(target=target)).json["target"] == target.decode()


@pytest.mark.parametrize(
    ("target", "seen"),
    [(b"http://kms.test:1/?a=b", "/?a=b"), (b"HTTPS://kms", "/"), (b"http://h/", "/")],
)
def test_post_root_in_absolute_form_reaches_the_service_in_origin_form(target: bytes, seen: str) -> None:
    with RunningFront() as front, front.connect() as client:
        assert client.ask(render_request(target=target)).json["target"] == seen


def test_keep_alive_many_requests_use_one_connection() -> None:
    with RunningFront() as front, front.connect() as client:
        for number in range(50):
            assert client.ask(render_request(b"%d" % number)).json["body"] == str(number)


def test_every_byte_boundary_the_same_request_gets_the_same_answer() -> None:
    body = b'{"a":1}'
    sized = render_request(body, fields=[b"X-Amz-Target: T.Op"])
    chunked = b"POST /?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b'4;x=y\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n'
    with RunningFront() as front:
        for request in (sized, chunked):
            with front.connect() as client:
                whole = client.ask(request).body
                assert client.ask(request).body == whole
                for cut in range(1, len(request)):
                    client.send(request[:cut])
                    client.send(request[cut:])
                    assert client.receive().body == whole
                for at in range(len(request)):
                    client.send(request[at : at + 1])
                assert client.receive().body == whole


def test_pipelined_requests_are_answered_in_order_and_run_one_after_the_other() -> None:
    """INVARIANT H3."""
    service = HeldService()
    with RunningFront(service) as front, front.connect() as client:
        client.send(render_request(b"one") + render_request(b"two") + render_request(b"three"))
        for body in (b"one", b"two", b"three"):
            service.wait_for_request()
            assert service.started[-1] == body
            assert client.is_silent(0.05)
            service.release(body)
            assert client.receive().body == b"answer to " + body
        assert service.started == [b"one", b"two", b"three"]
        client.send(render_request(b"four"))  # reading has been resumed
        service.wait_for_request()
        service.release(b"four")
        assert client.receive().body == b"answer to four"


def test_pipelined_requests_to_lane_and_app_are_answered_in_order() -> None:
    service = HeldService()
    with RunningFront(service) as front, front.connect() as client:
        get = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
        client.send(get + render_request(b"one") + get + get + render_request(b"two"))
        assert client.receive().body == b"ok\n"
        service.wait_for_request()
        assert client.is_silent(0.05)
        service.release(b"one")
        assert [client.receive().body for _ in range(3)] == [b"answer to one", b"ok\n", b"ok\n"]
        service.wait_for_request()
        service.release(b"two")
        assert client.receive().body == b"answer to two"


def test_pipelined_thousands_at_once_are_all_answered_in_order() -> None:
    count = 3000
    with RunningFront() as front, front.connect() as client:
        client.send(b"".join(render_request(b"%d" % number) for number in range(count)))
        for number in range(count):
            assert client.receive().json["body"] == str(number)


def test_pipelined_malformed_second_request_first_is_answered_then_400_and_close() -> None:
    service = HeldService()
    with RunningFront(service) as front, front.connect() as client:
        client.send(render_request(b"one") + b"BREW / HTTP/1.1\r\n\r\n")
        service.wait_for_request()
        service.release(b"one")
        first = client.receive()
        assert (first.status, first.body) == (200, b"answer to one")
        assert client.receive().status == 400
        assert client.is_closed_by_server()


def test_connection_close_is_honoured_and_nothing_after_it_is_served() -> None:
    service = HeldService()
    with RunningFront(service) as front, front.connect() as client:
        client.send(render_request(b"one", fields=[b"Connection: close"]) + render_request(b"two"))
        service.wait_for_request()
        service.release(b"one")
        response = client.receive()
        assert response.fields["connection"] == "close"
        assert client.is_closed_by_server()
        assert service.started == [b"one"]


@pytest.mark.parametrize("field", [b"", b"Connection: keep-alive\r\n", b"Host: h\r\n"])
def test_http_1_0_is_answered_and_closed(field: bytes) -> None:
    with RunningFront() as front, front.connect() as client:
        response = client.ask(b"POST / HTTP/1.0\r\n" + field + b"Content-Length: 2\r\n\r\n{}")
        assert (response.status, response.fields["connection"]) == (200, "close")
        assert client.is_closed_by_server()


def test_explicit_keep_alive_of_http_1_1_stays_open() -> None:
    with RunningFront() as front, front.connect() as client:
        for _ in range(2):
            response = client.ask(render_request(fields=[b"Connection: keep-alive"]))
            assert "connection" not in response.fields


def test_expect_100_continue_body_is_asked_for_once() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n"
    with RunningFront() as front, front.connect() as client:
        for _ in range(2):
            assert client.ask(head).status == 100
            assert client.ask(b"body").json["body"] == "body"
        assert client.ask(head + b"body").json["body"] == "body"  # it did not wait: no 100 is due


def test_expect_100_continue_behind_another_request_waits_for_its_turn() -> None:
    service = HeldService()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with RunningFront(service) as front, front.connect() as client:
        client.send(render_request(b"one"))
        service.wait_for_request()
        client.send(head)
        assert client.is_silent(0.05)
        service.release(b"one")
        assert client.receive().body == b"answer to one"
        assert client.receive().status == 100
        client.send(b"two")
        service.wait_for_request()
        service.release(b"two")
        assert client.receive().body == b"answer to two"


def test_service_that_fails_answers_500_and_tells_nothing_of_the_request() -> None:
    """INVARIANT H4."""

    async def failing(request: HttpRequest) -> Answer:
        raise LookupError("secret " + request.body.decode())

    with RunningFront(failing, faults_expected=True) as front, front.connect() as client:
        for _ in range(2):
            response = client.ask(render_request(b"plaintext"))
            assert response.status == 500
            assert response.json["__type"] == "KMSInternalException"
            assert "plaintext" not in response.body.decode()
            assert response.fields["x-amzn-requestid"]
    assert front.faults == ["A request failed inside the service: LookupError"] * 2


@pytest.mark.parametrize("answer", [Answer(999, b"a/b", b"", "id"), None, Answer(200, b"a/b", b"", 5)])  # type: ignore[arg-type]
def test_service_that_answers_nonsense_is_500(answer: Answer) -> None:
    async def nonsense(request: HttpRequest) -> Answer:
        return answer

    with RunningFront(nonsense, faults_expected=True) as front, front.connect() as client:
        assert client.ask(render_request()).status == 500
        assert client.ask(render_request()).status == 500


def test_service_that_is_no_coroutine_function_is_500() -> None:
    def broken(request: HttpRequest) -> Answer:
        raise ValueError

    with RunningFront(broken, faults_expected=True) as front, front.connect() as client:  # type: ignore[arg-type]
        assert client.ask(render_request()).status == 500


def test_large_body_and_answer_pass_whole() -> None:
    body = b"x" * 500_000
    with RunningFront(echo) as front, front.connect() as client:
        assert client.ask(render_request(body)).json["body"] == body.decode()


def test_leading_blank_lines_before_a_request_are_ignored() -> None:
    with RunningFront() as front, front.connect() as client:
        assert client.ask(b"\r\n\r\n" + render_request()).status == 200
