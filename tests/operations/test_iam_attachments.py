"""Managed policies attached to users, groups and roles; permissions boundaries; who uses a policy."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.iam_scene import ADMINISTRATOR, POWER_USER, Iam, allowing, trusting_service
from tests.support.query_client import from_document, to_form
from tests.support.road import ACCOUNT, Road

HOLDERS = ("User", "Group", "Role")
BOUNDED = ("User", "Role")
OPERATIONS = {
    "User": ("AttachUserPolicy", "DetachUserPolicy", "ListAttachedUserPolicies"),
    "Group": ("AttachGroupPolicy", "DetachGroupPolicy", "ListAttachedGroupPolicies"),
    "Role": ("AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies"),
}
NAMED_BY = {"User": "UserName", "Group": "GroupName", "Role": "RoleName"}
GONE = f"arn:aws:iam::{ACCOUNT}:policy/gone"


@pytest.fixture
def iam(own_road: Road) -> Iam:
    iam = Iam(own_road)
    iam.new_user("app")
    iam.new_group("app")
    iam.new_role("app")
    return iam


def named(holder: str, **members: Any) -> dict[str, Any]:
    return {NAMED_BY[holder]: "app"} | members


def attached(iam: Iam, holder: str, **members: Any) -> list[str]:
    listed = iam.call(OPERATIONS[holder][2], **named(holder, **members))["AttachedPolicies"]
    return [one["PolicyArn"] for one in listed]


@pytest.mark.parametrize("holder", HOLDERS)
def test_policy_is_attached_listed_and_detached(iam: Iam, holder: str) -> None:
    attach, detach, list_attached = OPERATIONS[holder]
    own = iam.new_policy("own", Path="/x/")
    assert attached(iam, holder) == []
    iam.call(attach, **named(holder, PolicyArn=own))
    assert iam.road.last_record["requestParameters"] == {f"{holder.lower()}Name": "app", "policyArn": own}
    for _ in range(2):  # what is attached stays attached
        iam.call(attach, **named(holder, PolicyArn=ADMINISTRATOR))
    assert attached(iam, holder) == [own, ADMINISTRATOR]
    assert attached(iam, holder, PathPrefix="/x/") == [own]
    first = iam.call(list_attached, **named(holder, MaxItems=1))
    assert first["AttachedPolicies"] == [{"PolicyName": "own", "PolicyArn": own}]
    assert attached(iam, holder, Marker=first["Marker"]) == [ADMINISTRATOR]
    iam.call(detach, **named(holder, PolicyArn=own))
    assert attached(iam, holder) == [ADMINISTRATOR]
    assert iam.refused(detach, **named(holder, PolicyArn=own)) == (
        "NoSuchEntity",
        f"Policy {own} was not found.",
        404,
    )


@pytest.mark.parametrize("holder", HOLDERS)
def test_policy_that_is_not_there_cannot_be_attached(iam: Iam, holder: str) -> None:
    theirs = Iam(iam.road, "111122223333").new_policy("theirs")
    for arn in (GONE, theirs, "arn:aws:iam::aws:policy/AmazonS3FullAccess"):
        assert iam.refused(f"Attach{holder}Policy", **named(holder, PolicyArn=arn)) == (
            "NoSuchEntity",
            f"Policy {arn} does not exist or is not attachable.",
            404,
        )
    assert attached(iam, holder) == []


@pytest.mark.parametrize("holder", HOLDERS)
def test_eleventh_policy_is_refused(iam: Iam, holder: str) -> None:
    arns = [iam.new_policy() for _ in range(11)]
    for arn in arns[:10]:
        iam.call(f"Attach{holder}Policy", **named(holder, PolicyArn=arn))
    assert iam.refused(f"Attach{holder}Policy", **named(holder, PolicyArn=arns[10])) == (
        "LimitExceeded",
        f"Cannot exceed quota for PoliciesPer{holder}: 10",
        409,
    )
    iam.call(f"Attach{holder}Policy", **named(holder, PolicyArn=arns[0]))


def test_attached_policy_decides_at_once_for_users_and_their_groups(iam: Iam) -> None:
    group = iam.new_group("staff")
    key = iam.new_user("bob", groups=(group.unique_id,))
    iam.call("AttachGroupPolicy", GroupName="staff", PolicyArn=POWER_USER)
    iam.road.call("ListKeys", account=key)
    iam.call("DetachGroupPolicy", GroupName="staff", PolicyArn=POWER_USER)
    with pytest.raises(Exception, match="AccessDenied"):
        iam.road.call("ListKeys", account=key)
    iam.call("AttachUserPolicy", UserName="bob", PolicyArn=POWER_USER)
    iam.road.call("ListKeys", account=key)


# ---------------------------------------------------------------- boundaries


@pytest.mark.parametrize("holder", BOUNDED)
def test_boundary_is_put_replaced_and_taken_away(iam: Iam, holder: str) -> None:
    boundary = iam.new_policy()
    for arn in (boundary, POWER_USER):
        iam.call(f"Put{holder}PermissionsBoundary", **named(holder, PermissionsBoundary=arn))
        shown = iam.call("ListEntitiesForPolicy", PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
        assert len(shown[f"Policy{holder}s"]) == 1
    assert iam.call("GetPolicy", PolicyArn=boundary)["Policy"]["PermissionsBoundaryUsageCount"] == 0
    iam.call(f"Delete{holder}PermissionsBoundary", **named(holder))
    code, message, status = iam.refused(f"Delete{holder}PermissionsBoundary", **named(holder))
    assert (code, status) == ("NoSuchEntity", 404)
    assert "app" in (message or "")


@pytest.mark.parametrize("holder", BOUNDED)
def test_boundary_that_is_no_policy_is_refused(iam: Iam, holder: str) -> None:
    put = f"Put{holder}PermissionsBoundary"
    assert iam.refused(put, **named(holder, PermissionsBoundary=GONE)) == (
        "NoSuchEntity",
        f"Scope ARN: {GONE} does not exist or is not attachable.",
        404,
    )
    invalid = f"arn:aws:iam::{ACCOUNT}:not_a_policy/invalid"
    assert iam.refused(put, **named(holder, PermissionsBoundary=invalid)) == (
        "InvalidInput",
        f"ARN {invalid} is not valid.",
        400,
    )


def test_new_role_needs_a_boundary_that_exists(iam: Iam) -> None:
    made = {"RoleName": "b", "AssumeRolePolicyDocument": trusting_service()}
    code, message, _ = iam.refused("CreateRole", PermissionsBoundary=GONE, **made)
    assert (code, message) == (
        "NoSuchEntity",
        f"Scope ARN: {GONE} does not exist or is not attachable.",
    )


def test_boundary_limits_at_once(iam: Iam) -> None:
    key = iam.new_user("bob", attached_policies=(ADMINISTRATOR,))
    iam.road.call("ListKeys", account=key)
    boundary = iam.new_policy(PolicyDocument=allowing("kms:ListAliases"))
    iam.call("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=boundary)
    iam.road.call("ListAliases", account=key)
    with pytest.raises(Exception, match="AccessDenied"):
        iam.road.call("ListKeys", account=key)
    iam.call("DeleteUserPermissionsBoundary", UserName="bob")
    iam.road.call("ListKeys", account=key)


# ---------------------------------------------------------------- who uses a policy


def entities(answer: Any) -> list[str]:
    return [
        f"{kind}:{one[f'{kind}Name']}"
        for kind in ("Group", "Role", "User")
        for one in answer[f"Policy{kind}s"]
    ]


def test_entities_of_a_policy_are_listed_by_kind_use_and_path(iam: Iam) -> None:
    arn = iam.new_policy()
    for holder in HOLDERS:
        iam.call(f"Attach{holder}Policy", **named(holder, PolicyArn=arn))
    iam.new_role("deep", Path="/x/", PermissionsBoundary=arn)
    iam.call("PutRolePermissionsBoundary", RoleName="app", PermissionsBoundary=arn)

    def listed(**members: Any) -> list[str]:
        return entities(iam.call("ListEntitiesForPolicy", PolicyArn=arn, **members))

    assert listed() == ["Group:app", "Role:app", "Role:deep", "User:app"]
    assert listed(EntityFilter="User") == ["User:app"]
    assert listed(EntityFilter="Role") == ["Role:app", "Role:deep"]
    assert listed(EntityFilter="LocalManagedPolicy") == []
    assert listed(PolicyUsageFilter="PermissionsPolicy") == ["Group:app", "Role:app", "User:app"]
    assert listed(PolicyUsageFilter="PermissionsBoundary") == ["Role:app", "Role:deep"]
    assert listed(PathPrefix="/x/") == ["Role:deep"]
    found: list[str] = []
    page = iam.call("ListEntitiesForPolicy", PolicyArn=arn, MaxItems=3)
    found += entities(page)
    found += listed(Marker=page["Marker"])
    assert found == ["Group:app", "Role:app", "Role:deep", "User:app"]
    shown = iam.call("GetPolicy", PolicyArn=arn)["Policy"]
    assert (shown["AttachmentCount"], shown["PermissionsBoundaryUsageCount"]) == (3, 2)


def test_entities_of_a_policy_that_is_not_there_are_refused(iam: Iam) -> None:
    assert iam.refused("ListEntitiesForPolicy", PolicyArn=GONE) == (
        "NoSuchEntity",
        f"Policy {GONE} does not exist or is not attachable.",
        404,
    )


def test_user_and_group_that_are_not_there_are_refused(iam: Iam) -> None:
    text = {"PolicyName": "p", "PolicyDocument": allowing()}
    more: dict[str, dict[str, Any]] = {
        "Put{}Policy": text,
        "Get{}Policy": {"PolicyName": "p"},
        "Delete{}Policy": {"PolicyName": "p"},
        "Attach{}Policy": {"PolicyArn": ADMINISTRATOR},
        "Detach{}Policy": {"PolicyArn": ADMINISTRATOR},
        "List{}Policies": {},
        "ListAttached{}Policies": {},
    }
    for holder in ("User", "Group"):
        for name, members in more.items():
            assert iam.refused(name.format(holder), **{f"{holder}Name": "gone"}, **members) == (
                "NoSuchEntity",
                f"The {holder.lower()} with name gone cannot be found.",
                404,
            )
    put = {"PermissionsBoundary": ADMINISTRATOR}
    assert iam.refused("PutUserPermissionsBoundary", UserName="gone", **put)[0] == "NoSuchEntity"
    assert iam.refused("DeleteUserPermissionsBoundary", UserName="gone")[0] == "NoSuchEntity"


def test_policies_in_china_have_arns_of_its_partition(iam: Iam) -> None:
    region = {"region": "cn-north-1"}

    def call(name: str, **members: Any) -> Any:
        answer = iam.road.send_query("iam", name, to_form("iam", name, members), **region)
        assert answer.status == 200, answer.body
        return from_document("iam", name, answer.body, 200)

    iam.call("AttachRolePolicy", RoleName="app", PolicyArn=ADMINISTRATOR)
    shown = call("ListAttachedRolePolicies", RoleName="app")["AttachedPolicies"]
    arn = ADMINISTRATOR.replace("arn:aws:", "arn:aws-cn:")
    assert [one["PolicyArn"] for one in shown] == [arn]
    call("DetachRolePolicy", RoleName="app", PolicyArn=arn)
    assert attached(iam, "Role") == []
