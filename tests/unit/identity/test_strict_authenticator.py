"""The strict authenticator against botocore as the signer: what it takes, and from whom."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import inspect
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.identity.signed_requests import (
    ACCESS_KEY_ID,
    ACCOUNT,
    KEY,
    SECRET,
    AccessKeysInMemory,
    Desk,
    FixedClock,
    SigningKeysInMemory,
    derive,
    header,
    header_signed,
    identity,
    refusal_of,
    replace,
    sign,
    signed_at,
    with_header,
)

from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.identity import authenticate, sigv4
from strongroom.identity.authenticate import StrictAuthenticator
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedRequest, PrincipalType
from strongroom.reply import Reply, drive
from strongroom.resources.identifiers import AccessKeyId
from strongroom.store.interface import StoreUnavailable

NAMES = st.from_regex(r"x-[a-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True).filter(
    lambda name: not name.startswith("x-amz-") and name != "x-amzn-trace-id"
)
# the server sees header values as ISO 8859-1; botocore's own text is UTF-8, so non-ASCII is tried by hand
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
PATHS = st.text(st.sampled_from("/ab.%20~-_+é"), max_size=12).map(
    lambda p: "/" + p.encode().decode("ascii", "ignore").replace("%", "%25")
)


def test_authenticate_signed_request_names_principal_region_and_service() -> None:
    request = sign(region="us-gov-west-1", service="sts")
    authenticated = Desk(signed_at(request)).authenticate(request)
    assert authenticated.region == "us-gov-west-1"
    assert authenticated.service == "sts"
    principal = authenticated.principal
    assert principal.type is PrincipalType.IAM_USER
    assert (principal.account_id, principal.access_key_id) == (ACCOUNT, ACCESS_KEY_ID)
    assert principal.arn == "arn:aws-us-gov:iam::111122223333:user/alice"
    assert (principal.principal_id, principal.unique_id) == (KEY.principal_id, KEY.principal_id)


@pytest.mark.parametrize("service", ["iam", "sts"])
@pytest.mark.parametrize(
    ("signed_for", "region", "partition"),
    [
        ("aws-global", "us-east-1", "aws"),
        ("aws-cn-global", "cn-north-1", "aws-cn"),
        ("aws-us-gov-global", "us-gov-west-1", "aws-us-gov"),
    ],
)
def test_authenticate_request_signed_for_a_partition_is_in_its_global_region(
    service: str, signed_for: str, region: str, partition: str
) -> None:
    request = sign(region=signed_for, service=service)
    desk = Desk(signed_at(request))
    for _ in range(2):
        authenticated = desk.authenticate(request)
        assert authenticated.region == region
        assert authenticated.principal.arn == f"arn:{partition}:iam::111122223333:user/alice"
    changed = replace(request, body=request.body + b" ")
    assert refusal_of(desk, changed).code == "InvalidSignatureException"


@settings(max_examples=150, deadline=None)
@given(
    body=st.binary(max_size=200),
    extra=st.dictionaries(NAMES, VALUES, max_size=4),
    method=st.sampled_from(["POST", "GET", "PUT", "DELETE"]),
    path=PATHS,
    query=st.lists(st.tuples(VALUES, VALUES), max_size=3),
)
def test_authenticate_whatever_botocore_signs_is_taken_short_and_long(
    body: bytes, extra: dict[str, str], method: str, path: str, query: list[tuple[str, str]]
) -> None:
    """INVARIANT I2: the short way and the whole way agree."""
    pairs = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in query if n)
    url = f"https://localhost:8080{path}" + (f"?{pairs}" if pairs else "")
    request = sign(body, list(extra.items()), method=method, url=url)
    desk = Desk(signed_at(request))
    first = desk.authenticate(request)
    again = desk.authenticate(request)
    assert first == again
    assert len(desk.signing_keys.derived) == 1
    changed = replace(request, body=request.body + b" ")
    assert refusal_of(desk, changed).code == "InvalidSignatureException"


@settings(max_examples=60, deadline=None)
@given(query=st.dictionaries(VALUES.filter(bool), VALUES, max_size=3), seconds=st.integers(1, 604_800))
def test_authenticate_whatever_botocore_presigns_is_taken(query: dict[str, str], seconds: int) -> None:
    pairs = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in query.items())
    request = sign(b"", (), method="GET", url=f"https://h/?{pairs}", service="sts", presigned_seconds=seconds)
    desk = Desk(signed_at(request))
    assert desk.authenticate(request).service == "sts"
    desk.clock.at += seconds
    desk.authenticate(request)
    desk.clock.at += 1
    assert refusal_of(desk, request).message.startswith("Signature expired: ")  # type: ignore[union-attr]


def test_authenticate_presigned_sts_request_with_other_parameter_is_refused() -> None:
    url = "https://localhost/?Action=GetCallerIdentity&Version=2011-06-15"
    request = sign(b"", (), method="GET", url=url, service="sts", presigned_seconds=60)
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    for old, new in ((b"GetCallerIdentity", b"GetSessionToken"), (b"Expires=60", b"Expires=61")):
        assert old in request.target
        changed = replace(request, target=request.target.replace(old, new))
        assert refusal_of(desk, changed).code == "InvalidSignatureException"
    added = replace(request, target=request.target + b"&DurationSeconds=900")
    assert refusal_of(desk, added).code == "InvalidSignatureException"


def test_authenticate_query_order_and_spelling_changed_on_the_way_is_still_good() -> None:
    request = sign(b"", (), method="GET", url="https://h/?b=1&a=x%20y", service="sts", presigned_seconds=60)
    desk = Desk(signed_at(request))
    path, _, query = request.target.partition(b"?")
    turned = b"&".join(reversed(query.split(b"&"))).replace(b"x%20y", b"%78+y")
    desk.authenticate(replace(request, target=path + b"?" + turned))


def test_authenticate_date_header_as_botocore_sends_it_is_taken() -> None:
    request = sign(headers=[("Date", "now"), ("X-Amz-Target", "TrentService.ListKeys")])
    assert header(request, b"date").endswith(b" -0000")
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    later = header(request, b"date").replace(b" -0000", b" GMT")  # the same instant, as HTTP spells it
    unsigned_name = with_header(request, b"date", later)
    assert refusal_of(desk, unsigned_name).code == "InvalidSignatureException"
    headers = [(b"host", b"h"), (b"date", b"Sun, 30 Aug 2015 12:36:00 GMT")]
    Desk(1440938160).authenticate(header_signed(headers, b"host;date"))


def test_authenticate_host_is_verified_exactly_as_received() -> None:
    for host in (b"kms.example:8080", b"KMS.example", b"[::1]:8080", b"kms.example"):
        request = header_signed([(b"host", host), (b"x-amz-date", b"20150830T123600Z")], b"host;x-amz-date")
        desk = Desk(1440938160)
        desk.authenticate(request)
        for other in (host + b":443", host.swapcase(), host.partition(b":")[0] or b"x"):
            if other != host:
                assert refusal_of(desk, with_header(request, b"host", other)).message is not None


def test_authenticate_non_ascii_header_value_is_verified_byte_for_byte() -> None:
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z"), (b"x-name", bytes(range(0x80, 0x100)))]
    request = header_signed(headers, b"host;x-amz-date;x-name")
    desk = Desk(1440938160)
    desk.authenticate(request)
    desk.authenticate(request)
    assert refusal_of(desk, with_header(request, b"x-name", bytes(range(0x81, 0x100)))).message is not None


def test_authenticate_signed_headers_in_another_order_is_verified_in_that_order() -> None:
    headers = [(b"x-amz-date", b"20150830T123600Z"), (b"host", b"h")]
    desk = Desk(1440938160)
    desk.authenticate(header_signed(headers, b"x-amz-date;host"))
    unsorted = header_signed(headers, b"host;x-amz-date")  # lines in one order, list in the other
    assert refusal_of(desk, unsorted).code == "InvalidSignatureException"


def test_authenticate_repeated_signed_header_is_joined_by_comma() -> None:
    headers = [(b"host", b"h"), (b"x-a", b"2"), (b"x-a", b" 1  1"), (b"x-amz-date", b"20150830T123600Z")]
    lines = b"host:h\nx-a:2,1 1\nx-amz-date:20150830T123600Z\n"
    request = header_signed(headers, b"host;x-a;x-amz-date", canonical_headers=lines)
    desk = Desk(1440938160)
    desk.authenticate(request)
    desk.authenticate(request)
    turned = replace(request, headers=[request.headers[i] for i in (0, 2, 1, 3, 4)])
    assert refusal_of(desk, turned).code == "InvalidSignatureException"


def test_authenticate_doubled_blanks_is_collapsed_also_for_a_repeat_caller() -> None:
    """INVARIANT I2: what the whole way refuses, the short way does not take."""
    date = (b"x-amz-date", b"20150830T123600Z")
    signed = b"host;x-a;x-amz-date"
    desk = Desk(1440938160)
    desk.authenticate(header_signed([(b"host", b"h"), (b"x-a", b"1 2"), date], signed))  # the prefix is known
    for blanks in (b"  ", b"\t", b" \t "):
        headers = [(b"host", b"h"), (b"x-a", b"1" + blanks + b"2"), date]
        assert refusal_of(desk, header_signed(headers, signed)).code == "InvalidSignatureException"
        lines = b"host:h\nx-a:1 2\nx-amz-date:20150830T123600Z\n"
        desk.authenticate(header_signed(headers, signed, canonical_headers=lines))


def test_authenticate_line_break_in_a_header_is_never_another_headers_line() -> None:
    """One header's value may not stand for two lines of the canonical request."""
    lines = b"host:h\nx-a:1\nx-a:2\nx-amz-date:20150830T123600Z\n"
    headers = [(b"host", b"h"), (b"x-a", b"1\nx-a:2"), (b"x-amz-date", b"20150830T123600Z")]
    request = header_signed(headers, b"host;x-a;x-amz-date", canonical_headers=lines)
    assert refusal_of(Desk(1440938160), request).code == "InvalidSignatureException"


def test_authenticate_content_sha256_header_never_stands_for_the_body() -> None:
    credentials = Credentials(ACCESS_KEY_ID, SECRET)
    honest = sign(b"abc", [("X-Amz-Content-SHA256", sha256(b"abc").hexdigest())])
    desk = Desk(signed_at(honest))
    desk.authenticate(honest)
    assert refusal_of(desk, replace(honest, body=b"abd")).code == "InvalidSignatureException"
    for claim in ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64):
        request = sign(b"abc", [("X-Amz-Content-SHA256", claim)], credentials=credentials)
        assert refusal_of(desk, request).code == "InvalidSignatureException"


def test_authenticate_repeat_caller_asks_boundary_once_a_day_region_and_service() -> None:
    request = sign()
    desk = Desk(signed_at(request))
    for _ in range(5):
        desk.authenticate(request)
        desk.authenticate(sign(b"other", [("X-Amz-Target", "TrentService.Sign"), ("X-Other", "signed")]))
    assert len(desk.signing_keys.derived) == 1
    desk.authenticate(sign(region="us-east-1"))
    desk.authenticate(sign(service="sts"))
    assert len(desk.signing_keys.derived) == 3
    assert len(desk.access_keys.asked) == 12


def test_authenticate_access_key_deactivated_or_deleted_stops_at_once() -> None:
    """INVARIANT I3."""
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    desk.access_keys.by_id[ACCESS_KEY_ID] = dataclasses.replace(KEY, active=False)
    assert refusal_of(desk, request).code == "UnrecognizedClientException"
    desk.access_keys.by_id[ACCESS_KEY_ID] = KEY
    desk.authenticate(request)
    del desk.access_keys.by_id[ACCESS_KEY_ID]
    assert refusal_of(desk, request).code == "UnrecognizedClientException"
    assert not desk.authenticator._scopes
    assert not desk.authenticator._prefixes


def test_authenticate_access_key_with_another_secret_is_derived_anew() -> None:
    """INVARIANT I3."""
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    desk.access_keys.by_id[ACCESS_KEY_ID] = dataclasses.replace(KEY, secret_token=b"second")
    desk.signing_keys.secrets[b"second"] = "another secret"
    assert refusal_of(desk, request).code == "InvalidSignatureException"
    desk.authenticate(sign(credentials=Credentials(ACCESS_KEY_ID, "another secret")))
    assert len(desk.signing_keys.derived) == 3


def test_authenticate_access_key_given_to_another_principal_names_the_new_one() -> None:
    """INVARIANT I3."""
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    desk.access_keys.put(identity("bob", "AIDABOB"))
    desk.access_keys.by_id[ACCESS_KEY_ID] = dataclasses.replace(KEY, principal_id="AIDABOB")
    assert desk.authenticate(request).principal.arn.endswith("user/bob")


def test_authenticate_bad_signatures_leave_nothing_in_memory() -> None:
    """INVARIANT I5."""
    wrong = Credentials(ACCESS_KEY_ID, "wrong")
    requests = [sign(region=f"us-east-{n}", credentials=wrong) for n in range(1, 20)]
    desk = Desk(signed_at(requests[0]))
    for request in requests:
        refusal_of(desk, request)
    assert not desk.authenticator._scopes
    assert not desk.authenticator._prefixes


def test_authenticate_many_good_prefixes_is_bounded_and_the_oldest_goes() -> None:
    """INVARIANT I5."""
    desk = Desk(1440938160)
    date = (b"x-amz-date", b"20150830T123600Z")
    count = authenticate.CACHE_ENTRIES_MAX + 3
    for n in range(count):
        name = b"x-%d" % n
        desk.authenticate(header_signed([(b"host", b"h"), date, (name, b"")], b"host;x-amz-date;" + name))
    assert len(desk.authenticator._prefixes) == authenticate.CACHE_ENTRIES_MAX
    assert not any(b"x-0," in prefix for prefix in desk.authenticator._prefixes)
    long = b";".join(b"x-%d" % n for n in range(300))
    desk.authenticate(
        header_signed(
            [(b"host", b"h"), date, *((b"x-%d" % n, b"") for n in range(300))], b"host;x-amz-date;" + long
        )
    )
    assert max(map(len, desk.authenticator._prefixes)) <= authenticate.CACHED_PREFIX_BYTES_MAX


def test_authenticate_many_good_scopes_is_bounded() -> None:
    """INVARIANT I5."""
    desk = Desk(1440938160)
    headers = [(b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
    for n in range(authenticate.CACHE_ENTRIES_MAX + 3):
        region = f"us-{'a' * (n // 100 % 10 + 1)}-{'b' * (n // 1000 + 1)}-{n % 100}"
        credential = f"AKIDEXAMPLE/20150830/{region}/kms/aws4_request"
        desk.authenticate(header_signed(headers, b"host;x-amz-date", credential=credential))
    assert len(desk.authenticator._scopes) == authenticate.CACHE_ENTRIES_MAX
    credential = "AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request"
    request = header_signed(headers, b"host;x-amz-date", credential=credential)
    longer = header(request, b"authorization").replace(b"aws4_request", b"aws4_request" + b"/" * 5000)
    desk.authenticate(with_header(request, b"authorization", longer))
    assert "////" not in repr(desk.authenticator._scopes) + repr(list(desk.authenticator._prefixes))


def test_authenticate_other_parameter_that_ends_in_signature_is_not_the_signature() -> None:
    """INVARIANT I2: a prefix is known only where the signature itself follows it."""
    date = (b"x-amz-date", b"20150830T123600Z")
    first = header_signed([(b"host", b"h"), date], b"host;x-amz-date", body=b"1")
    second = header_signed([(b"host", b"h"), date], b"host;x-amz-date", body=b"2")
    signature = header(first, b"authorization")[-64:]
    beginning = header(first, b"authorization") + b",XSignature="
    desk = Desk(1440938160)
    desk.authenticate(with_header(first, b"authorization", beginning + signature))
    other = with_header(second, b"authorization", beginning + header(second, b"authorization")[-64:])
    assert refusal_of(desk, other).code == "InvalidSignatureException"


def test_authenticate_boundary_or_store_unavailable_is_no_refusal() -> None:
    """What could not be told passes through; the pipeline makes it KMSInternalException."""

    class NoBoundary(SigningKeysInMemory):
        async def derive_signing_key(self, *_: object) -> bytes:
            raise BoundaryUnavailable

    class NoStore(AccessKeysInMemory):
        async def find_access_key(self, access_key_id: AccessKeyId) -> None:
            raise StoreUnavailable

    request = sign()
    desk = Desk(signed_at(request))
    without_boundary = StrictAuthenticator(desk.access_keys, NoBoundary(), desk.clock)
    with pytest.raises(BoundaryUnavailable):
        without_boundary.authenticate(request).send(None)
    without_store = StrictAuthenticator(NoStore(), desk.signing_keys, desk.clock)
    with pytest.raises(StoreUnavailable):
        without_store.authenticate(request).send(None)


def test_authenticate_driven_by_hand_waits_for_the_boundarys_reply() -> None:
    """The coroutine runs under reply.drive, without an asyncio task."""
    request = sign()
    desk = Desk(signed_at(request))
    loop = asyncio.new_event_loop()
    replies: list[Reply[bytes]] = []

    class Boundary:
        read_ticket = desk.signing_keys.read_ticket

        def derive_signing_key(
            self, token: bytes, key_id: str, date: str, region: str, service: str
        ) -> Reply[bytes]:
            replies.append(Reply(loop))
            return replies[-1]

    authenticator = StrictAuthenticator(desk.access_keys, Boundary(), desk.clock)
    outcomes: list[tuple[AuthenticatedRequest | None, BaseException | None]] = []
    drive(authenticator.authenticate(request), lambda result, error: outcomes.append((result, error)))
    assert not outcomes
    day = header(request, b"x-amz-date")[:8].decode()
    replies[0].resolve(derive(SECRET, day, "eu-central-1", "kms"))
    loop.close()
    assert outcomes[0][0] is not None
    assert outcomes[0][0].principal.arn == KEY.principal_arn


def test_authenticate_two_first_requests_at_once_are_both_answered() -> None:
    request = sign()
    desk = Desk(signed_at(request))

    async def both() -> list[AuthenticatedRequest]:
        return list(await asyncio.gather(*(desk.authenticator.authenticate(request) for _ in range(4))))

    assert len(set(asyncio.run(both()))) == 1


def test_signature_comparison_is_the_constant_time_one() -> None:
    """INVARIANT I1: the one place that sees both signatures compares them by hmac.compare_digest."""
    tree = ast.parse(Path(inspect.getfile(sigv4)).read_text())
    function = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "is_signature")
    returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
    assert [ast.unparse(value.func) for value in returned if isinstance(value, ast.Call)] == [
        "hmac.compare_digest"
    ]
    assert not [n for n in ast.walk(function) if isinstance(n, ast.Compare)]


def test_signing_key_in_memory_tells_nothing_by_its_repr() -> None:
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    day = header(request, b"x-amz-date")[:8].decode()
    key = derive(SECRET, day, "eu-central-1", "kms")
    assert desk.authenticator._scopes
    shown = repr(desk.authenticator._scopes) + repr(desk.authenticator._prefixes)
    assert key.hex() not in shown
    assert repr(key)[2:-1] not in shown
    assert SECRET not in shown


@pytest.mark.parametrize("method", ["post", "GET", "PUT", ""])
def test_authenticate_other_method_than_signed_is_refused(method: str) -> None:
    request = sign()
    desk = Desk(signed_at(request))
    desk.authenticate(request)
    assert refusal_of(desk, replace(request, method=method)).code == "InvalidSignatureException"


def test_authenticate_clock_is_asked_every_time() -> None:
    request = sign()
    clock = FixedClock(signed_at(request))
    desk = Desk(0)
    authenticator = StrictAuthenticator(desk.access_keys, desk.signing_keys, clock)
    assert_taken(authenticator, request)
    clock.at += 301
    assert refusal_of(authenticator, request).message is not None


def assert_taken(authenticator: StrictAuthenticator, request: HttpRequest) -> None:
    with pytest.raises(StopIteration):
        authenticator.authenticate(request).send(None)
