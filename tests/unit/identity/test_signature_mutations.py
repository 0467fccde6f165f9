"""One character changed anywhere in a signed request: always refused, by the right name.

Every change is tried on an authenticator that never saw the caller and on one that knows it.
"""

from __future__ import annotations

import pytest
from tests.unit.identity.signed_requests import (
    Desk,
    header,
    refusal_of,
    replace,
    sign,
    signed_at,
    with_header,
)

from strongroom.identity.http_request import HttpRequest

INVALID = "InvalidSignatureException"
INCOMPLETE = "IncompleteSignatureException"
UNRECOGNIZED = "UnrecognizedClientException"

REQUEST = sign(b'{"KeyId":"alias/example","Plaintext":"aGVsbG8="}')
PRESIGNED = sign(
    b"",
    (),
    method="GET",
    url="https://localhost:8080/?Action=GetCallerIdentity&Version=2011-06-15",
    service="sts",
    presigned_seconds=900,
)


def altered(value: bytes, at: int) -> bytes:
    """Another digit for a digit, another letter for a letter, a letter for anything else."""
    old = value[at : at + 1]
    new = b"0" if old.isdigit() and old != b"0" else b"1" if old.isdigit() else b"a" if old != b"a" else b"b"
    return value[:at] + new + value[at + 1 :]


def codes_of(request: HttpRequest, original: HttpRequest) -> set[str]:
    cold, warm = Desk(signed_at(original)), Desk(signed_at(original))
    warm.authenticate(original)
    return {refusal_of(cold, request).code, refusal_of(warm, request).code}


def span(value: bytes, part: bytes) -> range:
    start = value.index(part)
    return range(start, start + len(part))


def test_changed_signature_is_invalid_at_every_digit() -> None:
    value = header(REQUEST, b"authorization")
    for at in range(len(value) - 64, len(value)):
        assert codes_of(with_header(REQUEST, b"authorization", altered(value, at)), REQUEST) == {INVALID}


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (b"AWS4-HMAC-SHA256", INCOMPLETE),
        (b"Credential", INCOMPLETE),
        (b"AKIDEXAMPLE", UNRECOGNIZED),
        (b"/eu-central-1/kms/aws4_request"[1:], INVALID),
        (b"SignedHeaders", INCOMPLETE),
        (b"content-type;host;x-amz-date;x-amz-target", INVALID),
        (b"Signature", INCOMPLETE),
    ],
)
def test_changed_authorization_is_refused_at_every_character(part: bytes, code: str) -> None:
    value = header(REQUEST, b"authorization")
    for at in span(value, part):
        # a slash changed makes four elements of five
        expected = INCOMPLETE if value[at : at + 1] == b"/" else code
        changed = with_header(REQUEST, b"authorization", altered(value, at))
        assert codes_of(changed, REQUEST) == {expected}, value[at:]


def test_changed_scope_date_is_invalid_at_every_digit() -> None:
    value = header(REQUEST, b"authorization")
    start = value.index(b"AKIDEXAMPLE/") + len(b"AKIDEXAMPLE/")
    for at in range(start, start + 8):
        assert codes_of(with_header(REQUEST, b"authorization", altered(value, at)), REQUEST) == {INVALID}


@pytest.mark.parametrize("name", [b"host", b"content-type", b"x-amz-target", b"x-amz-date"])
def test_changed_signed_header_is_refused_at_every_character(name: bytes) -> None:
    value = header(REQUEST, name)
    for at in range(len(value)):
        codes = codes_of(with_header(REQUEST, name, altered(value, at)), REQUEST)
        # a date that is none any more is incomplete; one that is another is invalid
        assert codes in ([{INVALID}, {INCOMPLETE}] if name == b"x-amz-date" else [{INVALID}])
    for longer in (value + b"x", value + b",", value[:-1], b"", None):
        codes = codes_of(with_header(REQUEST, name, longer), REQUEST)
        assert codes == ({INCOMPLETE} if name == b"x-amz-date" else {INVALID})


def test_added_second_signed_header_is_invalid() -> None:
    for name in (b"host", b"content-type", b"x-amz-target"):
        for headers in (
            [*REQUEST.headers, (name, b"x")],
            [(name, b"x"), *REQUEST.headers],
            [*REQUEST.headers, (name, b"")],
        ):
            assert codes_of(replace(REQUEST, headers=headers), REQUEST) == {INVALID}


def test_changed_body_is_invalid_at_every_byte() -> None:
    for at in range(len(REQUEST.body)):
        assert codes_of(replace(REQUEST, body=altered(REQUEST.body, at)), REQUEST) == {INVALID}
    for body in (b"", REQUEST.body[:-1], REQUEST.body + b"\n"):
        assert codes_of(replace(REQUEST, body=body), REQUEST) == {INVALID}


@pytest.mark.parametrize("target", [b"/a", b"/?a", b"/?a=b", b"", b"*", b"/%2F", b"//x", b"/;"])
def test_changed_target_is_invalid(target: bytes) -> None:
    if target == b"":  # the empty path is the root; an empty query is none
        Desk(signed_at(REQUEST)).authenticate(replace(REQUEST, target=target))
    else:
        assert codes_of(replace(REQUEST, target=target), REQUEST) == {INVALID}


def test_changed_presigned_query_is_refused_at_every_character() -> None:
    for at in range(2, len(PRESIGNED.target)):
        changed = replace(PRESIGNED, target=altered(PRESIGNED.target, at))
        desk = Desk(signed_at(PRESIGNED))
        error = refusal_of(desk, changed)
        assert error.code in {INVALID, INCOMPLETE, UNRECOGNIZED, "MissingAuthenticationTokenException"}
        assert error.status == 400
        assert not desk.authenticator._scopes


def test_unsigned_headers_may_change_or_come_and_go() -> None:
    desk = Desk(signed_at(REQUEST))
    for request in (
        with_header(REQUEST, b"user-agent", b"changed"),
        with_header(REQUEST, b"x-amzn-trace-id", b"Root=1"),
        with_header(REQUEST, b"user-agent", None),
        replace(REQUEST, headers=list(reversed(REQUEST.headers))),
    ):
        desk.authenticate(request)
