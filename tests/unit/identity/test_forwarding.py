"""Integrated services: they act as themselves, or for the caller that their signed headers name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.credentials import Credentials
from tests.unit.identity.sessions import HOUR, ROLE, ROLE_ID, role_session, sign_with, user_session
from tests.unit.identity.signed_requests import (
    ACCOUNT,
    ALICE,
    KEY,
    Desk,
    identity,
    refusal_of,
    replace,
    sign,
    signed_at,
    with_header,
)

from strongroom.aws.signature_refusals import as_query_error
from strongroom.identity import callers
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, Forwarding, PrincipalType
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region

SERVICE_KEY = dataclasses.replace(
    KEY,
    access_key_id=AccessKeyId("AKIASERVICES3EXAMPLE"),
    account_id=AccountId("000000000000"),
    principal_arn="s3.amazonaws.com",
    principal_id="s3",
    principal_type="AWSService",
    secret_token=b"token of the service's secret",
)
SERVICE = Credentials(SERVICE_KEY.access_key_id, "the secret of the service")
TARGET = ("X-Amz-Target", "TrentService.Decrypt")
FOR = "X-Strongroom-Acting-For"
FOR_SESSION = "X-Strongroom-Acting-For-Session"
ACCESS_DENIED = "AccessDeniedException"
INCOMPLETE = "IncompleteSignatureException"


def desk_of_services() -> Desk:
    desk = Desk(signed_at(sign()))
    desk.access_keys.by_id[SERVICE_KEY.access_key_id] = SERVICE_KEY
    desk.signing_keys.secrets[SERVICE_KEY.secret_token] = SERVICE.secret_key
    desk.access_keys.put(ROLE)
    return desk


def call(*headers: tuple[str, str], **more: Any) -> HttpRequest:
    """A request that the service signs."""
    return sign(headers=[TARGET, *headers], credentials=SERVICE, **more)


def caller_of(desk: Desk, *headers: tuple[str, str]) -> AuthenticatedPrincipal:
    """Who it is, on the whole and on the short way."""
    request = call(*headers)
    first = desk.authenticate(request)
    again = desk.authenticate(call(*headers, body=b"again"))
    assert again is first
    return first.principal


def refused(desk: Desk, request: HttpRequest) -> str:
    error = refusal_of(desk, request)
    assert error.status == 400
    return error.code


def test_service_without_the_header_is_itself_and_of_no_account() -> None:
    desk = desk_of_services()
    principal = caller_of(desk)
    assert principal.type is PrincipalType.AWS_SERVICE
    assert principal.arn == principal.principal_id == "s3.amazonaws.com"
    assert (principal.account_id, principal.unique_id) == ("", "")
    assert (principal.forwarding, principal.source_arn, principal.source_account) == (None, None, None)
    assert principal.access_key_id == SERVICE_KEY.access_key_id


def test_service_says_for_which_resource_it_calls() -> None:
    principal = caller_of(
        desk_of_services(), ("X-Amz-Source-Arn", "arn:aws:s3:::bucket"), ("X-Amz-Source-Account", ACCOUNT)
    )
    assert principal.type is PrincipalType.AWS_SERVICE
    assert (principal.source_arn, principal.source_account) == ("arn:aws:s3:::bucket", ACCOUNT)


def test_caller_for_whom_a_service_acts_has_no_source() -> None:
    """As on AWS: aws:SourceArn is there only where a service calls as itself."""
    user = (FOR, f"{ACCOUNT}/{ALICE.unique_id}")
    principal = caller_of(desk_of_services(), user, ("X-Amz-Source-Arn", "arn:aws:s3:::bucket"))
    assert principal.forwarding is not None
    assert principal.source_arn is None


def test_service_acts_for_a_user() -> None:
    principal = caller_of(desk_of_services(), (FOR, f"{ACCOUNT}/{ALICE.unique_id}"))
    assert principal.type is PrincipalType.IAM_USER
    assert principal.arn == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert principal.unique_id == ALICE.unique_id
    assert principal.forwarding == Forwarding("s3", Region("eu-central-1"))
    assert principal.session is None
    assert principal.access_key_id == SERVICE_KEY.access_key_id


def test_service_acts_for_the_root_of_an_account_that_is_there() -> None:
    desk = desk_of_services()
    principal = caller_of(desk, (FOR, f"{ACCOUNT}/{ACCOUNT}"))
    assert principal.type is PrincipalType.ROOT
    assert principal.arn == f"arn:aws:iam::{ACCOUNT}:root"
    assert principal.forwarding is not None
    assert refused(desk, call((FOR, "999999999999/999999999999"))) == ACCESS_DENIED


def test_service_acts_for_a_roles_session_within_all_its_bounds() -> None:
    desk = desk_of_services()
    made = role_session(desk, policies=("a policy",), tags={"team": "blue"})
    named = (FOR, f"{ACCOUNT}/{ROLE_ID}:build-7")
    session = (FOR_SESSION, f"{made.access_key_id}/{made.session_token}")
    principal = caller_of(desk, named, session)
    assert desk.signing_keys.opened == 1
    assert principal.type is PrincipalType.ASSUMED_ROLE
    assert principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/build-7"
    assert principal.session is not None
    assert principal.session.policies == ("a policy",)
    assert principal.session.tags == {"team": "blue"}
    assert principal.forwarding is not None
    without = call(named)  # or the service would lend more than the session has
    assert refused(desk, without) == INCOMPLETE
    desk.clock.at += HOUR  # botocore signs for now: only the session may be over
    desk.authenticator._skew_seconds = 2 * HOUR
    assert refused(desk, call(named, session)) == "ExpiredTokenException"


def test_service_with_a_session_that_is_not_the_named_callers_is_refused() -> None:
    desk = desk_of_services()
    role, user = role_session(desk), user_session(desk)
    elsewhere = role_session(desk, account_id=AccountId("999999999999"))
    named = (FOR, f"{ACCOUNT}/{ROLE_ID}:build-7")
    for access_key_id, token in (
        (user.access_key_id, user.session_token),
        (elsewhere.access_key_id, elsewhere.session_token),
        (user.access_key_id, role.session_token),
        (role.access_key_id, role.session_token[:-8] + "AAAAAAA="),
    ):
        assert refused(desk, call(named, (FOR_SESSION, f"{access_key_id}/{token}"))) == ACCESS_DENIED
    mine = (FOR_SESSION, f"{role.access_key_id}/{role.session_token}")
    for other in (f"{ACCOUNT}/{ROLE_ID}:build-8", f"{ACCOUNT}/{ALICE.unique_id}", f"{ACCOUNT}/{ACCOUNT}"):
        assert refused(desk, call((FOR, other), mine)) == ACCESS_DENIED
    desk.authenticate(call(named, mine))


def test_service_for_somebody_who_is_gone_is_refused_at_once() -> None:
    desk = desk_of_services()
    request = call((FOR, f"{ACCOUNT}/{ALICE.unique_id}"))
    desk.authenticate(request)
    del desk.access_keys.identities[ACCOUNT, ALICE.unique_id]
    assert refused(desk, request) == ACCESS_DENIED
    desk.access_keys.put(identity("alicia", ALICE.unique_id))
    assert desk.authenticate(request).principal.arn.endswith("user/alicia")
    assert refused(desk, call((FOR, f"{ACCOUNT}/AIDANOBODY"))) == ACCESS_DENIED
    assert refused(desk, call((FOR, f"999999999999/{ALICE.unique_id}"))) == ACCESS_DENIED


def test_service_whose_key_is_deactivated_stops_at_once() -> None:
    desk = desk_of_services()
    request = call((FOR, f"{ACCOUNT}/{ALICE.unique_id}"))
    desk.authenticate(request)
    stopped = dataclasses.replace(SERVICE_KEY, active=False)
    desk.access_keys.by_id[SERVICE_KEY.access_key_id] = stopped
    assert refused(desk, request) == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(b"x-strongroom-acting-for", f"{ACCOUNT}/{ALICE.unique_id}".encode(), id="acting for"),
        pytest.param(b"x-strongroom-acting-for-session", b"ASIAX/AAAA", id="session"),
        pytest.param(b"x-amz-source-arn", b"arn:aws:s3:::bucket", id="source ARN"),
        pytest.param(b"x-amz-source-account", ACCOUNT.encode(), id="source account"),
    ],
)
def test_forwarding_added_on_the_way_is_refused_short_and_long(name: bytes, value: bytes) -> None:
    """INVARIANT I7."""
    desk = desk_of_services()
    request = call()
    forged = with_header(request, name, value)
    for _ in range(2):
        error = refusal_of(desk, forged)
        assert error.code == "InvalidSignatureException"
        assert error.message is not None
        assert "must be a 'SignedHeader'" in error.message
        desk.authenticate(request)  # and now its prefix is known


def test_forwarding_changed_on_the_way_does_not_verify() -> None:
    desk = desk_of_services()
    request = call((FOR, f"{ACCOUNT}/{ALICE.unique_id}"))
    desk.authenticate(request)
    root = f"{ACCOUNT}/{ACCOUNT}".encode()
    changed = with_header(request, b"x-strongroom-acting-for", root)
    assert refused(desk, changed) == "InvalidSignatureException"
    assert (
        refused(desk, with_header(request, b"x-strongroom-acting-for", None)) == "InvalidSignatureException"
    )
    doubled = replace(request, headers=[*request.headers, (b"x-strongroom-acting-for", root)])
    assert refused(desk, doubled) == "InvalidSignatureException"


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("name", [FOR, FOR_SESSION])
def test_forwarding_by_anybody_else_is_refused_short_and_long(signed: bool, name: str) -> None:
    """INVARIANT I7: a user, a role's session and a root are no services."""
    desk = desk_of_services()
    made = role_session(desk)
    value = f"{ACCOUNT}/{ACCOUNT}"
    root_key = dataclasses.replace(KEY, principal_type="Root", principal_id=ACCOUNT)

    def by_the_user(headers: Sequence[tuple[str, str]]) -> HttpRequest:
        return sign(headers=headers)

    def by_the_session(headers: Sequence[tuple[str, str]]) -> HttpRequest:
        return sign_with(made, headers=headers)

    for sign_it in (by_the_user, by_the_session):
        plain = sign_it([TARGET])
        desk.authenticate(plain)
        forged = (
            sign_it([TARGET, (name, value)])
            if signed
            else with_header(plain, name.lower().encode(), value.encode())
        )
        for _ in range(2):
            error = refusal_of(desk, forged)
            assert error.code == ACCESS_DENIED
        query = as_query_error(error, False)
        assert (query.code, query.status) == ("AccessDenied", 403)
    desk.access_keys.by_id[KEY.access_key_id] = root_key
    assert refused(desk, sign(headers=[TARGET, (name, value)])) == ACCESS_DENIED


def test_source_headers_of_anybody_else_mean_nothing() -> None:
    desk = desk_of_services()
    principal = desk.authenticate(sign(headers=[TARGET, ("X-Amz-Source-Arn", "arn:aws:s3:::b")])).principal
    assert (principal.source_arn, principal.source_account) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ACCOUNT,
        f"{ACCOUNT}/",
        f"/{ALICE.unique_id}",
        f"{ACCOUNT}/alice",
        f"{ACCOUNT}/999999999999",
        f"{ACCOUNT}/{ALICE.unique_id}/x",
        f"{ACCOUNT}/{ALICE.unique_id}:session",
        f"{ACCOUNT}/{ROLE_ID}",
        f"{ACCOUNT}/{ROLE_ID}:",
        f"{ACCOUNT}/{ROLE_ID}:a b",
        f"{ACCOUNT}/{ROLE_ID}:{'s' * 65}",
        f"{ACCOUNT} /{ALICE.unique_id}",
        f"{ACCOUNT}/{ALICE.unique_id.lower()}",
        f"1{ACCOUNT}/{ALICE.unique_id}",
        f"{ACCOUNT}/{ALICE.unique_id},{ACCOUNT}/{ACCOUNT}",
        f"arn:aws:iam::{ACCOUNT}:user/alice",
        f"arn:aws:iam::{ACCOUNT}:root",
        '{"account": "111122223333"}',
        "*",
    ],
    ids=lambda value: value or "empty",
)
def test_forwarding_that_is_malformed_is_refused(value: str) -> None:
    desk = desk_of_services()
    for _ in range(2):
        assert refused(desk, call((FOR, value))) == INCOMPLETE
        desk.authenticate(call())


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(FOR_SESSION, "ASIAIOSFODNN7EXAMPLE/AAAA")], id="session alone"),
        pytest.param([(FOR, f"{ACCOUNT}/{ALICE.unique_id}"), (FOR_SESSION, "")], id="empty session"),
        pytest.param([(FOR, f"{ACCOUNT}/{ALICE.unique_id}"), (FOR_SESSION, "AAAA")], id="token alone"),
        pytest.param(
            [(FOR, f"{ACCOUNT}/{ALICE.unique_id}"), (FOR_SESSION, "AKIAX/AAAA")], id="long-term key"
        ),
        pytest.param([("X-Amz-Source-Arn", "bucket")], id="no ARN"),
        pytest.param([("X-Amz-Source-Arn", "")], id="empty ARN"),
        pytest.param([("X-Amz-Source-Arn", "arn:" + "x" * 2045)], id="long ARN"),
        pytest.param([("X-Amz-Source-Account", "1234")], id="no account"),
        pytest.param([("X-Amz-Source-Account", "")], id="empty account"),
    ],
)
def test_other_forwarding_headers_that_are_malformed_are_refused(headers: Sequence[tuple[str, str]]) -> None:
    assert refused(desk_of_services(), call(*headers)) == INCOMPLETE


def test_many_represented_callers_are_remembered_to_a_bound() -> None:
    desk = desk_of_services()
    for n in range(callers.REPRESENTED_MAX + 5):
        one = identity(f"user-{n}", f"AIDA{n}")
        desk.access_keys.put(one)
        desk.authenticate(call((FOR, f"{ACCOUNT}/{one.unique_id}")))
    assert len(desk.authenticator._callers._represented) == callers.REPRESENTED_MAX
