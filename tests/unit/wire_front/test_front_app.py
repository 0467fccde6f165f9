from __future__ import annotations

import pytest
from tests.support.http_front import RunningFront, render_request

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer

SIGNED = b"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/s3/aws4_request"


class Controls:
    """Development controls that remember what they were told."""

    def __init__(self) -> None:
        self.advanced_seconds: list[float] = []
        self.resets = 0

    async def advance_clock(self, seconds: float) -> float:
        if seconds < 0:
            raise ValueError("time only moves forward")
        self.advanced_seconds.append(seconds)
        return 1_700_000_000.0 + seconds

    async def reset(self) -> None:
        self.resets += 1


def clock_request(
    body: bytes = b'{"advance_seconds": 60}', fields: list[bytes] | None = None, *, host: bytes = b"localhost"
) -> bytes:
    request = render_request(body, target=b"/_strongroom/clock", fields=fields or [])
    return request.replace(b"Host: localhost", b"Host: " + host)


def test_healthz_is_ok_while_the_process_lives() -> None:
    with RunningFront() as front, front.connect() as client:
        response = client.ask(render_request(b"", method=b"GET", target=b"/healthz"))
        assert (response.status, response.body) == (200, b"ok\n")
        client.send(render_request(b"", method=b"HEAD", target=b"/healthz"))
        assert client.receive(bodiless=True).status == 200
        assert client.ask(render_request()).status == 200


def test_readyz_follows_the_check_and_a_check_that_fails_is_not_ready() -> None:
    outcomes: list[bool | Exception] = [True, False, LookupError("secret path"), True]

    async def is_ready() -> bool:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with RunningFront(is_ready=is_ready) as front, front.connect() as client:
        responses = [client.ask(render_request(b"", method=b"GET", target=b"/readyz")) for _ in range(4)]
    assert [response.status for response in responses] == [200, 503, 503, 200]
    assert b"secret" not in responses[2].body


def test_root_tells_a_human_what_this_is() -> None:
    with RunningFront() as front, front.connect() as client:
        response = client.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert response.status == 200
        assert response.fields["content-type"].startswith("text/plain")
        assert b"AWS_ENDPOINT_URL_KMS" in response.body
        assert "server" not in response.fields
        assert "date" in response.fields


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        (b"PUT", b"/bucket", [SIGNED]),
        (b"PUT", b"/bucket/", [SIGNED]),
        (b"GET", b"/", [SIGNED]),
        (b"GET", b"/bucket/a%20b?list-type=2", [SIGNED]),
        (b"GET", b"/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", []),
        (b"DELETE", b"/healthz", [SIGNED]),
        (b"POST", b"/v1/apis", []),
        (b"POST", b"/service/x", [b"X-Amz-Target: DynamoDB_20120810.ListTables"]),
        (b"PATCH", b"//double", [SIGNED]),
    ],
)
def test_other_service_call_gets_that_services_answer(
    method: bytes, target: bytes, fields: list[bytes]
) -> None:
    with RunningFront() as front, front.connect() as client:
        response = client.ask(render_request(b"body", method=method, target=target, fields=fields))
        assert (response.status, response.body) == (400, b"<Other>%b</Other>" % target)
        assert response.fields["content-type"] == "text/xml"
        assert response.fields["x-amzn-requestid"] == "other-request-id"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"GET", b"/nothing", 404),
        (b"GET", b"/healthz/", 404),
        (b"PUT", b"/latest/api/token", 404),
        (b"POST", b"/healthz", 405),
        (b"DELETE", b"/", 405),
        (b"OPTIONS", b"/", 405),
        (b"OPTIONS", b"*", 404),
    ],
)
def test_unknown_path_or_method_without_aws_signature_is_json(
    method: bytes, target: bytes, status: int
) -> None:
    with RunningFront() as front, front.connect() as client:
        response = client.ask(render_request(b"", method=method, target=target))
        assert response.status in (status, 400)
        assert response.status == status or target == b"*"
        assert response.json["message"]
        assert not any(name.startswith("access-control-") for name in response.fields)


def test_other_service_that_fails_is_500_json_and_nothing_is_told() -> None:
    def failing(request: HttpRequest) -> Answer:
        raise LookupError("secret " + request.body.decode())

    with RunningFront(other=failing, faults_expected=True) as front, front.connect() as client:
        response = client.ask(render_request(b"plaintext", target=b"/x"))
        assert (response.status, response.json["__type"]) == (500, "KMSInternalException")
        assert client.ask(render_request()).status == 200
    assert front.faults == ["A request for POST failed: LookupError"]


@pytest.mark.parametrize(
    "host", [b"localhost:8080", b"127.0.0.1:8080", b"[::1]:8080", b"strongroom:8080", b"a.localhost"]
)
def test_development_clock_advances_and_tells_the_time(host: bytes) -> None:
    controls = Controls()
    with RunningFront(controls=controls) as front, front.connect() as client:
        response = client.ask(clock_request(host=host))
        assert (response.status, response.json) == (200, {"epoch_seconds": 1_700_000_060.0})
        assert controls.advanced_seconds == [60.0]


def test_development_reset_resets() -> None:
    controls = Controls()
    with RunningFront(controls=controls) as front, front.connect() as client:
        assert client.ask(render_request(target=b"/_strongroom/reset")).status == 200
        assert controls.resets == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"advance_seconds": "60"}',
        b'{"advance_seconds": NaN}',
        b'{"advance_seconds": -1}',
        b'{"advance_seconds": null}',
        b'{"advance_seconds": 1, "reset": true}',
    ],
)
def test_development_clock_with_a_wrong_body_is_400_with_a_sentence(body: bytes) -> None:
    controls = Controls()
    with RunningFront(controls=controls) as front, front.connect() as client:
        response = client.ask(clock_request(body))
        assert response.status == 400
        assert "advance_seconds" in response.json["message"]
        assert controls.advanced_seconds == []


@pytest.mark.parametrize("target", [b"/_strongroom/clock", b"/_strongroom/reset"])
def test_controls_of_a_server_that_is_not_for_development_are_404_with_a_sentence(target: bytes) -> None:
    """INVARIANT H5."""
    with RunningFront() as front, front.connect() as client:
        response = client.ask(render_request(b'{"advance_seconds": 1}', target=target))
        assert response.status == 404
        assert "development" in response.json["message"]


@pytest.mark.parametrize(
    ("host", "field"),
    [
        (b"localhost:8080", b"Origin: http://localhost:8080"),
        (b"127.0.0.1:8080", b"Origin: null"),
        (b"127.0.0.1:8080", b"Sec-Fetch-Site: same-origin"),
        (b"evil.example:8080", b"Accept: */*"),
        (b"127.0.0.1.evil.example", b"Accept: */*"),
        (b"localhost.evil.example:8080", b"Accept: */*"),
        (b"evil.example.", b"Accept: */*"),
        (b"[::1].evil.example", b"Accept: */*"),
        (b"", b"Accept: */*"),
    ],
)
@pytest.mark.parametrize("path", [b"/_strongroom/clock", b"/_strongroom/reset"])
def test_controls_refuse_web_pages_and_rebound_names(host: bytes, field: bytes, path: bytes) -> None:
    """INVARIANT H5."""
    controls = Controls()
    with RunningFront(controls=controls) as front, front.connect() as client:
        request = clock_request(fields=[field], host=host).replace(b"/_strongroom/clock", path)
        response = client.ask(request)
        assert (response.status, list(response.json)) == (403, ["message"])
        assert (controls.advanced_seconds, controls.resets) == ([], 0)


@pytest.mark.parametrize("target", [b"/_strongroom/cl%6Fck", b"http://x/_strongroom/clock"])
def test_controls_by_another_spelling_are_guarded_as_well(target: bytes) -> None:
    """INVARIANT H5."""
    controls = Controls()
    with RunningFront(controls=controls) as front, front.connect() as client:
        body = b'{"advance_seconds": 60}'
        refused = client.ask(render_request(body, target=target, fields=[b"Origin: http://a"]))
        assert refused.status == 403
        assert controls.advanced_seconds == []


def test_controls_take_post_only() -> None:
    controls = Controls()
    with RunningFront(controls=controls) as front, front.connect() as client:
        assert client.ask(render_request(b"", method=b"GET", target=b"/_strongroom/reset")).status == 405
        assert client.ask(render_request(b"", target=b"/_strongroom/other")).status == 404
        assert controls.resets == 0
