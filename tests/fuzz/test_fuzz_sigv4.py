"""Whatever a client sends, the authenticators answer or refuse: nothing but ApiError ever comes out."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.identity.signed_requests import Desk, header_signed, replace, result_of

from strongroom.aws.errors import ApiError
from strongroom.identity.authenticate import OpenAuthenticator, StrictAuthenticator
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedRequest
from strongroom.resources.identifiers import AccountId

NOW = 1440938160  # 20150830T123600Z
DATE = b"20150830T123600Z"
GOOD = header_signed([(b"host", b"h"), (b"x-amz-date", DATE)], b"host;x-amz-date")
CODES = {
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}

PIECES = st.sampled_from(
    [
        b"AWS4-HMAC-SHA256 ",
        b"AWS4-ECDSA-P256-SHA256 ",
        b"Credential=",
        b"SignedHeaders=",
        b"Signature=",
        b"AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request",
        b"AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request/",
        b"host;x-amz-date",
        b"host",
        b";",
        b"0" * 64,
        b", ",
        b"=",
        b"%",
        b"%b",
        b"%(",
        b"\n",
        b"\x00",
        b"\xff",
        b"'",
        b" ",
        b"\t",
    ]
)
VALUES = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=9).map(b"".join), st.just(DATE))
NAMES = st.one_of(
    st.sampled_from(
        [
            b"authorization",
            b"host",
            b"x-amz-date",
            b"date",
            b"x-amz-target",
            b"x-amz-security-token",
            b"x-amz-content-sha256",
            b"",
        ]
    ),
    st.binary(max_size=12),
)
QUERY_PIECES = st.one_of(
    st.sampled_from(
        [
            b"X-Amz-Algorithm=AWS4-HMAC-SHA256",
            b"X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fkms%2Faws4_request",
            b"X-Amz-Date=20150830T123600Z",
            b"X-Amz-Expires=60",
            b"X-Amz-SignedHeaders=host",
            b"X-Amz-SignedHeaders=host%0Ax",
            b"X-Amz-Signature=" + b"0" * 64,
            b"X-Amz-Security-Token=x",
            b"%",
            b"%zz",
            b"+",
            b"&",
            b"=",
        ]
    ),
    st.binary(max_size=12),
)
TARGETS = st.one_of(
    st.just(b"/"),
    st.binary(max_size=30),
    st.lists(QUERY_PIECES, max_size=10).map(lambda p: b"/?" + b"&".join(p)),
)
REQUESTS = st.builds(
    HttpRequest,
    method=st.one_of(st.just("POST"), st.text(max_size=5)),
    target=TARGETS,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=8),
    body=st.binary(max_size=40),
    source_ip=st.just("127.0.0.1"),
    secure=st.booleans(),
)
FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(
    authenticator: StrictAuthenticator | OpenAuthenticator, request: HttpRequest
) -> AuthenticatedRequest | str:
    """Any other exception than ApiError fails the test by itself."""
    try:
        return result_of(authenticator.authenticate(request))
    except ApiError as refusal:
        error = refusal
    assert error.status == 400
    assert error.code in CODES
    assert error.message
    error.message.encode()  # it must fit into an answer
    return error.code


@FUZZ
@given(request=REQUESTS)
def test_strict_any_request_is_refused(request: HttpRequest) -> None:
    desk = Desk(NOW)
    assert isinstance(outcome(desk.authenticator, request), str)
    assert not desk.authenticator._scopes


@FUZZ
@given(request=REQUESTS)
def test_open_any_request_is_answered_or_refused_the_same_way_twice(request: HttpRequest) -> None:
    authenticator = OpenAuthenticator(AccountId("000000000000"))
    assert outcome(authenticator, request) == outcome(authenticator, request)


@FUZZ
@given(
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    at=st.integers(0, 3),
    body=st.one_of(st.just(b""), st.binary(max_size=4)),
    target=st.one_of(st.just(b"/"), TARGETS),
)
def test_strict_good_request_among_rubbish_is_judged_alike_by_new_and_known(
    headers: list[tuple[bytes, bytes]], at: int, body: bytes, target: bytes
) -> None:
    """INVARIANT I2: an authenticator that knows the caller accepts nothing that a new one refuses."""
    mixed = GOOD.headers[:at] + headers + GOOD.headers[at:]
    request = replace(GOOD, headers=mixed, body=body, target=target)
    cold, warm = Desk(NOW), Desk(NOW)
    warm.authenticate(GOOD)
    judged = outcome(cold.authenticator, request)
    assert judged == outcome(warm.authenticator, request)
    if body:
        assert isinstance(judged, str)


def test_strict_giant_headers_are_refused_within_a_tenth_of_a_second() -> None:
    """The wire allows far less; even so no input may take long (and none is remembered)."""
    giants = [
        b"AWS4-HMAC-SHA256 " + b"Credential=a," * 20_000,
        b"AWS4-HMAC-SHA256 Credential=" + b"/" * 250_000 + b", SignedHeaders=host, Signature=x",
        b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request, SignedHeaders="
        + b"host;" * 50_000
        + b", Signature="
        + b"0" * 64,
        b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/" + b"-a" * 100_000 + b"/kms/aws4_request,"
        b" SignedHeaders=host, Signature=x",
        b" \t" * 100_000 + b"x",
        b"," * 250_000,
        b"=" * 250_000,
    ]
    requests = [
        replace(GOOD, headers=[(b"host", b"h"), (b"x-amz-date", DATE), (b"authorization", giant)])
        for giant in giants
    ]
    requests.append(replace(GOOD, target=b"/?" + b"%41=&" * 20_000 + b"X-Amz-Algorithm=x"))
    requests.append(replace(GOOD, target=b"/b/" + b"a/../" * 40_000))
    requests.append(replace(GOOD, headers=[*GOOD.headers, (b"x", b"  " * 100_000)], body=b"x"))
    desk = Desk(NOW)
    for request in requests:
        best = 1.0
        for _ in range(3):
            begun = time.process_time()
            assert isinstance(outcome(desk.authenticator, request), str)
            best = min(best, time.process_time() - begun)
        assert best < 0.1
    assert not desk.authenticator._prefixes
