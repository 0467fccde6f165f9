"""Users, sessions and integrated services on the road: who STS says they are, and what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.identity.principal import PrincipalType
from strongroom.identity.temporary_credentials import TemporaryCredentials, make_temporary_credentials
from strongroom.resources.iam import IdPrefix, Role, User, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.iam_interface import AccessKey

ACCOUNT_ID = AccountId(ACCOUNT)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    path: Path = tmp_path_factory.mktemp("callers")
    with Road(path) as road:
        yield road


def new_access_key(road: Road, kind: PrincipalType, principal_id: str) -> str:
    access_key_id = AccessKeyId(new_unique_id(IdPrefix.ACCESS_KEY))
    _, token = road.wait(road.boundary.create_access_key_secret(access_key_id, ACCOUNT))
    road.wait(
        road.store.put_access_key(
            AccessKey(access_key_id, ACCOUNT_ID, "", principal_id, kind, token, True, road.clock.now())
        )
    )
    return access_key_id


def new_user(road: Road, name: str) -> User:
    user = User(
        account_id=ACCOUNT_ID,
        name=name,
        unique_id=new_unique_id(IdPrefix.USER),
        created_at=road.clock.now(),
    )
    road.wait(road.store.insert_entity(user))
    return user


def new_session(road: Road, name: str) -> TemporaryCredentials:
    role = Role(
        account_id=ACCOUNT_ID,
        name=name,
        unique_id=new_unique_id(IdPrefix.ROLE),
        created_at=road.clock.now(),
        trust_policy="{}",
    )
    road.wait(road.store.insert_entity(role))
    return road.wait(
        make_temporary_credentials(
            road.boundary,
            road.clock,
            kind=PrincipalType.ASSUMED_ROLE,
            account_id=ACCOUNT_ID,
            unique_id=role.unique_id,
            duration_seconds=900,
            session_name="build",
        )
    )


def test_user_is_recorded_by_name(road: Road) -> None:
    user = new_user(road, "alice")
    access_key_id = new_access_key(road, PrincipalType.IAM_USER, user.unique_id)
    who = road.call_query("sts", "GetCallerIdentity", account=access_key_id)
    assert who == {
        "UserId": user.unique_id,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
    }
    assert road.last_record["userIdentity"] == {
        "type": "IAMUser",
        "principalId": user.unique_id,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
        "accountId": ACCOUNT,
        "accessKeyId": access_key_id,
        "userName": "alice",
    }


def test_session_is_recorded_with_its_issuer_until_it_is_over(road: Road) -> None:
    made = new_session(road, "Deploy")
    bearer = road.bearer_of(made)
    who = road.call_query("sts", "GetCallerIdentity", account=bearer)
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/build"
    identity = road.last_record["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["principalId"] == who["UserId"]
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == f"arn:aws:iam::{ACCOUNT}:role/Deploy"
    shown = repr(road.last_record)
    assert made.session_token not in shown
    assert made.secret_access_key not in shown
    road.clock.advance(900)
    with pytest.raises(Refusal, match="expired") as query:
        road.call_query("sts", "GetCallerIdentity", account=bearer)
    assert (query.value.code, query.value.status) == ("ExpiredToken", 403)
    with pytest.raises(Refusal, match="expired") as json:
        road.call("ListKeys", account=bearer)
    assert (json.value.code, json.value.status) == ("ExpiredTokenException", 400)
    assert road.last_record["errorCode"] == "ExpiredTokenException"
    assert road.last_record["userIdentity"] == {"type": "Unknown"}


@pytest.mark.parametrize("action", ["CreateAccessKey", "PutUserPolicy"])
def test_service_that_acts_for_a_root_is_refused_by_iam(road: Road, action: str) -> None:
    """A service that was taken over must not make itself credentials that are no service's."""
    access_key_id = new_access_key(road, PrincipalType.AWS_SERVICE, "s3")
    road.more_headers = [(b"x-strongroom-acting-for", f"{ACCOUNT}/{ACCOUNT}".encode())]
    try:
        with pytest.raises(Refusal, match="cannot call IAM for another caller") as raised:
            road.call_query("iam", action, account=access_key_id)
    finally:
        road.more_headers = []
    assert (raised.value.code, raised.value.status) == ("AccessDenied", 403)
    assert road.last_record["userIdentity"]["invokedBy"] == "s3.amazonaws.com"


def test_service_is_recorded_by_name_and_beside_the_caller_it_acts_for(road: Road) -> None:
    user = new_user(road, "bob")
    access_key_id = new_access_key(road, PrincipalType.AWS_SERVICE, "s3")
    road.call_query("sts", "GetCallerIdentity", account=access_key_id)
    assert road.last_record["userIdentity"] == {"type": "AWSService", "invokedBy": "s3.amazonaws.com"}
    assert road.last_record["recipientAccountId"] == ""
    road.more_headers = [(b"x-strongroom-acting-for", f"{ACCOUNT}/{user.unique_id}".encode())]
    try:
        who = road.call_query("sts", "GetCallerIdentity", account=access_key_id)
        assert who["UserId"] == user.unique_id
        identity = road.last_record["userIdentity"]
        assert (identity["userName"], identity["invokedBy"]) == ("bob", "s3.amazonaws.com")
        assert road.last_record["recipientAccountId"] == ACCOUNT
        his_own = new_access_key(road, PrincipalType.IAM_USER, user.unique_id)
        with pytest.raises(Refusal, match="Only an integrated service"):
            road.call_query("sts", "GetCallerIdentity", account=his_own)
    finally:
        road.more_headers = []
