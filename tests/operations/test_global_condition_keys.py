"""AWS's global condition keys: principal, session, network, resource, request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.operations.condition_questions import (
    REPLICA,
    ROLE,
    ROOT,
    SERVICE,
    SESSION,
    SYMMETRIC,
    USER,
    VIA_S3,
    WEB,
    question,
    sent,
    values,
)
from tests.support.road import Road
from tests.support.store_records import ACCOUNT, OTHER_ACCOUNT, OTHER_REGION, REGION, new_key

from strongroom.authorization.ask import AmbiguousCondition
from strongroom.aws.generated import shapes as s
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.operations.circumstances import NotPrepared
from strongroom.operations.global_condition_keys import ABSENT_GLOBAL_KEYS
from strongroom.resources.iam import Role, User

ROOT_DIRECTORY = Path(__file__).resolve().parents[2]
CREATED_AT = datetime(2025, 3, 1, tzinfo=UTC)
ENCRYPT = s.EncryptRequest(key_id=SYMMETRIC.arn, plaintext=b"x")
PLAIN_USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/division/Bob"

PRINCIPALS: dict[str, tuple[AuthenticatedPrincipal, str, tuple[str, ...] | None]] = {
    # IAM User Guide, "Principal key values"
    "PrincipalArn-root": (ROOT, "PrincipalArn", (f"arn:aws:iam::{ACCOUNT}:root",)),
    "PrincipalArn-user": (USER, "PrincipalArn", (PLAIN_USER_ARN,)),
    "PrincipalArn-via": (VIA_S3, "PrincipalArn", (PLAIN_USER_ARN,)),
    "PrincipalArn-service": (SERVICE, "PrincipalArn", None),
    "PrincipalArn-gone-role": (replace(ROLE, unique_id="AROANOBODY"), "PrincipalArn", None),
    "PrincipalAccount-role": (ROLE, "PrincipalAccount", (ACCOUNT,)),
    "PrincipalType-root": (ROOT, "PrincipalType", ("Account",)),
    "PrincipalType-user": (USER, "PrincipalType", ("User",)),
    "PrincipalType-role": (ROLE, "PrincipalType", ("AssumedRole",)),
    "userid-root": (ROOT, "userid", (ACCOUNT,)),
    "userid-user": (USER, "userid", ("AIDABOB",)),
    "userid-role": (ROLE, "userid", ("AROACLERK:shift",)),
    "userid-service": (SERVICE, "userid", None),
    "username-root": (ROOT, "username", None),
    "username-user": (USER, "username", ("Bob",)),
    "username-role": (ROLE, "username", None),
    "PrincipalIsAWSService-user": (USER, "PrincipalIsAWSService", ("false",)),
    "PrincipalIsAWSService-via": (VIA_S3, "PrincipalIsAWSService", ("false",)),
    "SourceArn-service": (
        replace(SERVICE, source_arn="arn:aws:s3:::bucket"),
        "SourceArn",
        ("arn:aws:s3:::bucket",),
    ),
    "SourceAccount-service": (replace(SERVICE, source_account=ACCOUNT), "SourceAccount", (ACCOUNT,)),
    "SourceArn-service that tells none": (SERVICE, "SourceArn", None),
    "SourceArn-user": (USER, "SourceArn", None),
    "PrincipalIsAWSService-service": (SERVICE, "PrincipalIsAWSService", ("true",)),
    "PrincipalServiceName-service": (SERVICE, "PrincipalServiceName", ("s3.amazonaws.com",)),
    "PrincipalServiceName-via": (VIA_S3, "PrincipalServiceName", None),
    "PrincipalServiceNamesList": (SERVICE, "PrincipalServiceNamesList", ("s3.amazonaws.com",)),
    # properties of a session
    "TokenIssueTime-user": (USER, "TokenIssueTime", None),
    "TokenIssueTime-role": (ROLE, "TokenIssueTime", ("2025-05-01T08:00:00Z",)),
    "SourceIdentity-role": (ROLE, "SourceIdentity", ("saanvi",)),
    "SourceIdentity-none": (
        replace(ROLE, session=replace(SESSION, source_identity=None)),
        "SourceIdentity",
        None,
    ),
    "FederatedProvider-role": (ROLE, "FederatedProvider", None),
    "FederatedProvider-web": (
        WEB,
        "FederatedProvider",
        (f"arn:aws:iam::{ACCOUNT}:oidc-provider/k8s",),
    ),
    "MultiFactorAuthPresent-user": (USER, "MultiFactorAuthPresent", None),
    "MultiFactorAuthPresent-role": (ROLE, "MultiFactorAuthPresent", ("false",)),
    "MultiFactorAuthPresent-via": (VIA_S3, "MultiFactorAuthPresent", ("false",)),
    "MultiFactorAuthPresent-web": (WEB, "MultiFactorAuthPresent", None),
    "MultiFactorAuthAge-role": (ROLE, "MultiFactorAuthAge", None),
    # through a service
    "ViaAWSService-direct": (USER, "ViaAWSService", ("false",)),
    "ViaAWSService-via": (VIA_S3, "ViaAWSService", ("true",)),
    "CalledVia-direct": (USER, "CalledVia", None),
    "CalledVia-via": (VIA_S3, "CalledVia", ("s3.amazonaws.com",)),
    "CalledViaFirst-via": (VIA_S3, "CalledViaFirst", ("s3.amazonaws.com",)),
    "CalledViaLast-via": (VIA_S3, "CalledViaLast", ("s3.amazonaws.com",)),
    "SourceIp-direct": (USER, "SourceIp", ("203.0.113.7",)),
    "SourceIp-via": (VIA_S3, "SourceIp", None),
    # tags of a session
    "PrincipalTag-session": (ROLE, "PrincipalTag/project", ("Alpha",)),
    "PrincipalTag-none": (ROLE, "PrincipalTag/Projec", None),
    "PrincipalTag-root": (ROOT, "PrincipalTag/Project", None),
}


@pytest.mark.parametrize("case", PRINCIPALS.values(), ids=PRINCIPALS.keys())
def test_global_condition_key_of_a_principal_has_the_value_of_the_guide(
    road: Road, case: tuple[AuthenticatedPrincipal, str, tuple[str, ...] | None]
) -> None:
    principal, name, expected = case
    asked = question(road, "kms:Encrypt", ENCRYPT, SYMMETRIC, principal=principal)
    assert values(road, asked, f"aws:{name}") == expected


def test_principal_arn_of_a_session_is_the_role_with_its_path(road: Road) -> None:
    role = Role(
        account_id=ACCOUNT,
        name="Clerk",
        unique_id="AROACLERK",
        path="/office/",
        created_at=CREATED_AT,
        trust_policy="{}",
        tags={"Team": "Billing", "PROJECT": "of the role"},
    )
    road.wait(road.store.insert_entity(role))
    asked = question(road, "kms:Encrypt", ENCRYPT, SYMMETRIC, principal=ROLE)
    with pytest.raises(NotPrepared):
        asked.values_of("aws:principalarn")
    with pytest.raises(NotPrepared):
        asked.values_of("aws:principaltag/team")
    assert values(road, asked, "aws:PrincipalArn") == (f"arn:aws:iam::{ACCOUNT}:role/office/Clerk",)
    assert values(road, asked, "aws:PrincipalTag/team") == ("Billing",)
    assert values(road, asked, "aws:PrincipalTag/project") == ("Alpha",), "a session's tag wins"


def test_principal_tag_of_a_user_is_the_one_it_has_now(road: Road) -> None:
    user = User(
        account_id=ACCOUNT,
        name="Tagged",
        unique_id="AIDATAGGED",
        created_at=CREATED_AT,
        tags={"Dept": "Sales"},
    )
    road.wait(road.store.insert_entity(user))
    tagged = replace(USER, unique_id=user.unique_id)
    asked = question(road, "kms:Encrypt", ENCRYPT, SYMMETRIC, principal=tagged)
    assert values(road, asked, "aws:PrincipalTag/DEPT") == ("Sales",)


# ---------------------------------------------------------------- network and headers


@pytest.mark.parametrize(
    ("name", "http", "expected"),
    [
        ("SourceIp", sent(source_ip="2001:db8::1"), ("2001:db8::1",)),
        ("SourceIp", sent(source_ip=""), None),
        (
            "SourceIp",
            sent({b"x-forwarded-for": b"10.0.0.1", b"forwarded": b"for=10.0.0.1"}),
            ("203.0.113.7",),
        ),
        ("SecureTransport", sent(), ("true",)),
        ("SecureTransport", sent({b"x-forwarded-proto": b"https"}, secure=False), ("false",)),
        ("UserAgent", sent({b"user-agent": b"aws-cli/2"}), ("aws-cli/2",)),
        ("UserAgent", sent({b"user-agent": b"\xff"}), ("ÿ",)),
        ("UserAgent", sent(), None),
        ("referer", sent({b"referer": b"https://intern.example/"}), ("https://intern.example/",)),
        ("Referer", sent(), None),
    ],
    ids=[
        "ipv6",
        "no-peer",
        "forwarded-for-is-not-trusted",
        "tls",
        "forwarded-proto-is-not-trusted",
        "agent",
        "agent-in-latin-1",
        "no-agent",
        "referer",
        "no-referer",
    ],
)
def test_global_condition_key_of_the_network_is_what_the_server_saw(
    road: Road, name: str, http: HttpRequest, expected: tuple[str, ...] | None
) -> None:
    asked = question(road, "kms:Encrypt", ENCRYPT, SYMMETRIC, http=http)
    assert values(road, asked, f"aws:{name}") == expected


# ---------------------------------------------------------------- time, Region, account


def test_time_of_a_question_is_one_instant_of_the_service_s_clock(own_road: Road) -> None:
    own_road.clock.advance(40 * 86400)
    asked = question(own_road, "kms:Encrypt", ENCRYPT, SYMMETRIC)
    first = values(own_road, asked, "aws:CurrentTime")
    assert first is not None
    instant = datetime.strptime(first[0], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((instant - own_road.clock.now()).total_seconds()) < 60
    own_road.clock.advance(3600)
    assert values(own_road, asked, "aws:EpochTime") == (str(int(instant.timestamp())),)


def test_requested_region_of_a_replica_s_creation_is_the_replica_s(road: Road) -> None:
    """kms:CreateKey "in the replica Region" (ReplicateKey, Required permissions)."""
    request = s.ReplicateKeyRequest(key_id=REPLICA.arn, replica_region=OTHER_REGION)
    replicating = question(road, "kms:ReplicateKey", request, REPLICA)
    assert values(road, replicating, "aws:RequestedRegion") == (REGION,)
    for action in ("kms:CreateKey", "kms:TagResource"):
        making = question(road, action, request, REPLICA, about_key=False)
        assert values(road, making, "aws:RequestedRegion") == (OTHER_REGION,)
    creating = question(road, "kms:CreateKey", s.CreateKeyRequest())
    assert values(road, creating, "aws:RequestedRegion") == (REGION,)


def test_resource_account_is_the_key_s_or_the_caller_s(road: Road) -> None:
    foreign = new_key(account_id=OTHER_ACCOUNT)
    assert values(road, question(road, "kms:Encrypt", ENCRYPT, foreign), "aws:ResourceAccount") == (
        OTHER_ACCOUNT,
    )
    assert values(road, question(road, "kms:ListKeys"), "aws:ResourceAccount") == (ACCOUNT,)


# ---------------------------------------------------------------- tags


def tags(*pairs: tuple[str, str]) -> list[s.Tag]:
    return [s.Tag(tag_key=key, tag_value=value) for key, value in pairs]


def test_tags_of_a_new_key_are_those_of_the_request_and_of_the_resource(road: Road) -> None:
    request = s.CreateKeyRequest(tags=tags(("Dept", "IT"), ("Stage", "")))
    for action in ("kms:CreateKey", "kms:TagResource"):
        asked = question(road, action, request)
        assert values(road, asked, "aws:RequestTag/dept") == ("IT",)
        assert values(road, asked, "aws:ResourceTag/DEPT") == ("IT",)
        assert values(road, asked, "aws:RequestTag/Stage") == ("",)
        assert values(road, asked, "aws:RequestTag/Other") is None
        assert values(road, asked, "aws:TagKeys") == ("Dept", "Stage")


def test_tags_of_an_existing_key_are_not_those_of_the_request(road: Road) -> None:
    asked = question(
        road, "kms:TagResource", s.TagResourceRequest(key_id="k", tags=tags(("team", "new"))), SYMMETRIC
    )
    assert values(road, asked, "aws:RequestTag/TEAM") == ("new",)
    assert values(road, asked, "aws:ResourceTag/Team") == ("billing",)


def test_tags_of_a_request_without_any_are_absent(road: Road) -> None:
    for asked in (
        question(road, "kms:CreateKey", s.CreateKeyRequest()),
        question(road, "kms:ReplicateKey", s.ReplicateKeyRequest(key_id="k", replica_region="us-east-1")),
        question(road, "kms:Encrypt", ENCRYPT),
    ):
        assert values(road, asked, "aws:TagKeys") is None
        assert values(road, asked, "aws:RequestTag/Dept") is None
        assert values(road, asked, "aws:ResourceTag/Dept") is None


def test_tag_keys_of_untagging_are_the_keys_that_it_names(road: Road) -> None:
    request = s.UntagResourceRequest(key_id="k", tag_keys=["Stage", "team"])
    asked = question(road, "kms:UntagResource", request, SYMMETRIC)
    assert values(road, asked, "aws:TagKeys") == ("Stage", "team")
    assert values(road, asked, "aws:RequestTag/Stage") is None


def test_tags_that_differ_only_in_case_are_ambiguous(road: Road) -> None:
    """KMS tags have case, condition keys have none: neither value may stand for the other."""
    key = new_key(tags={"Stage": "Test", "stage": "Production"})
    tagged = question(road, "kms:Encrypt", ENCRYPT, key)
    with pytest.raises(AmbiguousCondition):
        values(road, tagged, "aws:ResourceTag/STAGE")
    request = s.CreateKeyRequest(tags=tags(("Stage", "Test"), ("Stage", "Production")))
    with pytest.raises(AmbiguousCondition):
        values(road, question(road, "kms:CreateKey", request), "aws:RequestTag/Stage")


# ---------------------------------------------------------------- what no request has


@pytest.mark.parametrize("name", sorted(ABSENT_GLOBAL_KEYS))
def test_absent_global_condition_key_has_no_value_and_stands_on_the_page(road: Road, name: str) -> None:
    for principal in (ROOT, ROLE, VIA_S3, SERVICE):
        asked = question(road, "kms:Encrypt", ENCRYPT, SYMMETRIC, principal=principal)
        assert values(road, asked, name) is None
    assert f"`{name}`" in (ROOT_DIRECTORY / "docs" / "divergences.md").read_text()


@pytest.mark.parametrize("name", ["aws:", "aws:requesttag/", "kms:encryptioncontext:", "s3:prefix", ""])
def test_unknown_condition_key_has_no_value(road: Road, name: str) -> None:
    assert question(road, "kms:Encrypt", ENCRYPT, SYMMETRIC).values_of(name) is None
