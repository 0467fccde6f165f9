"""The open authenticator of development: any credentials, but the form must be there."""

from __future__ import annotations

import dataclasses

import pytest
from botocore.credentials import Credentials
from tests.unit.identity.sessions import HOUR, ROLE, credentials_of, role_session, sign_with
from tests.unit.identity.signed_requests import (
    ACCOUNT,
    ALICE,
    KEY,
    Desk,
    header,
    refusal_of,
    replace,
    result_of,
    sign,
    with_header,
)

from strongroom.identity import authenticate
from strongroom.identity.authenticate import OpenAuthenticator
from strongroom.identity.callers import Callers
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import PrincipalType
from strongroom.resources.identifiers import AccessKeyId, AccountId

FORM = "AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host, Signature={}"


def opened() -> OpenAuthenticator:
    return OpenAuthenticator(AccountId("000000000000"))


def bare(credential: str, signature: str = "x") -> HttpRequest:
    authorization = FORM.format(credential, signature).encode()
    return HttpRequest("POST", b"/", [(b"authorization", authorization)], b"{}", "127.0.0.1", False)


def test_authenticate_any_credentials_is_the_accounts_root() -> None:
    authenticator = opened()
    request = sign(credentials=Credentials("test", "test"))
    for _ in range(2):
        authenticated = result_of(authenticator.authenticate(request))
        principal = authenticated.principal
        assert principal.type is PrincipalType.ROOT
        assert principal.arn == "arn:aws:iam::000000000000:root"
        assert principal.principal_id == principal.account_id == "000000000000"
        assert principal.access_key_id == "test"
        assert (authenticated.region, authenticated.service) == ("eu-central-1", "kms")


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("cn-north-1", "aws-cn"),
        ("us-gov-east-1", "aws-us-gov"),
        ("us-east-1", "aws"),
        ("aws-cn-global", "aws-cn"),
    ],
)
def test_authenticate_twelve_digits_name_the_account_in_the_regions_partition(
    region: str, partition: str
) -> None:
    authenticator = opened()
    request = bare(f"123456789012/20150830/{region}/sts/aws4_request")
    for _ in range(2):
        principal = result_of(authenticator.authenticate(request)).principal
        assert principal.arn == f"arn:{partition}:iam::123456789012:root"
        assert principal.account_id == principal.principal_id == "123456789012"


@pytest.mark.parametrize("access_key_id", ["12345678901", "1234567890123", "AKIA123456789012"])
def test_authenticate_other_access_key_ids_stand_for_the_default_account(access_key_id: str) -> None:
    request = bare(f"{access_key_id}/20150830/us-east-1/kms/aws4_request")
    assert result_of(opened().authenticate(request)).principal.account_id == "000000000000"


def test_authenticate_signature_date_and_session_token_count_for_nothing() -> None:
    request = sign(credentials=Credentials("test", "test", "token"))
    authenticator = opened()
    for changed in (
        replace(request, body=b"other"),
        with_header(request, b"x-amz-date", b"yesterday"),
        with_header(request, b"x-amz-date", None),
        with_header(request, b"host", None),
        with_header(request, b"authorization", header(request, b"authorization")[:-64] + b"x"),
    ):
        result_of(authenticator.authenticate(changed))


def test_authenticate_presigned_request_is_taken() -> None:
    request = sign(b"", (), method="GET", url="https://h/?Action=A", service="sts", presigned_seconds=1)
    assert result_of(opened().authenticate(request)).service == "sts"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "MissingAuthenticationTokenException"),
        (b"", "MissingAuthenticationTokenException"),
        (b"Bearer x", "IncompleteSignatureException"),
        (b"Basic dGVzdDp0ZXN0Cg==", "IncompleteSignatureException"),
        (FORM.format("a/b/us-east-1/kms/aws4_request", "").encode(), "IncompleteSignatureException"),
        (FORM.format("a/b/c", "x").encode(), "IncompleteSignatureException"),
        (FORM.format("a/b/nowhere/kms/aws4_request", "x").encode(), "InvalidSignatureException"),
        (FORM.format("a/b/us-east-1/kms/aws4", "x").encode(), "InvalidSignatureException"),
        (FORM.format("a/b/us-east-1//aws4_request", "x").encode(), "InvalidSignatureException"),
        (FORM.format("a/b/us-east-1/K'S/aws4_request", "x").encode(), "InvalidSignatureException"),
        (FORM.format("\x7f/b/us-east-1/kms/aws4_request", "x").encode(), "UnrecognizedClientException"),
        (
            FORM.format("a/b/us-east-1/kms/aws4_request", "x").replace("HMAC", "ECDSA-P256").encode(),
            "IncompleteSignatureException",
        ),
    ],
)
def test_authenticate_missing_or_malformed_form_is_refused(authorization: bytes | None, code: str) -> None:
    request = with_header(sign(), b"authorization", authorization)
    authenticator = opened()
    good = bare("a/b/us-east-1/kms/aws4_request")
    result_of(authenticator.authenticate(good))  # its prefix is known now
    assert refusal_of(authenticator, request).code == code


def test_authenticate_known_prefix_with_more_after_it_is_read_anew() -> None:
    authenticator = opened()
    result_of(authenticator.authenticate(bare("a/b/us-east-1/kms/aws4_request")))
    later = bare("a/b/us-east-1/kms/aws4_request", "x, Credential=123456789012/b/eu-west-1/kms/aws4_request")
    assert result_of(authenticator.authenticate(later)).region == "eu-west-1"
    assert result_of(authenticator.authenticate(later)).principal.account_id == "123456789012"
    assert refusal_of(authenticator, bare("a/b/us-east-1/kms/aws4_request", "")).message is not None
    doubled = replace(later, headers=[*later.headers, *later.headers])
    assert refusal_of(authenticator, doubled).code == "IncompleteSignatureException"


def test_authenticate_many_callers_is_remembered_to_a_bound() -> None:
    """INVARIANT I5."""
    authenticator = opened()
    for n in range(authenticate.CACHE_ENTRIES_MAX + 5):
        result_of(authenticator.authenticate(bare(f"k{n}/b/us-east-1/kms/aws4_request")))
    result_of(authenticator.authenticate(bare(f"k/{'b' * 2000}/us-east-1/kms/aws4_request")))
    assert len(authenticator._prefixes) == authenticate.CACHE_ENTRIES_MAX
    assert max(map(len, authenticator._prefixes)) <= authenticate.CACHED_PREFIX_BYTES_MAX


def knowing(desk: Desk) -> OpenAuthenticator:
    """One that knows what this server has given out."""
    return OpenAuthenticator(
        AccountId("000000000000"), Callers(desk.access_keys, desk.signing_keys, desk.clock)
    )


ISSUED = dataclasses.replace(KEY, access_key_id=AccessKeyId("AKIAIOSFODNN7EXAMPLE"))


def test_authenticate_access_key_of_this_server_is_its_user_whatever_the_signature() -> None:
    desk = Desk(0)
    authenticator = knowing(desk)
    request = bare(f"{ISSUED.access_key_id}/b/us-east-1/kms/aws4_request")
    assert result_of(authenticator.authenticate(request)).principal.type is PrincipalType.ROOT
    desk.access_keys.by_id[ISSUED.access_key_id] = ISSUED
    for _ in range(2):
        principal = result_of(authenticator.authenticate(request)).principal
        assert principal.arn == "arn:aws:iam::111122223333:user/alice"
        assert principal.access_key_id == ISSUED.access_key_id
    desk.access_keys.by_id[ISSUED.access_key_id] = dataclasses.replace(ISSUED, active=False)
    assert refusal_of(authenticator, request).code == "UnrecognizedClientException"
    desk.access_keys.by_id[ISSUED.access_key_id] = ISSUED
    desk.access_keys.identities.clear()
    assert refusal_of(authenticator, request).code == "UnrecognizedClientException"
    del desk.access_keys.by_id[ISSUED.access_key_id]
    assert result_of(authenticator.authenticate(request)).principal.type is PrincipalType.ROOT


def test_authenticate_session_of_this_server_is_its_role_until_it_is_over() -> None:
    desk = Desk(1795705200)
    desk.access_keys.put(ROLE)
    authenticator = knowing(desk)
    made = role_session(desk)
    request = sign_with(made)
    for _ in range(2):
        principal = result_of(authenticator.authenticate(request)).principal
        assert principal.arn == "arn:aws:sts::111122223333:assumed-role/Deploy/build-7"
    presigned = sign(
        b"", (), method="GET", url="https://h/", credentials=credentials_of(made), presigned_seconds=60
    )
    assert result_of(authenticator.authenticate(presigned)).principal.unique_id == ROLE.unique_id
    desk.clock.at += HOUR
    assert refusal_of(authenticator, request).code == "ExpiredTokenException"
    for foreign in (
        sign_with(role_session(Desk(desk.clock.at))),  # of another server: any credentials are a root's
        with_header(request, b"x-amz-security-token", None),
    ):
        assert result_of(authenticator.authenticate(foreign)).principal.type is PrincipalType.ROOT


def test_authenticate_service_of_this_server_acts_for_the_caller_it_names() -> None:
    desk = Desk(0)
    service = dataclasses.replace(ISSUED, principal_type="AWSService", principal_id="s3")
    desk.access_keys.by_id[ISSUED.access_key_id] = service
    authenticator = knowing(desk)
    request = bare(f"{ISSUED.access_key_id}/b/us-east-1/kms/aws4_request")
    assert result_of(authenticator.authenticate(request)).principal.arn == "s3.amazonaws.com"
    named = with_header(request, b"x-strongroom-acting-for", f"{ACCOUNT}/{ALICE.unique_id}".encode())
    principal = result_of(authenticator.authenticate(named)).principal
    assert principal.arn.endswith("user/alice")
    assert principal.forwarding is not None
    desk.access_keys.by_id[ISSUED.access_key_id] = ISSUED
    assert refusal_of(authenticator, named).code == "AccessDeniedException"
