"""GetSessionToken and what its credentials may call; GetAccessKeyInfo."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.operations.role_scene import (
    account_of,
    new_access_key,
    new_role,
    new_user,
    policy,
    refusal,
    trust,
)
from tests.support.road import ACCOUNT, Road

from strongroom.aws.errors import ApiError
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.operations.operation import Operation
from strongroom.operations.session_limits import require_session_may_call
from strongroom.operations.sts.caller_identity import GET_CALLER_IDENTITY
from strongroom.resources.identifiers import AccessKeyId, AccountId


def session_of(road: Road, account: str) -> str:
    answer = road.call_query("sts", "GetSessionToken", account=account)
    return road.bearer_of_answer(answer["Credentials"])


def test_session_of_a_user_is_the_user(road: Road) -> None:
    user = new_user(road, policy("kms:ListKeys"))
    session = session_of(road, user.access_key_id)
    assert road.call_query("sts", "GetCallerIdentity", account=session)["Arn"] == user.arn
    assert road.last_record["userIdentity"]["type"] == "IAMUser"
    assert road.last_record["userIdentity"]["accessKeyId"] == session
    road.call("ListKeys", account=session)
    assert refusal(road.call, "ListAliases", account=session)[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 43200), ({"DurationSeconds": 900}, 900), ({"DurationSeconds": 129600}, 129600)],
    ids=["default", "shortest", "longest"],
)
def test_session_of_a_user_lasts_as_long_as_asked(road: Road, given: dict[str, int], seconds: int) -> None:
    user = new_user(road)
    answer = road.call_query(
        "sts", "GetSessionToken", account=user.access_key_id, MinimumSessionTokenSize=0, **given
    )
    lifetime = answer["Credentials"]["Expiration"] - road.clock.now()
    assert lifetime.total_seconds() == pytest.approx(seconds, abs=5)
    shown = road.last_record
    assert shown["responseElements"]["credentials"].keys() == {"accessKeyId", "expiration"}
    assert (shown["requestParameters"] or {}) == (
        {"durationSeconds": given["DurationSeconds"]} if given else {}
    )


def test_session_of_a_root_lasts_an_hour_at_most(road: Road) -> None:
    root = new_access_key(road, PrincipalType.ROOT, ACCOUNT)
    for given in ({}, {"DurationSeconds": 129600}):
        answer = road.call_query("sts", "GetSessionToken", account=root, **given)
        lifetime = answer["Credentials"]["Expiration"] - road.clock.now()
        assert lifetime.total_seconds() == pytest.approx(3600, abs=5)


def test_session_out_of_bounds_or_with_mfa_is_refused(road: Road) -> None:
    user = new_user(road)
    for seconds in (899, 129601):
        found = refusal(
            road.call_query,
            "sts",
            "GetSessionToken",
            account=user.access_key_id,
            DurationSeconds=seconds,
        )
        assert found[0] == "ValidationError"
    mfa = {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/alice", "TokenCode": "123456"}
    found = refusal(road.call_query, "sts", "GetSessionToken", account=user.access_key_id, **mfa)
    assert (found[0], found[2]) == ("AccessDenied", 403)


@pytest.mark.parametrize("who", ["user", "root"])
def test_session_of_get_session_token_calls_no_iam_and_little_of_sts(road: Road, who: str) -> None:
    """GetSessionToken in the STS API reference: only AssumeRole and GetCallerIdentity."""
    if who == "user":
        access_key = new_user(road, policy("*")).access_key_id
    else:
        access_key = new_access_key(road, PrincipalType.ROOT, ACCOUNT)
    session = session_of(road, access_key)
    assert refusal(road.call_query, "iam", "ListUsers", account=session)[::2] == ("InvalidClientTokenId", 403)
    for operation, members in (
        ("GetSessionToken", {}),
        ("GetAccessKeyInfo", {"AccessKeyId": access_key}),
    ):
        found = refusal(road.call_query, "sts", operation, account=session, **members)
        assert found == ("AccessDenied", f"Cannot call {operation} with session credentials", 403)
    role = new_role(road, trust(account_of()))
    if who == "user":
        role.assume(session)
    else:
        assert refusal(role.assume, session)[1] == "Roles may not be assumed by root accounts."


def bearer(kind: PrincipalType, *, in_session: bool) -> AuthenticatedPrincipal:
    now = datetime.now(UTC)
    session = Session(now, now + timedelta(hours=1)) if in_session else None
    return AuthenticatedPrincipal(kind, AccountId(ACCOUNT), "arn", "id", AccessKeyId("ASIA"), session=session)


@pytest.mark.parametrize("kind", [PrincipalType.ROOT, PrincipalType.IAM_USER])
def test_session_of_get_session_token_is_no_credential_for_iam(kind: PrincipalType) -> None:
    """cloudyr/aws.iam#15: IAM answers as if the token were none."""
    of_iam: Operation = replace(GET_CALLER_IDENTITY, service="iam", name="ListUsers")
    with pytest.raises(ApiError) as caught:
        require_session_may_call(bearer(kind, in_session=True), of_iam)
    assert (caught.value.code, caught.value.status) == ("InvalidClientTokenId", 403)
    require_session_may_call(bearer(kind, in_session=False), of_iam)
    require_session_may_call(bearer(PrincipalType.ASSUMED_ROLE, in_session=True), of_iam)
    require_session_may_call(bearer(kind, in_session=True), replace(of_iam, service="kms"))


def test_session_of_a_role_gets_no_session_token_but_may_call_the_rest(road: Road) -> None:
    user = new_user(road, policy("sts:*"))
    role = new_role(road, trust(account_of()), policy("sts:GetAccessKeyInfo"))
    session = role.session(user.access_key_id)
    found = refusal(road.call_query, "sts", "GetSessionToken", account=session)
    assert found == ("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    account = road.call_query("sts", "GetAccessKeyInfo", account=session, AccessKeyId=user.access_key_id)
    assert account == {"Account": ACCOUNT}


def test_service_has_no_session(road: Road) -> None:
    service = new_access_key(road, PrincipalType.AWS_SERVICE, "s3")
    assert refusal(road.call_query, "sts", "GetSessionToken", account=service)[0] == "AccessDenied"


def test_session_of_a_deleted_user_stops_at_once(own_road: Road) -> None:
    road = own_road
    user = new_user(road, policy("kms:*"))
    session = session_of(road, user.access_key_id)
    road.call("ListKeys", account=session)
    road.wait(road.store.delete_access_key(AccessKeyId(user.access_key_id)))
    road.wait(road.store.delete_entity(user.user))
    assert refusal(road.call, "ListKeys", account=session)[0] == "UnrecognizedClientException"


def test_account_of_an_access_key_is_told_to_whom_a_policy_lets(road: Road) -> None:
    user = new_user(road)
    inactive = new_access_key(road, PrincipalType.IAM_USER, "AIDA", active=False)
    for access_key in (user.access_key_id, inactive):
        assert road.call_query("sts", "GetAccessKeyInfo", AccessKeyId=access_key) == {"Account": ACCOUNT}
    found = refusal(
        road.call_query,
        "sts",
        "GetAccessKeyInfo",
        account=user.access_key_id,
        AccessKeyId=user.access_key_id,
    )
    assert found[0] == "AccessDenied"
    may = new_user(road, policy("sts:GetAccessKeyInfo"))
    road.call_query("sts", "GetAccessKeyInfo", account=may.access_key_id, AccessKeyId=user.access_key_id)


@pytest.mark.parametrize(
    "access_key", ["AKIAAAAAAAAAAAAAAAAA", "ASIAAAAAAAAAAAAAAAAA", "short", "no letters!"]
)
def test_access_key_of_nobody_is_a_validation_error(road: Road, access_key: str) -> None:
    assert refusal(road.call_query, "sts", "GetAccessKeyInfo", AccessKeyId=access_key)[0] == "ValidationError"
