"""Every refusal: its name, its sentence, and its place in the order of checks."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

import pytest
from botocore.credentials import Credentials
from tests.unit.identity.signed_requests import (
    ACCESS_KEY_ID,
    SECRET,
    Desk,
    header,
    header_signed,
    refusal_of,
    replace,
    sign,
    signed_at,
    with_header,
)

from strongroom.aws import signature_refusals as refusals
from strongroom.aws.errors import ApiError
from strongroom.identity.http_request import HttpRequest

NOW = 1440938160  # 20150830T123600Z
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
TOKEN_NOT_SIGNED = (
    "InvalidSignatureException",
    "'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization.",
)
GOOD = (
    b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request, "
    b"SignedHeaders=host;x-amz-date, Signature=" + b"0" * 64
)


def bare(
    authorization: bytes | None = GOOD, date: bytes | None = b"20150830T123600Z", target: bytes = b"/"
) -> HttpRequest:
    headers = [(b"host", b"h")]
    if authorization is not None:
        headers.append((b"authorization", authorization))
    if date is not None:
        headers.append((b"x-amz-date", date))
    return HttpRequest("POST", target, headers, b"{}", "127.0.0.1", True)


def refused(request: HttpRequest, now: float = NOW) -> tuple[str, str | None]:
    error = refusal_of(Desk(now), request)
    assert error.status == 400
    return error.code, error.message


def digest(authorization: bytes) -> str:
    return base64.b64encode(hashlib.sha256(authorization).digest()).decode()


@pytest.mark.parametrize("authorization", [None, b""])
def test_refusal_without_authorization_is_missing_authentication_token(authorization: bytes | None) -> None:
    expected = ("MissingAuthenticationTokenException", "Missing Authentication Token")
    assert refused(bare(authorization)) == expected
    assert refused(bare(authorization, target=b"/?X-Amz-Credential=a&X-Amz-Signature=b")) == expected


def test_refusal_of_two_signatures_is_invalid_signature() -> None:
    assert refused(bare(target=b"/?X-Amz-Algorithm=x")) == (
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    )
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)  # known by its prefix now
    error = refusal_of(desk, replace(request, target=b"/?X-Amz-Algorithm"))
    assert error.message is not None
    assert error.message.startswith("Found both")


def test_refusal_of_empty_form_names_all_that_is_missing() -> None:
    for authorization in (b"a", b"AWS4-HMAC-SHA256", b"Basic dXNlcjpzZWNyZXQ="):
        code, message = refused(bare(authorization, date=None))
        assert code == "IncompleteSignatureException"
        assert message == (
            "Authorization header requires 'Credential' parameter. "
            "Authorization header requires 'Signature' parameter. "
            "Authorization header requires 'SignedHeaders' parameter. "
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            f"(Hashed with SHA-256 and encoded with Base64) Authorization={digest(authorization)}"
        )


@pytest.mark.parametrize("name", ["Credential", "Signature", "SignedHeaders"])
def test_refusal_of_one_missing_parameter_names_it_alone(name: str) -> None:
    authorization = GOOD.replace(name.encode() + b"=", b"Other=")
    assert refused(bare(authorization)) == (
        "IncompleteSignatureException",
        f"Authorization header requires '{name}' parameter. "
        f"(Hashed with SHA-256 and encoded with Base64) Authorization={digest(authorization)}",
    )


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer abcdef",
        b"AWS4-HMAC-SHA256 Credential, Signature=b, SignedHeaders=c",
        b"Authorization: " + GOOD,
        GOOD.replace(b"Credential=", b"Credential= "),
        GOOD + b", more",
    ],
)
def test_refusal_of_parameter_without_equal_sign_hides_the_header(authorization: bytes) -> None:
    code, message = refused(bare(authorization))
    assert code == "IncompleteSignatureException"
    assert message == (
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{digest(authorization)}'."
    )


def test_refusal_of_two_authorization_headers_is_incomplete_signature() -> None:
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    doubled = replace(
        request, headers=[*request.headers, (b"authorization", header(request, b"authorization"))]
    )
    assert refusal_of(desk, doubled).code == "IncompleteSignatureException"


def test_duplicate_parameter_in_authorization_the_last_counts() -> None:
    request = sign()
    good = header(request, b"authorization")
    desk = Desk(signed_at(request))
    first_wrong = good.replace(b"Credential=", b"Credential=a/b/c/d/e, Credential=")
    desk.authenticate(with_header(request, b"authorization", first_wrong))
    desk.authenticate(with_header(request, b"authorization", first_wrong))
    last_wrong = good + b", Credential=a/b/c/d/e"
    assert (
        refusal_of(desk, with_header(request, b"authorization", last_wrong)).code
        == "InvalidSignatureException"
    )
    signature_after = good + b", Signature=" + b"0" * 64
    assert refusal_of(desk, with_header(request, b"authorization", signature_after)).message == MISMATCH


def test_authorization_in_other_order_and_spacing_is_taken() -> None:
    request = sign()
    algorithm, credential, signed, signature = (
        header(request, b"authorization").replace(b",", b"").split(b" ")
    )
    desk = Desk(signed_at(request))
    for form in (
        algorithm + b" " + signature + b"," + signed + b"," + credential,
        algorithm + b"  " + credential + b" ,\t" + signed + b", " + signature,
        algorithm + b" " + credential + b"," + signed + b"," + signature,
    ):
        desk.authenticate(with_header(request, b"authorization", form))
        desk.authenticate(with_header(request, b"authorization", form))
        alone = with_header(request, b"authorization", algorithm + b" " + signature)
        assert refusal_of(desk, alone).code == "IncompleteSignatureException"


@pytest.mark.parametrize(
    ("dropped", "named"),
    [
        ("Algorithm", None),
        ("Credential", ["Credential"]),
        ("Signature", ["Signature"]),
        ("SignedHeaders", ["SignedHeaders"]),
        ("Date", ["Date"]),
    ],
)
def test_refusal_of_incomplete_presigned_query_names_the_parameter(
    dropped: str, named: list[str] | None
) -> None:
    request = sign(b"", (), method="GET", url="https://h/?Action=A", presigned_seconds=60)
    query = request.target.partition(b"?")[2].split(b"&")
    kept = [p for p in query if not p.startswith(f"X-Amz-{dropped}=".encode())]
    assert len(kept) == len(query) - 1
    error = refusal_of(Desk(signed_at(request)), replace(request, target=b"/?" + b"&".join(kept)))
    if named is None:
        assert error.code == "MissingAuthenticationTokenException"
    else:
        assert error.code == "IncompleteSignatureException"
        sentence = f"AWS query-string parameters must include 'X-Amz-{named[0]}'. "
        assert error.message == sentence + "Re-examine the query-string parameters."


def test_refusal_of_algorithm_alone_in_query_names_all_five() -> None:
    code, message = refused(bare(None, target=b"/?X-Amz-Algorithm"))
    assert code == "IncompleteSignatureException"
    assert message == "".join(
        f"AWS query-string parameters must include 'X-Amz-{name}'. "
        for name in ("Algorithm", "Credential", "Signature", "SignedHeaders", "Date")
    ) + ("Re-examine the query-string parameters.")


def test_repeated_parameter_of_a_presigned_query_the_first_counts() -> None:
    request = sign(b"", (), method="GET", url="https://h/", presigned_seconds=60)
    desk = Desk(signed_at(request))
    wrong = b"X-Amz-Signature=" + b"0" * 64  # the one parameter that the signature does not cover
    desk.authenticate(replace(request, target=request.target + b"&" + wrong))
    before = request.target.replace(b"/?", b"/?" + wrong + b"&")
    assert refusal_of(desk, replace(request, target=before)).message == MISMATCH
    after = replace(request, target=request.target + b"&X-Amz-Date=20150830T123600Z")
    assert refusal_of(desk, after).message == MISMATCH


@pytest.mark.parametrize("value", ["0", "604801", "-1", "+5", "1.5", "", "1e3", "٣", "00000001", "6_0"])
def test_refusal_of_presigned_expiry_outside_a_week(value: str) -> None:
    request = sign(b"", (), method="GET", url="https://h/", presigned_seconds=60)
    target = request.target.replace(b"X-Amz-Expires=60", b"X-Amz-Expires=" + quote(value).encode())
    error = refusal_of(Desk(signed_at(request)), replace(request, target=target))
    assert error.code == "IncompleteSignatureException"
    assert error.message == "X-Amz-Expires must be a number of seconds from 1 to 604800."


@pytest.mark.parametrize(
    "date",
    [
        b"201",
        b"2015-08-30T12:36:00Z",
        b"20150830T123600",
        b"20150830t123600z",
        b"20150830T123600+",
        b"20151330T123600Z",
        b"20150230T123600Z",
        b"20150830T243600Z",
        b"20150830T123660Z",
        b"00000830T123600Z",
        b"2015083\xb2T123600Z",
        b"20150830T12_600Z",
        b"Mon, 09 Sep 2011 23:36:00 GMT",
        b"x" * 5000,
    ],
)
def test_refusal_of_date_in_another_format(date: bytes) -> None:
    assert refused(bare(date=date)) == (
        "IncompleteSignatureException",
        f"Date must be in ISO-8601 'basic format'. Got '{date.decode('latin-1')[:64]}'. "
        "See http://en.wikipedia.org/wiki/ISO_8601",
    )


def test_clock_edges_at_exactly_five_minutes() -> None:
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
    request = header_signed(headers, b"host;x-amz-date")
    warm = Desk(NOW)
    warm.authenticate(request)
    for desk in (warm, Desk(NOW)):
        for now in (NOW - 300, NOW + 300, NOW + 300.99):
            desk.clock.at = now
            desk.authenticate(request)
        desk.clock.at = NOW + 301
        assert refusal_of(desk, request).message == (
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z "
            "(20150830T124101Z - 5 min.)"
        )
        desk.clock.at = NOW - 301
        assert refusal_of(desk, request).message == (
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z "
            "(20150830T123059Z + 5 min.)"
        )


def test_clock_edges_of_another_skew_are_kept_and_named() -> None:
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
    request = header_signed(headers, b"host;x-amz-date")
    desk = Desk(NOW + 45, skew=45)
    desk.authenticate(request)
    desk.clock.at += 1
    message = refusal_of(desk, request).message
    assert message is not None
    assert message.endswith("(20150830T123646Z - 45 sec.)")


@pytest.mark.parametrize("date", [b"00010101T000000Z", b"99991231T235959Z"])
def test_refusal_of_dates_at_the_end_of_time_is_a_refusal(date: bytes) -> None:
    code, message = refused(bare(date=date))
    assert code == "InvalidSignatureException"
    assert message is not None
    assert date.decode() in message


@pytest.mark.parametrize("signed", [b"", b"x-amz-date", b"hos", b";", b"hosts;x-amz-date"])
def test_refusal_without_signed_host(signed: bytes) -> None:
    authorization = GOOD.replace(b"host;x-amz-date", signed)
    assert refused(bare(authorization)) == (
        "InvalidSignatureException",
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    )


def test_refusal_of_unsigned_target_even_with_a_good_signature() -> None:
    """INVARIANT I4: nobody on the way chooses the operation."""
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
    request = header_signed(headers, b"host;x-amz-date")
    desk = Desk(NOW)
    desk.authenticate(request)
    error = refusal_of(desk, with_header(request, b"x-amz-target", b"TrentService.ScheduleKeyDeletion"))
    assert error.code == "InvalidSignatureException"
    assert error.message == "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."


def test_signed_headers_in_capitals_are_looked_up_in_small_letters() -> None:
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
    Desk(NOW).authenticate(header_signed(headers, b"Host;X-Amz-Date"))


@pytest.mark.parametrize(
    "algorithm", ["AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA25", "AWS4-HMAC-SHA512", "aws4-hmac-sha256"]
)
def test_refusal_of_another_algorithm(algorithm: str) -> None:
    expected = (
        "IncompleteSignatureException",
        f"Unsupported AWS 'algorithm': '{algorithm}' (only AWS4-HMAC-SHA256 for now). ",
    )
    assert refused(bare(GOOD.replace(b"AWS4-HMAC-SHA256", algorithm.encode()))) == expected
    request = sign(b"", (), method="GET", url="https://h/", presigned_seconds=60)
    target = request.target.replace(b"AWS4-HMAC-SHA256", algorithm.encode())
    error = refusal_of(Desk(signed_at(request)), replace(request, target=target))
    assert (error.code, error.message) == expected


@pytest.mark.parametrize(
    "credential", ["a/b/c/d", "AKIDEXAMPLE", "a/b/c/d/e/f", "AKID/20150830/kms/aws4_request"]
)
def test_refusal_of_credential_without_five_elements(credential: str) -> None:
    authorization = GOOD.replace(b"AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request", credential.encode())
    assert refused(bare(authorization)) == (
        "IncompleteSignatureException",
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
        f"got '{credential}'",
    )


def test_refusal_of_scope_names_all_faults_at_once() -> None:
    authorization = GOOD.replace(b"AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request", b"a/b/c/d/e")
    assert refused(bare(authorization)) == (
        "InvalidSignatureException",
        "Credential should be scoped to a valid region. "
        "Credential should be scoped to correct service: 'kms'. "
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. "
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        "'b' != '20150830', from '20150830T123600Z'.",
    )


def test_trailing_slashes_of_the_credential_do_not_count() -> None:
    request = sign()
    good = header(request, b"authorization")
    slashed = good.replace(b"aws4_request,", b"aws4_request//,")
    Desk(signed_at(request)).authenticate(with_header(request, b"authorization", slashed))


def test_refusal_of_service_that_is_not_accepted_names_the_first() -> None:
    request = sign(service="sts")
    desk = Desk(signed_at(request), services=("kms",))
    assert refusal_of(desk, request).message == "Credential should be scoped to correct service: 'kms'. "


@pytest.mark.parametrize(
    "region", ["US-EAST-1", "us-east", "x", "us" + "-a" * 20 + "-1", "us--1", "ü-east-1", "aws-global"]
)
def test_refusal_of_implausible_region(region: str) -> None:
    credential = f"AKIDEXAMPLE/20150830/{region}/kms/aws4_request"
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
    code, message = refused(header_signed(headers, b"host;x-amz-date", credential=credential))
    if region.startswith("ü"):
        credential = credential.encode().decode("latin-1")
    assert (code, message) == (
        "InvalidSignatureException",
        "Credential should be scoped to a valid region. ",
    )


def test_scope_of_yesterday_is_refused_although_correctly_signed() -> None:
    credential = "AKIDEXAMPLE/20150829/us-east-1/kms/aws4_request"
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T000100Z")]
    request = header_signed(headers, b"host;x-amz-date", credential=credential, date=b"20150830T000100Z")
    code, message = refused(request, now=1440892860)
    assert code == "InvalidSignatureException"
    assert message is not None
    assert message.startswith("Date in Credential scope does not match")


def test_repeat_caller_over_midnight_needs_the_new_days_scope() -> None:
    def at(date: bytes, day: str) -> HttpRequest:
        return header_signed(
            [(b"host", b"h"), (b"x-amz-date", date)],
            b"host;x-amz-date",
            date=date,
            credential=f"AKIDEXAMPLE/{day}/us-east-1/kms/aws4_request",
        )

    desk = Desk(1440979199)  # 20150830T235959Z
    desk.authenticate(at(b"20150830T235959Z", "20150830"))
    desk.clock.at += 2
    desk.authenticate(at(b"20150830T235959Z", "20150830"))
    assert refusal_of(desk, at(b"20150831T000001Z", "20150830")).code == "InvalidSignatureException"
    desk.authenticate(at(b"20150831T000001Z", "20150831"))


@pytest.mark.parametrize("access_key_id", ["AKIDOTHER", "akidexample", "AKID\x80", "\x00", "A" * 200, "'"])
def test_refusal_of_unknown_access_key(access_key_id: str) -> None:
    authorization = GOOD.replace(b"AKIDEXAMPLE", access_key_id.encode("latin-1"))
    assert refused(bare(authorization)) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


def test_refusal_of_wrong_secret_is_a_mismatch() -> None:
    request = sign(credentials=Credentials(ACCESS_KEY_ID, SECRET[:-1]))
    assert refused(request, signed_at(request)) == ("InvalidSignatureException", MISMATCH)


def test_refusal_of_session_token_with_a_good_signature() -> None:
    token = Credentials(ACCESS_KEY_ID, SECRET, "a session token")
    expected = ("UnrecognizedClientException", "The security token included in the request is invalid")
    request = sign(credentials=token)
    assert refused(request, signed_at(request)) == expected
    presigned = sign(b"", (), method="GET", url="https://h/", credentials=token, presigned_seconds=60)
    assert b"X-Amz-Security-Token" in presigned.target
    assert refused(presigned, signed_at(presigned)) == expected
    plain = sign(b"", (), method="GET", url="https://h/", presigned_seconds=60)
    added = with_header(plain, b"x-amz-security-token", b"x")
    assert refused(added, signed_at(plain)) == TOKEN_NOT_SIGNED


def test_refusal_of_session_token_added_on_the_way_to_a_repeat_caller() -> None:
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    error = refusal_of(desk, with_header(request, b"x-amz-security-token", b"x"))
    assert (error.code, error.message) == TOKEN_NOT_SIGNED


def test_refusals_come_in_the_order_of_the_checks() -> None:
    """Mend one fault after another; each time the next check speaks."""
    steps: list[tuple[bytes | None, bytes | None, str]] = [
        (None, None, "Missing Authentication Token"),
        (b"X y", None, "Invalid key=value pair"),
        (b"X SignedHeaders=,Credential=a,Signature=b", None, "Authorization header requires existence"),
        (b"X SignedHeaders=,Credential=a,Signature=b", b"201", "Date must be in ISO-8601"),
        (b"X SignedHeaders=,Credential=a,Signature=b", b"20130301T000000Z", "Signature expired"),
        (b"X SignedHeaders=,Credential=a,Signature=b", b"20150830T123600Z", "'Host'"),
        (
            b"X SignedHeaders=host,Credential=a,Signature=b",
            b"20150830T123600Z",
            "Unsupported AWS 'algorithm'",
        ),
        (GOOD.replace(b"/kms", b""), b"20150830T123600Z", "Credential must have exactly 5"),
        (
            GOOD.replace(b"kms", b"s3").replace(b"AKID", b"A"),
            b"20150830T123600Z",
            "Credential should be scoped",
        ),
        (GOOD.replace(b"AKID", b"A"), b"20150830T123600Z", "The security token"),
        (GOOD, b"20150830T123600Z", "The request signature we calculated"),
    ]
    for authorization, date, beginning in steps:
        message = refused(bare(authorization, date))[1]
        assert message is not None
        assert message.startswith(beginning)


def test_refusal_never_repeats_signature_or_header() -> None:
    secret_like = b"wJalrXUtnFEMI"
    for authorization in (
        b"Bearer " + secret_like,
        b"AWS4-HMAC-SHA256 Signature=" + secret_like,
        GOOD[:-64] + secret_like,
    ):
        assert secret_like.decode() not in str(refused(bare(authorization)))


def test_as_query_error_of_each_refusal_is_the_one_of_sts() -> None:
    expected = {
        "IncompleteSignatureException": ("IncompleteSignature", 400),
        "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
        "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
        "UnrecognizedClientException": ("InvalidClientTokenId", 403),
        "AccessDeniedException": ("AccessDenied", 403),
        "ThrottlingException": ("Throttling", 400),
        "ExpiredTokenException": ("ExpiredToken", 403),
    }
    for code, (name, status) in expected.items():
        translated = refusals.as_query_error(ApiError(code, "text"), False)
        assert (translated.code, translated.status, translated.message) == (name, status, "text")
    fault = refusals.as_query_error(ApiError("KMSInternalException", "text", 500), True)
    assert (fault.code, fault.status) == ("InternalFailure", 500)
    for other in (ApiError("NoSuchEntity", None, 404), ApiError("ExpiredTokenException", "of the web", 400)):
        assert refusals.as_query_error(other, True) is other
