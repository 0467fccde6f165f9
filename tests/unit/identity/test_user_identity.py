"""CloudTrail's userIdentity of every kind of caller.

Source: AWS CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from strongroom.audit.cloudtrail import render_user_identity
from strongroom.identity.principal import AuthenticatedPrincipal, Forwarding, PrincipalType, Session
from strongroom.identity.user_identity import user_identity_of
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region

ACCOUNT = AccountId("123456789012")
ISSUED = datetime(2013, 11, 2, 1, 6, 28, tzinfo=UTC)
SESSION = Session(ISSUED, ISSUED + timedelta(hours=1))
ALICE: dict[str, Any] = {
    "type": PrincipalType.IAM_USER,
    "account_id": ACCOUNT,
    "arn": "arn:aws:iam::123456789012:user/staff/Alice",
    "principal_id": "AIDAJ45Q7YFFAREXAMPLE",
    "access_key_id": AccessKeyId("AKIAIOSFODNN7EXAMPLE"),
    "unique_id": "AIDAJ45Q7YFFAREXAMPLE",
}
ALICE_SHOWN = {
    "type": "IAMUser",
    "principalId": "AIDAJ45Q7YFFAREXAMPLE",
    "arn": "arn:aws:iam::123456789012:user/staff/Alice",
    "accountId": "123456789012",
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "userName": "Alice",
}
ROLE: dict[str, Any] = {
    "type": PrincipalType.ASSUMED_ROLE,
    "account_id": ACCOUNT,
    "arn": "arn:aws:sts::123456789012:assumed-role/RoleToBeAssumed/MySessionName",
    "principal_id": "AROAIDPPEZS35WEXAMPLE:MySessionName",
    "access_key_id": AccessKeyId("ASIAIOSFODNN7EXAMPLE"),
    "unique_id": "AROAIDPPEZS35WEXAMPLE",
    "role_arn": "arn:aws:iam::123456789012:role/ci/RoleToBeAssumed",
    "session": SESSION,
}
ATTRIBUTES = {"creationDate": "2013-11-02T01:06:28Z", "mfaAuthenticated": "false"}


def shown(**members: Any) -> dict[str, Any]:
    rendered: dict[str, Any] = json.loads(
        render_user_identity(**user_identity_of(AuthenticatedPrincipal(**members)))
    )
    return rendered


def test_user_identity_of_a_user_has_the_users_name() -> None:
    identity = shown(**ALICE)
    assert identity == ALICE_SHOWN
    assert list(identity) == list(ALICE_SHOWN)


def test_user_identity_of_a_users_session_has_when_it_began() -> None:
    identity = shown(**ALICE, session=SESSION)
    assert identity == ALICE_SHOWN | {"sessionContext": {"attributes": ATTRIBUTES}}


def test_user_identity_of_a_role_has_its_session_issuer() -> None:
    identity = shown(**ROLE)
    assert identity == {
        "type": "AssumedRole",
        "principalId": "AROAIDPPEZS35WEXAMPLE:MySessionName",
        "arn": "arn:aws:sts::123456789012:assumed-role/RoleToBeAssumed/MySessionName",
        "accountId": "123456789012",
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAIDPPEZS35WEXAMPLE",
                "arn": "arn:aws:iam::123456789012:role/ci/RoleToBeAssumed",
                "accountId": "123456789012",
                "userName": "RoleToBeAssumed",
            },
            "attributes": ATTRIBUTES,
        },
    }


def test_user_identity_of_a_federated_session_has_provider_and_source_identity() -> None:
    provider = "arn:aws:iam::123456789012:oidc-provider/example.com"
    session = Session(
        ISSUED, SESSION.expires_at, source_identity="alice", federated_provider=provider, session_name="s"
    )
    context = shown(**ROLE | {"session": session})["sessionContext"]
    assert context["webIdFederationData"] == {"federatedProvider": provider, "attributes": {}}
    assert context["sourceIdentity"] == "alice"


def test_user_identity_tells_no_policies_and_no_tags_of_a_session() -> None:
    session = Session(ISSUED, SESSION.expires_at, policies=("planted policy",), tags={"planted": "tag"})
    assert "planted" not in json.dumps(shown(**ROLE | {"session": session}))


def test_user_identity_of_a_forwarded_caller_names_the_service() -> None:
    identity = shown(**ALICE, forwarding=Forwarding("s3", Region("eu-central-1")))
    assert identity == ALICE_SHOWN | {"invokedBy": "s3.amazonaws.com"}


def test_user_identity_of_a_service_is_its_name() -> None:
    service = {
        "type": PrincipalType.AWS_SERVICE,
        "account_id": AccountId(""),
        "arn": "s3.amazonaws.com",
        "principal_id": "s3.amazonaws.com",
        "access_key_id": AccessKeyId("AKIAIOSFODNN7EXAMPLE"),
    }
    assert shown(**service) == {"type": "AWSService", "invokedBy": "s3.amazonaws.com"}


def test_user_identity_of_a_root_has_no_user_name() -> None:
    root = ALICE | {"type": PrincipalType.ROOT, "arn": f"arn:aws:iam::{ACCOUNT}:root"}
    assert "userName" not in shown(**root)
