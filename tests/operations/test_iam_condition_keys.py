"""What policies can limit with IAM's condition keys. All of them: test_iam_reference_conditions.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.iam_scene import ADMINISTRATOR, Iam, allowing, trusting_service
from tests.support.road import Refusal, Road


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
